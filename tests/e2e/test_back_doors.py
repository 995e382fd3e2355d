"""The ways around the guard are shut: the internal route, and the sidecar itself."""

import base64
import contextlib
import os
import time
from dataclasses import replace

import httpx
import pytest
import yaml

from e2e.harness import JSON_HEADERS, POLICY, call
from kong_mcp.dev import free_port, run_dev
from kong_mcp.gateway import GatewaySettings, start_gateway
from kong_mcp.servers import parse_server
from kong_mcp.share import deck_folder
from kong_mcp.state import write_state
from mcp_core.errand import Address, Errand, ErrandSigner
from mcp_core.seal import parse_keys
from servers.launch import replicas

pytestmark = pytest.mark.long

NOTES = Address("mcp-notes-sessions")
RING = base64.b64encode(b"k" * 32).decode()


def word(keys, asked="POST /notes", target=NOTES, expires=10):
    """Return the header that the sidecar would send, or one that is wrong in some way."""
    errand = Errand(target, asked, "a1", int(time.time()) + expires)
    return {"Mcp-Gateway-Target": ErrandSigner(parse_keys(keys)).sign(errand)}


def ask(port, headers, path="/notes", method="POST", host="mcp-internal"):
    """Call the forbidden tool by the internal route."""
    url = f"http://127.0.0.1:{port}{path}"
    everything = [*JSON_HEADERS.items(), ("Host", host), *(headers if isinstance(headers, list) else headers.items())]
    with httpx.Client(trust_env=False, timeout=30) as client:
        return client.request(method, url, json=call("bad") if method == "POST" else None, headers=everything)


def told(answer):
    """Return what an answer says, without what differs in every one."""
    return (answer.status_code, sorted(answer.headers), answer.text.replace(answer.headers["x-kong-request-id"], ""))


WRONG = {
    "missing": lambda _keys: ({}, {}),
    "empty": lambda _keys: ({"Mcp-Gateway-Target": ""}, {}),
    "forged": lambda _keys: ({"Mcp-Gateway-Target": "1.e30.AAAA"}, {}),
    "no UTF-8": lambda _keys: ({"Mcp-Gateway-Target": b"\xff"}, {}),
    "another key": lambda _keys: (word(RING), {}),
    "expired": lambda keys: (word(keys, expires=-1), {}),
    "from another time": lambda keys: (word(keys, expires=3600), {}),
    "another path": lambda keys: (word(keys), {"path": "/team"}),
    "a path below": lambda keys: (word(keys), {"path": "/notes/messages"}),
    "a query": lambda keys: (word(keys), {"path": "/notes?a=b"}),
    "another method": lambda keys: (word(keys), {"method": "GET"}),
    "twice": lambda keys: ([*word(keys).items(), *word(keys).items()], {}),
    "twice, once in underscores": lambda keys: ([*word(keys).items(), ("Mcp_Gateway_Target", "1.e30.AAAA")], {}),
    "the sidecar's key of before": lambda _keys: ({"X-Mcp-Internal-Key": "k" * 32}, {}),
}


@pytest.fixture(scope="module", params=["as it comes", "without Lua"])
def internal(gateway, request):
    """A gateway whose mcp-internal is in Lua, where it runs Lua, and one where it is in Python."""
    if request.param == "as it comes" or not gateway.dev.settings.runs_answers:
        yield gateway
        return
    with run_dev(replace(gateway.dev.settings, answers=False)) as dev:
        yield replace(gateway, dev=dev)


@pytest.mark.requirement("E2E-016")
def test_what_the_sidecar_signed_opens_the_internal_route(internal):
    # So that the refusals below are not for another reason.
    answer = ask(internal.dev.port, word(internal.dev.settings.keys))
    assert (answer.status_code, "no Route" in answer.text) == (400, False)


@pytest.mark.requirement("E2E-016")
@pytest.mark.parametrize("name", WRONG)
def test_the_internal_route_is_an_unknown_route_to_everyone_else(internal, name):
    before = internal.executed()
    headers, request = WRONG[name](internal.dev.settings.keys)
    for key in ({}, internal.key("ada")):
        both = [*headers, *key.items()] if isinstance(headers, list) else headers | key
        answer = ask(internal.dev.port, both, **request)
        if name == "no UTF-8":
            assert (answer.status_code, "no Route matched" in answer.text) == (404, True)
        else:
            assert told(answer) == told(
                ask(internal.dev.port, both, **{**request, "path": "/nobody"}, host="nobody.example")
            )
    assert internal.executed() == before


@pytest.mark.requirement("E2E-016")
def test_a_word_names_no_upstream_that_is_not_there_and_none_opens_an_agent_s_route(internal):
    keys = internal.dev.settings.keys
    assert ask(internal.dev.port, word(keys, target=Address("mcp-nobody"))).status_code == 503
    with internal.client("bob") as client:
        answer = client.post(internal.url(), json=call("bad"), headers=word(keys, asked="POST /notes/mcp"))
    assert answer.json()["error"]["code"] == -32600


def disable(plugins):
    plugins[0]["enabled"] = False


def remove(plugins):
    plugins.clear()


def no_keys(_plugins):
    return {"KONG_MCP_KEYS": ""}


@pytest.mark.slow
@pytest.mark.requirement("E2E-016")
@pytest.mark.parametrize("lua", [True, False])
@pytest.mark.parametrize("broken", [disable, remove, no_keys])
def test_without_its_plugin_the_internal_route_is_closed(kind, tmp_path, broken, lua):
    with contextlib.ExitStack() as stack:
        (replica,) = stack.enter_context(replicas("notes-1"))
        secrets = {"DECK_MCP_SIDECAR_TARGET": "127.0.0.1:1"}
        server = parse_server(f"notes={replica.url}")
        state = write_state(tmp_path, deck_folder(), [server], POLICY, [], secrets)
        document = yaml.safe_load(state.read_text())
        plugins = next(service for service in document["services"] if service["name"] == "mcp-internal")["routes"][0][
            "plugins"
        ]
        assert [plugin["name"] for plugin in plugins] == ["mcp-internal"]
        environment = {**os.environ, "KONG_MCP_KEYS": RING, **(broken(plugins) or {})}
        state.write_text(yaml.safe_dump(document))
        port = free_port()
        child = start_gateway(kind, GatewaySettings(tmp_path, state, port, lua and kind == "kong"), environment)
        stack.callback(child.stop)

        def answered():
            with contextlib.suppress(httpx.HTTPError):
                return ask(port, word(RING))

        child.wait_until(answered, 30)
        assert ask(port, word(RING)).status_code in (404, 500, 503)
        assert replica.requests() == []


@pytest.mark.requirement("E2E-016")
def test_the_sidecar_answers_nobody_without_the_guard_s_signature(gateway):
    before = gateway.executed()
    for headers in ({}, {"mcp-gateway-context": "e30.AAAA"}):
        answer = httpx.post(
            f"http://127.0.0.1:{gateway.dev.sidecar_port}/inspect/notes",
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
            headers=JSON_HEADERS | headers,
            trust_env=False,
            timeout=30,
        )
        assert answer.status_code == 403
        assert "good" not in answer.text
    metrics = httpx.get(f"http://127.0.0.1:{gateway.dev.sidecar_port}/metrics", trust_env=False, timeout=30)
    assert metrics.status_code == 401
    assert gateway.executed() == before
