"""The guard where tokens are taken: nothing passes without a good one, and the right things with it."""

import json
import secrets
import time
from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from kong_side import ANN, ANNS_HEADERS, CONFIG, KEY
from token_side import AUTH, CALL, KIT, LEGACY, LIST, METADATA, OTHER, ask, bearer, challenge_of, guard, write

from mcp_core.auth import wanted
from mcp_core.claims import ClaimSigner
from mcp_core.methods import Kind
from mcp_core.principal import TOKEN, Principal
from mcp_core.seal import Session, SessionSealer
from mcp_kong.guard import Guard
from mcp_kong.keyfiles import ISSUER_KEYS_VARIABLE
from mcp_kong.settings_error import SettingsError
from tokens.attacks import ROWS
from tokens.kit import jwk


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch):
    path = tmp_path / "issuer-keys"
    monkeypatch.setenv(ISSUER_KEYS_VARIABLE, str(path))
    write(path)
    return path


@pytest.mark.requirement("AUTH-001")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_no_attack_opens_anything_and_nothing_else_is_looked_at(row):
    values, query = row.sent(KIT)
    one = guard()
    side = ask(one, *values, target=f"/notes/mcp{query}", consumer=ANN)
    if row.reason == "token-unknown-key":
        # The first one in a while goes to the sidecar, which answers for the guard.
        assert side.upstream == "mcp-sidecar"
        assert side.arguments("service.request.set_path") == [("/issuers/wanted",)]
        side = ask(one, *values, target=f"/notes/mcp{query}", consumer=ANN)
    status, said = challenge_of(side)
    assert status == row.status
    assert said.startswith("Bearer ")
    assert side.upstream is None
    assert "request.get_raw_body" not in side.names()
    logged = dict(side.arguments("log.set_serialize_value"))
    assert logged.pop("mcp")["reason"] == row.reason
    assert set(logged.values()) == ({"REDACTED"} if query else set())
    assert "authorization" not in side.next_hop
    shown = repr([call for call in side.calls if call[0] != "ctx.shared.get"])
    assert not any(len(part) > 8 and part in shown for value in values for part in value.split(" ")[-1].split("."))


@pytest.mark.requirement("AUTH-001")
@pytest.mark.parametrize("http_method", ["POST", "GET", "DELETE", "PUT"])
def test_every_method_needs_a_token(http_method):
    side = ask(guard(), http_method=http_method, route={"id": "r-1", "methods": None}, body=b"")
    status, said = challenge_of(side)
    assert status == 401
    assert said == f'Bearer scope="mcp", resource_metadata="https://gateway.example{METADATA}"'
    assert side.upstream is None


@pytest.mark.requirement("AUTH-001")
@pytest.mark.parametrize("values", [("Bearer a", "Bearer a"), (["Bearer a", "Bearer b"],)])
def test_two_headers_are_refused(values):
    assert challenge_of(ask(guard(), *values))[0] == 400


@pytest.mark.requirement("AUTH-011")
@pytest.mark.parametrize("hide", [None, [], ["x-other"]])
@pytest.mark.parametrize("body", [CALL, LIST], ids=["call", "list"])
def test_a_good_token_opens_the_way_and_stays_at_the_gateway(hide, body):
    config = {} if hide is None else {"hide_headers": hide}
    forged = ANNS_HEADERS | {"dpop": "proof", "proxy-authorization": "Basic x"}
    side = ask(guard(**config), bearer(), body=body, headers=LEGACY | forged)
    assert side.exit is None
    assert side.upstream == ("notes-replicas" if body is CALL else "mcp-sidecar")
    for name in ("authorization", "proxy-authorization", "dpop"):
        assert name not in side.next_hop
    if body is CALL:
        assert not any(name.startswith("x-consumer-") for name in side.next_hop)
    else:
        claims, _ = ClaimSigner((KEY,)).verify(side.next_hop["mcp-gateway-context"], now=time.time())
        who = claims.principal
        assert (who.kind, who.id, who.issuer) == (TOKEN, "ann", KIT.issuer)
        hidden = claims.terms.hide
        assert hidden is None or {"authorization", "proxy-authorization", "dpop"} <= set(hidden)
    assert "client.get_consumer" not in side.names()


