"""What a server sends in place of a list meets a limit, and nobody who asks another server notices."""

import contextlib
import gzip
import json
import threading

import httpx
import pytest

from e2e.evasion_requests import META
from e2e.harness import CONSUMERS, JSON_HEADERS, POLICY
from kong_mcp.dev import DevSettings, run_dev
from kong_mcp.servers import parse_server
from servers.hostile_server import HostileServer, head
from servers.launch import Replica

SECONDS = 5
"""How long a sidecar waits for answers that come in drips, and for an honest one beside them: they keep nobody busy."""
MIB = 1024 * 1024
STREAM = "text/event-stream"
MODERN = JSON_HEADERS | {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"}


def answer(id_, names):
    schema = {"type": "object", "properties": {"text": {"type": "string", "description": "What to say. " * 5}}}
    tools = [{"name": name, "description": "Says something. " * 5, "inputSchema": schema} for name in names]
    return json.dumps({"jsonrpc": "2.0", "id": id_, "result": {"tools": tools, "ttlMs": 1, "cacheScope": "public"}})


def whole(message, write):
    body = answer(message["id"], ["good", "bad"]).encode()
    write(head(length=len(body)) + body)


def large(message, write):
    names = [name for number in range(2500) for name in (f"read_{number}", f"hidden_{number}")]
    body = answer(message["id"], names).encode()
    write(head(length=len(body)) + body)


def endless(first, piece, kind="application/json"):
    def play(_message, write):
        write(head(kind) + first)
        while True:
            write(piece)

    return play


def dripping(first, piece, kind="application/json"):
    def play(_message, write):
        write(head(kind) + first)
        pause = threading.Event()
        while not pause.wait(0.05):
            write(piece)

    return play


def bomb(label):
    def play(message, write):
        body = gzip.compress(answer(message["id"], ["good"]).encode() + b" " * (64 * MIB), 9)
        write(head("application/json", *label, length=len(body)) + body)

    return play


OPEN_LIST = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"bad","description":"'
ITEM = b"bad bad " * 8192
HOSTILE = {
    "a body without end": endless(OPEN_LIST, ITEM),
    "a body of blanks without end": endless(b"", b" " * 65536),
    "an event without end": endless(b"data: " + OPEN_LIST, ITEM, STREAM),
    "lines of one event without end": endless(b"", b"data: bad\n" * 4096, STREAM),
    "a field without end": endless(b"id: ", ITEM, STREAM),
    "a bomb with its label": bomb(["Content-Encoding: gzip"]),
    "a bomb without its label": bomb([]),
    "a nest": endless(b'{"a":', b"[" * 65536),
}
SLOW = {
    "a body in drips": dripping(OPEN_LIST, b"bad "),
    "blanks in drips": dripping(b"", b" "),
    "an event in drips": dripping(b"data: " + OPEN_LIST, b"bad ", STREAM),
    "comments in drips": dripping(b"", b": bad\n\n", STREAM),
}


@pytest.fixture(scope="module")
def gateway(kind):
    """A gateway that is patient: what keeps its machine busy may make an honest answer late."""
    with serving(kind, {}) as serves:
        yield serves


@pytest.fixture(scope="module")
def hasty(kind):
    with serving(kind, {"MCP_SIDECAR_ANSWER_TIMEOUT": str(SECONDS)}) as serves:
        yield serves


@contextlib.contextmanager
def serving(kind, settings):
    """A gateway between one hostile server, whose part a test gives it, and one honest server."""
    part = {"play": whole}

    def play(message, write):
        part["play"](message, write)

    server = HostileServer(play)
    honest = Replica("honest-1")
    with contextlib.ExitStack() as stack:
        stack.callback(server.close)
        stack.callback(honest.kill)
        servers = [parse_server(f"hostile={server.url}"), parse_server(f"honest={honest.url}")]
        # While it starts and no longer: the next one has settings of its own.
        with pytest.MonkeyPatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            dev = stack.enter_context(run_dev(DevSettings(servers, kind, port=0, policy=POLICY, consumers=CONSUMERS)))
        yield dev, server, part


def ask(dev, name, **more):
    """Ask for a list; returns the status and the whole body, however long it takes to come."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}
    headers = MODERN | {"apikey": CONSUMERS[1].key}
    answer = httpx.post(dev.url(name), json=message, headers=headers, timeout=60, trust_env=False, **more)
    return answer.status_code, answer.text


@pytest.mark.requirement("SIDE-021")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_meets_a_limit_while_others_are_served(gateway, name):
    met(*gateway, HOSTILE[name], let_go="bomb" not in name)


@pytest.mark.requirement("SIDE-021")
@pytest.mark.parametrize("name", SLOW)
def test_an_answer_in_drips_meets_its_time_while_others_are_served(hasty, name):
    met(*hasty, SLOW[name])


def met(dev, server, part, play, *, let_go=True):
    """Ask the hostile server once, and the honest one for as long as that takes."""
    part["play"] = play
    server.gone.clear()
    found = []
    asking = threading.Thread(target=lambda: found.append(ask(dev, "hostile")))
    asking.start()
    served = 0
    while asking.is_alive() or not served:
        status, text = ask(dev, "honest")
        assert (status, '"good"' in text) == (200, True)
        served += 1
    asking.join()
    ((status, text),) = found
    assert "bad" not in text
    assert json.loads(text.rpartition("data: ")[2])["error"]["code"] == -32603
    # One that was withheld is an error in an answer; one that came too late, or broke off, never was an answer.
    assert status in ((200,) if "data: " in text or "withheld" in text else (502, 504))
    if let_go:
        assert server.gone.wait(30), "the server was never let go"


def answering_for_others(unframed):
    """Answer behind what has nginx pass on bytes without a frame around them, and go on for whoever asks next."""

    def play(message, write):
        body = answer(message["id"], ["good"]).encode()
        kept = head(length=len(body)).replace(b"close", b"keep-alive")
        write(unframed + kept + body)
        pause = threading.Event()
        for _ in range(3):
            pause.wait(1)
            write(kept + body.replace(b"Says something.", b"Is not theirs! "))

    return play


@pytest.mark.requirement("SIDE-021")
@pytest.mark.parametrize("unframed", [b"HTTP/1.1 103 Early Hints\r\n\r\n", b"\r\n"], ids=["a 1xx", "no HTTP"])
def test_no_server_answers_what_is_asked_of_another_one(gateway, unframed):
    dev, _, part = gateway
    part["play"] = answering_for_others(unframed)
    for _ in range(3):
        ask(dev, "hostile")
        for _ in range(12):
            status, text = ask(dev, "honest")
            assert (status, "not theirs" in text, '"good"' in text) == (200, False, True)


@pytest.mark.requirement("SIDE-021")
def test_a_list_of_five_thousand_tools_is_filtered_and_private(gateway):
    dev, _, part = gateway
    part["play"] = large
    status, text = ask(dev, "hostile")
    result = json.loads(text)["result"]
    assert (status, len(result["tools"]), result["cacheScope"]) == (200, 2500, "private")
    assert "hidden_" not in text


@pytest.mark.requirement("SIDE-021")
def test_an_honest_answer_of_the_same_server_passes(gateway):
    dev, _, part = gateway
    part["play"] = whole
    status, text = ask(dev, "hostile")
    assert (status, [tool["name"] for tool in json.loads(text)["result"]["tools"]]) == (200, ["good"])


@pytest.mark.requirement("SIDE-021")
def test_refusals_of_one_server_s_answers_do_not_make_the_sidecar_look_ill(gateway):
    dev, _, part = gateway
    part["play"] = lambda _message, write: write(head(length=1) + b"?")
    assert ["withheld" in ask(dev, "hostile")[1] for _ in range(12)] == [True] * 12
    assert [ask(dev, "honest")[0] for _ in range(6)] == [200] * 6
