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
        "changes": [{**change._asdict(), "word": change.word.value} for change in found.changes],
        "left_out": {out.value: calls for out, calls in sorted(found.left_out.items())},
        "calls": found.calls,
        "judged": found.judged,
    }


def summary(found: Replayed) -> str:
    """Return one sentence that counts."""
    counts = {word: sum(change.calls for change in found.changes if change.word is word) for word in ReplayWord}
    said = ", ".join(f"{count} {word}" for word, count in counts.items())
    return f"of {found.calls} recorded call(s), {found.judged} were replayed: {said}"


def lines(found: Replayed) -> Iterator[str]:
    """Yield the table as lines of plain text, columns aligned."""
    rows = [
        (
            _SIGN[change.word],
            escaped(change.server),
            escaped(change.method),
            cut(change.name),
            escaped(change.principal) or "(not recorded)",
            f"{change.calls} call(s)",
            escaped(change.by),
        )
        for change in found.changes
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
                code(escaped(change.server)),
                code(escaped(change.method)),
                code(cut(change.name)),
                plain(escaped(change.principal)) or "(not recorded)",
                str(change.calls),
                code(escaped(change.by)),
            )
            for change in found.changes
            if change.word is word
        ]
        head = ("server", "method", "name", "who", "calls", "by")
        yield from table(word.capitalize(), head, rows, "kong-mcp policy replay")
    left_out = [(plain(why), str(calls)) for why, calls in sorted(found.left_out.items())]
    yield from table("Not replayed", ("why", "calls"), left_out, "kong-mcp policy replay")
