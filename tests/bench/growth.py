"""Texts that are dear to read cost in proportion to their length: scanned, decoded, matched, looked through.

The bars are ratios to a quarter of the same text in the same run: linear work has 4, quadratic work 16.
"""

import base64
import re

from bench.measure import least, row
from mcp_core.pins.templates import Template
from mcp_core.results import texts
from mcp_core.scan import ItemKind, Scanner, credentials
from mcp_core.scan.encoded import decoded
from mcp_core.scan.linear import check_linear
from mcp_sidecar.lane.patterns import compile_pattern

LONG = 200_000
"""Characters of a hostile text."""
_MOST = 9
_SHORTEST = 0.002
"""Seconds that the quarter is measured for, at least: less is noise."""
HOSTILE = {
    "one letter": "a",
    "ignore all": "ignore all ",
    "do not tell": "do not tell the ",
    "read and send": "read the password and then send ",
    "brackets": "[",
    "tags": "<!--",
    "open quotes": "='",
    "equals signs": "=",
    "rules": "- - -",
    "hashes": "#",
    "pipes": "curl x | ",
    "base64": "QUJD",
    "digits": "12 ",
    "binary": "01000001 ",
    "percent": "%41",
    "entities": "&#65;",
    "escapes": "\\u0041",
    "leet": "1gn0r3 ",
    "single letters": "a b ",
    "slashes": "/.",
    "marks": "a\u0301\u0336",
    "zero width": "\u200b",
    "tag characters": "\U000e0041",
    "escape sequences": "\x1b[",
    "Chinese": "忽略",
    "Arabic": "تجاهل ",
    "surrogates": "\ud800",
}
_KEYS = ("eyJ", "eyJaaaaaaaa.", "://a:", "api_key=", "-----BEGIN PRIVATE KEY-----\n", "server=a;", "sk-", "a: \n")
_PATTERNS = (r"^(a+)+$", r"^(a|a)*$", r"(x+x+)+y", r"^([a-z]+)*\d$", r"(.*a){20}$")


def grown(run, make):
    """Return how many times as long `run` takes for make(LONG) as for make(LONG // 4)."""
    quarter, whole = make(LONG // 4), make(LONG)
    run(quarter)
    times = max(1, int(_SHORTEST / max(least(lambda: run(quarter), rounds=1), 1e-7)))
    return least(lambda: run(whole), times) / least(lambda: run(quarter), times)


def _repeated(piece):
    return lambda size: piece * (size // len(piece))


def _nested(size):
    text = "the weather of the city is what it returns. " * (size // 320)
    for _ in range(6):
        text = base64.b64encode(text.encode()).decode()
    return text[:size]


def _members(size):
    return {"result": {"structuredContent": {str(number): "some text" for number in range(size // 2)}}}


def run(*, quick):
    """Measure, and return the rows."""
    scanner, template = Scanner(), Template("a://{x}" + "a" * 50 + "b{y}c")
    worst = re.compile(check_linear("[a-z]{1,40}[a-z]{1,40}[0-9]"))
    rows = []
    for name, piece in list(HOSTILE.items())[:: 4 if quick else 1]:
        value = grown(
            lambda text: scanner.scan_item(ItemKind.TOOL, {"name": "t", "description": text}), _repeated(piece)
        )
        rows.append(row(f"scan: 4 times the text, {name}", value, "x", _MOST))
    found = max(grown(lambda text: list(credentials.find({"x": text})), _repeated(piece)) for piece in _KEYS)
    rows.append(row("credentials: 4 times the text, the worst of some", found, "x", _MOST))
    matched = max(grown(compile_pattern(pattern), lambda size: "a" * size + "!") for pattern in _PATTERNS)
    others = {
        "arguments: 4 times the text, the worst of some expressions": matched,
        "rules: 4 times the text, the worst expression that is allowed": grown(worst.search, _repeated("a")),
        "scan: 4 times the text, base64 in base64": grown(lambda text: list(decoded(text)), _nested),
        "results: 4 times as many members": grown(texts, _members),
        "pins: 4 times the URI, a template that fits almost": grown(template.matches, lambda size: "a://" + "a" * size),
    }
    return rows + [row(name, value, "x", _MOST) for name, value in others.items()]
