"""What docs/telemetry.md shows, drawn from what a real run told. `make telemetry-pictures` writes it into docs/."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.harness import KINDS, start
from e2e.tracing import trace_kong
from pictures.waterfall import Bar, waterfall
from servers.launch import wait_for
from servers.otlp import receiver

pytestmark = pytest.mark.long

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture
def pictures(tmp_path):
    """The folder of the pictures."""
    return Path(os.environ.get("TELEMETRY_PICTURES", tmp_path))


def agent(running):
    """Run the instrumented agent, and return the id of its second trace."""
    command = [sys.executable, str(TESTS / "e2e/traced_agent.py"), running.url(), json.dumps(running.key("ada"))]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


@pytest.mark.skipif("kong" not in KINDS, reason="the opentelemetry plugin is a real Kong's, and none is on the PATH")
@pytest.mark.requirement("TEL-012")
def test_one_trace_of_the_official_client_goes_through_kong_guard_sidecar_and_server(monkeypatch, tmp_path, pictures):
    with receiver() as (url, spans):
        trace_kong(monkeypatch, url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url)
        script, store = TESTS / "servers/traced_server.py", str(tmp_path / "store.db")
        with start("kong", {"notes": 1}, collector=True, store=store, script=script) as running:
            trace = agent(running)

            def told():
                return [_bar(service, span) for service, span in spans if span.trace_id.hex() == trace]

            def whole():
                found = told()
                return found if [one.service for one in found].count("kong-mcp") == 2 and len(found) >= 13 else None

            bars = wait_for(whole, lambda: str(told()), 60)
    by_id = {one.id: one for one in bars}
    (root,) = [one for one in bars if one.parent not in by_id]
    assert (root.service, root.name) == ("agent", "answer a question")
    for name in ("tools/list", "tools/call report"):
        (ours,) = [one for one in bars if (one.service, one.name) == ("kong-mcp", name)]
        (servers,) = [one for one in bars if (one.service, one.name) == ("notes", name)]
        (clients,) = [one for one in bars if (one.service, one.name) == ("agent", f"MCP send {name}")]
        assert servers.parent == clients.id
        assert ours.parent == clients.id or by_id[ours.parent].service == "kong"
    assert [one.service for one in bars].count("kong") == 6  # the list goes through Kong twice
    shown = "A list by the inspect lane (through Kong twice), then a call by the call lane. The spans of a real run."
    (pictures / "telemetry-trace.svg").write_text(waterfall("One trace: agent, Kong, kong-mcp, server", shown, bars))


def _bar(service, span):
    begin, end = span.start_time_unix_nano / 1e6, span.end_time_unix_nano / 1e6
    return Bar(service, span.name, span.span_id.hex(), span.parent_span_id.hex(), begin, end - begin)
