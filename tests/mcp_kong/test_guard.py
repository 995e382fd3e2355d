from __future__ import annotations

import json
import secrets
import time

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from kong_side import ANN, ANNS_HEADERS, CONFIG, KEY, POST_ROUTE, KongSide

from mcp_core.claims import ClaimSigner
from mcp_core.principal import NOBODY, consumer
from mcp_core.seal import Session, SessionSealer
from mcp_kong.answers import MAX_HEADERS
from mcp_kong.guard import Guard
from mcp_kong.parts import REFUSAL

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
META = {VERSION_KEY: "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
ANNS = consumer("ann")
RULES = {"rules": [{"consumers": ["ann"], "tools": {"allow": ["write"], "deny": []}}]}
LEGACY = {"content-type": "application/json", "mcp-protocol-version": "2025-11-25"}
THREE = ["ctx.shared.get", "request.get_raw_body", "ctx.shared.set"]


def modern(method, name=None):
    named = {} if name is None else {"mcp-name": name}
    return LEGACY | {"mcp-protocol-version": "2026-07-28", "mcp-method": method} | named


def body(method="tools/call", **params):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def access(guard, data, headers, **request):
    side = KongSide(data, headers, **request)
    guard.access(side.pdk)
    return side


def sealed(principal=ANNS, server="notes", opened=None):
    session = Session(server, principal, "up-1", "a1", int(time.time() if opened is None else opened))
    return SessionSealer((KEY,), AESGCM, InvalidTag).seal(session, secrets.token_bytes(12))


def context_of(side, data):
    claims, target = ClaimSigner((KEY,)).verify(side.next_hop["mcp-gateway-context"], now=time.time())
    return (claims, target) if claims.is_for(data) else None


CALLS = {
    "legacy": (LEGACY, body(name="open")),
    "modern": (modern("tools/call", "open"), body(name="open", _meta=META)),
}


@pytest.mark.requirement("GUARD-001")
@pytest.mark.parametrize("config", [CONFIG, CONFIG | RULES], ids=["without rules", "with rules"])
@pytest.mark.parametrize("session", [False, True], ids=["without a session", "with a session"])
@pytest.mark.parametrize("era", CALLS)
def test_an_allowed_call_makes_three_pdk_calls_once_kong_has_vouched(era, config, session):
    headers, data = CALLS[era]
    headers = headers | ANNS_HEADERS | {"authorization": "Bearer agents-own", "cookie": "c=1"}
    if session and era == "legacy":
        headers |= {"mcp-session-id": sealed()}
    guard = Guard(config)
    first, second = (access(guard, data, headers, consumer=ANN) for _ in range(2))
    assert first.exit is None
    assert second.exit is None
    assert set(second.names()) <= set(THREE)
    assert len(second.names()) <= len(THREE)
    assert len(first.names()) <= len(THREE) + len(["router.get_route", "client.get_consumer"])


@pytest.mark.requirement("GUARD-001")
@pytest.mark.parametrize(("headers", "data"), CALLS.values(), ids=CALLS.keys())
def test_nobody_is_asked_who_calls_where_it_makes_no_difference(headers, data):
    assert "client.get_consumer" not in access(Guard(CONFIG), data, headers).names()


@pytest.mark.requirement("GUARD-004")
@pytest.mark.requirement("GUARD-001")
@pytest.mark.parametrize(("headers", "data"), CALLS.values(), ids=CALLS.keys())
def test_hiding_credentials_costs_no_call_more(headers, data):
    guard = Guard(CONFIG)
    plain, hidden = (
        access(guard, data, headers | more)
        for more in ({"x-other": "stays"}, {"x-other": "stays", "authorization": "Bearer agents-own", "cookie": "c=1"})
    )
    assert hidden.next_hop == plain.next_hop
    assert hidden.next_hop["x-other"] == "stays"
    assert hidden.names() == THREE


@pytest.mark.requirement("GUARD-004")
def test_credentials_are_cleared_too_where_nothing_else_is_changed():
    headers, data = CALLS["modern"]
    side = access(Guard(CONFIG), data, headers | {"authorization": "Bearer agents-own"})
    assert side.question["headers"] == {"authorization": False}


@pytest.mark.requirement("GUARD-004")
def test_the_configuration_says_what_is_hidden():
    headers = LEGACY | {"authorization": "a", "cookie": "c", "x-key": "k"}
    default = access(Guard(CONFIG), body(name="open"), headers)
    chosen = access(Guard(CONFIG | {"hide_headers": ["X-Key"]}), body(name="open"), headers)
    assert default.next_hop.keys() & {"authorization", "cookie", "x-key"} == {"x-key"}
    assert chosen.next_hop.keys() & {"authorization", "cookie", "x-key"} == {"authorization", "cookie"}


@pytest.mark.requirement("GUARD-010")
def test_the_truth_is_told_for_both_eras():
    for headers, data in CALLS.values():
        sent = access(Guard(CONFIG), data, headers).next_hop
        assert (sent["mcp-method"], sent["mcp-name"]) == ("tools/call", "open")


@pytest.mark.requirement("GUARD-010")
def test_a_name_that_no_header_can_hold_is_encoded():
    assert access(Guard(CONFIG), body(name="caf\xe9"), LEGACY).next_hop["mcp-name"] == "=?base64?Y2Fmw6k=?="


@pytest.mark.requirement("GUARD-010")
@pytest.mark.parametrize("lie", [{"mcp-name": "other"}, {"mcp-method": "ping"}, {"mcp_name": "other"}])
def test_an_agents_lie_about_its_call_goes_no_further(lie):
    side = access(Guard(CONFIG), body(name="open"), LEGACY | lie)
    assert side.exit[0] == 400


@pytest.mark.requirement("GUARD-010")
def test_a_batch_says_that_it_is_one_and_names_nothing():
    data = b"[" + body(name="open") + b"]"
    headers = LEGACY | {"mcp-protocol-version": "2025-03-26"}
    sent = access(Guard(CONFIG), data, headers).next_hop
    assert sent["mcp-method"] == "batch"
    assert "mcp-name" not in sent
    assert access(Guard(CONFIG), data, headers | {"mcp-name": "open"}).exit[0] == 400


# sentence -> headers, body, status, reason
REFUSED = {
    "a denied tool": (LEGACY, body(name="shut"), 200, "denied-item"),
    "a denied tool, modern": (modern("tools/call", "shut"), body(name="shut", _meta=META), 400, "denied-item"),
    "an unknown method": (LEGACY, body("tools/execute"), 200, "denied-method"),
    "no JSON": (LEGACY, b"{", 400, "not-strict-json"),
    "no body": (LEGACY, None, 400, "not-strict-json"),
    "a forged context": (LEGACY | {"mcp-gateway-context": "x"}, body(name="open"), 400, "header-own"),
    "an origin": (LEGACY | {"origin": "https://evil.example"}, body(name="open"), 403, "origin"),
    "too many headers": (LEGACY | {"a": ["1"] * MAX_HEADERS}, body(name="open"), 431, "headers-too-many"),
    "a session that is none": (LEGACY | {"mcp-session-id": "guess"}, body(name="open"), 404, "session"),
}


@pytest.mark.requirement("GUARD-011")
@pytest.mark.parametrize(("headers", "data", "status", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_ends_there_and_is_logged(headers, data, status, reason):
    side = access(Guard(CONFIG), data, headers)
    assert side.exit[0] == status
    assert side.exit[2]["Content-Type"] == "application/json"
    assert json.loads(side.exit[1])["jsonrpc"] == "2.0"
    assert "service.set_upstream" not in side.names()
    ((key, logged),) = side.arguments("log.set_serialize_value")
    assert (key, logged["reason"]) == ("mcp", reason)


@pytest.mark.requirement("GUARD-011")
def test_what_the_plugin_server_answers_when_the_guard_fails_is_a_503_of_json_rpc():
    status, headers, answer = REFUSAL
    assert (status, headers["Content-Type"]) == (503, "application/json")
    assert json.loads(answer)["error"]["code"] == -32004


@pytest.mark.requirement("GUARD-005")
@pytest.mark.parametrize("answers", [True, False])
def test_a_sidecar_that_kong_does_not_know_is_503(answers):
    for method in ("tools/list",) if answers else ("tools/list", "tools/call"):
        side = access(Guard(CONFIG), body(method, name="open"), LEGACY, knows_upstreams=False, answers=answers)
        assert side.upstream == "mcp-sidecar"
        assert side.exit[0] == 503
        assert json.loads(side.exit[1])["id"] == 1
        assert "mcp-sidecar" not in side.exit[1]


@pytest.mark.requirement("GUARD-006")
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_sidecar_is_told_who_asks_and_what_they_may_see(era):
    headers, data = (
        (LEGACY, body("tools/list")) if era == "legacy" else (modern("tools/list"), body("tools/list", _meta=META))
    )
    side = access(Guard(CONFIG | RULES), data, headers | ANNS_HEADERS, consumer=ANN)
    claims, target = context_of(side, data)
    assert side.exit is None
    assert side.arguments("service.set_upstream") == [("mcp-sidecar",)]
    assert side.arguments("service.request.set_path") == [("/inspect/notes",)]
    assert (target.server, target.era, target.session) == ("notes", era, None)
    assert (claims.principal, claims.http_method, claims.method, claims.id) == (ANNS, "POST", "tools/list", 1)
    assert claims.terms.view.to_json()["tools"]["allow"] == ["open", "caf\xe9", "write"]
    assert claims.terms.enforce
    assert claims.expires <= time.time() + 60


@pytest.mark.requirement("GUARD-006")
def test_a_context_holds_for_no_other_body():
    side = access(Guard(CONFIG), body("tools/list"), LEGACY)
    assert context_of(side, body("tools/list")) is not None
    assert context_of(side, body("tools/list", cursor="x")) is None


@pytest.mark.requirement("GUARD-006")
def test_the_sidecar_always_learns_the_principal_since_an_initialize_opens_a_session():
    data = body("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "c", "version": "1"})
    side = access(Guard(CONFIG), data, LEGACY | ANNS_HEADERS, consumer=ANN)
    assert context_of(side, data)[0].principal == ANNS


@pytest.mark.requirement("GUARD-006")
def test_monitor_mode_is_told_to_the_sidecar():
    side = access(Guard(CONFIG | {"mode": "monitor"}), body("tools/list"), LEGACY)
    assert context_of(side, body("tools/list"))[0].terms.enforce is False


@pytest.mark.requirement("GUARD-007")
def test_a_session_of_ones_own_becomes_the_servers():
    headers = LEGACY | ANNS_HEADERS | {"mcp-session-id": sealed()}
    call = access(Guard(CONFIG), body(name="open"), headers, consumer=ANN)
    listing = access(Guard(CONFIG), body("tools/list"), headers, consumer=ANN)
    assert (call.next_hop["mcp-session-id"], call.next_hop["mcp-affinity"]) == ("up-1", "a1")
    _, target = context_of(listing, body("tools/list"))
    assert (target.session, target.affinity) == ("up-1", "a1")


BOTH_UPSTREAMS = CONFIG | {"session_upstream": "notes-sticky"}


@pytest.mark.requirement("GUARD-013")
@pytest.mark.parametrize(
    ("config", "session", "upstream"),
    [
        pytest.param(BOTH_UPSTREAMS, True, "notes-sticky", id="a session's, to the sticky upstream"),
        pytest.param(BOTH_UPSTREAMS, False, "notes-replicas", id="any other, to the plain one"),
        pytest.param(CONFIG, True, "notes-replicas", id="a session's, where there is one upstream"),
        pytest.param(BOTH_UPSTREAMS | {"session_upstream": None}, True, "notes-replicas", id="where it is null"),
    ],
)
def test_calls_of_a_session_go_to_the_upstream_for_sessions(config, session, upstream):
    headers = LEGACY | ANNS_HEADERS | ({"mcp-session-id": sealed()} if session else {})
    side = access(Guard(config), body(name="open"), headers, consumer=ANN)
    assert side.upstream == upstream
    assert "service.set_upstream" not in side.names()
    assert side.exit is None


@pytest.mark.requirement("GUARD-006")
@pytest.mark.parametrize("session", [True, False])
def test_a_list_goes_to_the_sidecar_by_plain_http_whatever_protocol_the_server_speaks(session):
    headers = LEGACY | ANNS_HEADERS | ({"mcp-session-id": sealed()} if session else {})
    side = access(Guard(BOTH_UPSTREAMS), body("tools/list"), headers, consumer=ANN)
    assert side.arguments("service.set_upstream") == [("mcp-sidecar",)]
    assert side.arguments("service.request.set_scheme") == [("http",)]


@pytest.mark.requirement("GUARD-006")
def test_a_call_keeps_the_servers_protocol_and_path():
    side = access(Guard(CONFIG), body(name="open"), LEGACY)
    assert not {"service.request.set_scheme", "service.request.set_path"} & set(side.names())


@pytest.mark.requirement("GUARD-007")
@pytest.mark.parametrize(
    "token",
    [
        pytest.param({"principal": consumer("bob")}, id="of another principal"),
        pytest.param({"principal": NOBODY}, id="of nobody"),
        pytest.param({"server": "files"}, id="of another server"),
        pytest.param({"opened": 0}, id="of long ago"),
    ],
)
@pytest.mark.parametrize("method", ["tools/call", "tools/list"])
def test_any_other_session_is_404(token, method):
    headers = LEGACY | ANNS_HEADERS | {"mcp-session-id": sealed(**token)}
    side = access(Guard(CONFIG), body(method, name="open"), headers, consumer=ANN)
    assert side.exit[0] == 404
    assert "service.set_upstream" not in side.names()


@pytest.mark.requirement("GUARD-007")
def test_a_session_does_not_pass_by_forged_consumer_headers():
    guard = Guard(CONFIG)
    headers = LEGACY | ANNS_HEADERS | {"mcp-session-id": sealed()}
    access(guard, body(name="open"), headers, consumer=ANN)
    forged = access(guard, body(name="open"), headers | {"apikey": "none"}, consumer=None)
    assert forged.exit[0] == 404


@pytest.mark.requirement("POL-010")
def test_monitor_mode_passes_and_logs():
    side = access(Guard(CONFIG | {"mode": "monitor"}), body(name="shut"), LEGACY)
    assert side.exit is None
    assert side.upstream == "notes-replicas"
    would = {"reason": "denied-item", "kind": "policy", "code": -32602, "method": "tools/call"}
    would |= {"name": "shut", "cause": "not-allowed"}
    ((key, told),) = side.arguments("log.set_serialize_value")
    assert (key, told["forgiven"], told["outcome"], told["lane"]) == ("mcp", [would], "would-refuse", "call")


@pytest.mark.requirement("GUARD-002")
def test_forged_consumer_headers_open_nothing_where_kong_knows_nobody():
    guard = Guard(CONFIG | RULES)
    for _ in range(3):
        side = access(guard, body(name="write"), LEGACY | ANNS_HEADERS, consumer=None)
        assert json.loads(side.exit[1])["error"]["code"] == -32602
        assert "client.get_consumer" in side.names()


@pytest.mark.requirement("GUARD-003")
def test_a_get_opens_a_stream_without_reading_a_body():
    route = POST_ROUTE | {"methods": None}
    side = access(Guard(CONFIG), b"", {"accept": "text/event-stream"}, http_method="GET", route=route)
    assert "request.get_raw_body" not in side.names()
    claims, _ = context_of(side, b"")
    assert (claims.http_method, claims.method) == ("GET", "")


@pytest.mark.parametrize("data", [body(name="caf\xe9"), body(name="caf\xe9").decode()], ids=["bytes", "text"])
def test_both_plugin_servers_ways_of_giving_a_body_are_read(data):
    assert access(Guard(CONFIG), data, LEGACY).exit is None


@pytest.mark.requirement("HTTP-011")
def test_a_delete_with_a_body_that_no_header_announces_is_refused():
    headers = {"mcp-session-id": sealed()} | ANNS_HEADERS
    route = POST_ROUTE | {"methods": None}
    bare, loaded = (
        access(Guard(CONFIG), data, headers, http_method="DELETE", route=route, consumer=ANN) for data in (b"", b"{}")
    )
    assert bare.exit is None
    assert (loaded.exit[0], "service.set_upstream" in loaded.names()) == (400, False)


@pytest.mark.requirement("GUARD-004")
def test_an_identity_that_kong_does_not_vouch_for_never_reaches_the_server():
    claimed = {"x-consumer-username": "ann", "x-consumer-id": "c-1", "x-anonymous-consumer": "true"}
    for headers, data in CALLS.values():
        nobody, ann = (access(Guard(CONFIG), data, headers | claimed, consumer=who) for who in (None, ANN))
        assert not claimed.keys() & nobody.next_hop.keys()
        assert claimed.items() <= ann.next_hop.items()


@pytest.mark.requirement("FAST-007")
@pytest.mark.parametrize("era", CALLS)
def test_an_allowed_call_reads_the_request_in_one_call_and_leaves_its_question_in_another(era):
    headers, data = CALLS[era]
    guard = Guard(CONFIG)
    access(guard, data, headers)  # which asks what the route is
    side = access(guard, data, headers, whole=True)
    assert (side.names(), side.upstream) == (["ctx.shared.get", "ctx.shared.set"], "notes-replicas")


@pytest.mark.requirement("FAST-007")
@pytest.mark.parametrize(
    "data",
    [
        body(name="hidden", _meta=META),
        b"",
        b"{}\n" + body(name="open", _meta=META),
        body(name="open", _meta=META) + b"\n" + body(name="open", _meta=META),
        body(name="open", _meta=META) + b"\n",
    ],
)
def test_a_body_that_comes_with_the_headers_is_judged_as_one_that_is_asked_for(data):
    headers = modern("tools/call", "open")
    one, two = (access(Guard(CONFIG), data, headers, whole=whole) for whole in (False, True))
    assert "request.get_raw_body" in one.names()
    assert [call for call in one.calls if call[0] != "request.get_raw_body"] == two.calls
