"""The guard's word to mcp-answers."""

from __future__ import annotations

import json
import time

import msgspec
import pytest
from kong_side import CONFIG, KEY, KongSide
from token_side import guard as token_guard

from mcp_core.answer import ServerMessages
from mcp_core.claims import ClaimSigner
from mcp_core.health import told
from mcp_core.health.breaker import Why
from mcp_core.health.told import ClosedServer
from mcp_core.question import Asked
from mcp_kong import answers
from mcp_kong.guard import Guard
from mcp_kong.health_file import CHECK_SECONDS, HEALTH_VARIABLE
from mcp_kong.keyfiles import ISSUER_KEYS_VARIABLE
from mcp_kong.settings_error import SettingsError

LEGACY = {"content-type": "application/json", "mcp-protocol-version": "2025-11-25"}
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


def asked(message, headers=LEGACY, *, config=None, **request):
    side = KongSide(json.dumps(message).encode(), headers, **request)
    Guard(CONFIG | (config or {})).access(side.pdk)
    return side


def call(id_=1, **params):
    return {"jsonrpc": "2.0", "id": id_, "method": "tools/call", "params": {"name": "open", **params}}


@pytest.mark.requirement("ANS-004")
@pytest.mark.parametrize("id_", [7, -3, "a", "caf\xe9 \u2028", 2**53 - 1])
@pytest.mark.parametrize("token", [None, 5, "t"])
def test_the_question_says_what_is_asked(id_, token):
    meta = {} if token is None else {"_meta": {"progressToken": token}}
    said = asked(call(id_, **meta)).question
    assert (said["id"], said["method"], said["upstream"], said["era"]) == (
        id_,
        "tools/call",
        "notes-replicas",
        "legacy",
    )
    assert said.get("token") == token
    assert set(said["kinds"]) == set("plcxiser")


@pytest.mark.requirement("FAST-009")
def test_the_id_is_the_last_of_a_question():
    assert list(asked(call("a", _meta={"progressToken": "t"})).question)[-1] == "id"


@pytest.mark.requirement("ANS-004")
def test_a_notification_asks_nothing():
    said = asked({"jsonrpc": "2.0", "method": "notifications/initialized"}).question
    assert "id" not in said
    assert "method" not in said


@pytest.mark.requirement("ANS-004")
def test_updates_pass_only_where_every_resource_may_be_seen():
    everything = {"resources": {"allow": ["*"]}}
    assert "u" in asked(call(), config=everything).question["kinds"]
    some = {"rules": [{"groups": ["x"], "resources": {"deny": ["a:*"]}}]}
    assert "u" not in asked(call(), config=everything | some).question["kinds"]


@pytest.mark.requirement("ANS-004")
@pytest.mark.parametrize("forged", [{}, {"mcp-answers": "1"}, {"mcp-request-1": "{}"}])
def test_without_mcp_answers_the_sidecar_is_asked_and_told_the_question(forged):
    side = asked(call(7, _meta={"progressToken": "t"}), LEGACY | forged, answers=False)
    assert side.question is None
    assert side.upstream == "mcp-sidecar"
    claims, _ = ClaimSigner((KEY,)).verify(side.next_hop["mcp-gateway-context"], now=time.time())
    assert claims.question.asked == (Asked(7, "tools/call", "t"),)
    assert claims.terms.server_messages == ServerMessages()


@pytest.mark.requirement("ANS-004")
def test_what_is_compressed_is_not_asked_for():
    side = asked(call(), LEGACY | {"accept-encoding": "gzip, br"})
    assert side.next_hop["accept-encoding"] == "identity"


@pytest.mark.requirement("ANS-006")
def test_the_policy_says_what_servers_may_send():
    chosen = {"server_messages": {"allow": ["progress", "sampling"], "methods": []}}
    assert set(asked(call(), config=chosen).question["kinds"]) == set("ps")
    named = {"server_messages": {"methods": ["acme/x"]}}
    side = asked(call(), config=named)
    claims, _ = ClaimSigner((KEY,)).verify(side.next_hop["mcp-gateway-context"], now=time.time())
    assert claims.terms.server_messages == ServerMessages(methods=frozenset({"acme/x"}))


