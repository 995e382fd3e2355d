"""One trace from an agent's message through Kong, the guard and the server: each span has its parent."""

import json

import pytest

from e2e.harness import modern, start
from e2e.tracing import trace_kong
from servers.launch import wait_for
from servers.otlp import attributes, receiver

pytestmark = pytest.mark.long

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


def traced(name):
    asked = modern(name)
    asked["json"]["params"]["_meta"] |= {"traceparent": PARENT, "tracestate": "agent=1", "baggage": "tenant=7"}
    return asked


@pytest.mark.requirement("TEL-012")
@pytest.mark.requirement("TEL-013")
def test_the_agents_trace_goes_on_at_the_server_and_in_the_gateways_span(kind, monkeypatch, tmp_path):
    with receiver() as (url, spans):
        monkeypatch.setenv("MCP_SIDECAR_OTLP_TRACES", url)
        with start(kind, {"notes": 1}, collector=True, store=str(tmp_path / "store.db")) as running:
            with running.client("ada") as client:
                assert client.post(running.url(), **traced("good")).status_code == 200
                client.post(running.url(), **traced("no_such_tool"))
            found = wait_for(
                lambda: {span.name: span for _, span in spans} if len(spans) > 1 else None, lambda: spans, 60
            )
            (headers,) = [headers for _, headers in running.servers["notes"][0].requests() if "traceparent" in headers]
    call, refused = found["tools/call good"], found["tools/call no_such_tool"]
    assert {call.trace_id.hex(), refused.trace_id.hex()} == {TRACE}
    assert {call.parent_span_id.hex(), refused.parent_span_id.hex()} == {SPAN}
    assert attributes(call.attributes)["gen_ai.tool.name"] == "good"
    assert attributes(refused.attributes)["error.type"] == "-32602"
    assert headers["traceparent"] == PARENT
    assert (headers["tracestate"], headers["baggage"]) == ("agent=1", "tenant=7")


@pytest.mark.requirement("TEL-012")
def test_kongs_own_tracing_reads_what_the_guard_has_set(kind, monkeypatch, tmp_path):
    """Its plugin (priority 14) runs behind the guard: its root is the agent's child, ours and the server's are its."""
    if kind != "kong":
        pytest.skip("opentelemetry is a plugin of Kong's")
    with receiver() as (url, spans):
        trace_kong(monkeypatch, url)
        with start(kind, {"notes": 1}, collector=True, store=str(tmp_path / "store.db")) as running:
            with running.client("ada") as client:
                assert client.post(running.url(), **traced("good")).status_code == 200

            def whole():
                mine = [(service, span) for service, span in spans if span.trace_id.hex() == TRACE]
                return mine if {service for service, _ in mine} >= {"kong", "kong-mcp"} else None

            mine = wait_for(whole, lambda: str(spans)[-3000:], 60)
            (headers,) = [headers for _, headers in running.servers["notes"][0].requests() if "traceparent" in headers]
    kongs = {span.span_id.hex(): span for service, span in mine if service == "kong"}
    (root,) = [span for span in kongs.values() if span.parent_span_id.hex() == SPAN]
    (ours,) = [span for service, span in mine if service == "kong-mcp"]
    assert ours.name == "tools/call good"
    assert ours.parent_span_id.hex() in kongs
    assert headers["traceparent"].split("-")[1] == TRACE
    assert headers["traceparent"].split("-")[2] in kongs, json.dumps([span.name for span in kongs.values()])
    assert root.name
