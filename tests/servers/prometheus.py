"""A real Prometheus that scrapes one sidecar every second, with the alerts and recordings of observability/."""

import contextlib
import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

from kong_mcp.dev import free_port
from servers.launch import wait_for

PROGRAM = shutil.which("prometheus")
RULES = Path(__file__).resolve().parents[2] / "observability/rules.yaml"


class Prometheus:
    """One that runs. Times are Unix seconds."""

    def __init__(self, url, log):
        self.url = url
        self.log = log

    def _asked(self, path, **query):
        try:
            with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(query)}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.URLError:
            return None

    def is_scraping(self):
        """Return whether the sidecar was scraped once, and the rules were evaluated."""
        found = self._asked("/api/v1/query", query="up == 1")
        return bool(found and found["result"])

    def now(self):
        """Return the time, as it has it."""
        return float(self._asked("/api/v1/query", query="time()")["result"][1])

    def over(self, expression, begin, end, step):
        """Return [(labels, [(time, value), ...]), ...] of an expression over time."""
        found = self._asked("/api/v1/query_range", query=expression, start=begin, end=end, step=step)["result"]
        return [(one["metric"], [(float(at), float(value)) for at, value in one["values"]]) for one in found]

    def at(self, expression, when):
        """Return [(labels, value), ...] of an expression at a time."""
        found = self._asked("/api/v1/query", query=expression, time=when)["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]


@contextlib.contextmanager
def run_prometheus(folder, sidecar_port, token):
    """Run one, whose data are in `folder`, until the context ends."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {
                "job_name": "kong-mcp",
                "authorization": {"credentials": token},
                "static_configs": [{"targets": [f"127.0.0.1:{sidecar_port}"]}],
            }
        ],
    }
    file, log, address = folder / "prometheus.yaml", folder / "prometheus.log", f"127.0.0.1:{free_port()}"
    file.write_text(yaml.safe_dump(config))
    command = [PROGRAM, f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"]
    with log.open("wb") as out:
        process = subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=out, stderr=out)
    try:
        running = Prometheus(f"http://{address}", log)
        wait_for(running.is_scraping, log.read_text, 60)
        yield running
    finally:
        process.terminate()
        process.wait(30)
