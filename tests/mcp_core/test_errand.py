"""The sidecar's word to Kong's internal route: good for one request, for a moment, and for what it says."""

import base64
import json
from dataclasses import replace

import pytest

from mcp_core.claims import ClaimSigner, Disbelief
from mcp_core.errand import GOOD_SECONDS, Address, AddressError, Errand, ErrandSigner
from mcp_core.seal import Signer

KEY, OTHER = b"k" * 32, b"o" * 32
NOW = 1_800_000_000
ERRAND = Errand(Address("mcp-files-sessions", "https", "/api/mcp/"), "POST /files", "a1", NOW + GOOD_SECONDS)


def signed(**fields):
    """Return a word with other fields, signed as it should be."""
    said = {"target": ERRAND.target.to_json(), "asked": ERRAND.asked, "affinity": "a1", "expires": ERRAND.expires}
    return "1." + Signer([KEY], "kong-mcp errand 1").sign(json.dumps({**said, **fields}).encode())


@pytest.mark.requirement("ROUTE-001")
def test_a_word_says_what_was_signed_and_any_key_of_the_ring_reads_it():
    word = ErrandSigner([KEY]).sign(ERRAND)
    assert ErrandSigner([OTHER, KEY]).verify(word, "POST /files", now=NOW) == ERRAND
    assert word.startswith("1.")


@pytest.mark.requirement("ROUTE-001")
@pytest.mark.parametrize(
    "asked", ["POST /notes", "GET /files", "POST /files?x=1", "POST /files/", "POST //files", "post /files", ""]
)
def test_a_word_is_good_for_no_other_request(asked):
    assert ErrandSigner([KEY]).verify(ErrandSigner([KEY]).sign(ERRAND), asked, now=NOW) is None


@pytest.mark.requirement("ROUTE-001")
@pytest.mark.parametrize("now", [NOW + GOOD_SECONDS + 1, NOW - GOOD_SECONDS - 1])
def test_a_word_is_good_for_a_moment(now):
    assert ErrandSigner([KEY]).verify(ErrandSigner([KEY]).sign(ERRAND), ERRAND.asked, now=now) is None


def words():
    word = ErrandSigner([KEY]).sign(ERRAND)
    payload, mac = word[2:].split(".")
    other = base64.urlsafe_b64encode(b'{"target":["closed","http","/"]}').decode().rstrip("=")
    yield from ("", ".", "1.", "1..", "1.e30.AAAA", word + " ", f"{word}, {word}", word[:-1], word[2:], "2" + word[1:])
    yield from (f"1.{payload}.", f"1..{mac}", f"1.{other}.{mac}", f"1.{payload}=.{mac}", f"1.{payload}.{mac}.x")
    yield "1.\xe9.\xe9"
    yield ErrandSigner([OTHER]).sign(ERRAND)
    # What the same key signed for another purpose.
    yield "1." + Signer([KEY], "kong-mcp context").sign(b"{}")
    yield "1." + Signer([KEY], "kong-mcp errand 2").sign(b"{}")


@pytest.mark.requirement("ROUTE-001")
@pytest.mark.parametrize("word", list(words()))
def test_what_was_not_signed_so_is_nothing(word):
    assert ErrandSigner([KEY]).verify(word, ERRAND.asked, now=NOW) is None


def test_a_word_is_no_context_and_no_field_that_is_new_matters():
    assert ClaimSigner([KEY]).verify(ErrandSigner([KEY]).sign(ERRAND)[2:], now=NOW) is Disbelief.UNSIGNED
    assert ErrandSigner([KEY]).verify(signed(later=1), ERRAND.asked, now=NOW) == ERRAND
    assert ErrandSigner([KEY]).verify(signed(target=None), ERRAND.asked, now=NOW) is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"upstream": ""}, "upstream"),
        ({"upstream": "a/b"}, "upstream"),
        ({"upstream": 7}, "upstream"),
        ({"scheme": "ftp"}, "scheme"),
        ({"scheme": None}, "scheme"),
        ({"path": "mcp"}, "path"),
        ({"path": "/mcp?a=b"}, "path"),
        ({"path": "/mcp#a"}, "path"),
        ({"path": "/m\r\ncp"}, "path"),
        ({"path": "/" + "x" * 1024}, "path"),
    ],
)
def test_a_target_that_readers_could_read_otherwise_is_refused(change, named):
    fields = {"upstream": "mcp-files", "scheme": "http", "path": "/mcp", **change}
    with pytest.raises(AddressError, match=f"^{named}: write"):
        Address.read(**fields)


def test_a_target_is_read_as_it_was_written():
    for target in (ERRAND.target, replace(ERRAND.target, path="/")):
        assert Address.from_json(json.loads(json.dumps(target.to_json()))) == target
    assert Address.from_json(None) is None
