from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_core.answer import ServerMessages
from mcp_core.claims import Claims, ClaimSigner, Disbelief, Target
from mcp_core.errand import Address
from mcp_core.inspection import Inspection, Mode
from mcp_core.methods import Era, Kind, Place, ServerKind
from mcp_core.pins.states import Pinning
from mcp_core.policy import Access, View
from mcp_core.principal import NOBODY, TOKEN, Principal, consumer
from mcp_core.question import Asked, Question
from mcp_core.seal import derive
from mcp_core.terms import Terms, named_terms, read_named_terms, terms_digest, write_terms

OLD, NEW = b"o" * 32, b"n" * 32
BODY = b'{"jsonrpc":"2.0"}'
CHARACTERS = string.ascii_letters + string.digits + "-_=+/. "
VIEW = View({Kind.TOOL: Access(("*",), ("write",)), Kind.RESOURCE: Access(("note:*",))})
TERMS = Terms(VIEW)
FULL = Terms(
    VIEW,
    enforce=False,
    lists_tasks=True,
    server_messages=ServerMessages(frozenset({ServerKind.PING}), frozenset({"acme/x"})),
    hide=("cookie", "x-*"),
    pins=Pinning.ENFORCE,
    inspection=Inspection(Mode.BLOCK, Mode.FLAG, Mode.BLOCK),
    scan={"families": {"shell": "off"}},
)
CLAIMS = Claims(
    consumer("ann"),
    TERMS,
    "POST",
    "tools/list",
    7,
    Question(Era.MODERN, "2026-07-28", asked=(Asked(7, "tools/list", "t"),)),
    hashlib.sha256(BODY).hexdigest(),
    1000,
)
TARGET = Target("notes", Era.MODERN, "a1")


def signer(*keys):
    return ClaimSigner(keys or (NEW,))


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(*parts, key=NEW):
    """Sign what another release might write: texts as they are, all else as JSON."""
    text = ".".join(part if isinstance(part, str) else encoded(json.dumps(part).encode()) for part in parts)
    return f"{text}.{encoded(hmac.digest(derive(key, 'kong-mcp context'), text.encode(), 'sha256'))}"


def parts_of(claims=CLAIMS, target=TARGET):
    """Return terms and claims as they are written."""
    _, terms, said, _ = signer().sign(claims, target).split(".")
    return [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (terms, said)]


def seen(claims):
    """Return claims as values that can be compared: a view is what it allows and denies."""
    terms = dataclasses.replace(claims.terms, view=None)
    return dataclasses.replace(claims, terms=terms), claims.terms.view.to_json()


def read(value, now=0):
    return signer().verify(value, now=now)


@pytest.mark.requirement("SEAL-002")
@pytest.mark.parametrize("terms", [TERMS, FULL, Terms(View({})), dataclasses.replace(FULL, hide=())])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"principal": NOBODY, "id": None, "method": ""},
        {"principal": Principal(TOKEN, "caf\xe9", "https://issuer.example"), "id": "\u2028"},
        {"id": 0, "refusal": "{}"},
        {"announce": "/notes/messages", "http_method": "GET"},
        {"question": Question(Era.LEGACY, "2025-03-26", batch=True)},
        {"question": Question(Era.LEGACY, "2025-03-26", asked=(Asked(1, "ping"), Asked("1", "x", 2)), batch=True)},
        {"question": Question(Era.LEGACY, "2025-11-25", Place.REPLAY)},
    ],
)
def test_what_a_guard_says_is_what_a_sidecar_reads(terms, changes):
    claims = dataclasses.replace(CLAIMS, terms=terms, **changes)
    era = claims.question.era
    target = Target("notes", era, "a1", "up-1", "/messages?s=1", Address("notes", "https", "/v1/mcp"))
    for where in (target, dataclasses.replace(target, session=None, endpoint=None)):
        said, asked = read(signer().sign(claims, where))
        assert seen(said) == seen(claims)
        assert asked == where


@pytest.mark.requirement("SEAL-002")
def test_groups_and_scopes_stay_with_the_guard_which_alone_decides():
    principal = Principal(TOKEN, "ann", "i", frozenset({"g"}), frozenset({"s"}))
    said, _ = read(signer().sign(dataclasses.replace(CLAIMS, principal=principal), TARGET))
    assert said.principal == Principal(TOKEN, "ann", "i")


