"""Measure our gateway beside others in one run: the same calls, the same server, security on where there is any."""

import json
import signal
import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.peers.agentgateway import AGENTGATEWAY
from bench.peers.contextforge import CONTEXTFORGE
from bench.peers.figures import BARRED, rows, table
from bench.peers.ours import OURS
from bench.peers.picture import bars
from bench.peers.python_peers import PYTHON_PEERS
from bench.peers.rounds import measured, middle, started

GATEWAYS = {gateway.name: gateway for gateway in (*OURS, AGENTGATEWAY, *PYTHON_PEERS, CONTEXTFORGE)}
PEERS = [name for name, gateway in GATEWAYS.items() if gateway not in OURS]


@click.command()
@click.option("--quick", is_flag=True, help="Short runs: the figures are rough, and bars are reported, not enforced.")
@click.option("--connections", default="1,16,128", show_default=True, help="How many at a time, separated by commas.")
@click.option("--seconds", default=3.0, show_default=True, help="How long each round of each lasts.")
@click.option("--rounds", default=5, show_default=True, help="How many rounds.")
@click.option("--out", type=Path, default=Path("build/peers.json"), help="Where the rows are written, as JSON.")
@click.option("--picture", type=Path, default=Path("build/peers.svg"), help="Where the picture is drawn, as SVG.")
@click.argument("names", nargs=-1, type=click.Choice(PEERS))
def main(quick, connections, seconds, rounds, out, picture, names):
    """Measure our gateway on a real Kong beside the peers NAMES, by default all that `make peers` installed.

    What counts is calls a second for each second of the processor that a gateway used: it says the same however many
    cores there are. A bar that is missed ends with 1.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    seconds, rounds = (1, 2) if quick else (seconds, rounds)
    counts = [int(one) for one in connections.split(",")]
    chosen = [gateway for name, gateway in GATEWAYS.items() if not names or name in names or gateway in OURS]
    with started(chosen, _say) as entries:
        found = measured(entries, counts, seconds, rounds, _say, _say)
    told = rows(entries, found)
    for path in (out, picture):
        path.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(told, indent=1) + "\n")
    if drawn := _drawn(entries, found, counts):
        picture.write_text(drawn)
    click.echo(table(entries, found))
    for row in told:
        if row["bar"] is not None:
            click.echo(f"{row['name']}: {row['value']} {row['bar']} {'holds' if row['holds'] else 'DOES NOT HOLD'}")
    if not quick and any(row["holds"] is False for row in told):
        raise SystemExit(1)


def _say(words):
    click.echo(words, err=True)


def _drawn(entries, found, counts):
    """Return the picture: calls a second and core of each entry, the most first."""
    count = BARRED if BARRED in counts else counts[0]
    values = [
        (f"{entry.label}", entry.gateway.family, middle(found[entry.label, count], "core"))
        for entry in entries
        if (entry.label, count) in found
    ]
    if not values:
        return None
    title = f"tools/call through a gateway, {count} connections, every answer checked"
    across = "calls a second for each core that the gateway uses (logarithmic)"
    return bars(title, across, sorted(values, key=lambda value: -value[2]))


if __name__ == "__main__":
    main()
