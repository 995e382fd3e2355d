"""How `kong-mcp policy replay` shows what it found: lines, JSON, and Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from kong_mcp.policies.replay import Replayed, ReplayWord
from kong_mcp.policies.report import aligned, code, cut, plain, table
from mcp_core.scan.excerpt import escaped

_SIGN: Final = {
    ReplayWord.LOST: "-",
    ReplayWord.GAINED: "+",
    ReplayWord.MAY_LOSE: "-?",
    ReplayWord.MAY_GAIN: "+?",
}


def to_json(found: Replayed) -> dict[str, Any]:
    """Return all of it as JSON values, with names as they are."""
    return {
        "changes": [{**one._asdict(), "word": one.word.value} for one in found.changes],
        "left_out": {one.value: calls for one, calls in sorted(found.left_out.items())},
        "calls": found.calls,
        "judged": found.judged,
    }


def summary(found: Replayed) -> str:
    """Return one sentence that counts."""
    counts = {word: sum(one.calls for one in found.changes if one.word is word) for word in ReplayWord}
    said = ", ".join(f"{count} {word}" for word, count in counts.items())
    return f"of {found.calls} recorded call(s), {found.judged} were replayed: {said}"


def lines(found: Replayed) -> Iterator[str]:
    """Yield the table as lines of plain text, columns aligned."""
    rows = [
        (
            _SIGN[one.word],
            escaped(one.server),
            escaped(one.method),
            cut(one.name),
            escaped(one.principal) or "(not recorded)",
            f"{one.calls} call(s)",
            escaped(one.by),
        )
        for one in found.changes
    ]
    if rows:
        yield from aligned(rows)
    for why, calls in sorted(found.left_out.items()):
        yield f"not replayed: {calls} call(s): {why}"
    yield summary(found)


def markdown(found: Replayed) -> Iterator[str]:
    """Yield the tables as Markdown that GitHub and GitLab show."""
    yield "### What this change of policies would have done"
    yield ""
    yield f"{summary(found)}."
    for word in ReplayWord:
        rows = [
            (
                code(escaped(one.server)),
                code(escaped(one.method)),
                code(cut(one.name)),
                plain(escaped(one.principal)) or "(not recorded)",
                str(one.calls),
                code(escaped(one.by)),
            )
            for one in found.changes
            if one.word is word
        ]
        head = ("server", "method", "name", "who", "calls", "by")
        yield from table(word.capitalize(), head, rows, "kong-mcp policy replay")
    left_out = [(plain(why), str(calls)) for why, calls in sorted(found.left_out.items())]
    yield from table("Not replayed", ("why", "calls"), left_out, "kong-mcp policy replay")