@pytest.mark.requirement("SEAL-002")
def test_signed_claims_are_believed_until_they_expire():
    value = signer().sign(CLAIMS, TARGET)
    assert value.isascii()
    assert value == signer().sign(CLAIMS, TARGET, encoded(write_terms(TERMS)))
    assert read(value, now=1000)[1] == TARGET
    assert read(value, now=1000.1) is Disbelief.UNSIGNED


@pytest.mark.requirement("SEAL-002")
def test_claims_hold_for_their_body_only():
    claims, _ = read(signer().sign(CLAIMS, TARGET))
    assert claims.is_for(BODY)
    assert not claims.is_for(BODY + b" ")
    assert not claims.is_for(b"")


@pytest.mark.requirement("SEAL-002")
def test_forged_claims_are_not_believed():
    value = signer().sign(CLAIMS, TARGET)
    head, terms, said, mac = value.split(".")
    other = encoded(json.dumps(parts_of()[1] | {"who": "admin"}).encode())
    open_terms = encoded(write_terms(FULL))
    plain = encoded(hmac.digest(NEW, f"{head}.{terms}.{other}".encode(), "sha256"))
    for forged in (
        f"{head}.{terms}.{other}.{mac}",
        f"{head}.{terms}.{other}.{plain}",
        f"{head}.{open_terms}.{said}.{mac}",
        f"1.{terms}.{said}.{mac}",
        f"3.{terms}.{said}.{mac}",
        f"{head}.{terms}.{said}.",
        f"{head}.{terms}.{said}",
        f"{terms}.{said}.{mac}",
        f"{said}.{mac}",
        *(f".{mac}", "", ".", "...", f"{value}.", f"{value}=", f" {value}"),
        *(f"{head}.{terms}\xe9.{said}.{mac}", f"{value}\xe9"),
    ):
        assert read(forged) is Disbelief.UNSIGNED, forged


@pytest.mark.requirement("SEAL-005")
@given(st.data())
def test_no_changed_character_of_claims_goes_unnoticed(data):
    whole = signer().sign(CLAIMS, TARGET)
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + data.draw(st.sampled_from(CHARACTERS)) + whole[at + 1 :]
    assert changed == whole or read(changed) is Disbelief.UNSIGNED


@pytest.mark.requirement("SEAL-003")
def test_the_keys_of_claims_turn_over_without_a_break_and_end():
    old = signer(OLD).sign(CLAIMS, TARGET)
    assert signer(NEW, OLD).verify(old, now=0)[1] == TARGET
    assert signer(NEW).verify(old, now=0) is Disbelief.UNSIGNED
    assert signer(NEW).verify(signer(NEW, OLD).sign(CLAIMS, TARGET), now=0)[1] == TARGET


@pytest.mark.requirement("SEAL-008")
def test_members_that_another_release_adds_are_ignored():
    terms, said = parts_of()
    claims, target = read(signed("2", terms | {"budget": 9}, said | {"scheme": "https", "crit": ["server", "who"]}))
    assert (seen(claims), target) == (seen(CLAIMS), TARGET)
    longer = said | {"asked": [[*said["asked"][0], "more"]]}
    assert read(signed("2", terms, longer))[0].question == CLAIMS.question


