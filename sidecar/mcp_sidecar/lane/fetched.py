"""What comes back when a server is asked: how its answer begins, what it says, and why there is no more of it.

Either one Whole; or one Began and then what was Said; and a Failed in the place of what is missing, always the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mcp_core.outcome import Reject
from mcp_core.question import Asked
from mcp_core.sse import Event
from mcp_sidecar.upstream.answers import errors


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer that is complete: its head, and its JSON text, b"" where it has none."""

    status: int
    headers: Mapping[str, str]
    text: bytes


@dataclass(frozen=True, slots=True)
class Began:
    """The head of an answer that is a stream."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Said:
    """One event of a stream: its JSON text, b"" where it says nothing of MCP, and the event that brings it."""

    text: bytes
    event: Event


@dataclass(frozen=True, slots=True)
class Failed:
    """Why what was asked has no answer: the refusal, and a short stable word.

    `waiting` holds what was asked and has no answer, where the answer was withheld.
    """

    refusal: Reject
    outcome: str
    waiting: tuple[Asked, ...] = ()
    batch: bool = False

    def body(self) -> bytes:
        """Return the JSON text that says so: one error, or one for each member of a batch that waits."""
        return errors(self.refusal, self.waiting) if self.batch and self.waiting else self.refusal.body()


Fetched: TypeAlias = Whole | Began | Said | Failed
"""One part of what comes back."""
