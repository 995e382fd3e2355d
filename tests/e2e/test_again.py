"""A real Kong uses a verdict again for the same call, in both ways, and the server gets what it was called with."""

import json
import shutil
import socket
import struct
import threading

import httpx
import pytest

from e2e.harness import JSON_HEADERS, modern
from e2e.test_beside_kong import AGENT, own_kong
from e2e.test_short_way import SHORT
from kong_mcp.share import lua_folder
from mcp_answers.test_bodies import is_left_alone
from servers.launch import replicas, wait_for

pytestmark = [
    pytest.mark.requirement("FAST-010"),
    pytest.mark.skipif(not shutil.which("kong"), reason="there is no kong on the PATH"),
]


DECISIONS = b"kong.ctx.shared.set", b"kong.response.exit"
"""What a guard says in Kong's own way when it has decided: it opens the upstream, or refuses."""


class Counted:
    """What stands between Kong and the plugin server, and counts what is decided.

    By the short way that is each call in one frame; in Kong's own way each event in which the guard says something.
    """

    def __init__(self, path, server):
        self.asked, self._server = 0, server
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(peer,), daemon=True).start()

    def _relay(self, peer):
        with peer, socket.socket(socket.AF_UNIX) as server:
            server.connect(str(self._server))
            back = threading.Thread(target=self._pass, args=(server, peer), daemon=True)
            back.start()
            self._pass(peer, server)
            back.join()

    def _pass(self, source, to):
        try:
            with source.makefile("rb") as stream:
                while head := stream.read(4):
                    frame = stream.read(struct.unpack("=I", head)[0])
                    self.asked += frame.startswith(b"\0KW2") or frame in DECISIONS
                    to.sendall(head + frame)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def close(self):
        self._listening.close()


@pytest.fixture(scope="module")
def replica():
    with replicas("notes") as (one,):
        yield one


@pytest.fixture(scope="module", params=["the short way", "Kong's way"])
def counted(replica, request):
    """A node that asks in this way, and what counts how often its plugin server decides."""
    path = SHORT if request.param == "the short way" else f"{lua_folder()}/?.lua;;"
    with own_kong(replica, lua_package_path=path) as node:
        real = node.folder / "real.sock"
        node.plugin_server.command[-1] = real
        node.start_plugin_server()
        counted = Counted(node.socket, real)
        node.start_kong()
        yield node, counted
        counted.close()


@pytest.fixture
def client():
    with httpx.Client(headers=JSON_HEADERS | AGENT, timeout=30, trust_env=False) as client:
        yield client


def asks(counted, client, **request):
    """Call once; return whether the plugin server had to decide, and the answer."""
    node, relay = counted
    before = relay.asked
    answer = client.post(node.url, **request)
    return relay.asked - before, answer


def until_used_again(counted, client, **request):
    """Call until it need not decide any more: a verdict lives for a second, and a machine may be slow."""
    wait_for(lambda: asks(counted, client, **request)[0] == 0, lambda: "each call is asked")


def with_(arguments=None, id_=1, headers=None, meta=None, **params):
    """Return an allowed call, changed in that."""
    request = modern("good")
    message = request["json"]
    message["id"] = id_
    message["params"] |= ({"arguments": arguments} if arguments is not None else {}) | params
    message["params"]["_meta"] |= meta or {}
    return {"json": message, "headers": request["headers"] | (headers or {})}


def test_the_same_call_with_other_arguments_is_not_asked_and_is_answered_to_its_own_id(counted, client):
    until_used_again(counted, client, **with_())
    told = []
    for number in range(200):
        asked, answer = asks(counted, client, **with_({"text": f"mark {number}"}, f"id-{number}"))
        assert (answer.status_code, answer.json()["id"]) == (200, f"id-{number}")
        assert answer.json()["result"]["structuredContent"] == {"result": f"good: mark {number}"}
        told.append(asked)
    assert told.count(0) > told.count(1), "a verdict is good for a second"


@pytest.mark.requirement("FAST-014")
def test_what_says_which_request_it_is_goes_to_the_server_unasked(counted, client, replica):
    def traced(number):
        trace = f"00-{number:032x}-{number:016x}-01"
        return with_(headers={"traceparent": trace, "x-request-id": f"{number}"}), trace

    until_used_again(counted, client, **traced(1)[0])
    told, sent = [], []
    for number in range(2, 102):
        request, trace = traced(number)
        asked, answer = asks(counted, client, **request)
        assert answer.status_code == 200
        told.append(asked)
        sent.append((trace, f"{number}"))
    assert told.count(0) > told.count(1)
    got = [(headers.get("traceparent"), headers.get("x-request-id")) for _, headers in replica.requests()]
    assert got[-len(sent) :] == sent


RAW = {
    "a key twice": '{"text":"x","text":"y"}',
    "a key twice, in other words": '{"text":"x","\\u0074ext":"y"}',
    "half a character": '{"text":"\\ud800"}',
    "no JSON": '{"text":01}',
    "what breaks out": '{"text":"x"},"name":"bad","x":{}',
    "what breaks out further": '{"text":"x"}},"id":2,"x":{"y":{}',
    "no object": "[1]",
}
OTHER = {
    "another tool": {"name": "bad"},
    "another name in its header": {"headers": {"Mcp-Name": "bad"}},
    "another method in its header": {"headers": {"Mcp-Method": "tools/list"}},
    "another revision": {"headers": {"MCP-Protocol-Version": "2025-11-25"}},
    "another origin": {"headers": {"Origin": "https://evil.example"}},
    "a header of the gateway": {"headers": {"Mcp-Gateway-Context": "x"}},
    "a task that is another's": {"meta": {"io.modelcontextprotocol/related-task": {"taskId": "t"}}},
}


@pytest.mark.parametrize("name", [*RAW, *OTHER])
def test_what_differs_in_more_is_asked_and_refused_as_ever(counted, client, replica, name):
    before = replica.executed().count(["tool", "bad"])
    if name in RAW:
        request = with_()
        body = json.dumps(request.pop("json")).replace('{"text": "x"}', RAW[name])
        request["content"] = body
    else:
        request = with_(**OTHER[name])
    _, fresh = asks(counted, client, **request)
    until_used_again(counted, client, **with_())
    asked, answer = asks(counted, client, **request)
    assert asked == 1
    assert (answer.status_code, answer.json()) == (fresh.status_code, fresh.json())
    assert "error" in answer.json()
    assert replica.executed().count(["tool", "bad"]) == before


def test_who_is_nobody_or_says_more_of_itself_has_no_part_in_anothers_verdict(counted, client):
    until_used_again(counted, client, **with_())
    with httpx.Client(headers=JSON_HEADERS, timeout=30, trust_env=False) as stranger:
        _, answer = asks(counted, stranger, **with_())
        assert answer.status_code == 401
    asked, answer = asks(counted, client, **with_(headers={"X-Tenant": "other"}))
    assert (asked, answer.status_code) == (1, 200)


def test_an_answer_is_held_to_the_id_that_was_asked_whatever_it_is(counted, client):
    until_used_again(counted, client, **with_())
    for id_ in (7, "7", -7, "a b", 0):
        _, answer = asks(counted, client, **with_(id_=id_))
        assert answer.json()["id"] == id_
        assert type(answer.json()["id"]) is type(id_)


@pytest.mark.requirement("FAST-013")
def test_what_kong_writes_for_nginx_leaves_bodies_to_be_read_in_place(counted):
    prefix = counted[0].folder / "p"
    assert is_left_alone({path.name: path.read_text() for path in prefix.glob("nginx*.conf")}) is True