def not_read():
    """Give what is signed well and not to be read, by its name."""
    terms, said = parts_of()
    yield "a critical claim", signed("2", terms, said | {"scheme": "https", "crit": ["scheme"]})
    yield "a critical term", signed("2", terms | {"budget": 9, "crit": ["view", "budget"]}, said)
    for number, odd in enumerate(("scheme", 7, None, {"scheme": 1}, [7], [None])):
        yield f"odd crit {number}", signed("2", terms, said | {"crit": odd})
    for number in ("3", "1", "0", "02", "", "two"):
        yield f"format {number}", signed(number, terms, said)
    yield "four parts", signed("2", terms, said, {})
    yield "two parts", signed("2", said)
    for odd in ({}, [], 7, None, "x"):
        yield f"format 1 of {odd}", signed(encoded(json.dumps(odd).encode()))
        yield f"claims of {odd}", signed("2", terms, encoded(json.dumps(odd).encode()))
    for name in ("server", "era", "version", "affinity", "kind", "http", "body", "expires", "place"):
        yield f"no {name}", signed("2", terms, {key: value for key, value in said.items() if key != name})
        yield f"null {name}", signed("2", terms, said | {name: None})
        yield f"odd {name}", signed("2", terms, said | {name: [7]})
    for name in ("who", "issuer", "session", "endpoint", "refusal", "announce", "address", "method", "id", "asked"):
        yield f"odd {name}", signed("2", terms, said | {name: {"a": 1}})
    for name in ("view", "messages", "hide", "pins", "results", "schema", "secrets", "scan"):
        yield f"odd {name}", signed("2", terms | {name: 7}, said)
    for name in ("pins", "results", "schema", "secrets"):
        yield f"new word for {name}", signed("2", terms | {name: "later"}, said)
    yield (
        "scanner settings",
        signed("2", terms | {"results": "flag", "scan": {"rules": {"telepathy.far": "off"}}}, said),
    )
    yield "a new kind of message", signed("2", terms | {"messages": [["telepathy"], []]}, said)
    yield "a view of other shape", signed("2", terms | {"view": {"tools": {"ask": ["*"]}}}, said)
    yield "a new place", signed("2", terms, said | {"place": "socket"})
    yield "a new era", signed("2", terms, said | {"era": "future"})
    yield "no base64", signed("2", "{}", said)
    yield "no JSON", signed("2", encoded(b"\xff"), said)


@pytest.mark.requirement("SEAL-008")
@pytest.mark.parametrize("value", [pytest.param(value, id=name) for name, value in not_read()])
def test_what_another_release_signed_and_this_one_cannot_read_is_said_to_be_that(value):
    assert read(value) is Disbelief.OTHER_RELEASE


@pytest.mark.requirement("SEAL-008")
def test_nobody_without_a_key_hears_of_releases():
    terms, said = parts_of()
    for parts in (("3", terms, said), ("2", terms, said | {"crit": ["x"], "x": 1})):
        assert read(signed(*parts, key=OLD)) is Disbelief.UNSIGNED


def test_what_says_nothing_new_takes_no_room():
    value = signer().sign(dataclasses.replace(CLAIMS, terms=Terms(View({}))), TARGET)
    assert parts_of(dataclasses.replace(CLAIMS, terms=Terms(View({}))))[0] == {}
    assert len(value) < 600


@pytest.mark.requirement("SEAL-070")
def test_terms_that_are_named_are_those_that_were_signed():
    content = write_terms(FULL)
    digest = terms_digest(content)
    value = signer().sign(dataclasses.replace(CLAIMS, terms=FULL), TARGET, named_terms(digest))
    files = {digest: content}

    def find(name):
        return read_named_terms(name, files[name]) if name in files else None

    claims, _ = ClaimSigner((NEW,)).verify(value, now=0, find=find)
    assert write_terms(claims.terms) == content
    for other in (write_terms(TERMS), content + b" ", content[:-1], b""):
        files[digest] = other
        assert ClaimSigner((NEW,)).verify(value, now=0, find=find) is Disbelief.TERMS_MISSING
    assert ClaimSigner((NEW,)).verify(value, now=0, find=lambda _digest: None) is Disbelief.TERMS_MISSING
    assert ClaimSigner((NEW,)).verify(value, now=0) is Disbelief.TERMS_MISSING


@pytest.mark.requirement("SEAL-070")
def test_a_name_that_nobody_signed_is_not_looked_up():
    asked = []
    head, _, said, mac = signer().sign(CLAIMS, TARGET).split(".")
    forged = f"{head}.{named_terms('x')}.{said}.{mac}"
    assert ClaimSigner((NEW,)).verify(forged, now=0, find=asked.append) is Disbelief.UNSIGNED
    assert asked == []


@pytest.mark.requirement("SEAL-070")
@pytest.mark.parametrize("content", [b"{}x", b"[]", b'{"crit": ["moon"]}', b"\xff", b'{"view": 1}'])
def test_terms_that_this_release_does_not_read_are_as_missing(content):
    assert read_named_terms(terms_digest(content), content) is None
