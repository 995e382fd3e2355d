"""What docs/telemetry.md shows, drawn from what a real run told. `make telemetry-pictures` writes it into docs/."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from e2e.harness import KINDS, start
from e2e.mixed_load import load, three_servers
from e2e.tracing import trace_kong
from pictures.dashboard import Panel, dashboard
from pictures.waterfall import Bar, waterfall
from servers.launch import wait_for
from servers.otlp import receiver
from servers.prometheus import PROGRAM, run_prometheus

pytestmark = pytest.mark.long

TESTS = Path(__file__).resolve().parents[1]
DASHBOARDS = sorted((TESTS.parent / "observability/dashboards").glob("*.json"))
SECONDS = float(os.environ.get("TELEMETRY_SECONDS", "15"))
"""How long agents work before dashboards are drawn: `make telemetry-pictures` takes its time."""
TOKEN = "metrics-token-0123456789"


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
    by_id = {bar.id: bar for bar in bars}
    (root,) = [bar for bar in bars if bar.parent not in by_id]
    assert (root.service, root.name) == ("agent", "answer a question")
    for name in ("tools/list", "tools/call report"):
        (ours,) = [bar for bar in bars if (bar.service, bar.name) == ("kong-mcp", name)]
        (servers,) = [bar for bar in bars if (bar.service, bar.name) == ("notes", name)]
        (clients,) = [bar for bar in bars if (bar.service, bar.name) == ("agent", f"MCP send {name}")]
        assert servers.parent == clients.id
        assert ours.parent == clients.id or by_id[ours.parent].service == "kong"
    assert [bar.service for bar in bars].count("kong") == 6  # the list goes through Kong twice
    shown = "A list by the inspect lane (through Kong twice), then a call by the call lane. The spans of a real run."
    (pictures / "telemetry-trace.svg").write_text(waterfall("One trace: agent, Kong, kong-mcp, server", shown, bars))


def _bar(service, span):
    begin, end = span.start_time_unix_nano / 1e6, span.end_time_unix_nano / 1e6
    return Bar(service, span.name, span.span_id.hex(), span.parent_span_id.hex(), begin, end - begin)


@pytest.mark.skipif(PROGRAM is None, reason="Prometheus is not installed (Debian: apt install prometheus)")
@pytest.mark.requirement("TEL-017")
def test_every_panel_of_the_dashboards_shows_what_a_prometheus_scraped_of_a_run(monkeypatch, tmp_path, pictures):
    monkeypatch.setenv("MCP_SIDECAR_METRICS_TOKEN", TOKEN)
    with (
        three_servers(KINDS[-1], str(tmp_path / "store.db")) as running,
        run_prometheus(tmp_path, running.dev.sidecar_port, TOKEN) as prometheus,
    ):
        begin = prometheus.now()
        anyio.run(load, running, SECONDS)
        taken = 'sum(mcp_collector_records_total{result="taken"})'
        # Kong tells of the last requests within seconds.
        still = f"changes({taken}[4s:1s]) == 0"
        wait_for(lambda: prometheus.at(still, prometheus.now()), prometheus.log.read_text, 60)
        end = prometheus.now()
        drawn = {path.stem: _panels(prometheus, path, begin, end) for path in DASHBOARDS}
    assert not [panel.title for panels in drawn.values() for panel in panels if not panel.lines and not panel.bars]
    for path in DASHBOARDS:
        title = json.loads(path.read_text())["title"]
        told = f"{end - begin:.0f} seconds of a real run, scraped by Prometheus; observability/dashboards/{path.name}"
        (pictures / f"telemetry-{path.stem}.svg").write_text(dashboard(title, told, drawn[path.stem]))


def _panels(prometheus, path, begin, end):
    """Return the panels of a dashboard with what each of their queries gives."""
    variables = {"$__rate_interval": "8s", "$__range": f"{end - begin:.0f}s", "$server": ".*"}
    found = []
    for panel in json.loads(path.read_text())["panels"]:
        lines, bars = {}, {}
        for target in panel["targets"]:
            text = re.sub(r"\$__rate_interval|\$__range|\$server", lambda one: variables[one[0]], target["expr"])
            if panel["type"] == "bargauge":
                bars |= {_legend(target, labels): value for labels, value in prometheus.at(text, end) if value}
                continue
            for labels, points in prometheus.over(text, begin, end, 1):
                lines[_legend(target, labels)] = [(at - begin, value) for at, value in points]
        unit = panel["fieldConfig"]["defaults"]["unit"]
        is_bars = panel["type"] == "bargauge"
        found.append(Panel(panel["title"], unit, panel["gridPos"], lines, bars if is_bars else None))
    return found


def _legend(target, labels):
    return re.sub(r"{{(\w+)}}", lambda one: labels.get(one[1], ""), target["legendFormat"]).strip() or "none"
