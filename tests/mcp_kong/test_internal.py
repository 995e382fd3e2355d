"""mcp-internal: what the sidecar signed opens one upstream, and everything else is an unknown route."""

from __future__ import annotations

import base64
import json
import time

import pytest
from kong_side import KEY, KongSide

from mcp_core.errand import Address, Errand, ErrandSigner
from mcp_kong.internal import Internal
from mcp_kong.settings import KEYS_VARIABLE
from mcp_kong.settings_error import SettingsError

LINE = "POST /notes HTTP/1.1"


@pytest.fixture(autouse=True)
def ring(monkeypatch):
    monkeypatch.setenv(KEYS_VARIABLE, base64.b64encode(KEY).decode())


def word(asked="POST /notes", scheme="http", path="/v1/mcp", key=KEY):
    errand = Errand(Address("notes-replicas", scheme, path), asked, "a1", int(time.time()) + 10)
    return ErrandSigner([key]).sign(errand)


def access(said, line=LINE):
    side = KongSide(b"", {"mcp-gateway-target": said or "", "mcp-affinity": "forged"}, line=line, word=said)
    Internal({}).access(side.pdk)
    return side


@pytest.mark.requirement("ROUTE-002")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_signed_request_goes_where_the_word_says_and_the_word_goes_no_further(scheme):
    side = access(word(scheme=scheme))
    assert side.exit is None
    assert side.upstream == "notes-replicas"
    assert side.arguments("service.request.set_path") == [("/v1/mcp",)]
    assert side.arguments("service.request.set_scheme") == ([] if scheme == "http" else [("https",)])
    assert side.next_hop == {"mcp-affinity": "a1"}


@pytest.mark.requirement("ROUTE-002")
def test_an_open_request_costs_five_calls():
    assert access(word()).names() == [
        *("nginx.get_var", "nginx.get_var"),
        *("service.set_upstream", "service.request.set_path", "service.request.set_headers"),
    ]


@pytest.mark.requirement("ROUTE-002")
@pytest.mark.parametrize(
    ("said", "line"),
    [
        (lambda: None, LINE),
        (lambda: "", LINE),
        (lambda: "1.e30.AAAA", LINE),
        (lambda: word(key=b"o" * 32), LINE),
        (lambda: f"{word()}, {word()}", LINE),
        (word, "POST /team HTTP/1.1"),
        (word, "GET /notes HTTP/1.1"),
        (word, "POST /notes?x=1 HTTP/1.1"),
        (word, ""),
        (word, None),
    ],
)
def test_everything_else_is_an_unknown_route(said, line):
    side = access(said(), line)
    assert side.upstream is None
    status, body, headers = side.exit
    assert (status, headers) == (404, {"Content-Type": "application/json; charset=utf-8"})
    assert json.loads(body) == {"message": "no Route matched with those values", "request_id": "r-1"}


@pytest.mark.requirement("ROUTE-301")
def test_a_word_that_is_refused_is_in_no_header_that_log_plugins_write_down():
    expired = Errand(Address("notes-replicas", "http", "/mcp", "key=secret"), "POST /notes", "a1", int(time.time()) - 1)
    side = access(ErrandSigner([KEY]).sign(expired))
    assert side.exit[0] == 404
    assert "mcp-gateway-target" not in side.next_hop


@pytest.mark.requirement("ROUTE-002")
@pytest.mark.parametrize("keys", ["", "c2hvcnQ="])
def test_without_keys_it_does_not_start(keys, monkeypatch):
    monkeypatch.setenv(KEYS_VARIABLE, keys)
    with pytest.raises(SettingsError, match=KEYS_VARIABLE):
        Internal({})
