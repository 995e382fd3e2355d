"""Measure what scanning costs against a release of before, given by its commit: the two by turns, in one run.

Prints the rows and writes build/then.json. Times are of the processor: the least of ROUNDS for each text, each version
in a process of its own. The long answers are LONG characters, and nothing in them blocks before they are read as far
as each version reads them. The bars are aims, written down when they were set; a row says whether they hold.
"""

import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import as_text, least, row, shown

ROUNDS, TURNS, SAMPLED = 4, 3, 4
LONG = 15_000_000
FASTER = {"a tool, mean": 2.8, "a tool, 99 of 100": 2.8, "a long log": 30, "a long list in JSON": 30}
"""What is measured -> how many times faster than then it is to be."""


def measured(folder):
    """Return what -> seconds, of the scanner that Python finds."""
    from eval.corpora import load, tool  # noqa: PLC0415 - a measuring child alone
    from mcp_core import results  # noqa: PLC0415
    from mcp_core.scan import ItemKind, Scanner  # noqa: PLC0415

    scanner = Scanner()
    tools = [tool(one) for one in load(folder, "benign")[::SAMPLED]]
    for item in tools:
        scanner.scan_item(ItemKind.TOOL, item)
    each = sorted(least(lambda item=item: scanner.scan_item(ItemKind.TOOL, item), rounds=ROUNDS) for item in tools)
    texts = [one["text"] for one in load(folder, "result_benign")]
    for text in texts:
        scanner.scan_result(text)
    answers = [least(lambda text=text: scanner.scan_result(text), rounds=ROUNDS) for text in texts]
    log = "".join(
        f"2026-11-{at % 28 + 1:02} 12:{at % 60:02}:07 INFO worker[{at}] handled GET /api/v1/items/{at * 7} in "
        f"{at % 900} ms status=200 user=u{at % 977}\n"
        for at in range(LONG // 90)
    )
    listed = json.dumps([{"id": at, "title": f"Item number {at}", "price": at * 1.5} for at in range(LONG // 50)])

    def long(text):
        message = {"result": {"content": [{"type": "text", "text": text[:LONG]}]}}
        return least(lambda: results.scan(message, lambda window: scanner.scan_result(*window)), rounds=1)

    return {
        "a tool, mean": statistics.mean(each),
        "a tool, 99 of 100": each[int(len(each) * 0.99)],
        "an ordinary result, mean": statistics.mean(answers),
        "a long log": long(log),
        "a long list in JSON": long(listed),
    }


def child(folder, plugins):
    """Return what another process measures with the packages of a folder."""
    command = [sys.executable, __file__, str(folder), "--with", str(plugins)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def compared(then, now):
    """Return the rows: how many times faster, and the seconds of now."""
    for name, seconds in now.items():
        if name in FASTER:
            yield row(f"{name}, to then", seconds / then[name], "x", round(1 / FASTER[name], 3))
        else:
            yield shown(f"{name}, to then", seconds / then[name], "x")
        yield shown(f"{name} (this machine, this minute)", seconds * 1000, "ms")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--then", help="The commit of the release of before.")
@click.option("--with", "plugins", type=click.Path(exists=True, path_type=Path), help="Measure these packages alone.")
def main(folder, then, plugins):
    """Measure the scanner of now against the one of a commit, print the rows, write build/then.json."""
    if plugins:
        sys.path.insert(0, str(plugins))
        click.echo(json.dumps(measured(folder)))
        return
    repository = Path(__file__).resolve().parent.parent.parent
    packed = subprocess.run(["git", "archive", then, "plugins"], check=True, capture_output=True, cwd=repository).stdout
    with tempfile.TemporaryDirectory() as place, tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(place, filter="data")
        folders = {"then": Path(place) / "plugins", "now": repository / "plugins"}
        turns = [{name: child(folder, where) for name, where in folders.items()} for _ in range(TURNS)]
    best = {
        name: {what: min(turn[name][what] for turn in turns) for what in turns[0][name]} for name in ("then", "now")
    }
    rows = list(compared(best["then"], best["now"]))
    click.echo(as_text(rows))
    target = Path("build/then.json")
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
