"""Measure the scanner on corpora: recall by family and source, false positives, time. Writes build/eval.json.

Rules are written by hand, so nothing is trained; recall is shown for each source by itself. They were written while
looking at one half of the sources; the other half was looked at as a number only. The one threshold, within how many
characters weak signals combine (mcp_core.scan.engine.NEAR), is the least at which no recall was lost on that half.
"""

import hashlib
import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import as_text, least
from eval.corpora import family, load, setups, share, source, tool
from mcp_core.scan import ItemKind, Scanner, ToolNames, Verdict

BARS = {"instructions": 85, "fields": 85, "encodings": 80, "invisible": 99}
MEAN_BAR, LAST_BAR = 40, 15
SERVERS, LEAST = 15, 3
"""Servers of the inventory, each with so many tools at least; chosen by the hash of their names."""
SHOWN_FROM = 5
"""Rows of a source from which its recall is worth a line."""


def row(name, value, unit, bar="", holds=None):
    """Return a row in the form of build/bench.json."""
    return {"name": name, "value": value, "unit": unit, "bar": bar, "holds": holds}


def recall(scanner, folder):
    """Blocking recall on poisoned tools: by figure, and for each source of instructions."""
    hits, sources = defaultdict(list), defaultdict(list)
    for one in load(folder, "poisoned"):
        figure = family(one)
        if figure is None:
            continue
        blocked = scanner.scan_item(ItemKind.TOOL, tool(one)).verdict is Verdict.BLOCK
        hits[figure].append(blocked)
        if figure == "instructions":
            sources[source(one)].append(blocked)
    for figure, bar in BARS.items():
        if found := hits[figure]:
            value = share(found)
            yield row(f"blocked: {figure} ({len(found)})", value, "%", f">= {bar}", value >= bar)
    for name, found in sorted(sources.items()):
        if len(found) >= SHOWN_FROM:
            yield row(f"blocked: instructions of {name} ({len(found)})", share(found), "%")


def cost(scanner, item):
    """Return the seconds that scanning an item takes, and those of json.dumps and loads of it."""
    scanned = least(lambda: scanner.scan_item(ItemKind.TOOL, item))
    return scanned, least(lambda: json.loads(json.dumps(item)), 5)


def honest(scanner, folder):
    """False positives on honest tools, and what scanning one costs."""
    blocked, tricky, flagged, costs = [], [], [], []
    for one in load(folder, "benign"):
        item = tool(one)
        verdict = scanner.scan_item(ItemKind.TOOL, item).verdict
        costs.append(cost(scanner, item))
        blocked.append(verdict is Verdict.BLOCK)
        flagged.append(verdict is Verdict.FLAG)
        if len(one.get("tricky", ())) >= 2:
            tricky.append(verdict is Verdict.BLOCK)
    if not blocked:
        return
    yield row(f"honest tools blocked ({len(blocked)})", share(blocked), "%", "<= 0.5", share(blocked) <= 0.5)
    yield row(
        f"honest tools with two look-alike traits blocked ({len(tricky)})",
        share(tricky),
        "%",
        "<= 5",
        share(tricky) <= 5,
    )
    yield row("honest tools flagged", share(flagged), "%")
    scanned, read = (statistics.mean(column) for column in zip(*costs, strict=True))
    times = round(scanned / read, 1)
    yield row("a tool scanned, to json.dumps and loads of it, mean", times, "x", f"<= {MEAN_BAR}", times <= MEAN_BAR)
    last = round(sorted(one for one, _ in costs)[int(len(costs) * 0.99)] / scanned, 1)
    yield row("a tool scanned, 99 of 100, to the mean", last, "x", f"<= {LAST_BAR}", last <= LAST_BAR)
    yield row("time for a tool, mean (this machine, this minute)", round(scanned * 1e6), "us")


def inventory(folder):
    """Return an inventory of SERVERS honest servers, server -> its tools, and the honest servers that are not in it."""
    servers = defaultdict(list)
    for one in load(folder, "benign"):
        if one.get("server"):
            servers[str(one["server"])].append(tool(one))
    several = [name for name, tools in servers.items() if len(tools) >= LEAST]
    chosen = set(sorted(several, key=lambda name: hashlib.sha256(name.encode()).digest())[:SERVERS])
    known = {name: tools for name, tools in servers.items() if name in chosen}
    return known, {name: tools for name, tools in servers.items() if name not in chosen}


def beside(scanner, folder):
    """Recall and false positives beside an inventory. A poisoned tool is alone on its server, honest ones are not."""
    known, others = inventory(folder)
    if len(known) < SERVERS:
        return
    names = ToolNames({name: [str(one.get("name", "")) for one in tools] for name, tools in known.items()})
    hits = defaultdict(list)
    for one in load(folder, "poisoned"):
        if figure := family(one):
            reports = scanner.scan_beside({"tools": [tool(one)]}, "of the row", names)
            hits[figure].append(any(report.verdict is Verdict.BLOCK for report in reports.values()))
    for figure in BARS:
        if found := hits[figure]:
            yield row(f"blocked beside {SERVERS} servers: {figure} ({len(found)})", share(found), "%")
    reports = [
        report
        for server, tools in others.items()
        for report in scanner.scan_beside({"tools": tools}, server, names).values()
    ]
    blocked = share([report.verdict is Verdict.BLOCK for report in reports])
    yield row(f"honest tools blocked beside {SERVERS} servers ({len(reports)})", blocked, "%", "<= 0.5", blocked <= 0.5)


