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
        "gained": [_item_json(one) for one in found.items if one.direction == "gain"],
        "lost": [_item_json(one) for one in found.items if one.direction == "loss"],
        "beyond": [{**one._asdict(), "who": list(one.who)} for one in found.globs],
        "servers": {"added": list(found.servers_added), "removed": list(found.servers_removed)},
        "consumers": {"added": list(found.consumers_added), "removed": list(found.consumers_removed)},
        "compared": {"servers": found.servers, "items": found.known},
    }


def _item_json(one: ItemChange) -> dict[str, Any]:
    return {"server": one.server, "kind": one.kind, "name": one.name, "who": list(one.who), "by": one.by}


def cut(text: str) -> str:
    """Return a name escaped, and not too long for a line."""
    fit = escaped(text)
    return fit if len(fit) <= _NAME else f"{fit[:_NAME]}..."


def _who(who: Sequence[str]) -> str:
    return ", ".join(map(escaped, who))


def _what(one: GlobChange) -> str:
    word = {"added": " with", "removed": " without", "set": ""}[one.change]
    return f"{one.field}{word}"


def _reach(one: GlobChange) -> str:
    if one.known is None:
        return ""
    if one.known == 0:
        return "no known item"
    return f"{one.known} known item{'s' if one.known > 1 else ''}, and any later one"


def summary(found: Comparison) -> str:
    """Return one sentence that counts."""
    gained = sum(one.direction == "gain" for one in found.items)
    lost = len(found.items) - gained
    return (
        f"{gained} item(s) gained, {lost} lost, {len(found.globs)} change(s) beyond what is known; "
        f"{found.servers} server(s) and {found.known} known item(s) compared"
    )


def lines(found: Comparison) -> Iterator[str]:
    """Yield the table as lines of plain text, columns aligned."""
    rows = [
        (_SIGN[one.direction], one.server, one.kind, cut(one.name), _who(one.who), escaped(one.by))
        for one in found.items
    ]
    yield from aligned(rows)
    beyond = [
        (_SIGN[one.direction], one.server, _what(one), cut(one.value), _who(one.who), escaped(one.at), _reach(one))
        for one in found.globs
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
            (code(one.server), one.kind, code(cut(one.name)), plain(_who(one.who)), code(escaped(one.by)))
            for one in found.items
            if one.direction == direction
        ]
        yield from table(title, ("server", "kind", "name", "who", "by"), rows)
    beyond = [
        (
            _SIGN[one.direction],
            code(one.server),
            f"{_what(one)} {code(cut(one.value))}",
            plain(_who(one.who)),
            code(escaped(one.at)),
            _reach(one),
        )
        for one in found.globs
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
