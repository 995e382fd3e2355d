"""A bar for each entry on a logarithmic axis, as SVG."""

import math
from xml.sax.saxutils import escape

_WIDTH, _LEFT, _RIGHT, _TOP, _STEP = 860, 250, 70, 46, 26
COLOURS = {"ours": "#1b6ca8", "kong": "#8a9aa8", "rust": "#c8553d", "python": "#588157", "node": "#b8860b"}


def _text(x, y, words, anchor="start"):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(words)}</text>'


def bars(title, across, entries):
    """Return an SVG document. `entries` are (label, family, value), in the order in which they are drawn."""
    values = [value for _, _, value in entries]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, high - low)
    bottom = _TOP + _STEP * len(entries)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 50}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{bottom + 50}" fill="white"/>',
        _text(_WIDTH / 2, 22, title, "middle"),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, bottom + 40, across, "middle"),
    ]
    for power in range(low, high + 1):
        x = _LEFT + (power - low) * step
        parts.append(f'<path d="M{x:.1f} {_TOP - 6}V{bottom}" stroke="#ddd"/>')
        parts.append(_text(x, bottom + 18, f"{10**power:,}", "middle"))
    for number, (label, family, value) in enumerate(entries):
        y = _TOP + _STEP * number
        long = (math.log10(value) - low) * step
        parts.append(f'<rect x="{_LEFT}" y="{y}" width="{long:.1f}" height="{_STEP - 8}" fill="{COLOURS[family]}"/>')
        parts.append(_text(_LEFT - 8, y + 13, label, "end"))
        parts.append(_text(_LEFT + long + 6, y + 13, f"{value:,.0f}"))
    return "\n".join([*parts, "</svg>", ""])
