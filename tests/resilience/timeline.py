"""Latency over time, as SVG: a line a server, on a logarithmic axis, with what happened when."""

import math
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 860, 420, 60, 40, 130, 40
_COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#8e5ea2", "#b8860b", "#3a3a3a", "#00a6a6", "#d1495b", "#777", "#2f9e44")
_STEP = 0.5
"""Seconds that become one point: the slowest call of them."""


def timeline(title, lines, marks):
    """Return an SVG document. `lines` is name -> (seconds, milliseconds), `marks` a word -> seconds."""
    slowest = {name: _slowest(points) for name, points in lines.items()}
    end = max((at for points in slowest.values() for at in points), default=1.0)
    top = max((took for points in slowest.values() for took in points.values()), default=10.0)
    high = max(1, math.ceil(math.log10(top)))

    def place(at, took):
        x = _LEFT + at / end * (_WIDTH - _LEFT - _RIGHT)
        return x, _HEIGHT - _BOTTOM - math.log10(max(1.0, took)) / high * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_WIDTH / 2}" y="20" text-anchor="middle">{escape(title)}</text>',
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 8}" text-anchor="middle">seconds; the slowest call of each half</text>',
    ]
    for power in range(high + 1):
        _, y = place(0, 10**power)
        parts.append(f'<path d="M{_LEFT} {y:.0f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{10**power} ms</text>')
    for word, at in marks.items():
        x, _ = place(at, 1)
        parts.append(f'<path d="M{x:.0f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#333" stroke-dasharray="4 3"/>')
        parts.append(f'<text x="{x + 4:.0f}" y="{_TOP + 10}">{escape(word)}</text>')
    for number, (name, points) in enumerate(slowest.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = "L".join("{:.0f} {:.0f}".format(*place(*point)) for point in sorted(points.items()))
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}"/>')
        parts.append(
            f'<text x="{_WIDTH - _RIGHT + 8}" y="{_TOP + 16 * number + 10}" fill="{colour}">{escape(name)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _slowest(points):
    found = {}
    for at, took in points:
        half = math.floor(at / _STEP) * _STEP
        found[half] = max(took, found.get(half, 0.0))
    return found
