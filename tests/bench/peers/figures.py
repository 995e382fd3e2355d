"""What is said of the rounds: rows with bars, and a table."""

from bench.measure import shown
from bench.peers.gateway import MODERN
from bench.peers.ours import KEY_AUTH, KONG_WAY, SHORT_WAY
from bench.peers.rounds import middle, ratio

BARRED = 16
"""The number of connections that the bars are about."""
LEAST = {"rust": {KONG_WAY: 1.0, SHORT_WAY: 1.5}, "python": {KONG_WAY: 5.0, SHORT_WAY: 5.0}}
"""How many times a peer's calls a second and core each of our ways has at least, by the peer's family."""


def rows(entries, found):
    """Return the rows: each entry's own figures, its ratio to key-auth alone, and ours to each peer's."""
    told = []
    for (label, count), rounds in found.items():
        told += [
            shown(f"{label}, {count} connections: calls a second and core", middle(rounds, "core"), "1/s"),
            shown(f"{label}, {count} connections: calls a second", middle(rounds, "rate"), "1/s"),
            shown(f"{label}, {count} connections: median", middle(rounds, "median"), "ms"),
        ]
        plain = found.get((f"{KEY_AUTH}, {MODERN}", count))
        if plain and not label.startswith(KEY_AUTH):
            name = f"{label} / {KEY_AUTH}, {count} connections: calls a second and core"
            told.append(shown(name, ratio(rounds, plain), "ratio"))
    return told + _bars(entries, found)


def _bars(entries, found):
    told = []
    for entry in entries:
        for way in (KONG_WAY, SHORT_WAY):
            for count in sorted({count for _, count in found}):
                ours, theirs = found.get((f"{way}, {entry.era}", count)), found.get((entry.label, count))
                if entry.gateway.family not in ("ours", "kong") and ours and theirs:
                    told.append(
                        _bar(f"{way} / {entry.label}, {count} connections", ratio(ours, theirs), entry, way, count)
                    )
    return told


def _bar(name, value, entry, way, count):
    told = shown(f"{name}: calls a second and core", value, "ratio")
    least = LEAST.get(entry.gateway.family, {}).get(way) if count == BARRED and entry.gateway.alike else None
    return told if least is None else {**told, "bar": f">= {least:g}", "holds": value >= least}


def table(entries, found):
    """Return the table of docs/peers.md: one line for each entry, one column for each number of connections."""
    counts = sorted({count for _, count in found})
    head = [f"{count} connection{'s' if count > 1 else ''}" for count in counts]
    lines = [
        "| | version | era | " + " | ".join(head) + f" | / {KEY_AUTH} | {KONG_WAY} / it | {SHORT_WAY} / it |",
        "|---" * (len(counts) + 6) + "|",
    ]
    for entry in entries:
        cells = [_cell(found.get((entry.label, count))) for count in counts]
        lines.append(
            "| " + " | ".join([entry.gateway.name, entry.version, entry.era, *cells, *_ratios(entry, found)]) + " |"
        )
    return "\n".join(lines)


def _cell(rounds):
    if not rounds:
        return "—"
    return f"**{middle(rounds, 'core'):,.0f}** ({middle(rounds, 'rate'):,.0f}; {middle(rounds, 'median'):.1f} ms)"


def _ratios(entry, found):
    mine = found.get((entry.label, BARRED))
    others = [f"{KEY_AUTH}, {MODERN}", f"{KONG_WAY}, {entry.era}", f"{SHORT_WAY}, {entry.era}"]
    told = []
    for number, label in enumerate(others):
        other = found.get((label, BARRED))
        if not mine or not other or label == entry.label:
            told.append("")
        else:
            told.append(f"{ratio(mine, other):.3f}" if number == 0 else f"{ratio(other, mine):.2f}")
    return told