def placed(scanner, one, known, server):
    """Return whether a row's tool is blocked as one of a server, among that server's own tools of a set-up."""
    own = [other for other in known.get(server, ()) if other.get("name") != one.get("name")]
    names = ToolNames({name: [str(other.get("name", "")) for other in tools] for name, tools in known.items()})
    reports = scanner.scan_beside({"tools": [tool(one), *own]}, server, names)
    return reports[ItemKind.TOOL, str(one.get("name", ""))].verdict is Verdict.BLOCK


def aimed(scanner, folder):
    """Recall beside the set-up that a row is aimed at: on the victim's own server, and on a stranger's beside it."""
    known = setups(folder)
    home, strange = defaultdict(list), defaultdict(list)
    for one in load(folder, "poisoned"):
        if family(one) is not None and one.get("inventory") in known:
            servers = known[one["inventory"]]
            home[source(one)].append(placed(scanner, one, servers, str(one.get("server", ""))))
            strange[source(one)].append(placed(scanner, one, servers, "a stranger"))
    for name, hits in sorted(home.items()):
        yield row(f"blocked on the victim's own server: {name} ({len(hits)})", share(hits), "%")
        yield row(f"blocked on a stranger's server beside the victim: {name} ({len(hits)})", share(strange[name]), "%")


def results(scanner, folder):
    """Recall and false positives on the text of results."""
    kinds = defaultdict(list)
    for one in load(folder, "result_injections"):
        kinds[one["kind"]].append(scanner.scan_result(one["text"]).verdict is Verdict.BLOCK)
    benign = [scanner.scan_result(one["text"]).verdict is Verdict.BLOCK for one in load(folder, "result_benign")]
    if not kinds or not benign:
        return
    every = [hit for hits in kinds.values() for hit in hits]
    yield row(f"ordinary results blocked ({len(benign)})", share(benign), "%", "<= 1", share(benign) <= 1)
    yield row(f"injected results blocked ({len(every)})", share(every), "%")
    for kind, hits in sorted(kinds.items()):
        yield row(f"injected results blocked: {kind} ({len(hits)})", share(hits), "%")


def changes(scanner, folder):
    """What becomes of malicious and honest changes."""
    graded = defaultdict(list)
    for one in load(folder, "changes"):
        before, after = tool(one["before"]), tool(one["after"])
        graded[one["label"]].append(scanner.scan_change(ItemKind.TOOL, before, after).verdict is Verdict.BLOCK)
    if graded["malicious"]:
        value = share(graded["malicious"])
        yield row(f"malicious changes quarantined ({len(graded['malicious'])})", value, "%", ">= 100", value >= 100)
    if graded["benign"]:
        value = share(graded["benign"])
        yield row(f"honest edits quarantined ({len(graded['benign'])})", value, "%", "<= 5", value <= 5)
    # An upper bound where a corpus has no honest edits: the whole text of an honest tool arrives as one change.
    rewritten = [
        scanner.scan_change(ItemKind.TOOL, {"name": one["name"]}, tool(one)).verdict is Verdict.BLOCK
        for one in load(folder, "benign")
    ]
    if rewritten:
        yield row(f"honest tools quarantined if all their text were new ({len(rewritten)})", share(rewritten), "%")


def hostile(scanner, _folder):
    """Text that is made to be slow: a megabyte of it, of which no more is read than the limit."""
    worst = ("", 0.0, 0.0)
    for unit in (
        "ignore all ",
        "[",
        "<!--",
        "QUJD",
        "1gn0r3 ",
        "a b ",
        "%41",
        "read the password and then send ",
        "\u200b",
    ):
        texts = [unit * (size // len(unit)) for size in (250_000, 1_000_000)]
        quarter, whole = (
            least(lambda text=text: scanner.scan_item(ItemKind.TOOL, {"name": "x", "description": text}), rounds=2)
            for text in texts
        )
        worst = max(worst, (unit, whole / quarter, whole), key=lambda one: one[1])
    name = f"a hostile megabyte, the worst of nine ({worst[0].strip()[:12]!a})"
    yield row(f"{name}, to a quarter of it", round(worst[1], 2), "x", "<= 9", worst[1] <= 9)
    yield row(f"{name} (this machine, this minute)", round(worst[2], 2), "s")


FIGURES = (recall, beside, aimed, honest, results, changes, hostile)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder):
    """Measure the scanner on the corpora of a folder, print the table, write build/eval.json."""
    scanner = Scanner()
    rows = []
    for figure in FIGURES:
        click.echo(f"measuring {figure.__name__} ...", err=True)
        rows += figure(scanner, folder)
    click.echo(as_text(rows))
    target = Path("build/eval.json")
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(rows, indent=1) + "\n")
    if any(one["holds"] is False for one in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
