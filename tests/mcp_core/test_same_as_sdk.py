"""Our reading of a request beside the official SDK's and the standard library's, on bytes that nobody chose."""

from __future__ import annotations

import json

import pytest
from core_cases import CAPABILITIES_KEY, META, MODERN, PLAIN, VERSION_KEY, modern, modern_body
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import NAME_BEARING_METHODS, InboundModernRoute, classify_inbound_request
from mcp_types.jsonrpc import JSONRPCRequest, jsonrpc_message_adapter

from mcp_core import envelope, jsonrpc
from mcp_core.envelope import Envelope
from mcp_core.jsonrpc import DEFAULT_LIMITS, Request
from mcp_core.methods import Era
from mcp_core.outcome import Reject


class Pairs(list):
    """An object as pairs, so that a key can stand twice."""


def write(value) -> str:
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(key)}:{write(one)}" for key, one in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    return json.dumps(value)


WORDS = st.sampled_from(
    ["open", "shut", "tools/call", "tools/list", "prompts/get", "resources/read", MODERN, "", "Open"]
)
KEYS = st.sampled_from(
    ["jsonrpc", "id", "method", "params", "name", "uri", "_meta", VERSION_KEY, CAPABILITIES_KEY, "Name", "arguments"]
)
VALUES = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(KEYS, inner), max_size=5).map(Pairs),
    max_leaves=12,
)


def mangled(pairs, extra, blank):
    return (blank + write(Pairs(pairs + extra))).encode()


CALLS = st.builds(
    lambda method, key, name, more, meta: [
        ("jsonrpc", "2.0"),
        ("id", 1),
        ("method", method),
        ("params", Pairs([(key, name), ("_meta", meta), *more])),
    ],
    WORDS,
    st.sampled_from(["name", "uri"]),
    WORDS | VALUES,
    st.lists(st.tuples(KEYS, VALUES), max_size=1),
    st.just(Pairs(META.items())) | VALUES,
)
BODIES = (
    st.builds(
        mangled,
        CALLS,
        st.lists(st.tuples(KEYS, VALUES), max_size=1),
        st.sampled_from(["", " ", "\n", "\x0b", "\ufeff"]),
    )
    | VALUES.map(lambda value: write(value).encode())
    | st.binary(max_size=30)
    | st.integers(0, len(PLAIN) - 1).flatmap(
        lambda at: st.binary(min_size=1, max_size=2).map(lambda byte: PLAIN[:at] + byte + PLAIN[at + 1 :])
    )
)


@pytest.mark.requirement("RPC-010")
@given(BODIES)
def test_what_the_parser_accepts_everyone_reads_alike(body):
    read = jsonrpc.parse(body)
    if not isinstance(read, Request):
        return
    plain, official = json.loads(body), jsonrpc_message_adapter.validate_json(body)
    assert isinstance(official, JSONRPCRequest)
    assert read.method == plain["method"] == official.method
    assert (read.id, read.params) == (plain["id"], plain.get("params", {}))
    assert read.id == official.id
    for key in ("name", "uri"):
        assert read.params.get(key) == (official.params or {}).get(key)


def executed_by_the_sdk(headers, body):
    """Return (method, name) if the SDK's modern server would run this, as its request handler reads it."""
    try:
        decoded = json.loads(body)
        JSONRPCRequest.model_validate(decoded, by_name=False)
    except (ValueError, RecursionError):
        return None
    if not isinstance(classify_inbound_request(decoded, headers=headers), InboundModernRoute):
        return None
    key = NAME_BEARING_METHODS.get(decoded["method"])
    return decoded["method"], decoded["params"].get(key) if key else None


@pytest.mark.requirement("ENV-008")
@given(BODIES, WORDS, WORDS | st.none())
def test_what_the_sdk_would_run_is_seen_as_it_is_or_refused(body, method, name):
    headers = modern(method, name)
    executed = executed_by_the_sdk(headers, body)
    one = envelope.read(headers, body, DEFAULT_LIMITS)
    if executed is None or isinstance(one, Reject):
        return
    assert (one.era, one.batch) == (Era.MODERN, False)
    message = one.messages[0]
    assert isinstance(message, Request)
    assert message.method == executed[0] == method
    if executed[1] is not None:
        assert envelope.item_name(message) == executed[1] == name


@pytest.mark.requirement("ENV-008")
@pytest.mark.parametrize("method", ["tools/call", "prompts/get", "resources/read", "tools/list", "server/discover"])
def test_ordinary_modern_requests_are_run_by_the_sdk_and_admitted(method):
    """Without this, the comparison above could compare nothing."""
    key = NAME_BEARING_METHODS.get(method)
    headers = modern(method, "open" if key else None)
    body = modern_body(method, {key: "open"} if key else {})
    assert executed_by_the_sdk(headers, body) == (method, "open" if key else None)
    assert isinstance(envelope.read(headers, body, DEFAULT_LIMITS), Envelope)