def test_a_token_that_was_verified_costs_no_call_of_the_pdk():
    one, token = guard(), bearer()
    ask(one, token)
    assert ask(one, token).names() == ["ctx.shared.get", "request.get_raw_body", "ctx.shared.set"]


@pytest.mark.requirement("AUTH-010")
def test_without_keys_the_answer_is_that_the_gateway_cannot_tell(path):
    path.unlink()
    status, body, headers = ask(guard(), bearer()).exit
    assert (status, headers["Retry-After"]) == (503, "1")
    assert "WWW-Authenticate" not in headers
    assert "keys" in json.loads(body)["error"]["message"]


@pytest.mark.requirement("AUTH-010")
def test_a_file_that_has_just_come_is_read_at_once(path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("mcp_kong.settings.time.monotonic", lambda: now[0])
    path.unlink()
    one = guard()
    assert ask(one, bearer()).exit[0] == 503
    write(path)
    now[0] += 0.01
    assert ask(one, bearer()).exit is None


@pytest.mark.requirement("AUTH-010")
def test_keys_beyond_their_time_open_nothing(path):
    write(path, until=time.time() - 1)
    assert ask(guard(), bearer()).exit[0] == 503


@pytest.mark.requirement("AUTH-010")
def test_keys_that_somebody_else_wrote_open_nothing(path):
    write(path, {"keys": [jwk("stranger")]}, ring=(b"x" * 32,))
    assert ask(guard(), bearer()).exit[0] == 503


@pytest.mark.requirement("AUTH-010")
def test_a_token_of_a_key_that_was_just_written_is_taken_at_once(path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("mcp_kong.settings.time.monotonic", lambda: now[0])
    write(path, {"keys": [jwk("RS256")]})
    one = guard()
    assert ask(one, bearer()).exit is None
    token = f"Bearer {KIT.token('ES256')}"
    assert ask(one, token).upstream == "mcp-sidecar"
    assert challenge_of(ask(one, token))[0] == 401
    write(path)
    now[0] += 0.01
    assert ask(one, token).exit is None


@pytest.mark.requirement("AUTH-015")
def test_a_key_that_is_not_known_is_asked_for_through_the_sidecar_and_seldom():
    one, token = guard(), f"Bearer {KIT.token(key='stranger')}"
    side = ask(one, token, headers=LEGACY | {"cookie": "c=1"})
    word = wanted.read(side.next_hop["mcp-gateway-context"], (KEY,), now=time.time())
    assert (word.issuer, word.kid, word.algorithm) == (KIT.issuer, "stranger", "RS256")
    assert word.challenge.startswith('Bearer error="invalid_token"')
    assert not {"authorization", "cookie"} & side.next_hop.keys()
    logged = dict(side.arguments("log.set_serialize_value"))
    assert logged["mcp"]["reason"] == "token-unknown-key"
    assert logged["request.headers.mcp-gateway-context"] == "REDACTED"
    for number in range(20):
        assert challenge_of(ask(one, f"Bearer {KIT.token(header={'kid': str(number)})}"))[0] == 401
    other = ask(one, f"Bearer {OTHER.token(key='stranger')}")
    assert challenge_of(other)[0] == 401, "an issuer that this server does not take is asked for nothing"


@pytest.mark.requirement("AUTH-015")
@pytest.mark.parametrize("changed", ["signed by another", "expired", "cut", "another format", "no dot", ""])
def test_no_other_word_is_believed(changed):
    word = wanted.WantedKey(KIT.issuer, "k", "ES256", "Bearer", "{}", int(time.time()) + 30)
    good = wanted.sign(word, (KEY,))
    assert wanted.read(good, (b"o" * 32, KEY), now=time.time()) == word
    bad = {
        "signed by another": wanted.sign(word, (b"x" * 32,)),
        "expired": wanted.sign(replace(word, expires=5), (KEY,)),
        "cut": good[:-1],
        "another format": wanted.sign(replace(word, format=2), (KEY,)),
        "no dot": good.replace(".", ""),
    }.get(changed, "")
    assert wanted.read(bad, (KEY,), now=time.time()) is None


@pytest.mark.requirement("AUTH-010")
def test_a_damaged_file_takes_nobody_their_keys_and_a_withdrawn_key_opens_nothing(path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("mcp_kong.settings.time.monotonic", lambda: now[0])
    one, token = guard(), bearer()
    assert ask(one, token).exit is None
    path.write_bytes(b"damaged")
    now[0] += 1
    assert ask(one, token).exit is None
    write(path, {"keys": [jwk("ES256")]})
    now[0] += 1
    assert ask(one, token).upstream == "mcp-sidecar"
    assert challenge_of(ask(one, token))[0] == 401


@pytest.mark.requirement("AUTH-009")
@pytest.mark.parametrize(
    "auth", [{"issuers": []}, {"resource": None}, {"issuers": [{"issuer": KIT.issuer, "algorithms": ["HS256"]}]}]
)
def test_a_guard_whose_section_cannot_be_used_does_not_start(auth):
    with pytest.raises(SettingsError):
        guard(auth)


@pytest.mark.requirement("AUTH-009")
def test_a_guard_without_a_file_of_keys_does_not_start(monkeypatch):
    monkeypatch.delenv(ISSUER_KEYS_VARIABLE, raising=False)
    with pytest.raises(SettingsError, match=ISSUER_KEYS_VARIABLE):
        guard()


@pytest.mark.requirement("AUTH-006")
@pytest.mark.parametrize("path_asked", [METADATA, "/.well-known/oauth-protected-resource"])
@pytest.mark.parametrize("headers", [{}, {"origin": "https://somewhere.example"}, {"authorization": "Bearer x"}])
def test_the_metadata_is_told_to_everybody(path_asked, headers):
    route = {"id": "r-1", "methods": ["GET", "OPTIONS"]}
    side = ask(guard(), http_method="GET", target=path_asked, headers=headers, route=route)
    status, body, said = side.exit
    assert (status, said["Content-Type"], said["Access-Control-Allow-Origin"]) == (200, "application/json", "*")
    assert json.loads(body)["resource"] == KIT.resource
    assert side.upstream is None
    preflight = ask(guard(), http_method="OPTIONS", target=path_asked, headers=headers, route=route).exit
    assert (preflight[0], preflight[2]["Access-Control-Allow-Methods"]) == (204, "GET")


@pytest.mark.requirement("AUTH-006")
@pytest.mark.parametrize("http_method", ["POST", "PUT", "DELETE"])
def test_nothing_but_the_document_is_had_at_its_url(http_method):
    side = ask(guard(), http_method=http_method, target=METADATA, route={"id": "r-1", "methods": None})
    assert side.exit[0] == 401
    assert side.upstream is None


RULES = {"scope_rules": [{"scopes": ["notes:write"], "tools": ["open"]}]}


@pytest.mark.requirement("AUTH-007")
def test_what_needs_a_scope_is_unknown_or_a_challenge():
    hidden = ask(guard(RULES), bearer())
    assert hidden.exit[0] == 200
    assert "Unknown tool" in hidden.exit[1]
    status, said = challenge_of(ask(guard(RULES | {"denial": "challenge"}), bearer()))
    assert status == 403
    assert said.startswith('Bearer error="insufficient_scope", scope="mcp notes:write", resource_metadata=')
    for denial in ("hide", "challenge"):
        assert ask(guard(RULES | {"denial": denial}), bearer(scope="mcp notes:write")).exit is None


@pytest.mark.requirement("AUTH-007")
@pytest.mark.parametrize(("denial", "listed"), [("hide", False), ("challenge", True)])
def test_a_list_shows_what_a_step_up_would_open_only_where_that_is_wanted(denial, listed):
    side = ask(guard(RULES | {"denial": denial}), bearer(), body=LIST)
    claims, _ = ClaimSigner((KEY,)).verify(side.next_hop["mcp-gateway-context"], now=time.time())
    assert claims.terms.view.allows(Kind.TOOL, "open") is listed


def test_a_denied_tool_is_never_a_challenge():
    config = {"tools": {"allow": ["*"], "deny": ["open"]}}
    side = ask(guard(RULES | {"denial": "challenge"}, **config), bearer())
    assert "Unknown tool" in side.exit[1]


def test_monitor_mode_forgives_what_an_item_needs_and_never_a_missing_token():
    for denial in ("hide", "challenge"):
        one = guard(RULES | {"denial": denial}, mode="monitor")
        side = ask(one, bearer())
        assert side.exit is None
        assert side.arguments("log.set_serialize_value")[0][1]["forgiven"]
        assert ask(one).exit[0] == 401
        assert ask(one, bearer(scope="other")).exit[0] == 403


@pytest.mark.requirement("AUTH-012")
def test_a_session_opens_for_its_subject_and_issuer_alone():
    two = {"issuers": [{"issuer": KIT.issuer}, {"issuer": OTHER.issuer}]}
    session = Session("notes", Principal(TOKEN, "ann", KIT.issuer), "up-1", "a1", int(time.time()))
    token = SessionSealer((KEY,), AESGCM, InvalidTag).seal(session, secrets.token_bytes(12))
    headers = LEGACY | {"mcp-session-id": token}
    one = guard(two)
    assert ask(one, bearer(), headers=headers).next_hop["mcp-session-id"] == "up-1"
    assert ask(one, bearer(jti="another", scope="mcp more"), headers=headers).exit is None
    for other in (bearer(sub="eve"), f"Bearer {OTHER.token()}"):
        assert ask(one, other).exit is None
        assert ask(one, other, headers=headers).exit[0] == 404


@pytest.mark.requirement("AUTH-013")
@pytest.mark.parametrize(
    ("rule", "claims", "opens"),
    [
        ({"subjects": ["ann"]}, {}, True),
        ({"subjects": ["ann"]}, {"sub": "Ann"}, False),
        ({"clients": ["agent-1"]}, {}, True),
        ({"clients": ["agent-1"]}, {"client_id": None, "azp": "agent-1"}, True),
        ({"clients": ["agent-1"]}, {"client_id": "agent-2"}, False),
        ({"scopes": ["write", "admin"]}, {"scope": "mcp admin"}, True),
        ({"scopes": ["write"]}, {"scope": "mcp all"}, True),
        ({"scopes": ["write"]}, {}, False),
        ({"groups": ["staff"]}, {"groups": ["staff"]}, True),
        ({"groups": ["staff"]}, {"groups": ["other"]}, False),
        ({"subjects": ["eve"], "groups": ["staff"], "issuer": KIT.issuer}, {"groups": ["staff"]}, True),
    ],
)
def test_rules_know_tokens_by_subject_client_scope_and_group(rule, claims, opens):
    auth = {"issuers": [{"issuer": KIT.issuer, "groups_claim": ["groups"]}], "implied_scopes": {"all": ["write"]}}
    one = guard(auth, tools={"allow": []}, rules=[{**rule, "tools": {"allow": ["open"]}}])
    assert (ask(one, bearer(**claims)).exit is None) is opens


@pytest.mark.requirement("AUTH-013")
@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"auth": None, "rules": [{"subjects": ["ann"]}]}, "auth"),
        ({"auth": None, "rules": [{"groups": ["a"], "issuer": KIT.issuer}]}, "auth"),
        ({"rules": [{"consumers": ["ann"]}]}, "consumers"),
        ({"rules": [{"subjects": ["ann"], "issuer": "https://other.example"}]}, "issuer"),
        ({"rules": [{"issuer": KIT.issuer}]}, "subjects"),
        (
            {
                "auth": AUTH | {"issuers": [{"issuer": KIT.issuer}, {"issuer": "https://b.example"}]},
                "rules": [{"groups": ["a"]}],
            },
            "issuer",
        ),
    ],
)
def test_a_rule_that_would_hold_for_nobody_or_for_namesakes_keeps_the_guard_from_starting(config, named):
    with pytest.raises(SettingsError, match=named):
        Guard(CONFIG | {"auth": AUTH} | config)


@pytest.mark.requirement("AUTH-330")
def test_a_call_through_more_who_act_than_are_taken_is_refused_with_both_numbers():
    by_two = bearer(act={"sub": "mail", "act": {"sub": "notes"}})
    assert ask(guard({"max_actors": 2}), by_two).exit is None
    for most in (0, 1):
        status, body, headers = ask(guard({"max_actors": most}), by_two).exit
        assert status == 403
        # Another token that came the same way would be refused too: nobody is sent for one.
        assert "WWW-Authenticate" not in headers
        said = json.loads(body)["error"]["message"]
        assert f"2 that act one for the other, and this server takes {most} at most" in said
        assert "notes" not in said
    assert ask(guard({"max_actors": 0}), bearer()).exit is None
    long = {"sub": "x"}
    for _ in range(8):
        long = {"sub": "x", "act": long}
    assert ask(guard(), bearer(act=long["act"])).exit is None
    assert ask(guard(), bearer(act=long)).exit[0] == 403
