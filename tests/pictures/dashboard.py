"""A dashboard as SVG, in the layout of Grafana's: lines over time, and bars."""

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _ROW, _HEAD, _GAP = 1200, 30, 56, 8
_COLUMNS = 24
_COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#8e5ea2", "#b8860b", "#3a3a3a", "#00a6a6", "#d1495b", "#777", "#2f9e44")
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 14, 34, 46
_UNITS = {"reqps": " req/s", "ops": " /s", "s": " s", "short": ""}


@dataclass(frozen=True)
class Panel:
    """One panel: `place` is Grafana's gridPos, `lines` name -> [(seconds, value), ...], `bars` name -> value."""

    title: str
    unit: str
    place: dict
    lines: dict
    bars: dict | None = None


def dashboard(title, told, panels):
    """Return an SVG document. `told` says beside the title what is to be seen."""
    height = _HEAD + _ROW * max(one.place["y"] + one.place["h"] for one in panels) + _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#f2f3f5"/>',
        f'<text x="{_GAP + 4}" y="26" font-size="17" font-weight="bold">{escape(title)}</text>',
        f'<text x="{_GAP + 4}" y="46" fill="#555">{escape(told)}</text>',
    ]
    for panel in panels:
        wide, high = panel.place["w"] * _WIDTH / _COLUMNS - _GAP, panel.place["h"] * _ROW - _GAP
        x, y = panel.place["x"] * _WIDTH / _COLUMNS + _GAP / 2, _HEAD + panel.place["y"] * _ROW
        parts.append(f'<g transform="translate({x:.0f} {y})">')
        parts.append(f'<rect width="{wide:.0f}" height="{high}" rx="3" fill="white" stroke="#dcdfe3"/>')
        parts.append(f'<text x="12" y="21" font-weight="bold">{escape(panel.title)}</text>')
        parts += _bars(panel, wide, high) if panel.bars is not None else _lines(panel, wide, high)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _lines(panel, wide, high):
    series = {name: [one for one in points if math.isfinite(one[1])] for name, points in panel.lines.items()}
    series = {name: points for name, points in series.items() if points}
    if not series:
        return [_text(wide / 2, high / 2, "none of it in this run", "middle")]
    top = _nice(max((value for points in series.values() for _, value in points), default=0) or 1)
    end = max(at for points in series.values() for at, _ in points) or 1

    def place(at, value):
        return (
            _LEFT + at / end * (wide - _LEFT - _RIGHT),
            high - _BOTTOM - value / top * (high - _TOP - _BOTTOM),
        )

    parts = []
    for part in range(5):
        _, y = place(0, top * part / 4)
        parts.append(f'<path d="M{_LEFT} {y:.0f}H{wide - _RIGHT:.0f}" stroke="#ececec"/>')
        parts.append(_text(_LEFT - 6, y + 4, _said(top * part / 4, panel.unit), "end"))
    for part in range(5):
        x, _ = place(end * part / 4, 0)
        parts.append(_text(x, high - _BOTTOM + 15, f"{end * part / 4:.0f} s", "end" if part == 4 else "middle"))
    space = _LEFT
    for number, (name, points) in enumerate(sorted(series.items())):
        colour = _COLOURS[number % len(_COLOURS)]
        path = "L".join("{:.1f} {:.1f}".format(*place(*point)) for point in points)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        if len(points) == 1:
            x, y = place(*points[0])
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>')
        parts.append(f'<rect x="{space}" y="{high - 18}" width="10" height="3" fill="{colour}"/>')
        parts.append(_text(space + 14, high - 13, name, "start"))
        space += 26 + 5.9 * len(name)
    return parts


def _bars(panel, wide, high):
    found = sorted(((value, name) for name, value in panel.bars.items() if value > 0), reverse=True)
    if not found:
        return [_text(wide / 2, high / 2, "none of it in this run", "middle")]
    left, most = 190, found[0][0]
    step = min((high - _TOP - 10) / len(found), 26)
    parts = []
    for number, (value, name) in enumerate(found):
        y, long = _TOP + number * step, value / most * (wide - left - 70)
        colour = _COLOURS[0]
        parts.append(_text(left - 8, y + step / 2 + 4, name, "end"))
        parts.append(f'<rect x="{left}" y="{y + 2:.1f}" width="{long:.1f}" height="{step - 5:.1f}" fill="{colour}"/>')
        parts.append(_text(left + long + 6, y + step / 2 + 4, f"{value:,.0f}", "start"))
    return parts


def _text(x, y, words, anchor):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="#444">{escape(words)}</text>'


def _said(value, unit):
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s" and 0 < value < 1:
        return f"{value * 1000:.3g} ms"
    return f"{value:,.0f}{_UNITS[unit]}" if value >= 1000 else f"{value:.3g}{_UNITS[unit]}"


def _nice(value):
    """Return the next of 1, 2, 4 or 8 times a power of ten."""
    power = 10 ** math.floor(math.log10(value))
    return next(one * power for one in (1, 2, 4, 8, 10) if one * power >= value)
