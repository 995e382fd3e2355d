"""What `make bench-peers` is made of, with a tiny gateway as the peer, and FastMCP's proxy where it is."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

from bench.load import FIRST, answers
from bench.peers.agentgateway import configuration
from bench.peers.figures import LEAST, rows, table
from bench.peers.gateway import LEGACY, MODERN, Door, Gateway, Taken, launch, loopback
from bench.peers.ours import KEY_AUTH, KONG_WAY, SHORT_WAY
from bench.peers.picture import bars
from bench.peers.python_peers import PYTHON_PEERS, python
from bench.peers.rounds import Entry, measured, started

HERE = Path(__file__).parent
TINY = """
import json, sys, uvloop
sys.path[:0] = [{here!r}]
from instant_mcp import InstantMCP, serve

class Tiny(InstantMCP):
    def answer(self, head, body):
        if {keyed} and b"apikey: k" not in head:
            return b"HTTP/1.1 401 Unauthorized\\r\\nContent-Length: 0\\r\\n\\r\\n"
        if {ruled} and json.loads(body or b"{{}}").get("params", {{}}).get("name") == "bad":
            return b"HTTP/1.1 403 Forbidden\\r\\nContent-Length: 0\\r\\n\\r\\n"
        return super().answer(head, body){change}

uvloop.run(serve(Tiny, int(sys.argv[1])))
"""


def tiny(*, keyed=True, ruled=True, change="", version="1"):
    """Return a gateway of ten lines, which does what it is told to, whatever is said of it."""

    def start(stack, folder, _url):
        port, program = loopback(), folder / "tiny.py"
        program.write_text(TINY.format(here=str(HERE), keyed=keyed, ruled=ruled, change=change))
        return Door(
            port, "/mcp", "apikey: k", (launch(stack, [sys.executable, program, port], folder / "log", {}, port),)
        )

    return Gateway("tiny", "python", lambda: version, start, (MODERN, LEGACY), "a key, a rule")


def test_a_gateway_is_measured_in_both_eras_and_every_answer_is_held_to_its_question():
    said = []
    with started([tiny()], said.append) as entries:
        found = measured(entries, [1, 3], 0.2, 1, said.append)
    assert said == []
    assert set(found) == {(f"tiny, {era}", count) for era in (MODERN, LEGACY) for count in (1, 3)}
    assert all(one.rate > 0 and one.core > 0 and one.median > 0 for rounds in found.values() for one in rounds)
    assert all(row["value"] > 0 for row in rows(entries, found))


@pytest.mark.parametrize(
    ("gateway", "why"),
    [
        (tiny(version=None), "is not installed"),
        (tiny(keyed=False), "whether a key is needed"),
        (tiny(ruled=False), "whether a tool can be forbidden"),
        (replace(tiny(), keyed=False), "whether a key is needed"),
        (tiny(change='.replace(b"ok", b"no")'), "an allowed call does not pass"),
        (replace(tiny(), start=lambda *_: Door(loopback(), "/mcp", "apikey: k", ())), "an allowed call does not pass"),
    ],
)
def test_who_is_not_there_or_not_as_described_is_left_out_and_told(gateway, why):
    said = []
    with started([gateway], said.append) as entries:
        assert entries == []
    assert len(said) == 1
    assert why in said[0]


def test_ours_is_never_left_out():
    with (
        pytest.raises(RuntimeError, match="whether a key is needed"),
        started([replace(tiny(keyed=False), family="ours")]),
    ):
        pass


def test_who_answers_something_else_under_load_has_no_figures():
    said = []
    # Of the ids under load every one but the first few of a connection ends in more than 9.
    wrong = f'.replace(b"{FIRST + 1_000_020}", b"7777777777")'
    with started([tiny(change=wrong)], said.append) as entries:
        found = measured(entries, [1, 2], 0.2, 1, said.append)
    assert set(found) == {("tiny, 2026-07-28", 1), ("tiny, 2025-11-25", 1)}
    assert len(said) == 2
    assert "200, but not the answer" in said[0]


CHUNKED = b"Transfer-Encoding: chunked\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n%b\r\n"
GOOD = b'{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"ok"}]}}'


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        (HEAD % (b"application/json", b"Content-Length: 75\r\n") + GOOD, True),
        (HEAD % (b"text/event-stream", b"") + b"event: message\ndata: " + GOOD + b"\n\n", True),
        (HEAD % (b"text/event-stream", b"") + b"data: \n\nid: 1\ndata: " + GOOD + b"\n\n", True),
        (
            HEAD % (b"application/json", b"Transfer-Encoding: chunked\r\n")
            + b"a\r\n"
            + GOOD[:10]
            + b"\r\n41\r\n"
            + GOOD[10:],
            True,
        ),
        (HEAD % (b"application/json", b"") + GOOD.replace(b'"id":7', b'"id":8'), False),
        (HEAD % (b"application/json", b"") + GOOD.replace(b"ok", b"no"), False),
        (HEAD % (b"application/json", b"") + b'{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"ok"}}', False),
        (HEAD % (b"application/json", b"") + b"ok", False),
        (HEAD % (b"text/event-stream", b"") + b": nothing\n\n", False),
    ],
)
def test_only_the_result_for_the_question_is_an_answer(answer, right):
    if b"chunked" in answer:
        answer += b"\r\n0\r\n\r\n"
    assert answers(answer, 7, "ok") is right


def made_up(**cores):
    """Return entries and rounds of gateways with these calls a second and core."""
    kinds = {
        KEY_AUTH: "kong",
        KONG_WAY: "ours",
        SHORT_WAY: "ours",
        "agentgateway": "rust",
        "slow": "python",
        "other": "python",
    }
    entries = [
        Entry(SimpleNamespace(name=name, family=kinds[name], alike=name != "other"), None, MODERN, "1")
        for name in kinds
        if name in cores
    ]
    rounds = {
        (entry.label, count): [Taken(1, cores[entry.gateway.name] * noise, 1) for noise in (1, 2, 4)]
        for entry in entries
        for count in (1, 16)
    }
    return entries, rounds


def test_bars_are_about_ratios_within_a_round_and_say_whether_they_hold():
    entries, found = made_up(
        **{KEY_AUTH: 4000, KONG_WAY: 1200, SHORT_WAY: 1300, "agentgateway": 1000, "slow": 300, "other": 9000}
    )
    barred = {row["name"]: row for row in rows(entries, found) if row["bar"]}
    assert len(barred) == sum(len(ways) for ways in LEAST.values())
    held = {name: row["holds"] for name, row in barred.items()}
    tail = "16 connections: calls a second and core"
    assert held == {
        f"{KONG_WAY} / agentgateway, {MODERN}, {tail}": True,
        f"{SHORT_WAY} / agentgateway, {MODERN}, {tail}": False,
        f"{KONG_WAY} / slow, {MODERN}, {tail}": False,
        f"{SHORT_WAY} / slow, {MODERN}, {tail}": False,
    }
    assert barred[f"{KONG_WAY} / slow, {MODERN}, {tail}"]["value"] == 4.0


def test_the_table_has_a_line_for_each_and_says_nothing_of_what_was_not_measured():
    entries, found = made_up(**{KONG_WAY: 1200, "slow": 300})
    del found[f"slow, {MODERN}", 1]
    lines = table(entries, found).splitlines()
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {lines[0].count("|")}
    assert "| — | **600** (1; 1.0 ms) |" in lines[3]
    assert "4.00" in lines[3]


def test_the_picture_is_svg_whatever_a_name_holds():
    drawn = ET.fromstring(bars("a & b", "c", [("<one>", "ours", 1234.0), ("two", "python", 7.0)]))
    assert "<one>" in "".join(drawn.itertext())
    assert "1,234" in "".join(drawn.itertext())


def test_no_peers_security_is_off_where_it_has_any():
    route = configuration(1, "http://x", admin=2, stats=3, ready=4)["binds"][0]["listeners"][0]["routes"][0]
    assert route["policies"]["apiKey"]["mode"] == "strict"
    assert route["policies"]["mcpAuthorization"]["rules"] == ['mcp.tool.name == "good"']
    assert {peer.name for peer in PYTHON_PEERS if not peer.keyed or not peer.ruled} == {"mcp-proxy", "mcp-proxy-stdio"}


@pytest.mark.slow
@pytest.mark.skipif(python("fastmcp") is None, reason="make fastmcp4")
def test_fastmcps_proxy_is_measured():
    said = []
    with started([peer for peer in PYTHON_PEERS if peer.name == "fastmcp"], said.append) as entries:
        found = measured(entries, [2], 0.5, 1, said.append)
    assert said == []
    assert len(found) == 2


def test_the_command_tells_what_it_does():
    done = subprocess.run(
        [sys.executable, HERE / "peers" / "run.py", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "--quick" in done.stdout
    assert "agentgateway" in done.stdout


def test_rows_are_json():
    entries, found = made_up(**{KONG_WAY: 1200, "agentgateway": 1000})
    assert json.loads(json.dumps(rows(entries, found)))[0].keys() == {"name", "value", "unit", "bar", "holds"}
