"""A real Kong that asks mcp-guard in one frame: it answers as in its own way, and opens nothing without a verdict."""

import contextlib
import json
import shutil
import socket
import struct
import threading
from dataclasses import replace

import httpx
import pytest

from e2e.calls import Calls, kill_under_calls, verdict
from e2e.evasion_cases import CASES
from e2e.evasion_http_cases import chunked
from e2e.evasion_requests import GOOD_MODERN, META, modern
from e2e.harness import JSON_HEADERS, start
from e2e.harness import modern as modern_call
from e2e.test_beside_kong import AGENT, own_kong
from e2e.test_evasion import HONEST, answers, code_of, fill, initialize, send
from kong_mcp.dev import run_dev
from servers.launch import replicas
from servers.own_kong import PLUGINS

pytestmark = pytest.mark.skipif(not shutil.which("kong"), reason="there is no kong on the PATH")
VARIES = {
    *("host", "traceparent", "x-kong-request-id", "x-forwarded-port", "x-real-ip", "via", "connection", "mcp-affinity"),
    "x-credential-identifier",
}
"""Headers that differ from request to request or from Kong to Kong."""
SHORT = f"{PLUGINS}/lua/short/?.lua;{PLUGINS}/lua/?.lua;;"


@pytest.fixture(scope="module")
def both():
    """One gateway that asks in the short way and one that asks in Kong's own, in front of the same servers."""
    with (
        start("kong", {"notes": 1, "team": 2}, short=True) as short,
        run_dev(replace(short.dev.settings, short=False)) as dev,
    ):
        yield short, replace(short, dev=dev)


@pytest.fixture(scope="module")
def sessions(both):
    short, _ = both
    found = {
        b"@ADA@": initialize(short, "ada", "notes"),
        b"@TEAM@": initialize(short, "bob", "team"),
        b"@BOB@": initialize(short, "bob", "notes"),
    }
    found[b"@RAW@"] = short.servers["notes"][0].requests()[-1][1]["mcp-session-id"].encode()
    return found


def told(gateway, data, port):
    """Return what one gateway answers to some bytes, and what the servers executed and got to hear for it."""
    marks = {replica: len(replica.lines()) for several in gateway.servers.values() for replica in several}
    received = send(gateway.dev.port if port == "gateway" else gateway.dev.sidecar_port, data)
    lines = [line[1:] for replica, mark in marks.items() for line in replica.lines(mark)]
    heard = [
        [line[1], {key: value for key, value in line[2].items() if key not in VARIES}]
        for line in lines
        if line[0] == "http" and "user-agent" in line[2]
    ]
    return shown(received, data), [line for line in lines if line[0] in ("tool", "prompt", "resource")], heard


def shown(received, data):
    """Return status, code, names of headers, and what stands in the body but for ids of requests, of every answer."""
    heads = [
        sorted(line.partition(":")[0].lower() for line in part.partition("\r\n\r\n")[0].split("\r\n")[1:])
        for part in received.decode("latin-1").split("HTTP/1.1 ")[1:]
    ]
    bodies = [(status, code, code is not None and error_of(body)) for status, code, body in answers(received, data)]
    return bodies, [[name for name in head if not name.startswith("x-kong-")] for head in heads]


def error_of(body):
    """Return an error's own text."""
    lines = [line.removeprefix(b"data: ") for line in body.splitlines()]
    found = next(json.loads(line) for line in lines if code_of(line) is not None)
    return found["error"]["message"]


@pytest.mark.requirement("FAST-005")
@pytest.mark.parametrize(
    "case", [pytest.param(one, id=str(one), marks=pytest.mark.long if at % 12 else ()) for at, one in enumerate(CASES)]
)
def test_what_is_refused_in_one_way_is_refused_in_the_other_in_the_same_words(both, sessions, case):
    short, long = (told(gateway, fill(case.data, sessions), case.port) for gateway in both)
    assert short == long
    (answered, _), executed, reached = short
    assert answered
    for status, code, _ in answered:
        assert status in case.statuses
        assert code in case.codes
    assert not executed
    assert case.reaches or not reached


def large(name):
    params = {"name": name, "arguments": {"text": "x" * 3_000_000}, "_meta": META}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


MORE = {
    "a body in a file": modern(large("good")),
    "a chunked body in a file": modern(
        b"", "Transfer-Encoding: chunked", framed=False, method="tools/call", name="good"
    )
    + chunked(json.dumps(large("good")).encode()),
    "a denied call in a file": modern(large("bad")),
    "a header twice": modern(GOOD_MODERN, "X-Twice: 1", "X-Twice: 2"),
    "a method twice": modern(GOOD_MODERN, "Mcp-Method: tools/call"),
    "a header that is no text": modern(GOOD_MODERN, b"X-Odd: \xff"),
    "a query that is no text": modern(GOOD_MODERN, target=b"/notes/mcp?a=\xff".decode("latin-1")),
    "a cookie, and who it says calls": modern(GOOD_MODERN, "Cookie: a=b", "X-Consumer-Username: ada"),
    "too many headers": modern(GOOD_MODERN, *[f"X-{number}: 1" for number in range(120)]),
}


