from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
import string

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from mcp_core.seal import Context, ContextSigner, KeyRingError, Session, SessionSealer, derive, parse_keys

OLD, NEW = b"o" * 32, b"n" * 32
BODY = b'{"jsonrpc":"2.0"}'
CONTEXT = Context(
    server="notes",
    principal="ann",
    era="modern",
    version="2026-07-28",
    http_method="POST",
    method="tools/list",
    id=7,
    body=hashlib.sha256(BODY).hexdigest(),
    enforce=True,
    view={"tools": {"allow": ["*"], "deny": []}},
    session=None,
    affinity="a1",
    expires=1000,
)
SESSION = Session("notes", "ann", "up-1", "a1", 1000)
TOKEN_CHARACTERS = string.ascii_letters + string.digits + "-_"


def signer(*keys):
    return ContextSigner(keys)


def sealer(*keys):
    return SessionSealer(keys, AESGCM, InvalidTag)


def opened(token, *keys, server="notes", principal="ann", now=1000.0, max_age=60):
    return sealer(*(keys or (NEW,))).open(token, server, principal, now=now, max_age=max_age)


def base64_of(*keys):
    return ",".join(base64.b64encode(key).decode() for key in keys)


@pytest.mark.requirement("SEAL-001")
def test_a_ring_is_read_in_order():
    assert parse_keys(f" {base64_of(NEW)} , {base64_of(OLD)},\n") == (NEW, OLD)


@pytest.mark.requirement("SEAL-001")
@pytest.mark.parametrize(
    "ring",
    ["", " , ", "secret-words", base64_of(b"s" * 31), base64_of(NEW)[:-1], base64_of(NEW, b"short"), "schl\u00fcssel"],
)
def test_a_ring_that_cannot_be_used_says_so_and_shows_nothing(ring):
    with pytest.raises(KeyRingError) as error:
        parse_keys(ring)
    assert "openssl rand -base64 32" in str(error.value)
    assert not [part for part in ring.split(",") if part.strip() and part.strip() in str(error.value)]


@pytest.mark.requirement("SEAL-001")
def test_a_key_for_one_purpose_is_none_for_another():
    assert derive(NEW, "kong-mcp context") != derive(NEW, "kong-mcp session")
    assert len(derive(NEW, "any")) == 32


@pytest.mark.requirement("SEAL-002")
def test_a_signed_context_is_believed_until_it_expires():
    value = signer(NEW).sign(CONTEXT)
    assert value.isascii()
    assert signer(NEW).verify(value, now=1000) == CONTEXT
    assert signer(NEW).verify(value, now=1000.1) is None


@pytest.mark.requirement("SEAL-002")
def test_a_context_holds_for_its_body_only():
    value = signer(NEW).sign(CONTEXT)
    context = signer(NEW).verify(value, now=0)
    assert context.is_for(BODY)
    assert not context.is_for(BODY + b" ")
    assert not context.is_for(b"")


@pytest.mark.requirement("SEAL-002")
def test_a_forged_context_is_not_believed():
    value = signer(NEW).sign(CONTEXT)
    payload, _, mac = value.partition(".")
    raised = json.dumps(dataclasses.asdict(CONTEXT) | {"principal": "admin"}).encode()
    other = base64.urlsafe_b64encode(raised).rstrip(b"=").decode()
    plain_mac = base64.urlsafe_b64encode(hmac.digest(NEW, other.encode(), "sha256")).rstrip(b"=").decode()
    forgeries = (f"{other}.{mac}", f"{other}.{plain_mac}", f"{payload}.", payload, f".{mac}", "", ".", f"{value}.")
    for forged in (*forgeries, f"{value}=", f" {value}", f"{payload}\u00e9.{mac}", f"{payload}.{mac}\u00e9"):
        assert signer(NEW).verify(forged, now=0) is None


WHOLE = dataclasses.asdict(CONTEXT)


