"""What one request asks: the value that its answer is held to, in both lanes.

Made once, by decide, of a message that was read strictly; see `answer` for the law.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_core import methods
from mcp_core.jsonrpc import Message, Request
from mcp_core.methods import Era, Place
from mcp_core.outcome import RequestId


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that waits for its answer, and the progress token that it gave, if any."""

    id: RequestId
    method: str
    token: RequestId | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """All that one HTTP request asks: nothing, one thing, or, as a `batch`, several."""

    era: Era
    version: str
    place: Place = Place.POST
    asked: tuple[Asked, ...] = ()
    batch: bool = False

    @property
    def only(self) -> Asked | None:
        """Return what is asked where that is one thing."""
        return self.asked[0] if len(self.asked) == 1 else None

    @property
    def is_unknown(self) -> bool:
        """Whether answers may come to what was asked elsewhere, which nobody here knows."""
        return self.place in (Place.REPLAY, Place.ENDPOINT)

    @property
    def takes_batches(self) -> bool:
        """Whether several messages may come as one: as the answer to several, or to what nobody knows."""
        return self.batch or self.is_unknown

    def may_end_open(self, *, resumable: bool) -> bool:
        """Return whether a stream may end without the answer: an agent subscribes anew, or comes back for the rest.

        `resumable` says whether the server gave it what that takes (2025-03-26 and later, resumability).
        """
        return not self.asked or self.place is Place.LISTEN or (resumable and self.era is Era.LEGACY)

    def to_json(self) -> dict[str, Any]:
        """Return the question as JSON values."""
        asked = [[one.id, one.method, one.token] for one in self.asked]
        return {"place": self.place.value, "asked": asked, "batch": self.batch}

    @classmethod
    def from_json(cls, era: Era, version: str, value: dict[str, Any]) -> Question:
        """Return the question that `to_json` wrote; another release may say more of what is asked.

        Raises KeyError, TypeError or ValueError for what is none.
        """
        asked = tuple(Asked(*one[:3]) for one in value["asked"])
        return cls(era, version, Place(value["place"]), asked, value["batch"])


def of_post(era: Era, version: str, messages: Sequence[Message], *, batch: bool) -> Question:
    """Return what the messages of one POST ask."""
    asked = tuple(
        Asked(message.id, message.method, _token(message)) for message in messages if isinstance(message, Request)
    )
    listens = era is Era.MODERN and any(one.method == methods.LISTEN for one in asked)
    return Question(era, version, Place.LISTEN if listens else Place.POST, asked, batch)


def of_get(version: str, *, resumes: bool) -> Question:
    """Return what a legacy GET asks: nothing, or the rest of another stream."""
    return Question(Era.LEGACY, version, Place.REPLAY if resumes else Place.GET)


_META: Final = "_meta"
_TOKEN_LENGTH: Final = 256
"""Characters of a progress token: it travels in a header. Progress for a longer one is left out."""


def _token(request: Request) -> RequestId | None:
    meta = request.params.get(_META)
    token = meta.get(methods.PROGRESS_TOKEN) if isinstance(meta, dict) else None
    if isinstance(token, str):
        return token if len(token) <= _TOKEN_LENGTH else None
    if isinstance(token, float) and token.is_integer():  # 1.0 and 1 are one number in JSON
        return int(token)
    return token if isinstance(token, int) and not isinstance(token, bool) else None
