"""An agent's trace, read from params._meta and headers."""

import json

import pytest

from mcp_core.decide import Caller, GuardTerms, decide_post
from mcp_core.methods import Era
from mcp_core.policy import Policy
from mcp_core.principal import NOBODY
from mcp_core.record import Record, of_decision
from mcp_core.telemetry.span import span_id, span_of
from mcp_core.telemetry.visit import read
from mcp_core.tracing import TraceParent, headers_of, read_parent
from servers.kong_records import NOW, SAID, logged

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE, SPAN = PARENT[3:35], PARENT[36:52]
META = {"traceparent": PARENT, "tracestate": "vendor=1", "baggage": "tenant=7"}


@pytest.mark.requirement("TEL-012")
def test_a_traceparent_of_version_00_is_read():
    assert read_parent(PARENT) == TraceParent(TRACE, SPAN, sampled=True)
    assert read_parent(PARENT[:-2] + "00").sampled is False


@pytest.mark.requirement("TEL-012")
@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        PARENT.upper(),
        PARENT + "-x",
        PARENT + "\n",
        PARENT.replace("00-", "01-", 1),
        PARENT.replace(TRACE, "0" * 32),
        PARENT.replace(SPAN, "0" * 16),
        [PARENT],
    ],
)
def test_whatever_else_is_no_parent(value):
    assert read_parent(value) is None
    assert headers_of({"_meta": {**META, "traceparent": value}}) == ()


@pytest.mark.requirement("TEL-012")
def test_state_and_baggage_go_on_where_a_header_can_hold_them():
    assert headers_of({"_meta": META}) == tuple(META.items())
    odd = {"tracestate": "a\r\nEvil: 1", "baggage": "x" * 9000}
    assert headers_of({"_meta": {**META, **odd}}) == (("traceparent", PARENT),)
    assert headers_of({"_meta": 7}) == headers_of({}) == headers_of({"_meta": {"baggage": "a=b"}}) == ()


def decided(meta, headers=()):
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "good", "_meta": meta}}
    guard = GuardTerms(Policy.from_config({"tools": {"allow": ["good"]}}))
    told = {"content-type": "application/json", "accept": "application/json, text/event-stream", **dict(headers)}
    return decide_post(guard, Caller(guard.policy.view(NOBODY)), told, json.dumps(message).encode())


@pytest.mark.requirement("TEL-012")
def test_a_decision_says_how_the_trace_goes_on_and_so_does_its_record():
    admitted = decided(META)
    assert (admitted.era, dict(admitted.trace)) == (Era.LEGACY, META)
    header = PARENT.replace(SPAN, "1" * 16)
    told = of_decision(admitted, "notes", trace=header)
    assert told.trace == PARENT
    assert Record.from_json(json.loads(json.dumps(told.to_json()))).trace == PARENT
    assert of_decision(decided({}), "notes", trace=header).trace == header
    assert of_decision(decided({}), "notes", trace="odd").trace is None


def visit(trace=PARENT, **said):
    return read(logged(said={**SAID, "trace": trace, **said}), NOW)[0]


@pytest.mark.requirement("TEL-013")
def test_a_span_has_the_names_of_the_conventions():
    span = span_of(visit())
    assert (span.name, span.parent.span, span.parent.trace) == ("tools/call good", SPAN, TRACE)
    assert (span.end - span.begin, span.begin) == (12_500_000, (NOW - 1000) * 1_000_000)
    assert span.attributes["gen_ai.tool.name"] == "good"
    assert span.attributes["gen_ai.operation.name"] == "execute_tool"
    assert span.attributes["mcp.method.name"] == "tools/call"
    assert "error.type" not in span.attributes
    refused = span_of(visit(outcome="refused", reason="denied-item", code=-32602))
    assert (refused.error, refused.attributes["rpc.response.status_code"]) == ("-32602", "-32602")
    assert span_of(visit(method="prompts/get", name="greet")).attributes["gen_ai.prompt.name"] == "greet"
    assert span_of(visit(method="tools/list", name=None)).name == "tools/list"


@pytest.mark.requirement("TEL-013")
def test_only_what_is_sampled_becomes_a_span_and_once():
    assert span_of(visit(PARENT[:-2] + "00")) is None
    assert span_of(visit(None)) is None
    assert span_of(visit("odd")) is None
    assert span_id("a" * 32) == "a" * 16
    assert len(span_id("no-hexadecimal")) == 16
    assert int(span_id("0" * 32), 16) != 0
