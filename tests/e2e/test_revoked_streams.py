"""Whom `kong-mcp revoke` cuts off loses what they have open: streams of every kind, and answers still to come."""

import contextlib
import json
import threading

import httpx
import pytest
from click.testing import CliRunner

from e2e.harness import JSON_HEADERS, modern
from e2e.tokens import token_gateway
from kong_mcp.cli import main
from kong_mcp.dev import fresh_keys
from servers.launch import FEATURES, wait_for
from tokens.kit import Kit
from tokens.provider import Provider

pytestmark = pytest.mark.requirement("AUTH-301")
OPENING = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


class Opened:
    """One stream that an agent reads; `said` is what came of it until it ended."""

    def __init__(self, gateway, token, method, headers, message):
        self.said, self.ended = [], threading.Event()
        self._begun = threading.Event()
        self.status = None
        asked = (gateway.url, {**JSON_HEADERS, "Authorization": f"Bearer {token}", **headers}, message)
        self._reader = threading.Thread(target=self._read, args=(method, *asked), daemon=True)
        self._reader.start()

    def _read(self, method, url, headers, message):
        # That the connection is cut is one way to end.
        with contextlib.suppress(httpx.HTTPError), httpx.Client(timeout=120, trust_env=False) as client:
            body = {} if message is None else {"json": message}
            with client.stream(method, url, headers=headers, **body) as answer:
                self.status = answer.status_code
                self._begun.set()
                for line in answer.iter_lines():
                    self.said.append(line)
        self._begun.set()
        self.ended.set()

    def begun(self):
        """Wait for the head of the answer. Returns its status."""
        assert self._begun.wait(60)
        return self.status

    def messages(self):
        """Return the messages that came, as an event stream or as one JSON text."""
        text = [line.removeprefix("data:").strip() for line in self.said if line.startswith(("data:", "{"))]
        return [json.loads(one) for one in text if one]


class Node:
    """A gateway in front of the feature server, and `kong-mcp revoke` on its node."""

    def __init__(self, gateway, keys):
        self.gateway = gateway
        self._keys = keys
        self._ids = iter(range(10, 1000))

    def token(self, **changed):
        return self.gateway.kit.token(**changed)

    def revoke(self, kind, name):
        issuer = [] if kind == "session" else ["--issuer", self.gateway.kit.issuer]
        file = {"KONG_MCP_REVOKED": str(self.gateway.dev.folder / "revoked"), "MCP_SIDECAR_STORE": None}
        keys = {"KONG_MCP_KEYS": self._keys}
        done = CliRunner().invoke(
            main, ["revoke", kind, name, *issuer, "--why", "test", "--as", "ada"], env=file | keys
        )
        assert done.exit_code == 0, done.output

    def call(self, token, tool, session=None, **arguments):
        """Open the stream of a call, in the era that the session says."""
        asked = modern(tool)
        message, headers = asked["json"], asked["headers"]
        message["id"] = next(self._ids)
        message["params"] |= {"arguments": arguments}
        if session is not None:
            headers = {"MCP-Protocol-Version": "2025-11-25", "Mcp-Session-Id": session}
            message["params"].pop("_meta")
        message["params"].setdefault("_meta", {})["progressToken"] = message["id"]
        return Opened(self.gateway, token, "POST", headers, message)

    def listen(self, token):
        """Open a stream of subscriptions (2026-07-28)."""
        meta = modern("x")["json"]["params"]["_meta"]
        params = {"_meta": meta, "notifications": {"toolsListChanged": True}}
        message = {"jsonrpc": "2.0", "id": next(self._ids), "method": "subscriptions/listen", "params": params}
        headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen"}
        return Opened(self.gateway, token, "POST", headers, message)

    def session(self, token):
        with self.gateway.client(token) as client:
            answer = client.post(self.gateway.url, json=OPENING)
            session = answer.headers["Mcp-Session-Id"]
            headers = {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
            client.post(
                self.gateway.url, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers
            )
        return session

    def watch(self, token, session):
        """Open a session's own stream (GET)."""
        headers = {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
        return Opened(self.gateway, token, "GET", headers, None)

    def run(self, token, tool, **arguments):
        done = self.call(token, tool, **arguments)
        assert done.ended.wait(60)
        return done.messages()


@pytest.fixture(scope="module")
def node(kind):
    provider, keys = Provider(), fresh_keys()
    try:
        kit = Kit(issuer=provider.url)
        provider.publishes(kit.issuer, kit.jwks())
        policy = {"tools": {"allow": ["*"]}, "methods": {"allow": ["*"]}}
        with token_gateway(kind, kit.issuer, kit, provider, policy, {"keys": keys}, FEATURES) as gateway:
            yield Node(gateway, keys)
    finally:
        provider.close()


def progressing(opened):
    wait_for(
        lambda: any("method" in message for message in opened.messages()), lambda: (opened.status, opened.said), 60
    )


def cut_off(opened):
    """Wait for the end of a stream that is cut off. Returns its last message."""
    assert opened.ended.wait(60), opened.said
    return opened.messages()[-1] if opened.messages() else None


@pytest.mark.parametrize(
    ("kind_of", "name", "claims"),
    [("subject", "bob", {"sub": "bob"}), ("client", "lost-agent", {"sub": "carl", "client_id": "lost-agent"})],
)
def test_a_calls_stream_ends_and_so_does_its_work_and_nobody_elses(node, kind_of, name, claims):
    theirs, others = node.call(node.token(**claims), "tick", label=name), node.call(node.token(), "tick", label="ann")
    for one in (theirs, others):
        progressing(one)
    node.revoke(kind_of, name)
    last = cut_off(theirs)
    assert (last["error"]["code"], last["id"]) == (-32003, theirs.messages()[0]["params"]["progressToken"])
    assert "cut off" in last["error"]["message"]
    node.gateway.replica.wait_until(lambda lines: ["cancelled", name] in lines)
    heard = len(others.said)
    wait_for(lambda: len(others.said) > heard, lambda: others.said, 60)


def test_a_call_that_still_runs_brings_no_answer(node):
    token = node.token(sub="dora")
    witness, held = node.call(token, "tick", label="dora"), node.call(token, "hold", label="secret of dora")
    for one in (witness, held):
        progressing(one)
    node.revoke("subject", "dora")
    cut_off(witness)  # so the node has heard of it
    node.run(node.token(), "release")
    assert cut_off(held)["error"]["code"] == -32003
    assert "secret of dora" not in "".join(held.said)


def test_a_sessions_stream_and_its_calls_end_and_another_sessions_do_not(node):
    token = node.token(sub="emma")
    lost, kept = node.session(token), node.session(token)
    streams = [node.watch(token, lost), node.call(token, "tick", session=lost, label="lost")]
    others = [node.watch(token, kept), node.call(token, "tick", session=kept, label="kept")]
    assert [one.begun() for one in (streams[0], others[0])] == [200, 200]
    for one in (streams[1], others[1]):
        progressing(one)
    node.revoke("session", lost)
    for stream in streams:
        cut_off(stream)
    heard = len(others[1].said)
    wait_for(lambda: len(others[1].said) > heard, lambda: others[1].said, 60)
    assert not others[0].ended.is_set()


def test_a_stream_of_subscriptions_ends(node):
    theirs, others = node.listen(node.token(sub="finn")), node.listen(node.token())
    for one in (theirs, others):
        progressing(one)
    node.revoke("subject", "finn")
    cut_off(theirs)
    node.run(node.token(), "change")
    wait_for(lambda: "list_changed" in "".join(others.said), lambda: others.said, 60)
    assert "list_changed" not in "".join(theirs.said)