@pytest.mark.requirement("SEAL-002")
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="none"),
        pytest.param([], id="a list"),
        pytest.param(7, id="a number"),
        pytest.param(None, id="null"),
        pytest.param(WHOLE | {"more": 1}, id="one more"),
        pytest.param({name: value for name, value in WHOLE.items() if name != "expires"}, id="one less"),
        pytest.param({name: value for name, value in WHOLE.items() if name != "id"} | {"ID": 7}, id="one other"),
    ],
)
def test_a_context_of_other_fields_is_signed_by_another_version_and_not_believed(fields):
    payload = base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=")
    mac = hmac.digest(derive(NEW, "kong-mcp context"), payload, "sha256")
    signed = f"{payload.decode()}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert signer(NEW).verify(signed, now=0) is None


@pytest.mark.requirement("SEAL-005")
@given(st.data())
def test_no_changed_character_goes_unnoticed(data):
    for whole, check in (
        (signer(NEW).sign(CONTEXT), lambda one: signer(NEW).verify(one, now=0)),
        (sealer(NEW).seal(SESSION, b"n" * 12), opened),
    ):
        assert check(whole) is not None
        at = data.draw(st.integers(0, len(whole) - 1))
        changed = whole[:at] + data.draw(st.sampled_from(TOKEN_CHARACTERS + "=+/. ")) + whole[at + 1 :]
        assert changed == whole or check(changed) is None


@pytest.mark.requirement("SEAL-005")
@pytest.mark.parametrize("spelled", ["{}=", "{}==", " {}", "{}\n", "{}A", "{}\u00e9"])
def test_a_session_has_one_spelling(spelled):
    assert opened(spelled.format(sealer(NEW).seal(SESSION, b"n" * 12))) is None


@pytest.mark.requirement("SEAL-003")
def test_keys_turn_over_without_a_break_and_end():
    old_context, old_token = signer(OLD).sign(CONTEXT), sealer(OLD).seal(SESSION, b"n" * 12)
    assert signer(NEW, OLD).verify(old_context, now=0) == CONTEXT
    assert opened(old_token, NEW, OLD) == SESSION
    assert signer(NEW).verify(old_context, now=0) is None
    assert opened(old_token, NEW) is None
    assert signer(NEW).verify(signer(NEW, OLD).sign(CONTEXT), now=0) == CONTEXT
    assert opened(sealer(NEW, OLD).seal(SESSION, b"n" * 12), NEW) == SESSION


@pytest.mark.requirement("SEAL-004")
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"principal": "bob"}, id="another principal"),
        pytest.param({"principal": None}, id="nobody"),
        pytest.param({"principal": ""}, id="an empty name"),
        pytest.param({"server": "files"}, id="another server"),
        pytest.param({"server": ""}, id="no server"),
        pytest.param({"now": 1060.5}, id="too late"),
        pytest.param({"max_age": -1}, id="an age of nothing"),
    ],
)
def test_a_session_opens_for_its_owner_in_its_time_only(asked):
    token = sealer(NEW).seal(SESSION, b"n" * 12)
    assert opened(token) == SESSION
    assert opened(token, now=1060) == SESSION
    assert opened(token, **asked) is None


@pytest.mark.requirement("SEAL-004")
def test_nobodys_session_is_nobodys():
    token = sealer(NEW).seal(dataclasses.replace(SESSION, principal=None), b"n" * 12)
    assert opened(token, principal=None) is not None
    assert opened(token, principal="ann") is None


@pytest.mark.requirement("SEAL-004")
@given(st.text(max_size=80))
def test_any_other_text_opens_nothing(token):
    assert opened(token) is None


def test_a_sealed_session_shows_nothing_of_what_it_holds():
    token = sealer(NEW).seal(dataclasses.replace(SESSION, upstream="upstream-secret"), b"n" * 12)
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert b"upstream" not in raw
    assert b"ann" not in raw
