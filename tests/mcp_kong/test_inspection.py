"""Results and arguments at the guard: what takes the sidecar's way, what the sidecar is told, and words not known."""

from __future__ import annotations

import json
import time

import pytest
from kong_side import CONFIG, KEY, KongSide

from mcp_core.claims import ClaimSigner
from mcp_kong.guard import Guard
from mcp_kong.settings_error import SettingsError

EVERYTHING = {kind: {"allow": ["*"]} for kind in ("tools", "prompts", "resources")}
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "open", "arguments": {}}}
PROMPT = {"jsonrpc": "2.0", "id": 2, "method": "prompts/get", "params": {"name": "greet"}}
READ = {"jsonrpc": "2.0", "id": 3, "method": "resources/read", "params": {"uri": "a://b"}}
PING = {"jsonrpc": "2.0", "id": 4, "method": "ping"}
NOTE = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
ANSWER = {"jsonrpc": "2.0", "id": 5, "result": {"action": "accept", "content": {}}}
RESULTS = {"results": {"mode": "block"}}
SCHEMA = {"arguments": {"schema": "flag"}}
SECRETS = {"arguments": {"secrets": "block"}}


def ask(body, version="2025-03-26", **config):
    headers = {"content-type": "application/json", "mcp-protocol-version": version}
    if version == "2026-07-28":
        body = body | {"params": body["params"] | {"_meta": META}}
        named = body["params"].get("name") or body["params"].get("uri")
        headers |= {"mcp-method": body["method"], "mcp-name": named}
    side = KongSide(json.dumps(body).encode(), headers)
    Guard(CONFIG | EVERYTHING | config).access(side.pdk)
    assert side.exit is None
    return side


def context(side):
    signed = side.next_hop.get("mcp-gateway-context")
    return None if signed is None else ClaimSigner((KEY,)).verify(signed, now=time.time())[0].terms.inspection


@pytest.mark.requirement("RES-006")
@pytest.mark.parametrize("body", [CALL, PROMPT, READ, PING, NOTE, ANSWER])
def test_where_results_are_scanned_nothing_passes_the_sidecar_by(body):
    told = context(ask(body, **RESULTS))
    assert (told.results, told.schema, told.secrets) == ("block", "off", "off")
    for off in ({}, {"results": {"mode": "off"}}, {"results": {"mode": False}}, {"results": None}):
        assert context(ask(body, **off)) is None


@pytest.mark.requirement("RES-006")
@pytest.mark.parametrize("body", [CALL, READ])
def test_the_modern_era_is_scanned_as_well(body):
    assert context(ask(body, "2026-07-28", **RESULTS)).results == "block"


@pytest.mark.requirement("ARG-006")
@pytest.mark.parametrize("config", [SCHEMA, SECRETS])
def test_where_arguments_are_checked_only_what_has_arguments_goes_through_the_sidecar(config):
    for body in (CALL, PROMPT, [PING, CALL]):
        told = context(ask(body, **config))
        assert {"schema": told.schema, "secrets": told.secrets} == {"schema": "off", "secrets": "off"} | config[
            "arguments"
        ]
    for body in (READ, PING, NOTE, ANSWER):
        assert context(ask(body, **config)) is None


@pytest.mark.requirement("RES-006")
def test_a_stream_is_told_what_the_route_asks():
    side = KongSide(None, {"mcp-protocol-version": "2025-11-25"}, http_method="GET", route=None)
    Guard(CONFIG | EVERYTHING | RESULTS | {"route_id": None}).access(side.pdk)
    assert context(side).results == "block"


@pytest.mark.requirement("RES-006")
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"results": {"mode": "on"}}, "config.results: write {mode: WORD} with one of off, flag, block"),
        ({"results": "block"}, "config.results: write"),
        ({"results": {"schema": "block"}}, "config.results: write"),
        ({"arguments": {"schema": "enforce"}}, "config.arguments: write {schema: WORD, secrets: WORD} with one of"),
        ({"arguments": {"secret": "block"}}, "config.arguments: write"),
    ],
)
def test_a_word_that_is_not_known_starts_no_guard(config, message):
    with pytest.raises(SettingsError) as caught:
        Guard(CONFIG | config)
    assert message in str(caught.value)
