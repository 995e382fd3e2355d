"""How `kong-mcp policy diff` shows what it found: lines, JSON, and Markdown for a pull request.

Names of items are servers' texts: they are escaped, and in Markdown they stand in code spans.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from kong_mcp.policies.compare import Comparison, GlobChange, ItemChange
from mcp_core.scan.excerpt import escaped

MOST_ROWS: Final = 300
"""Rows of one table in Markdown: a comment of GitHub's has 65,536 characters at most."""
_NAME: Final = 100
_SIGN: Final = {"gain": "+", "loss": "-"}


def to_json(found: Comparison) -> dict[str, Any]:
    """Return all of it as JSON values, with names as they are."""
    return {
        "gained": [_item_json(item) for item in found.items if item.direction == "gain"],
        "lost": [_item_json(item) for item in found.items if item.direction == "loss"],
        "beyond": [{**glob._asdict(), "who": list(glob.who)} for glob in found.globs],
        "servers": {"added": list(found.servers_added), "removed": list(found.servers_removed)},
        "consumers": {"added": list(found.consumers_added), "removed": list(found.consumers_removed)},
        "compared": {"servers": found.servers, "items": found.known},
    }


def _item_json(change: ItemChange) -> dict[str, Any]:
    return {"server": change.server, "kind": change.kind, "name": change.name, "who": list(change.who), "by": change.by}


def cut(text: str) -> str:
    """Return a name escaped, and not too long for a line."""
    fit = escaped(text)
    return fit if len(fit) <= _NAME else f"{fit[:_NAME]}..."


def _who(who: Sequence[str]) -> str:
    return ", ".join(map(escaped, who))


def _what(glob_change: GlobChange) -> str:
    word = {"added": " with", "removed": " without", "set": ""}[glob_change.change]
    return f"{glob_change.field}{word}"


def _reach(change: GlobChange) -> str:
    if change.known is None:
        return ""
    if change.known == 0:
        return "no known item"
    return f"{change.known} known item{'s' if change.known > 1 else ''}, and any later one"


def summary(found: Comparison) -> str:
    """Return one sentence that counts."""
    gained = sum(item.direction == "gain" for item in found.items)
    lost = len(found.items) - gained
    return (
        f"{gained} item(s) gained, {lost} lost, {len(found.globs)} change(s) beyond what is known; "
        f"{found.servers} server(s) and {found.known} known item(s) compared"
    )


def lines(found: Comparison) -> Iterator[str]:
    """Yield the table as lines of plain text, columns aligned."""
    rows = [
        (_SIGN[item.direction], item.server, item.kind, cut(item.name), _who(item.who), escaped(item.by))
        for item in found.items
    ]
    yield from aligned(rows)
    beyond = [
        (
            _SIGN[glob.direction],
            glob.server,
            _what(glob),
            cut(glob.value),
            _who(glob.who),
            escaped(glob.at),
            _reach(glob),
        )
        for glob in found.globs
    ]
    if beyond:
        yield "beyond what is known:"
        yield from aligned(beyond)
    yield from (f"{sign} {text}" for sign, text in _others(found))
    yield summary(found)


def _others(found: Comparison) -> Iterator[tuple[str, str]]:
    for sign, word, names in (
        ("+", "server", found.servers_added),
        ("-", "server", found.servers_removed),
        ("+", "consumer", found.consumers_added),
        ("-", "consumer", found.consumers_removed),
    ):
        yield from ((sign, f"{word} {escaped(name)}") for name in names)


def aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def markdown(found: Comparison) -> Iterator[str]:
    """Yield the tables as Markdown that GitHub and GitLab show."""
    yield "### What this change of policies does"
    yield ""
    yield f"{summary(found)}."
    for title, direction in (("Gained", "gain"), ("Lost", "loss")):
        rows = [
            (code(item.server), item.kind, code(cut(item.name)), plain(_who(item.who)), code(escaped(item.by)))
            for item in found.items
            if item.direction == direction
        ]
        yield from table(title, ("server", "kind", "name", "who", "by"), rows)
    beyond = [
        (
            _SIGN[glob.direction],
            code(glob.server),
            f"{_what(glob)} {code(cut(glob.value))}",
            plain(_who(glob.who)),
            code(escaped(glob.at)),
            _reach(glob),
        )
        for glob in found.globs
    ]
    yield from table("Beyond what is known", ("", "server", "what", "who", "at", "stands for"), beyond)
    others = [(sign, plain(text)) for sign, text in _others(found)]
    yield from table("Servers and consumers", ("", "which"), others)


def table(
    title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]], command: str = "kong-mcp policy diff"
) -> Iterator[str]:
    """Yield a table of Markdown with a title, nothing without rows; `command` has them all where they are too many."""
    if not rows:
        return
    yield from ("", f"#### {title}", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}")
    yield from (f"| {' | '.join(row)} |" for row in rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        yield ""
        yield f"and {len(rows) - MOST_ROWS} more: `{command} --json` has all."


def plain(text: str) -> str:
    """Return a text in which nothing is markup: a name in it may be anybody's."""
    return "".join(f"\\{one}" if one in "\\`*_{}[]()<>#+-.!|~@&" else one for one in text)


def code(text: str) -> str:
    """Return a text as a code span, which ends at no backtick of its own and in no cell of a table."""
    if not text:
        return ""
    longest = max((len(run) for run in text.replace("`", " ` ").split() if set(run) == {"`"}), default=0)
    ticks = "`" * (text.count("`") + 1 if longest else 1)
    pad = " " if longest else ""
    return f"{ticks}{pad}{text}{pad}{ticks}".replace("|", "\\|")
