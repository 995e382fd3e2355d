"""Rounds in turn: each gateway that takes part, in each era that it speaks, under each number of connections."""

import contextlib
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

from bench.peers.gateway import one_round
from bench.peers.security import hold
from bench.stand import start_server


@dataclass(frozen=True)
class Entry:
    """A gateway that runs, in one era."""

    gateway: object
    door: object
    era: str
    version: str

    @property
    def label(self):
        return f"{self.gateway.name}, {self.era}"


@contextlib.contextmanager
def started(gateways, say=click.echo):
    """Start those gateways that are installed, and yield an entry for each era of each. Who is left out is said.

    One of ours that does not start, or does not hold what it is described to hold, is an error.
    """
    with contextlib.ExitStack() as stack:
        url = start_server(stack, "instant_mcp.py")
        entries = []
        for gateway in gateways:
            version = gateway.version()
            if version is None:
                say(f"left out: {gateway.name} is not installed ({gateway.missing})")
                continue
            own = stack.enter_context(contextlib.ExitStack())
            folder = Path(own.enter_context(tempfile.TemporaryDirectory(prefix="peers-", ignore_cleanup_errors=True)))
            try:
                door = gateway.start(own, folder, url)
                for era in gateway.eras:
                    hold(gateway, door, era)
            except Exception as error:
                if gateway.family in ("ours", "kong"):
                    raise
                say(f"left out: {gateway.name} {version}: {error}")
                own.close()
                continue
            entries += [Entry(gateway, door, era, version) for era in gateway.eras]
        yield entries


def measured(entries, connections, seconds, rounds, say=click.echo, progress=lambda _: None):
    """Return {(label, connections): [what each round took]}; what an entry answers wrongly it has no rounds for."""
    found, out = {}, set()
    _warm_up(entries, sorted(connections)[len(connections) // 2], say, out)
    for number in range(rounds):
        for count in connections:
            progress(f"round {number + 1} of {rounds}, {count} connections ...")
            for entry in entries:
                taken = _round(entry, count, seconds, say, out)
                if taken is None:
                    found.pop((entry.label, count), None)
                else:
                    found.setdefault((entry.label, count), []).append(taken)
    return found


def _warm_up(entries, count, say, out):
    for entry in entries:
        _round(entry, count, 1, say, out)


def _round(entry, count, seconds, say, out):
    """Return what one round took, or None for who answered wrongly in this one or one before. Ours may not."""
    if (entry.label, count) in out:
        return None
    try:
        return one_round(entry.door, entry.era, count, seconds, entry.label)
    except Exception as error:
        if entry.gateway.family in ("ours", "kong"):
            raise
        say(f"left out: {entry.label}, {count} connections: {error}")
        out.add((entry.label, count))
        return None


def middle(rounds, what):
    """Return the median of one figure of some rounds."""
    return statistics.median(getattr(one, what) for one in rounds)


def ratio(above, below, what="core"):
    """Return the median of the ratios of two, round by round: what the machine does meanwhile weighs on both alike."""
    return statistics.median(getattr(a, what) / getattr(b, what) for a, b in zip(above, below, strict=True))
