"""Our reading of a request beside the official SDK's and the standard library's, on bytes that nobody chose."""

from __future__ import annotations

import json

import pytest
from core_cases import CAPABILITIES_KEY, LEGACY, META, MODERN, PLAIN, VERSION_KEY, legacy, modern, modern_body
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import NAME_BEARING_METHODS
from mcp_types.jsonrpc import JSONRPCRequest, jsonrpc_message_adapter

from fuzz.oracles import Call, Pairs, check_request, run_by_python, write
from mcp_core import envelope, jsonrpc
from mcp_core.envelope import Envelope
from mcp_core.jsonrpc import DEFAULT_LIMITS, Request

WORDS = st.sampled_from(
    ["open", "okay", "ok:/a", "shut", "tools/call", "tools/list", "prompts/get", "resources/read", MODERN, "", "Open"]
)
KEYS = st.sampled_from(
    [
        "jsonrpc",
        "id",
        "method",
        "params",
        "name",
        "uri",
        "_meta",
        VERSION_KEY,
        CAPABILITIES_KEY,
        "Name",
        "arguments",
        "ur\u0131",
    ]
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


def lines(headers):
    return [f"{name}: {value}".encode() for name, value in headers.items()]


HEADERS = st.builds(
    lambda method, name, more: [*lines(modern(method, name)), *more],
    WORDS,
    WORDS | st.none(),
    st.lists(st.sampled_from([b"mcp_name: shut", b"mcp-name: shut", b"Mcp-Method: tools/list"]), max_size=1),
) | st.sampled_from(LEGACY).map(lambda version: lines(legacy(version)))
BATCHES = st.lists(BODIES, min_size=1, max_size=3).map(lambda bodies: b"[" + b",".join(bodies) + b"]")


@pytest.mark.requirement("ENV-008")
@pytest.mark.requirement("FUZZ-001")
@given(HEADERS, BODIES | BATCHES)
def test_what_an_sdk_would_run_is_seen_as_it_is_or_refused(headers, body):
    check_request(b"\n".join(headers) + b"\n\n" + body)


@pytest.mark.requirement("ENV-008")
@pytest.mark.parametrize("method", ["tools/call", "prompts/get", "resources/read", "tools/list", "server/discover"])
def test_ordinary_modern_requests_are_run_by_the_sdk_and_admitted(method):
    """Without this, the comparison above could compare nothing."""
    key = NAME_BEARING_METHODS.get(method)
    headers = modern(method, "open" if key else None)
    body = modern_body(method, {key: "open"} if key else {})
    run = run_by_python(list(headers.items()), body)
    assert run == [Call.of(method, {key: "open"} if key else {})]
    assert isinstance(envelope.read(headers, body, DEFAULT_LIMITS), Envelope)
