"""An agent with the official client, which OpenTelemetry's SDK watches: lists tools and calls one, in one trace."""

import json
import sys

import anyio
from opentelemetry import trace

from e2e.harness import connect_to
from servers.traced_server import trace_as


async def work(url, headers):
    """Do the same twice: the first time everything is cold, and its trace is another one."""
    async with connect_to(url, headers, "2026-07-28") as client:
        for _ in range(2):
            with trace.get_tracer("agent").start_as_current_span("answer a question") as span:
                await client.list_tools()
                await client.call_tool("report", {"steps": 3})
            sys.stdout.write(f"{span.get_span_context().trace_id:032x}\n")


if __name__ == "__main__":
    provider = trace_as("agent")
    anyio.run(work, sys.argv[1], json.loads(sys.argv[2]))
    provider.shutdown()
