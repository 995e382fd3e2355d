"""The compiled build beside plain Python: for the same input the same decision and verdict, to the last word.

Both run in a process of their own over the same inputs, whose outcomes are compared as they are printed, so that 1, 1.0
and true differ; a process that dies is a difference too. `make test-compiled` builds what is compared.
"""

import hashlib
import os
import random
import re
import secrets
import subprocess
import sys
import time
from pathlib import Path

import click

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COMPILED = ROOT / "build" / "compiled"
_BATCH = 20_000
_LARGEST = 256 * 1024
_CONFIGS = (
    {},
    {"enforce": False},
    {"constraints": [{"tool": "ok*", "argument": ["a"], "minimum": 1, "maximum": 9007199254740993}]},
    {"results": {"mode": "flag"}, "rules": [{"groups": ["staff"], "tools": {"allow": ["hidden"]}}]},
)


def differences(seed, inputs):
    """Return what differs, as the two sides print it, over that many inputs made from a seed."""
    sides = [_started(folder, seed, inputs) for folder in ("", str(COMPILED))]
    told = [side.communicate()[0].splitlines() for side in sides]
    if ended := [side.returncode for side in sides if side.returncode]:
        raise RuntimeError(f"a side ended with {ended}, after {len(told[0])} and {len(told[1])} inputs of seed {seed}")
    if told[0][:1] != ["plain"] or told[1][:1] != ["compiled"] or len(told[0]) != inputs + 1:
        raise RuntimeError(f"the sides are {told[0][:1]} and {told[1][:1]}: build the compiled one by `make compiled`")
    odd = [number for number, pair in enumerate(zip(*(side[1:] for side in told), strict=True)) if pair[0] != pair[1]]
    return [(number, *(_shown(folder, seed, number) for folder in ("", str(COMPILED)))) for number in odd[:5]]


def _started(folder, seed, inputs, *more):
    path = ":".join(filter(None, [folder, str(HERE.parent)]))
    return subprocess.Popen(
        [sys.executable, "-m", "fuzz.same", "--side", str(seed), "--inputs", str(inputs), *more],
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )


def _shown(folder, seed, number):
    return _started(folder, seed, 1, "--only", str(number)).communicate()[0]


def _stop_the_clock():
    """Have both sides see the same time and draw the same lots."""
    time.time, time.monotonic = (lambda: 1_800_000_000.0), (lambda: 1000.0)
    secrets.token_hex = lambda size: "0" * 2 * size
    secrets.token_bytes = bytes


def _run_side(seed, inputs, only):
    _stop_the_clock()
    from bench.event import Event  # noqa: PLC0415 - what is imported here is one side's own
    from fuzz import oracles  # noqa: PLC0415
    from fuzz.mutate import mutate  # noqa: PLC0415
    from mcp_core import decide  # noqa: PLC0415

    click.echo("compiled" if decide.__file__.endswith(".so") else "plain")
    known = {"tools": {"allow": ["ok*"]}, "resources": {"allow": ["ok:*"]}, "limits": {"refusals": 1_000_000}}
    events = [Event({**known, **more}) for more in _CONFIGS]
    seeds = [path.read_bytes() for path in sorted((HERE / "corpus" / "request").iterdir())]
    sound = [path.read_bytes() for path in sorted((HERE / "corpus" / "request").glob("0-*"))]
    for number in range(inputs) if only is None else [only]:
        rng = random.Random(f"{seed} {number}")
        data = mutate(rng.choice(seeds), _LARGEST, rng.random(), sound)
        if rng.random() < 0.02:
            data = _large(data, rng)
        lines, body = oracles.split(data)
        outcome = repr(oracles.decide_request(lines, body))
        event = rng.choice(events)
        verdict = event.run(event.frame(oracles.as_kong(lines), body))
        told = f"{_plain(outcome)} {verdict!r}"
        click.echo(told if only is not None else hashlib.sha256(told.encode("utf-8", "replace")).hexdigest())


def _large(data, rng):
    """Put something long, deep or wide where one of the input's values or brackets stands."""
    much = rng.choice([100, 1500, 20_000])
    wide = b",".join(b'"%d":0' % number for number in range(much))
    deep = [b"[" * much, b'{"a":' * much, b"[" * much + b"]" * much]
    long = [b"9" * much, b"1e%d" % much, b"-0." + b"0" * much, b'"' + b"\\ud83d" * much + b'"', b"{" + wide + b"}"]
    piece = rng.choice([*deep, *long])
    places = [match.span() for match in re.finditer(rb'1|\{\}|"ok[^"]*"|\[', data)] or [(0, 0)]
    start, end = rng.choice(places)
    return data[:start] + piece + data[end:]


def _plain(text):
    """Return what is printed without what no two processes share: where in memory something is."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)


@click.command()
@click.option("--seconds", default=60, help="How long to go on.")
@click.option("--seed", default=0, help="The first seed.")
@click.option("--side", type=int, hidden=True)
@click.option("--inputs", type=int, default=_BATCH, hidden=True)
@click.option("--only", type=int, hidden=True)
def main(seconds, seed, side, inputs, only):
    """Compare both builds."""
    if side is not None:
        _run_side(side, inputs, only)
        return
    until, compared = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        if found := differences(seed, inputs):
            for number, *sides in found:
                click.echo(f"seed {seed}, input {number}:\n  plain:    {sides[0]}  compiled: {sides[1]}", err=True)
            raise SystemExit(1)
        seed, compared = seed + 1, compared + inputs
    click.echo(f"{compared} inputs, and the same outcome of each")


if __name__ == "__main__":
    main()
