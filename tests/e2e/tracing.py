"""Kong's own opentelemetry plugin in a gateway of the tests, as the docs configure it."""

import re
from pathlib import Path

import yaml

from kong_mcp import dev

PAGE = Path(__file__).resolve().parents[2] / "docs/telemetry.md"
SHOWN = r"<!-- tested: opentelemetry -->\n```yaml\n(.*?)```"


def trace_kong(monkeypatch, url):
    """Have gateways that start from now on send Kong's spans, and the collector's, to an OTLP receiver."""
    written = dev.write_state

    def write_state(*arguments, **options):
        path = written(*arguments, **options)
        state = yaml.safe_load(path.read_text())
        plugin = yaml.safe_load(re.search(SHOWN, PAGE.read_text(), re.DOTALL)[1])
        plugin["config"] |= {"traces_endpoint": url, "sampling_rate": 1.0, "queue": {"max_coalescing_delay": 0.1}}
        state.setdefault("plugins", []).append(plugin)
        path.write_text(yaml.safe_dump(state))
        return path

    monkeypatch.setattr(dev, "write_state", write_state)
    monkeypatch.setenv("MCP_SIDECAR_OTLP_TRACES", url)
    monkeypatch.setenv("KONG_TRACING_INSTRUMENTATIONS", "request,balancer")
    monkeypatch.setenv("KONG_TRACING_SAMPLING_RATE", "1.0")
