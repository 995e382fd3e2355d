"""The guard's part in the transport of 2024-11-05: a stream that may announce an endpoint, and the messages to it."""

from __future__ import annotations

import json
import secrets
import time

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from kong_side import ANN, ANNS_HEADERS, CONFIG, KEY, KongSide

from mcp_core.claims import ClaimSigner
from mcp_core.errand import Address
from mcp_core.principal import NOBODY, consumer
from mcp_core.seal import ENDPOINT_PURPOSE, SESSION_PURPOSE, Session, SessionSealer
from mcp_kong.guard import Guard

ANNS = consumer("ann")
ANY_METHOD = {"id": "r-2", "methods": None}
HEADERS = {"content-type": "application/json"} | ANNS_HEADERS
LIST = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()


def sealed(purpose=ENDPOINT_PURPOSE, principal=ANNS, server="notes", opened=None):
    session = Session(
        server, principal, "/messages/?session_id=1", "a1", int(time.time() if opened is None else opened)
    )
    return SessionSealer((KEY,), AESGCM, InvalidTag, purpose).seal(session, secrets.token_bytes(12))


def access(data, target, http_method="POST", headers=HEADERS, caller=ANN):
    side = KongSide(data, headers, http_method=http_method, route=ANY_METHOD, consumer=caller, target=target)
    Guard(CONFIG).access(side.pdk)
    return side


def context_of(side):
    return ClaimSigner((KEY,)).verify(side.next_hop["mcp-gateway-context"], now=time.time())


@pytest.mark.requirement("OLD-001")
def test_a_get_tells_the_sidecar_where_the_agent_would_reach_the_messages():
    claims, target = context_of(access(b"", "/notes/mcp", "GET", ANNS_HEADERS))
    assert (claims.announce, target.endpoint, claims.principal.name) == ("/notes/messages", None, "ann")
    assert target.address == Address("notes-replicas", "http", "/mcp")


@pytest.mark.requirement("OLD-001")
@pytest.mark.parametrize("method", ["tools/list", "tools/call", "initialize"])
def test_a_message_goes_to_the_sidecar_with_the_servers_own_uri(method):
    data = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": "open"}}).encode()
    side = access(data, f"/notes/messages?session_id={sealed()}")
    assert side.arguments("service.set_upstream") == [("mcp-sidecar",)]
    _, target = context_of(side)
    assert (target.endpoint, target.affinity, target.session) == ("/messages/?session_id=1", "a1", None)


@pytest.mark.requirement("OLD-004")
def test_what_the_policy_forbids_is_forbidden_on_this_path_too():
    data = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "shut"}}).encode()
    side = access(data, f"/notes/messages?session_id={sealed()}")
    assert side.exit is None
    claims, _ = context_of(side)
    assert (json.loads(claims.refusal)["error"]["message"], json.loads(claims.refusal)["id"]) == (
        "Unknown tool: shut",
        1,
    )
    assert (claims.method, side.next_hop["mcp-method"]) == ("ping", "ping")
    said = dict(side.arguments("log.set_serialize_value"))["mcp"]
    assert (said["reason"], said["principal"]) == ("denied-item", "ann")


@pytest.mark.requirement("OLD-006")
@pytest.mark.parametrize(
    ("data", "status"), [(b"?", 400), (b'{"jsonrpc":"2.0","method":"notifications/x"}', 202), (b"[]", 400)]
)
def test_what_has_no_id_that_an_answer_could_carry_is_refused_at_once(data, status):
    side = access(data, f"/notes/messages?session_id={sealed()}")
    assert side.exit[0] == status
    assert "service.set_upstream" not in side.names()


@pytest.mark.requirement("OLD-002")
@pytest.mark.parametrize(
    ("query", "token"),
    [
        *(
            (query, {})
            for query in ("", "session_id=", "session_id=x", "session=1", "session_id=/messages/?session_id=1")
        ),
        *((query, {}) for query in ("session_id={}&x=1", "x=1&session_id={}", "SESSION_ID={}", "session_id={}A")),
        ("session_id={}", {"principal": consumer("bob")}),
        ("session_id={}", {"principal": NOBODY}),
        ("session_id={}", {"server": "files"}),
        ("session_id={}", {"opened": 0}),
        ("session_id={}", {"purpose": SESSION_PURPOSE}),
    ],
)
def test_a_message_without_a_stream_of_its_sender_finds_nothing(query, token):
    side = access(LIST, f"/notes/messages?{query.format(sealed(**token))}")
    assert (side.exit[0], json.loads(side.exit[1])["error"]["code"]) == (404, -32001)
    assert "service.set_upstream" not in side.names()


@pytest.mark.requirement("OLD-002")
def test_an_endpoints_token_is_no_session_id():
    side = access(LIST, "/notes/mcp", headers=HEADERS | {"mcp-session-id": sealed()})
    assert side.exit[0] == 404


@pytest.mark.requirement("OLD-004")
def test_only_a_post_is_taken_there():
    assert context_of(access(b"", "/notes/messages?session_id=x", "GET", ANNS_HEADERS))[1].endpoint is None


@pytest.mark.requirement("OLD-006")
@pytest.mark.parametrize("id_", [1, "\U0001f600" * 256])
@pytest.mark.parametrize("name", ["x" * 1024, "\U0001f600" * 1024])
def test_a_refusal_of_a_long_name_is_short_enough_to_be_brought(name, id_):
    data = json.dumps({"jsonrpc": "2.0", "id": id_, "method": "tools/call", "params": {"name": name}}).encode()
    refusal = json.loads(context_of(access(data, f"/notes/messages?session_id={sealed()}"))[0].refusal)
    assert refusal["id"] == id_
    assert refusal["error"]["message"].startswith("Unknown tool: ")
    assert len(json.dumps(refusal)) < 5000