@pytest.mark.requirement("ANS-006")
@pytest.mark.parametrize(
    "value", [{"allow": ["sampling", "everything"]}, {"deny": ["sampling"]}, {"allow": "sampling"}, ["sampling"]]
)
def test_what_servers_may_send_is_written_in_known_words(value):
    with pytest.raises(SettingsError, match=r"config\.server_messages"):
        Guard(CONFIG | {"server_messages": value})


def given(said, *, config=None, guard=None, message=None):
    """Run a guard to which mcp-answers says that, when it asks for the request."""
    side = KongSide(json.dumps(message or call()).encode(), LEGACY)
    whole = side.pdk.ctx.shared.get
    side.pdk.ctx.shared.get = lambda key: said if key == answers.REQUEST else whole(answers.REQUEST)
    (guard or Guard(CONFIG | (config or {}))).access(side.pdk)
    return side


@pytest.mark.requirement("FAST-012")
def test_a_guard_leaves_alone_what_it_decided_a_moment_ago():
    guard = Guard(CONFIG)
    law = asked(call()).question["law"]
    side = given(f"again {law} ", guard=guard)
    assert side.question is None
    assert not {"ctx.shared.set", "response.exit", "service.set_upstream"} & set(side.names())


@pytest.mark.requirement("FAST-012")
@pytest.mark.parametrize("said", ["again ", "again 0 "])
def test_by_another_law_or_none_it_decides_itself(said):
    assert given(said).question["upstream"] == "notes-replicas"
    assert given(said, message=call(name="shut")).exit


@pytest.mark.requirement("FAST-012")
def test_a_law_is_that_of_a_configuration_and_the_same_for_all_who_have_it():
    law = asked(call()).question["law"]
    assert asked(call()).question["law"] == law
    side = given(f"again {law} ", config={"tools": {"allow": ["other"]}})
    assert (side.question, bool(side.exit)) == (None, True)


@pytest.mark.requirement("FAST-012")
def test_what_is_used_again_is_taken_back_before_a_request_for_the_metadata_of_tokens_is_answered(monkeypatch):
    monkeypatch.setenv(ISSUER_KEYS_VARIABLE, "/nowhere")
    path = "/.well-known/oauth-protected-resource"
    side = KongSide(b"", {}, http_method="GET", target=path, route={"id": "r-1", "methods": ["GET"]})
    keys, whole = [], side.pdk.ctx.shared.get

    def gives(key):
        keys.append(key)
        return "again 0 " if key == answers.REQUEST else whole(answers.REQUEST)

    side.pdk.ctx.shared.get = gives
    token_guard().access(side.pdk)
    assert (side.exit[0], keys) == (200, [answers.REQUEST, answers.DECIDED])


@pytest.mark.requirement("FAST-012")
def test_what_was_used_again_before_a_file_changed_is_decided_anew(tmp_path, monkeypatch):
    monkeypatch.setenv(HEALTH_VARIABLE, str(tmp_path / "health"))
    guard = Guard(CONFIG)
    side = KongSide(json.dumps(call()).encode(), LEGACY)
    guard.access(side.pdk)
    word = f"again {side.question['law']} {side.question['again']}"
    assert given(word, guard=guard).question is None
    closed = told.to_values("1", {"notes": ClosedServer(Why.ERRORS, time.time() + 60)})
    (tmp_path / "health").write_bytes(told.FILE.seal(msgspec.msgpack.encode(closed), (KEY,)))
    monkeypatch.setattr(guard._settings.health, "_looked", -CHECK_SECONDS)
    side = given(word, guard=guard)
    assert (side.question, side.exit[0]) == (None, 503)