@pytest.mark.requirement("FAST-005")
@pytest.mark.parametrize("name", [*HONEST, *MORE])
def test_what_passes_in_one_way_passes_in_the_other_and_reaches_the_server_alike(both, sessions, name):
    data = fill((HONEST | MORE)[name], sessions)
    short, long = (told(gateway, data, "gateway") for gateway in both)
    assert short == long
    assert name in MORE or short[1] == [["tool", "good"]]


@pytest.mark.requirement("FAST-005")
def test_a_body_in_a_file_is_judged_whole(both, sessions):
    found = {name: told(both[0], fill(MORE[name], sessions), "gateway") for name in MORE if "in a file" in name}
    executed = {name: one[1] for name, one in found.items()}
    assert executed == {
        "a body in a file": [["tool", "good"]],
        "a chunked body in a file": [["tool", "good"]],
        "a denied call in a file": [],
    }


@pytest.fixture(scope="module")
def replica():
    with replicas("notes") as (one,):
        yield one


@pytest.fixture
def node(replica):
    """A node whose plugin server is ours to start, to stop, and to be."""
    with own_kong(replica, lua_package_path=SHORT) as node:
        node.start_plugin_server()
        node.start_kong()
        yield node


@pytest.fixture
def client():
    with httpx.Client(headers=JSON_HEADERS | AGENT, timeout=60, trust_env=False) as client:
        yield client


class Odd:
    """A plugin server of ours: it starts every instance, and answers every event with the same bytes."""

    def __init__(self, path, said):
        self.said, self.events, self.kept = said, 0, []
        path.unlink(missing_ok=True)
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(path))
        self.listening.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self.listening.accept()
            except OSError:
                return
            self.kept.append(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with peer, peer.makefile("rb") as stream:
            while head := stream.read(4):
                call = stream.read(struct.unpack("=I", head)[0])
                if not call.startswith(b"\0KW2"):  # all else is the start of an instance
                    status = b"\x0a\x09mcp-guard\x10\x05"
                    answer = b"\x08" + call[1 : call.index(b"\x8a\x02")] + b"\x8a\x02" + bytes([len(status)]) + status
                    peer.sendall(struct.pack("=I", len(answer)) + answer)
                    continue
                self.events += 1
                peer.sendall(self.said(struct.unpack_from("=I", call, 4)[0]))
                if self.said(0) == b"":
                    return

    def close(self):
        self.listening.close()
        for peer in self.kept:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)


def framed(text):
    return struct.pack("=I", len(text)) + text


OPENS = [["kong.service.set_upstream", "mcp-notes"]]
ODD = {
    "nothing": lambda _: b"",
    "garbage": lambda _: framed(b"\x00garbage"),
    "a verdict for another call": lambda number: framed(
        json.dumps({"format": 1, "sequence": number + 1, "do": OPENS}).encode()
    ),
    "a verdict of another format": lambda number: framed(
        json.dumps({"format": 2, "sequence": number, "do": OPENS}).encode()
    ),
    "a step that nobody knows": lambda number: framed(
        json.dumps({"format": 1, "sequence": number, "do": [*OPENS, ["kong.service.set_target", "h", 1]]}).encode()
    ),
}


@pytest.mark.requirement("FAST-004")
def test_what_is_no_verdict_opens_nothing_on_a_real_kong(node, client, replica):
    assert verdict(client, node.url, "good") == "passed"
    node.plugin_server.stop()
    before = replica.requests()
    for name, said in ODD.items():
        odd = Odd(node.socket, said)
        answer = client.post(node.url, **modern_call("good"))
        odd.close()
        assert (answer.status_code, answer.json()["error"]["code"], odd.events) == (500, -32603, 1), name
    assert replica.requests() == before
    odd = Odd(node.socket, lambda number: framed(json.dumps({"format": 1, "sequence": number, "do": OPENS}).encode()))
    client.post(node.url, **modern_call("good"))
    odd.close()
    assert (odd.events, len(replica.requests())) == (1, len(before) + 1), "so that the others were asked too"


@pytest.mark.requirement("FAST-004")
def test_while_the_plugin_server_is_dead_calls_are_refused_and_then_they_pass(node, replica):
    kill_under_calls(node, AGENT)
    assert ["tool", "bad"] not in replica.executed()


@pytest.mark.requirement("FAST-004")
def test_restarts_of_the_plugin_server_cost_nobody_the_policy(node, replica):
    with Calls(node.url, "good", AGENT) as good, Calls(node.url, "bad", AGENT) as bad:
        for _ in range(3):
            good.wait_for_more(20, "passed")
            node.plugin_server.stop()
            node.start_plugin_server()
        good.wait_for_more(20, "passed")
        bad.wait_for_more(20, "refused")
    assert set(good.verdicts) <= {"passed", "500"}
    assert set(bad.verdicts) <= {"refused", "500"}
    assert ["tool", "bad"] not in replica.executed()


@pytest.mark.requirement("FAST-004")
@pytest.mark.long
@pytest.mark.parametrize("half", [b"", b"\x10\x00", struct.pack("=I", 400) + b'{"format":1'])
def test_a_frozen_plugin_server_opens_nothing(node, client, replica, half):
    assert verdict(client, node.url, "good") == "passed"
    node.plugin_server.stop()
    before = replica.requests()
    odd = Odd(node.socket, lambda number: half if number else b"x")
    answer = client.post(node.url, **modern_call("good"))
    odd.close()
    assert (answer.status_code, odd.events, replica.requests()) == (500, 1, before)
