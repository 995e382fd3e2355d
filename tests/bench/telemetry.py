"""What telling the collector of every call costs a gateway, beside the same gateway that tells nobody.

Two routes of one gateway to the same server, measured in turn in one run: the sidecar writes what one of them tells to
its store. Only the ratio means something. The server is one of the official SDK's.
"""

import copy
import json
import shutil
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import yaml
from click.testing import CliRunner

from bench.measure import processors_of
from bench.stand import measure, start_stand
from kong_mcp.cli import main
from kong_mcp.share import deck_folder
from kong_mcp.state import ANSWERS_PLUGIN, LOG_PLUGIN, tell_by_answers
from mcp_core.telemetry.ocsf import event
from mcp_core.telemetry.tally import Names, fold
from mcp_core.telemetry.visit import read
from mcp_sidecar.store.usage import UsageStore
from mcp_sidecar.telemetry.audit_log import SEGMENT_LINES, AuditLog, signing_key
from servers.kong_records import NOW, SAID, logged
from servers.launch import Replica

_TOKEN = "bench-collector-token-0123456789"
_RECORDS = 200
_PART = 1000
_POLICY = """\
resources: {allow: ["note://*"], deny: ["note://7/*"]}
rules:
  - {groups: [finance], tools: {allow: ["invoice_*"]}}
  - {groups: [staff, legal], resources: {allow: ["file://*"]}}
"""


def _row(name, value, unit, bar=None, holds=None):
    return {"name": name, "value": round(value, 3), "unit": unit, "bar": bar, "holds": holds}


def _tell(document):
    """Have the service of `told` tell the collector as `kong-mcp deck render --collector` has all of a Kong."""
    text = (deck_folder() / "collector.yaml").read_text()
    target = next(upstream for upstream in document["upstreams"] if upstream["name"] == "mcp-sidecar")["targets"][0][
        "target"
    ]
    text = text.replace('${{ env "DECK_MCP_SIDECAR_TARGET" }}', target)
    config = yaml.safe_load(text.replace('${{ env "DECK_MCP_COLLECTOR_TOKEN" }}', _TOKEN))["_plugin_configs"]
    telling = copy.deepcopy([plugin for plugin in document.get("plugins", ()) if plugin["name"] == ANSWERS_PLUGIN])
    if not tell_by_answers(telling, config["mcp-collector"]):
        telling = [{"name": LOG_PLUGIN, "config": config["mcp-collector"]}]
    # Of one plugin Kong runs the configuration of a service before that of all.
    service = next(one for one in document["services"] if one["name"] == "mcp-told")
    service.setdefault("plugins", []).extend(telling)


def run(*, quick):
    """Measure on a real Kong where there is one, else on the devkit; the bars are about a real Kong."""
    kind = "kong" if shutil.which("kong") else "devkit"
    seconds, rounds = (1, 2) if quick else (2, 20)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kong-mcp-")))
        replica = Replica("sdk", "--json", "--quiet")
        stack.callback(replica.kill)
        store = str(folder / "store.db")
        collecting = {"MCP_SIDECAR_COLLECTOR_TOKEN": _TOKEN, "MCP_SIDECAR_STORE": store}
        urls = {"told": replica.url, "untold": replica.url}
        _, port, pids = start_stand(
            stack, kind, folder, urls, ["good"], change=_tell, opened=(), sidecar_environment=collecting
        )
        rows = _compare(kind, port, seconds, rounds, pids)
        rows.append(_counted(store))
    return [*rows, _collect(), *_replayed(10_000 if quick else 100_000), _searched(quick=quick)]


def _compare(kind, port, seconds, rounds, pids):
    rates, work = {"told": [], "untold": []}, {"told": [], "untold": []}
    for name in rates:
        measure(port, f"/{name}/mcp", 16, 1)
    for number in range(rounds):
        # Each is first as often as the other.
        for name in ("told", "untold") if number % 2 else ("untold", "told"):
            before = [processors_of(pid) for pid in pids]
            rate = measure(port, f"/{name}/mcp", 16, seconds)["rate"]
            time.sleep(1.5)  # what was told last is sent within a second: that is its cost too. Idling costs both alike
            rates[name].append(rate)
            work[name].append(
                [(processors_of(one) - was) / (rate * seconds) for one, was in zip(pids, before, strict=True)]
            )
    # Round by round, so that what the machine does meanwhile weighs on both alike.
    ratio = statistics.median(told / untold for told, untold in zip(*rates.values(), strict=True))
    bar = (">= 0.95", ratio >= 0.95) if kind == "kong" else ()
    rows = [_row(f"{kind}, sdk server: told / untold throughput, 16 connections", ratio, "ratio", *bar)]
    for number, who in enumerate((kind, "sidecar")):
        more = statistics.median(a[number] - b[number] for a, b in zip(*work.values(), strict=True))
        rows.append(_row(f"{who}: processor time of a record (this machine)", more * 1e6, "µs"))
    return rows


