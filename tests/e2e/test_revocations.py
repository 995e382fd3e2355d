"""Whom `kong-mcp revoke` cuts off opens nothing, on every node, also while a sidecar is down."""

import contextlib

import pytest
from click.testing import CliRunner

from e2e.harness import call, modern
from e2e.tokens import token_gateway
from kong_mcp.cli import main
from kong_mcp.dev import fresh_keys
from mcp_sidecar.store.store import Store
from servers.launch import wait_for
from tokens.kit import Kit
from tokens.provider import Provider

pytestmark = pytest.mark.long

PINS = {"pins": {"mode": "enforce"}}


class Nodes:
    """Two gateways with one ring and one store."""

    def __init__(self, keys, store, gateways):
        self.keys = keys
        self.store = store
        self.gateways = gateways

    def revoke(self, *words, file=None, store=True):
        """Run the command, with the store or this node's file. Returns what it says."""
        environment = {"KONG_MCP_KEYS": self.keys, "MCP_SIDECAR_STORE": self.store if store else None}
        environment["KONG_MCP_REVOKED"] = str(file) if file else None
        done = CliRunner().invoke(main, ["revoke", *words, "--why", "lost laptop", "--as", "ada"], env=environment)
        assert done.exit_code == 0, done.output
        return done.output

    def status(self, gateway, **changed):
        asked = modern("good")
        with gateway.client(gateway.kit.token(**changed)) as client:
            answer = client.post(gateway.url, json=asked["json"], headers=asked["headers"])
        return answer.status_code, answer.text

    def await_status(self, gateway, status, **changed):
        wait_for(lambda: self.status(gateway, **changed)[0] == status, lambda: self.status(gateway, **changed))


@pytest.fixture(scope="module")
def nodes(kind, tmp_path_factory):
    keys, store = fresh_keys(), f"{tmp_path_factory.mktemp('store')}/surfaces.db"
    shared = {"keys": keys, "store": store}
    provider = Provider()
    with contextlib.ExitStack() as stack:
        stack.callback(provider.close)
        gateways = []
        for _ in range(2):
            kit = Kit(issuer=provider.url)
            provider.publishes(kit.issuer, kit.jwks())
            gateways.append(stack.enter_context(token_gateway(kind, kit.issuer, kit, provider, PINS, shared)))
        both = Nodes(keys, store, gateways)
        for gateway in gateways:
            # Tools open once they were seen.
            message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            message["params"] = {"_meta": modern("good")["json"]["params"]["_meta"]}
            with gateway.client(gateway.kit.token()) as client:
                headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"}
                assert client.post(gateway.url, json=message, headers=headers).status_code == 200
            both.await_status(gateway, 200)
        yield both


@pytest.mark.requirement("AUTH-108")
@pytest.mark.parametrize(
    ("kind_of", "name", "cut", "spared"),
    [
        ("subject", "bob", {"sub": "bob"}, {"sub": "bobby"}),
        ("client", "stolen-agent", {"client_id": "stolen-agent"}, {"client_id": "agent-2"}),
    ],
)
def test_every_node_cuts_off_and_lets_in_again_and_the_chain_tells_of_it(nodes, kind_of, name, cut, spared):
    first, second = nodes.gateways
    since = [gateway.mark() for gateway in nodes.gateways]
    for gateway, mark in zip(nodes.gateways, since, strict=True):
        assert nodes.status(gateway, **cut)[0] == 200
        assert len(gateway.calls(mark)) == 1
    nodes.revoke(kind_of, name, "--issuer", first.kit.issuer)
    for gateway in nodes.gateways:
        nodes.await_status(gateway, 401, **cut)
    since = [gateway.mark() for gateway in nodes.gateways]
    # A new token of theirs is no better.
    assert "cut off" in nodes.status(second, jti="new", **cut)[1]
    assert [gateway.calls(mark) for gateway, mark in zip(nodes.gateways, since, strict=True)] == [[], []]
    for gateway in nodes.gateways:
        assert nodes.status(gateway, **spared)[0] == 200
    nodes.revoke(kind_of, name, "--issuer", first.kit.issuer, "--undo")
    for gateway in nodes.gateways:
        nodes.await_status(gateway, 200, **cut)
    store = Store(nodes.store)
    try:
        assert store.verify().problem is None
        _, words = store.revocations()
        assert words[-1].until == 0
    finally:
        store.close()


@pytest.mark.requirement("AUTH-108")
def test_a_session_is_cut_off_and_another_of_the_same_subject_is_not(nodes):
    gateway = nodes.gateways[0]
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    opening = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    with gateway.client(gateway.kit.token()) as client:
        lost, kept = (client.post(gateway.url, json=opening).headers["Mcp-Session-Id"] for _ in range(2))

        def status(session):
            headers = {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
            return client.post(gateway.url, headers=headers, json=call("good")).status_code

        assert (status(lost), status(kept)) == (200, 200)
        nodes.revoke("session", lost)
        wait_for(lambda: status(lost) == 404, lambda: status(lost))
        assert status(kept) == 200


@pytest.mark.requirement("AUTH-108")
def test_a_node_whose_sidecar_is_down_still_cuts_off_and_hears_of_more_by_its_own_list(nodes, kind):
    gateway = nodes.gateways[1]
    nodes.revoke("subject", "eve", "--issuer", gateway.kit.issuer)
    nodes.await_status(gateway, 401, sub="eve")
    gateway.dev.sidecar.stop()
    assert nodes.status(gateway, sub="eve")[0] == 401
    nodes.revoke("subject", "mallory", "--issuer", gateway.kit.issuer, file=gateway.dev.folder / "revoked", store=False)
    nodes.await_status(gateway, 401, sub="mallory")
    if kind == "kong":  # without Lua, calls go through the sidecar
        assert nodes.status(gateway, sub="zoe")[0] == 200
    (gateway.dev.folder / "revoked").unlink()
    nodes.await_status(gateway, 503, sub="zoe")
