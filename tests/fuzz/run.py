"""Fuzz each target for some time, say what was reached, and keep the few inputs that reach something new."""

import re
import subprocess
import sys
import time
from pathlib import Path

import click

from fuzz import dearest, typescript
from fuzz.checks import CHECKS
from fuzz.costs import COSTS
from fuzz.reach import possible, reached

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build/fuzz"
CORPUS = HERE / "corpus"
MOST_BYTES = 4096
OPTIONS = ("-timeout=20", "-mutate_depth=2", f"-max_len={MOST_BYTES}")
DEAREST = "dearest"
"""The target that looks for inputs that cost too much, not for such as are read otherwise."""
SMALL = 600
"""Bytes of an input that may be kept: larger ones reach what smaller ones do."""


def fuzz(target, seconds, seed):
    """Run one fuzzer from a seed (0: a new one). Returns how many inputs it ran and the share of them not refused.

    Ends the process where one failed.
    """
    found = BUILD / target
    found.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", f"-seed={seed}", f"-artifact_prefix={found}-", *OPTIONS]
    log = BUILD / f"{target}.log"
    with log.open("wb") as output:
        ended = subprocess.run(
            [sys.executable, "-m", "fuzz.one", target, *options, found, CORPUS / target],
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    text = log.read_text(errors="replace")
    if ended.returncode:
        click.echo("\n".join(text.splitlines()[-40:]), err=True)
        for crash in sorted(BUILD.glob(f"{target}-*")):
            click.echo(f"replay it: make fuzz TARGET={target} REPLAY={crash.relative_to(BUILD.parents[1])}", err=True)
        raise SystemExit(1)
    passed, of = map(int, (re.findall(r"passed (\d+) of (\d+)", text) or [(0, 1)])[-1])
    return int(re.findall(r"Done (\d+) runs", text)[-1]), passed / of


def keep(targets):
    """Add to the committed corpus what reaches lines that nothing in it reaches, smallest first."""
    known = set()
    for target in CHECKS:
        for path in (CORPUS / target).iterdir():
            known |= reached(target, path.read_bytes())
    for target in targets:
        for path in sorted((BUILD / target).iterdir(), key=lambda path: (path.stat().st_size, path.name)):
            data = path.read_bytes()
            if len(data) <= SMALL and (more := reached(target, data) - known):
                known |= more
                (CORPUS / target / f"found-{path.name[:12]}").write_bytes(data)
                click.echo(f"kept {target}/found-{path.name[:12]}, which is new to {len(more)} lines")
    return f"{len(known)} of {len(possible({module for module, _ in known}))} lines"


@click.command()
@click.option("--seconds", default=60, help="How long each target runs; for `dearest` each of its three.")
@click.option("--seed", default=0, help="Search in the same order again; without it each run searches in another one.")
@click.option("--replay", type=click.Path(exists=True, path_type=Path), help="Run one input and end.")
@click.argument("target", nargs=-1, type=click.Choice([*CHECKS, DEAREST]))
def main(seconds, seed, replay, target):
    """Fuzz the protocol core beside the official SDKs."""
    if replay is not None and DEAREST in target:
        raise click.UsageError("replay it: PYTHONPATH=tests python -m fuzz.dearest --replay FILE TARGET")
    if replay is not None:
        click.echo(repr(CHECKS[target[0]](replay.read_bytes())))
        return
    beside = "beside the Python and TypeScript SDKs" if typescript.running() else "beside the Python SDK"
    total = 0
    targets = [one for one in target or CHECKS if one in CHECKS]
    for name in targets:
        runs, passed = fuzz(name, seconds, seed)
        total += runs
        click.echo(f"{name:<8} {runs:>9,} inputs {beside}, {passed:.0%} of them not refused")
    if not target or DEAREST in target:
        dearest.report(COSTS, seconds, seed=seed or time.time_ns())
    if not targets:
        return
    reach = keep(targets)
    click.echo(f"{total:,} inputs, none read otherwise than the core did; the corpus reaches {reach} of its modules")


if __name__ == "__main__":
    main()
