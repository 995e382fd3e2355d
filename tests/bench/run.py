"""Run the benchmarks, print the table, write build/bench.json or another file. With --quick in a short form, for CI."""

import importlib
import json
import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measure import as_text

BENCHMARKS = (
    "core",
    "surface",
    "growth",
    "declare",
    "policies",
    "pluginserver",
    "event",
    "gateway",
    "short",
    "lists",
    "answers",
    "fleet",
    "shares",
)
APART = ("auth", "telemetry", "catalog", "virtual", "portal")
"""Benchmarks with a target of their own."""


@click.command()
@click.option("--quick", is_flag=True, help="Short runs: the figures are rough, and bars are reported, not enforced.")
@click.option("--out", type=Path, default=Path("build/bench.json"), help="Where the rows are written, as JSON.")
@click.argument("names", nargs=-1, type=click.Choice(BENCHMARKS + APART))
def main(quick, out, names):
    """Measure speed and memory. Figures are ratios from one run, or differences; a bar that is missed ends with 1."""
    rows = []
    for name in names or BENCHMARKS:
        click.echo(f"measuring {name} ...", err=True)
        rows += importlib.import_module(f"bench.{name}").run(quick=quick)
    click.echo(as_text(rows))
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(rows, indent=1) + "\n")
    if not quick and not all(row["holds"] is not False for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
