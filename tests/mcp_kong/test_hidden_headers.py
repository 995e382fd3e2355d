"""What is hidden of an agent's headers is cleared on every way out: log plugins read the request when it is over."""

from __future__ import annotations

import json
import time

import pytest
from kong_side import ANN, ANNS_HEADERS, CONFIG, KEY, KongSide

from mcp_core.claims import ClaimSigner
from mcp_kong.guard import Guard

LEGACY = {"content-type": "application/json", "mcp-protocol-version": "2025-11-25"}
SECRETS = {
    **dict.fromkeys(
        ("authorization", "cookie", "x-api-key", "x-auth-token", "api-key", "x-access-token"), "agents-own"
    ),
    **dict.fromkeys(("x_api_key", "private-token", "x-client-secret"), "agents-own"),
}
OWN = {"x-tenant": "a", "accept-language": "de", "baggage": "k=v", "x-request-id": "1"}
ANY_METHOD = {"id": "r-2", "methods": None}


def access(message, headers, *, config=CONFIG, **request):
    data = message if message is None or isinstance(message, bytes) else json.dumps(message).encode()
    side = KongSide(data, LEGACY | SECRETS | OWN | headers, **request)
    Guard(config).access(side.pdk)
    return side


def ask(method, name="open", **more):
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": name}, **more}


# sentence -> how to send it
WAYS = {
    "a call": lambda: access(ask("tools/call"), {}),
    "a call where mcp-answers is not": lambda: access(ask("tools/call"), {}, answers=False),
    "a list": lambda: access(ask("tools/list"), {}),
    "an initialize": lambda: access(ask("initialize"), {"mcp-session-id": "old"}),
    "a denied call": lambda: access(ask("tools/call", "shut"), {}),
    "an unknown notification": lambda: access({"jsonrpc": "2.0", "method": "notifications/x"}, {}),
    "no JSON": lambda: access(b"{", {}),
    "a forged context": lambda: access(ask("tools/call"), {"mcp-gateway-context": "x"}),
    "a session that is none": lambda: access(ask("tools/call"), {"mcp-session-id": "guess"}),
    "an upstream that is missing": lambda: access(ask("tools/list"), {}, knows_upstreams=False),
    "a stream": lambda: access(b"", {}, http_method="GET", route=ANY_METHOD),
    "another method": lambda: access(b"", {}, http_method="PUT", route=ANY_METHOD),
    "an endpoint that is none": lambda: access(ask("ping"), {}, route=ANY_METHOD, target="/notes/messages"),
    "the end of a session": lambda: access(b"", {}, http_method="DELETE", route=ANY_METHOD),
}


@pytest.mark.requirement("GUARD-040")
@pytest.mark.parametrize("send", WAYS.values(), ids=WAYS.keys())
def test_nothing_hidden_is_left_on_the_request_and_all_else_is(send):
    side = send()
    assert "agents-own" not in str(side.next_hop)
    assert OWN.items() <= side.next_hop.items()


@pytest.mark.requirement("GUARD-040")
def test_nothing_is_called_for_what_was_not_sent():
    side = KongSide(json.dumps(ask("tools/call", "shut")).encode(), LEGACY)
    Guard(CONFIG).access(side.pdk)
    assert "service.request.set_headers" not in side.names()


@pytest.mark.requirement("GUARD-040")
@pytest.mark.parametrize("answers", [True, False])
def test_what_the_operator_does_not_hide_passes_in_both_lanes(answers):
    config = CONFIG | {"hide_headers": ["cookie"]}
    side = access(ask("tools/call"), {}, config=config, answers=answers)
    assert side.next_hop["authorization"] == "agents-own"
    assert "cookie" not in side.next_hop
    if not answers:
        assert context_of(side).hide == ("cookie",)


def context_of(side):
    return ClaimSigner((KEY,)).verify(side.next_hop["mcp-gateway-context"], now=time.time())[0].terms


@pytest.mark.requirement("GUARD-040")
def test_the_sidecar_is_told_nothing_of_what_is_hidden_by_default():
    assert context_of(access(ask("tools/list"), {})).hide is None


@pytest.mark.requirement("GUARD-041")
@pytest.mark.parametrize("method", ["tools/list", "initialize"])
def test_the_signed_context_stays_out_of_kongs_records(method):
    side = access(ask(method), ANNS_HEADERS, consumer=ANN)
    told = dict(side.arguments("log.set_serialize_value"))
    assert told["request.headers.mcp-gateway-context"] == "REDACTED"
    assert context_of(side) is not None


@pytest.mark.requirement("GUARD-040")
def test_a_session_id_that_means_nothing_is_taken_off_in_both_lanes():
    for message in (ask("initialize"), ask("tools/call")):
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        headers = {"mcp-session-id": "left-over"}
        if message["method"] == "tools/call":
            message["params"]["_meta"] = meta
            headers |= {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "open"}
        side = access(message, headers)
        assert side.exit is None
        assert "mcp-session-id" not in side.next_hop


@pytest.mark.requirement("HTTP-040")
def test_an_origin_that_the_guard_has_judged_goes_no_further():
    side = access(ask("tools/call"), {"origin": "https://a.example"}, config=CONFIG | {"origins": ["*"]})
    assert side.exit is None
    assert "origin" not in side.next_hop
