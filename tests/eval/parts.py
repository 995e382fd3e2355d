"""Measure what each part of the scanner adds: its parts switched on in turn, by the scanner's own settings.

Prints tables in Markdown and writes build/parts.json. A step has the parts before it too; `without` has all parts but
one. Shares are of rows that are blocked; of those that open by trust, a flag counts too, as it does for pins. Costs are
processor time on every SAMPLED-th honest tool, the least of ROUNDS, the steps by turns, to that of all parts.
"""

import json
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import seconds
from eval.corpora import family, load, share, tool
from mcp_core.pins.states import DEFAULT_RULES, OPEN, Trust, first_use, rules_of
from mcp_core.scan import ItemKind, ScanConfig, Scanner, ToolNames, Verdict
from mcp_core.scan.catalog import RULE_IDS

SAMPLED, ROUNDS = 8, 5
_NAMED = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+")


@dataclass(frozen=True)
class Part:
    """A part of the scanner: the families of rules that are it, or with `rules` some of a family alone."""

    name: str
    families: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()

    @property
    def ids(self):
        """The ids of its rules."""
        return frozenset(one for one in RULE_IDS if one.partition(".")[0] in self.families) | frozenset(self.rules)


PARTS = (
    Part("characters that show nothing or look like others, size", ("hidden", "size")),
    Part(
        "phrases of families",
        ("secrecy", "override", "exfiltration", "shell", "markup", "shadowing", "pressure", "deceit", "settings"),
    ),
    Part("what is encoded, read by the same phrases", ("encoded",)),
    Part("other languages", ("languages",)),
    Part("weak signals that stand together", ("authority", "precondition", "combined")),
    Part("arguments, and names in schemas", ("arguments", "names")),
    Part("duties, told by structure", ("duties",)),
    Part("orders inside of data", ("results",)),
    Part(
        "names beside an inventory",
        rules=(
            "inventory.name-collision",
            "inventory.look-alike-name",
            "inventory.shadowing",
            "inventory.foreign-tool",
        ),
    ),
    Part("orders about strangers' tools", rules=("inventory.foreign-tool-steered",)),
    Part("code and markup of files", ("files",)),
    Part("what a change adds", ("change",)),
)


def scanner_with(ids):
    """Return a scanner that has these rules alone, as an operator's `scan.rules` would make it."""
    return Scanner(ScanConfig(rules=dict.fromkeys(RULE_IDS - ids, "off")))


def steps():
    """Yield (name, ids of the rules that are on) of each step."""
    on = frozenset()
    for part in PARTS:
        on |= part.ids
        yield part.name, on


class Corpora:
    """The rows of a folder, made ready once for all steps.

    A row of instructions is also read beside a stranger that has the tools which the row's text names (`victims`), as
    honest tools are read beside all other honest servers at once. Skills are read as the files that they are.
    """

    def __init__(self, folder):
        poisoned, honest = load(folder, "poisoned"), load(folder, "benign")
        self.poisoned = [(figure, tool(one)) for one in poisoned if (figure := family(one))]
        self.honest = [tool(one) for one in honest]
        self.injected = [one["text"] for one in load(folder, "result_injections")]
        self.ordinary = [one["text"] for one in load(folder, "result_benign")]
        self.changes = [one for one in load(folder, "changes") if one["label"] == "malicious"]
        self.skills, self.honest_skills = (
            [_file(one) for one in rows if str(one.get("description", "")).startswith("---\n")]
            for rows in (poisoned, honest)
        )
        self.servers = defaultdict(list)
        for one in honest:
            if one.get("server"):
                self.servers[str(one["server"])].append(tool(one))
        self.names = ToolNames({name: map(_name, tools) for name, tools in self.servers.items()})


def _name(item):
    return str(item.get("name", ""))


def _file(row):
    """Return a skill's row as reading its file gives it."""
    uri = f"skill://{row['name']}/SKILL.md"
    return {"uri": uri, "contents": [{"uri": uri, "mimeType": "text/markdown", "text": row["description"]}]}


def _victims(item):
    """Return the names in an item's text that are not its own: what the server that it is aimed at would have."""
    text = json.dumps(item)
    own = {_name(item), *re.findall(r'"([A-Za-z0-9_]+)": ', text)}
    return ToolNames({"victim": sorted(set(_NAMED.findall(text)) - own)})


