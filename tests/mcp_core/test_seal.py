from __future__ import annotations

import base64
import dataclasses
import string

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from mcp_core.principal import NOBODY, TOKEN, Principal, consumer
from mcp_core.seal import KeyRingError, Sealer, Session, SessionSealer, derive, parse_keys

OLD, NEW = b"o" * 32, b"n" * 32
ANN = consumer("ann")
SESSION = Session("notes", ANN, "up-1", "a1", 1000)
TOKEN_CHARACTERS = string.ascii_letters + string.digits + "-_"


def sealer(*keys):
    return SessionSealer(keys, AESGCM, InvalidTag)


def opened(token, *keys, server="notes", principal=ANN, now=1000.0, max_age=60):
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


@pytest.mark.requirement("SEAL-005")
@given(st.data())
def test_no_changed_character_goes_unnoticed(data):
    whole = sealer(NEW).seal(SESSION, b"n" * 12)
    assert opened(whole) is not None
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + data.draw(st.sampled_from(TOKEN_CHARACTERS + "=+/. ")) + whole[at + 1 :]
    assert changed == whole or opened(changed) is None


@pytest.mark.requirement("SEAL-005")
@pytest.mark.parametrize("spelled", ["{}=", "{}==", " {}", "{}\n", "{}A", "{}\u00e9"])
def test_a_session_has_one_spelling(spelled):
    assert opened(spelled.format(sealer(NEW).seal(SESSION, b"n" * 12))) is None


@pytest.mark.requirement("SEAL-003")
def test_keys_turn_over_without_a_break_and_end():
    old_token = sealer(OLD).seal(SESSION, b"n" * 12)
    assert opened(old_token, NEW, OLD) == SESSION
    assert opened(old_token, NEW) is None
    assert opened(sealer(NEW, OLD).seal(SESSION, b"n" * 12), NEW) == SESSION


@pytest.mark.requirement("SEAL-004")
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"principal": consumer("bob")}, id="another principal"),
        pytest.param({"principal": NOBODY}, id="nobody"),
        pytest.param({"principal": consumer("")}, id="an empty name"),
        pytest.param({"principal": Principal(TOKEN, "ann")}, id="a token's subject of that name"),
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
    token = sealer(NEW).seal(dataclasses.replace(SESSION, principal=NOBODY), b"n" * 12)
    assert opened(token, principal=NOBODY) is not None
    assert opened(token, principal=ANN) is None


@pytest.mark.requirement("SEAL-006")
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Principal(TOKEN, "ann", "https://a.example"), Principal(TOKEN, "bob", "https://a.example")),
        (Principal(TOKEN, "ann", "https://a.example"), Principal(TOKEN, "ann", "https://b.example")),
        (Principal(TOKEN, "ann", "https://a.example"), NOBODY),
        (Principal(TOKEN, "ann", "https://a.example"), ANN),
    ],
)
def test_the_session_of_a_tokens_subject_opens_for_no_other(ours, theirs):
    for owner, other in ((ours, theirs), (theirs, ours)):
        token = sealer(NEW).seal(dataclasses.replace(SESSION, principal=owner), b"n" * 12)
        assert opened(token, principal=owner) == dataclasses.replace(SESSION, principal=owner)
        assert opened(token, principal=other) is None


@pytest.mark.requirement("SEAL-007")
def test_what_is_sealed_without_a_nonce_has_one_of_its_own_for_all_that_is_bound():
    def begins(fields=None, server="notes", principal=ANN, purpose="tests", key=NEW):
        token = Sealer([key], AESGCM, InvalidTag, purpose, ("u",)).seal(fields or {"u": "up"}, server, principal)
        return token.partition(".")[2][:16]  # twelve bytes of nonce

    assert begins() == begins()
    others = [begins({"u": "up2"}), begins(server="files"), begins(server=""), begins(principal=NOBODY)]
    others += [begins(purpose="tests2"), begins(key=OLD)]
    assert len({begins(), *others}) == 1 + len(others)


@pytest.mark.requirement("SEAL-004")
@given(st.text(max_size=80))
def test_any_other_text_opens_nothing(token):
    assert opened(token) is None


def test_a_sealed_session_shows_nothing_of_what_it_holds():
    token = sealer(NEW).seal(dataclasses.replace(SESSION, upstream="upstream-secret"), b"n" * 12)
    sealed = token.partition(".")[2]
    raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    assert b"upstream" not in raw
    assert b"ann" not in raw
