"""observability/: every metric and label of rules and dashboards is one that there is, and promtool takes all of it."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from deck.support import ROOT
from mcp_core.telemetry.tally import Names, fold
from mcp_core.telemetry.visit import read
from mcp_sidecar.metrics import Metrics
from servers.kong_records import NOW, logged

FOLDER = ROOT / "observability"
RULES = yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"]
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
RECORDED = {rule["record"] for group in RULES for rule in group["rules"] if "record" in rule}
PROMTOOL = shutil.which("promtool")
VARIABLES = {"$__rate_interval": "5m", "$__range": "6h", "$server": ".*"}


def expressions():
    """Return every expression, by where it stands."""
    found = {rule.get("alert") or rule["record"]: rule["expr"] for group in RULES for rule in group["rules"]}
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                found[f"{path.stem}: {panel['title']} {target['refId']}"] = target["expr"]
    return found


@pytest.fixture(scope="module")
def exposed():
    """Return the labels of every series that a sidecar shows, by its name."""
    metrics = Metrics()
    visits = [read(logged(), NOW)[0]]
    metrics.telemetry.add(fold(visits, Names(10, 10)), [])
    metrics.telemetry.records["taken"] += 1
    metrics.telemetry.deliveries["taken"] += 1
    metrics.telemetry.spans["sent"] += 1
    metrics.findings.labels("notes", "rule", "flag").inc()
    metrics.hidden.labels("notes", "tools", "enforce").inc()
    found = {}
    for family in text_string_to_metric_families(metrics.text()[0].decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.requirement("TEL-014")
@pytest.mark.parametrize("where", expressions())
def test_every_metric_and_label_is_one_that_there_is(where, exposed):
    text = expressions()[where]
    named = set(re.findall(r"\b(?:server:)?mcp_[a-z_:0-9]+", text))
    assert named
    assert not named - exposed.keys() - RECORDED
    labels = set().union(*(exposed.get(name, {"server"}) for name in named))
    used = set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)\s*\"", text))
    used |= {one.strip() for by in re.findall(r"by \(([^)]*)\)", text) for one in by.split(",")}
    assert not used - labels


@pytest.mark.requirement("TEL-014")
def test_promtool_takes_rules_dashboards_and_examples(tmp_path):
    if PROMTOOL is None:
        pytest.skip("promtool is not installed (Debian: apt install prometheus)")
    rules = []
    for number, (where, text) in enumerate(expressions().items()):
        filled = re.sub(r"\$__rate_interval|\$__range|\$server", lambda found: VARIABLES[found[0]], text)
        rules.append({"record": f"panel:{number}", "expr": filled, "labels": {"of": where}})
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    for command in (["check", "rules", path], ["test", "rules", FOLDER / "rules.test.yaml"]):
        done = subprocess.run([PROMTOOL, *map(str, command)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