def _beside(scanner, surface, server, names):
    return list(scanner.scan_beside(surface, server, names).values())


def readings(scanner, rows):
    """Return column -> the reports about its rows."""
    found = defaultdict(list)
    for figure, item in rows.poisoned:
        found[figure].append(scanner.scan_item(ItemKind.TOOL, item))
        if figure == "instructions":
            found["beside the tools it names"] += _beside(scanner, {"tools": [item]}, "of the row", _victims(item))
    for one in rows.skills:
        found["skills as files"] += _beside(scanner, {"contents": [one]}, "of the row", ToolNames())
    found["injected results"] = [scanner.scan_result(text) for text in rows.injected]
    found["changes"] = [
        scanner.scan_change(ItemKind.TOOL, tool(one["before"]), tool(one["after"])) for one in rows.changes
    ]
    for item in rows.honest:
        found["honest tools"].append(scanner.scan_item(ItemKind.TOOL, item))
    for server, tools in rows.servers.items():
        found["honest beside all others"] += _beside(scanner, {"tools": tools}, server, rows.names)
    for one in rows.honest_skills:
        found["honest skills"] += _beside(scanner, {"contents": [one]}, "of the row", ToolNames())
    found["ordinary results"] = [scanner.scan_result(text) for text in rows.ordinary]
    return found


COLUMNS = (
    "instructions",
    "beside the tools it names",
    "fields",
    "encodings",
    "invisible",
    "skills as files",
    "injected results",
    "changes",
    "honest tools",
    "honest beside all others",
    "honest skills",
    "ordinary results",
)


def blocked(reports):
    """Return the percentage of reports that block."""
    return share([report.verdict is Verdict.BLOCK for report in reports])


def costs(scanners, items):
    """Return name -> processor time that each scanner takes for some items, the least of ROUNDS by turns."""
    least = dict.fromkeys(scanners, float("inf"))
    for _ in range(ROUNDS):
        for name, scanner in scanners.items():
            took = seconds(lambda scanner=scanner: [scanner.scan_item(ItemKind.TOOL, item) for item in items])
            least[name] = min(least[name], took)
    return least


def opened(reports, trust):
    """Return the percentage of items seen for the first time that open without a person."""
    grades = [first_use(report.findings, rules_of(trust, DEFAULT_RULES)) for report in reports]
    return share([grade.state in OPEN for grade in grades])


def trusted(found):
    """Return the rows of the last table: of what is said in words, what agents see by whose server it is."""
    columns = ("instructions", "beside the tools it names", "skills as files", "honest tools", "honest skills")
    return [
        {"part": f"trust: {trust.value}", **{column: opened(found[column], trust) for column in columns}}
        for trust in (Trust.OWN, Trust.KNOWN, Trust.FOREIGN)
    ]


def table(rows):
    """Return rows of one shape as a table in Markdown."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([str(row[name]) for name in names] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder):
    """Measure the parts of the scanner on the corpora of a folder, print the tables, write build/parts.json."""
    rows, measured, scanners = Corpora(folder), [], {}
    for name, on in steps():
        click.echo(f"measuring with {name} ...", err=True)
        scanners[name] = scanner_with(on)
        found = readings(scanners[name], rows)
        measured.append({"part": name, **{column: blocked(found[column]) for column in COLUMNS}})
    counts = {"part": "rows", **{column: len(found[column]) for column in COLUMNS}}
    spent = costs(scanners, rows.honest[::SAMPLED])
    for step in measured:
        step["cost"] = round(spent[step["part"]] / spent[PARTS[-1].name], 2)
    without = []
    for part in PARTS:
        click.echo(f"measuring without {part.name} ...", err=True)
        lost = readings(scanner_with(RULE_IDS - part.ids), rows)
        without.append({"without": part.name, **{column: blocked(lost[column]) for column in COLUMNS}})
    tables = {"rows": [counts], "in turn": measured, "without": without, "opens": trusted(found)}
    for name, content in tables.items():
        click.echo(f"\n{name}\n\n{table(content)}")
    target = Path("build/parts.json")
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(tables, indent=1) + "\n")
    if any(row[column] for row in tables["opens"][-1:] for column in row if column != "part"):
        raise SystemExit("something of a foreign server opens before a person opened it")


if __name__ == "__main__":
    main()
