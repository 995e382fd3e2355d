"""One plot of several series on logarithmic axes, as SVG."""

import math
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 860, 520, 70, 40, 200, 50
_COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#8e5ea2", "#b8860b", "#3a3a3a", "#00a6a6", "#d1495b")


def _axis(values, start, end):
    """Return a place for each value, and the powers of ten in between."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    step = (end - start) / max(1, high - low)
    return (lambda value: start + (math.log10(value) - low) * step), [10.0**power for power in range(low, high + 1)]


def _text(x, y, words, anchor="middle"):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(words)}</text>'


def plot(title, across, up, series):
    """Return an SVG document. `series` is name -> points; a dotted line beside the first shows linear growth."""
    points = [point for one in series.values() for point in one]
    x, x_ticks = _axis([size for size, _ in points], _LEFT, _WIDTH - _RIGHT)
    y, y_ticks = _axis([value for _, value in points], _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_WIDTH / 2, 22, title),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, across),
        _text(_LEFT, _TOP - 12, up),
    ]
    for tick in x_ticks:
        parts.append(f'<path d="M{x(tick):.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#ddd"/>')
        parts.append(_text(x(tick), _HEIGHT - _BOTTOM + 18, f"1e{math.log10(tick):.0f}"))
    for tick in y_ticks:
        parts.append(f'<path d="M{_LEFT} {y(tick):.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 8, y(tick) + 4, f"1e{math.log10(tick):.0f}", "end"))
    for number, (name, line) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = "L".join(f"{x(size):.1f} {y(value):.1f}" for size, value in line)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        place = _TOP + 18 * number
        parts.append(f'<rect x="{_WIDTH - _RIGHT + 16}" y="{place}" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(_WIDTH - _RIGHT + 36, place + 11, name, "start"))
    (first, cost), (last, _) = next(iter(series.values()))[-2:]
    least = min(size for size, _ in points)
    slope = f"M{x(least):.1f} {y(cost * least / first):.1f}L{x(last):.1f} {y(cost * last / first):.1f}"
    parts.append(f'<path d="{slope}" stroke="#999" stroke-dasharray="4 4"/>')
    parts.append(_text(_WIDTH - _RIGHT + 16, _TOP + 18 * len(series) + 11, "dotted: linear", "start"))
    return "\n".join([*parts, "</svg>", ""])