def _counted(store):
    """Every call of the measurement was counted, or the figures above are of something else."""
    usage = UsageStore(store)
    try:
        calls = sum(one.calls for key, one in usage.rows_between(0, 10**9) if key.name == "good")
    finally:
        usage.close()
    return _row("calls that were told and counted", calls, "calls", "> 0", calls > 0)


def _collect():
    """Return what the collector's own reading and counting of one record costs."""
    text = json.dumps([logged(request={"id": f"{number:032x}"}) for number in range(_RECORDS)])

    def once():
        began = time.process_time()
        fold([visit for visit, _ in (read(load, NOW) for load in json.loads(text)) if visit], Names(200, 200))
        return (time.process_time() - began) / _RECORDS

    return _row("collector: reading and counting a record (this machine)", min(once() for _ in range(20)) * 1e6, "µs")


def _replayed(calls):
    """Return how long `kong-mcp policy replay` takes for calls of an audit log, each with an item of its own."""
    with tempfile.TemporaryDirectory(prefix="kong-mcp-") as name:
        folder = Path(name)
        (folder / "new.yaml").write_text(_POLICY)
        log = AuditLog(folder / "audit", signing_key(b"k" * 32))
        now = time.time_ns() // 1_000_000
        for first in range(0, calls, _PART):
            log.append([_logged_read(number, now) for number in range(first, first + _PART)])
        arguments = ["policy", "replay", "--policy", f"{folder}/new.yaml", "--log", f"{folder}/audit", "--json"]
        began = time.monotonic()
        ended = CliRunner().invoke(main, arguments)
        took = time.monotonic() - began
    told = json.loads(ended.stdout)
    if told["judged"] != calls or sum(change["calls"] for change in told["changes"]) != calls // 10:
        raise RuntimeError(f"the calls were not replayed: {ended.output[-500:]}")
    bar = ("<= 60", took <= 60) if calls == 100_000 else ()
    return [_row(f"policy replay: {calls:,} different calls of an audit log", took, "s", *bar)]


def _logged_read(number, now):
    said = {
        **SAID,
        "method": "resources/read",
        "name": f"note://{number % 10}/{number}",
        "principal": f"c{number % 50}",
    }
    value = logged(said=said, request={"id": f"{number:032x}"}, started_at=now)
    return event(read(value, now)[0], "0", str)


def _searched(*, quick):
    """Return how long `kong-mcp audit search` takes for one line of ten million, by its request's id.

    One segment stands for all that do not hold it, under 200 names: of these only the indexes are read.
    """
    lines, segments = (1000 if quick else SEGMENT_LINES), 200
    with tempfile.TemporaryDirectory(prefix="kong-mcp-") as name:
        folder = Path(name)
        now = time.time_ns() // 1_000_000
        logs = {one: AuditLog(folder / one, signing_key(b"k" * 32), lines) for one in ("audit", "wanted")}
        for number, log in enumerate(logs.values()):
            for first in range(number * 10**9, number * 10**9 + lines, _PART):
                log.append([_logged_read(one, now) for one in range(first, first + _PART)])
            log.append([_logged_read(10**12, now)])  # the next segment: the first one is full, and gets its index
            log.sign(now)
        for number in range(1, segments):
            source = "wanted" if number == segments // 2 else "audit"
            for suffix in ("jsonl", "index"):
                found = folder / f"audit/audit-{number * lines + 1:012}.{suffix}"
                found.unlink(missing_ok=True)
                found.hardlink_to(folder / source / f"audit-{1:012}.{suffix}")
        wanted = f"{10**9 + lines // 2:032x}"
        began = time.monotonic()
        ended = CliRunner().invoke(main, ["audit", "search", "--log", f"{folder}/audit", "--request", wanted])
        took = time.monotonic() - began
    if ended.output.count(wanted) != 1:
        raise RuntimeError(f"the line was not found once: {ended.output[-500:]}")
    bar = () if quick else ("<= 10", took <= 10)
    return _row(f"audit search: one of {lines * segments:,} lines by its request", took, "s", *bar)
