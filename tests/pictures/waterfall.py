"""One trace as SVG: a bar a span below the span that it belongs to, in the colour of whose it is."""

from typing import NamedTuple
from xml.sax.saxutils import escape

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW, _BOTTOM = 960, 330, 80, 84, 28, 44
_COLOURS = ("#588157", "#1b6ca8", "#c8553d", "#8e5ea2", "#b8860b")
_INDENT = 16
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class Bar(NamedTuple):
    """A span: `begin` and `took` in milliseconds."""

    service: str
    name: str
    id: str
    parent: str
    begin: float
    took: float


def waterfall(title, told, bars):
    """Return an SVG document. `told` says below the title what is to be seen."""
    zero = min(bar.begin for bar in bars)
    length = max(bar.begin + bar.took for bar in bars) - zero
    rows = list(_tree(bars, {bar.id for bar in bars}))
    services = list(dict.fromkeys(one.service for _, one in rows))
    height = _TOP + _ROW * len(rows) + _BOTTOM
    scale = (_WIDTH - _LEFT - _RIGHT) / length
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="16" y="24" font-size="16" font-weight="bold">{escape(title)}</text>',
        f'<text x="16" y="44" fill="#555">{escape(told)}</text>',
    ]
    place = 16
    for number, service in enumerate(services):
        parts.append(f'<rect x="{place}" y="56" width="11" height="11" fill="{_COLOURS[number]}"/>')
        parts.append(f'<text x="{place + 16}" y="66">{escape(service)}</text>')
        place += 36 + 7 * len(service)
    bottom = _TOP + _ROW * len(rows)
    step = next(one for one in _STEPS if length / one <= 8)
    for tick in range(0, int(length) + 1, step):
        x = _LEFT + tick * scale
        parts.append(f'<path d="M{x:.1f} {_TOP}V{bottom}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle" fill="#555">{tick} ms</text>')
    for number, (depth, one) in enumerate(rows):
        y = _TOP + _ROW * number
        x, wide = _LEFT + (one.begin - zero) * scale, max(one.took * scale, 2)
        colour = _COLOURS[services.index(one.service)]
        if number % 2 == 0:
            parts.insert(5, f'<rect x="8" y="{y}" width="{_WIDTH - 16}" height="{_ROW}" fill="#f7f7f7"/>')
        parts.append(f'<text x="{16 + _INDENT * depth}" y="{y + 18}">{escape(one.name)}</text>')
        parts.append(f'<rect x="{x:.1f}" y="{y + 7}" width="{wide:.1f}" height="14" rx="2" fill="{colour}"/>')
        parts.append(f'<text x="{x + wide + 5:.1f}" y="{y + 18}" fill="#555">{one.took:.1f} ms</text>')
    return "\n".join([*parts, "</svg>", ""])


def _tree(bars, known, parent=None, depth=0):
    """Yield (depth, bar): each below its parent, brothers as they began."""
    for one in sorted(bars, key=lambda bar: (bar.begin, -bar.took)):
        if one.parent == parent if parent is not None else one.parent not in known:
            yield depth, one
            yield from _tree(bars, known, one.id, depth + 1)
