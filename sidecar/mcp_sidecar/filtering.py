"""Filtering of one JSON text by a context's view, off the event loop when it is long."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import anyio
import anyio.to_thread

from mcp_core.methods import Kind
from mcp_core.outcome import Mutated, Reject
from mcp_core.policy import Access, View
from mcp_core.surface import Revise, filter_answer

THREAD_BYTES: Final = 64 * 1024
"""From here on a thread filters: some 5 ms of work, for which other streams need not wait."""
THREADS: Final = 2
"""How many long texts are filtered at a time: a text of 16 MiB takes some 200 MB while it is filtered."""

_ITEM_DEPTH: Final = 3
"""How deep the items of a list lie: in a message, its result, the list."""
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Tally(View):
    """A view that counts what it hides, by kind. It serves one request, whose texts come one after the other."""

    __slots__ = ("hidden",)

    def __init__(self, access: Mapping[Kind, Access]) -> None:
        super().__init__(access)
        self.hidden: Counter[Kind] = Counter()

    def allows(self, kind: Kind, name: str) -> bool:
        """Return whether the item exists for the principal, and count it where it does not."""
        allowed = super().allows(kind, name)
        if not allowed:
            self.hidden[kind] += 1
        return allowed


@dataclass(frozen=True, slots=True)
class Sight:
    """How one caller sees a server: what is hidden, or only counted where not `enforce`, and what reads otherwise."""

    view: Tally
    enforce: bool
    revise: Revise


@dataclass(frozen=True, slots=True)
class Filtered:
    """A text that may go on, and how many items of each kind the policy hides in it."""

    text: bytes
    hidden: Counter[Kind]


class Filter:
    """Filters texts by views; one for the process, so that few long ones are worked on at a time."""

    def __init__(self) -> None:
        self._threads = anyio.CapacityLimiter(THREADS)

    async def __call__(self, text: bytes, sight: Sight) -> Filtered | Reject:
        """Return the text as the caller may see it, or why nobody may see it."""
        if len(text) < THREAD_BYTES:
            return _filter(text, sight)
        # A thread that was given up would still work, uncounted: so a cancelled request waits for its own.
        return await anyio.to_thread.run_sync(_filter, text, sight, limiter=self._threads)


def _filter(text: bytes, sight: Sight) -> Filtered | Reject:
    view = sight.view
    view.hidden = Counter()
    outcome = filter_answer(text, view, enforce=sight.enforce, revise=sight.revise)
    if isinstance(outcome, Reject):
        return outcome
    if isinstance(outcome, Mutated):
        text = b"" if outcome.message is None else _dump(outcome.message, _ITEM_DEPTH).encode()
    return Filtered(text, view.hidden)


def _dump(value: Any, depth: int) -> str:
    """Return the value as JSON. The encoder lets no other thread run, so it is given one item of a list at a time."""
    if depth and isinstance(value, dict):
        members = (f"{_encode(key)}:{_dump(member, depth - 1)}" for key, member in value.items())
        return f"{{{','.join(members)}}}"
    if depth and isinstance(value, list):
        return f"[{','.join([_dump(member, depth - 1) for member in value])}]"
    return _encode(value)
