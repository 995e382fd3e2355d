"""Repeating: what may be asked twice, and how often and how long one request may be tried again in all.

Whoever tries again asks here: each loop alone is harmless, and together they made twelve requests of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_core import methods
from mcp_core.methods import Place
from mcp_core.question import Question

MOST_SAVED: Final = 20.0
"""Repeats that one server may have at once after a quiet while."""
_NOBODY_THERE: Final = frozenset({502, 503, 504})
"""What Kong says where no server answered, and whatever stands before a server where that is gone."""


def may_repeat(question: Question, http_method: str = "POST") -> bool:
    """Return whether asking twice does no harm: a stream may be opened twice, and what only asks for a surface asked.

    What the gateway does not know may do anything; a batch may hold anything; what asks nothing tells something, and
    would tell it twice. A session may be ended twice (RFC 9110, section 9.2.2).
    """
    if http_method == "DELETE" or question.place in (Place.GET, Place.REPLAY):
        return True
    known = None if question.only is None or question.batch else methods.METHODS.get(question.only.method)
    return known is not None and known.repeatable


def may_ask_another(question: Question, *, bound: bool) -> bool:
    """Return whether another replica can tell as well. `bound` says that a session or a task is on one of them."""
    return not bound and question.only is not None and may_repeat(question)


def says_repeatable(annotations: Mapping[str, Any]) -> bool:
    """Return whether a tool says that calling it twice does no harm (2025-03-26 and later, ToolAnnotations).

    Whoever believes it must have approved it: a server may lie, and may say something else tomorrow.
    """
    return annotations.get("readOnlyHint") is True or annotations.get("idempotentHint") is True


class Share:
    """How much of one server's traffic may be repeats: each request earns `part` of one, and `most` may be saved up.

    On a bad day everything fails, and everything repeated would be a second bad day.
    """

    __slots__ = ("_most", "_part", "_saved")

    def __init__(self, part: float, most: float = MOST_SAVED) -> None:
        self._part = part
        self._most = most
        self._saved = most if part else 0.0

    def earn(self) -> None:
        """Take that a request was sent for the first time."""
        self._saved = min(self._most, self._saved + self._part)

    def spend(self) -> bool:
        """Return whether one more repeat is in it, and count it."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True


def says_nobody_is_there(status: int, *, retry_after: bool) -> bool:
    """Return whether an answer only says that no server is there, where it went.

    One that says when to come back is a server's own, which has too much to do: it is passed on, for trying again at
    once is what it asks not to have (RFC 9110, section 10.2.3).
    """
    return status in _NOBODY_THERE and not retry_after


Hook = Callable[[str], None]
"""Hears of each further try, with a fixed word for why."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How often one request may be tried again in all (0 turns it off), and until how many seconds after its beginning.

    Before each further try there is a pause of `pause` seconds, twice as long each time, of which a random part between
    a half and the whole is waited: who failed together comes back apart.
    """

    further: int = 2
    seconds: float = 5.0
    pause: float = 0.02

    def begin(
        self, clock: Callable[[], float], random: Callable[[], float], hook: Hook, share: Share | None = None
    ) -> Tries:
        """Return the tries of one request: `clock` gives monotonic seconds, `random` numbers from 0 to 1."""
        return Tries(self, clock, random, hook, share)


class Tries:
    """The further tries of one request, whichever loops make them."""

    __slots__ = ("_budget", "_clock", "_ends", "_hook", "_made", "_random", "_share")

    def __init__(
        self,
        budget: Budget,
        clock: Callable[[], float],
        random: Callable[[], float],
        hook: Hook,
        share: Share | None = None,
    ) -> None:
        self._budget = budget
        self._clock = clock
        self._random = random
        self._hook = hook
        self._made = 0
        self._share = share
        self._ends = clock() + budget.seconds

    def again(self, why: str) -> float | None:
        """Return how many seconds to wait before one more try, or None where there is none. Counts as that try."""
        pause: float = self._budget.pause * 2**self._made * (1 + self._random()) / 2
        if self._made >= self._budget.further or self._clock() + pause > self._ends:
            return None
        if self._share is not None and not self._share.spend():
            return None
        self._made += 1
        self._hook(why)
        return pause
