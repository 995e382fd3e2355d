"""The law that holds an answer to its question: which messages of a server may come on a request's connection.

Clients match an answer to a question by its id alone, whatever connection it came on, so a gateway has to match both.
`mcp-answers` upholds the same law in Lua for the call lane; spec/answers.json holds the two to the same cases, and
spec/decisions/100 says why each line of it is as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from mcp_core import methods
from mcp_core.keys import ENVELOPE, PROTOTYPES
from mcp_core.loosejson import Doubled
from mcp_core.methods import SERVER_METHODS, Era, Lane, Place, ServerKind, ServerMethod
from mcp_core.outcome import RequestId
from mcp_core.question import Asked, Question


class Fit(Enum):
    """What becomes of one message: it goes on, it is left out, or the whole answer fails for it."""

    PASS = "pass"  # noqa: S105 - a word
    DROP = "drop"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class ServerMessages:
    """What the policy lets servers send of themselves: kinds of MCP's messages, and methods beyond those."""

    kinds: frozenset[ServerKind] = frozenset(ServerKind)
    methods: frozenset[str] = frozenset()

    def to_json(self) -> list[list[str]]:
        """Return both as JSON values."""
        return [sorted(self.kinds), sorted(self.methods)]

    @classmethod
    def from_json(cls, value: list[list[str]]) -> ServerMessages:
        """Return what `to_json` wrote."""
        kinds, names = value
        return cls(frozenset(map(ServerKind, kinds)), frozenset(names))


@dataclass(frozen=True, slots=True)
class Judged:
    """What becomes of a message and why (fixed words), and which request it answers."""

    fit: Fit
    why: str = ""
    answers: Asked | None = None


_ENVELOPE: Final = ENVELOPE.deciding
_SPEAKS: Final = _ENVELOPE - {"jsonrpc"}
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]*")
_LOOSE: Final = str.maketrans("", "", "_- ")
_RESULT_KEYS: Final = {name.lower(): owners for name, owners in methods.RESULT_KEYS.items()}
_ASKED_PLACES: Final = frozenset({Place.POST, Place.LISTEN})

_PASS: Final = Judged(Fit.PASS)


@dataclass(slots=True)
class Judge:
    """Judges the texts of one connection, in order: `begin` each one, and `settle` it once it was passed on.

    Between the two a text may be judged again. `dropped` counts, by why, the messages that were left out.
    """

    question: Question
    allowed: ServerMessages = field(default_factory=ServerMessages)
    dropped: Counter[str] = field(default_factory=Counter)
    _open: dict[RequestId, Asked] = field(init=False)
    _answered: list[Asked] = field(default_factory=list)
    _left_out: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._open = {one.id: one for one in self.question.asked}

    @property
    def done(self) -> bool:
        """Whether all that was asked has its answer, so that nothing more may come."""
        return bool(self.question.asked) and not self._open

    @property
    def waiting(self) -> tuple[Asked, ...]:
        """What was asked and has no answer yet, in the order in which it was asked."""
        return tuple(self._open.values())

    def begin(self) -> None:
        """Judge a text from its beginning."""
        self._answered.clear()
        self._left_out.clear()

    def settle(self) -> None:
        """Note that the text was passed on: what it answered has its answer."""
        for one in self._answered:
            self._open.pop(one.id, None)
        self.dropped += self._left_out
        self.begin()

    def judge(self, message: Any) -> Judged:
        """Judge one message, a JSON value that `loosejson` read. One that is dropped is counted."""
        judged = self.fits(message)
        if judged.answers is not None:
            self._answered.append(judged.answers)
        if judged.fit is Fit.DROP:
            self.leave_out(judged.why)
        return judged

    def leave_out(self, why: str, count: int = 1) -> None:
        """Count something of the text that was left out, or so many of them."""
        self._left_out[why] += count

    def fits(self, message: Any) -> Judged:
        """Return what the law says of one message."""
        if not isinstance(message, dict):
            return _fail("a message that is no object")
        if (why := _misspelled(message)) is not None:
            return _fail(why)
        if message.keys().isdisjoint(_SPEAKS):
            return Judged(Fit.DROP, "no message")
        if message.get("jsonrpc") != "2.0":
            return _fail("a message that is not JSON-RPC 2.0")
        if "method" in message:
            return self._told(message)
        return self._response(message)

    def _response(self, message: dict[str, Any]) -> Judged:
        error, result = message.get("error"), message.get("result")
        if (error is None) == (result is None) or "params" in message:
            return _fail("a response without exactly one of result and error")
        if not isinstance(error if result is None else result, dict):
            return _fail("a result or error that is no object")
        id_ = message.get("id")
        if self.question.is_unknown and (_is_id(id_) or (id_ is None and result is None)):
            return _PASS
        if id_ is None and error is not None and (only := self.question.only) is not None:
            id_ = only.id
        answered = self._asked(id_)
        if answered is None or answered in self._answered:
            return _fail("a response to something that was not asked here")
        if isinstance(result, dict) and (why := self._misplaced(answered, result)) is not None:
            return _fail(why)
        return Judged(Fit.PASS, answers=answered)

    def complete(self, message: dict[str, Any], judged: Judged) -> bool:
        """Give an error that has no id the id of its question, in place. Returns whether it had none."""
        if judged.answers is None or message.get("id") is not None:
            return False
        error = message["error"]
        message.clear()
        message.update(jsonrpc="2.0", id=judged.answers.id, error=error)
        return True

    def _asked(self, id_: Any) -> Asked | None:
        if isinstance(id_, bool) or not isinstance(id_, str | int | float):
            return None
        # A number is the same however it is written: Python's 7 and 7.0 are one key, "7" is another.
        return self._open.get(id_)  # type: ignore[arg-type]

    def _misplaced(self, asked: Asked, result: dict[str, Any]) -> str | None:
        """Return why a result is not one of the method that was asked, or None."""
        if (requests := result.get(methods.INPUT_REQUESTS)) is not None and not self._may_ask(requests):
            return "a result that asks for what the policy lets no server ask"
        known = methods.METHODS.get(asked.method)
        called = known is not None and (known.lane is Lane.CALL or known.name in methods.TASK_METHODS)
        if not called:
            return None
        for key in result:
            if _PRINTABLE.fullmatch(key) is None:
                return "a result with a key that clients could read differently"
            owners = _RESULT_KEYS.get(key.translate(_LOOSE).lower())
            if owners is not None and asked.method not in owners:
                return "a result of another method than the one that was asked"
        return None

    def _may_ask(self, requests: Any) -> bool:
        inner = requests.values() if isinstance(requests, dict) else ()
        asked = {methods.INPUT_KINDS.get(str(one.get("method"))) for one in inner if isinstance(one, dict)}
        return all(kind is None or kind in self.allowed.kinds for kind in asked)

    def _told(self, message: dict[str, Any]) -> Judged:
        """Judge a request or notification of the server."""
        if "result" in message or "error" in message:
            return _fail("a message that is a call and an answer")
        method = message["method"]
        params = message.get("params")
        params = {} if params is None else params
        if not isinstance(method, str) or not isinstance(params, dict):
            return Judged(Fit.DROP, "a call that is none of MCP's")
        has_id = "id" in message
        if method in self.allowed.methods:
            return _PASS if not has_id or _is_id(message["id"]) else Judged(Fit.DROP, "a request without an id")
        known = SERVER_METHODS.get(method)
        if known is None or not self._may_send(known):
            return Judged(Fit.DROP, "a message that servers may not send here")
        if has_id != known.request or (has_id and not _is_id(message["id"])):
            return Judged(Fit.DROP, "a request without an id, or a notification with one")
        if method == methods.PROGRESS and not self._has_token(params):
            return Judged(Fit.DROP, "progress of something else")
        return _PASS

    def _may_send(self, known: ServerMethod) -> bool:
        place = self.question.place
        here = known.legacy if self.question.era is Era.LEGACY else place in known.modern
        return here and known.kind in self.allowed.kinds

    def _has_token(self, params: dict[str, Any]) -> bool:
        """Return whether progress is for something that was asked here, as far as that can be known."""
        if self.question.place not in _ASKED_PLACES:
            return True
        if isinstance(params, Doubled) and methods.PROGRESS_TOKEN in params.twice:
            return False
        token = params.get(methods.PROGRESS_TOKEN)
        if isinstance(token, bool) or not isinstance(token, str | int | float):
            return False
        return any(one.token is not None and one.token == token for one in self.question.asked)


def _fail(why: str) -> Judged:
    return Judged(Fit.FAIL, why)


def _misspelled(message: dict[str, Any]) -> str | None:
    """Return what makes an envelope one that two clients could read differently, or None."""
    if isinstance(message, Doubled) and not message.twice.isdisjoint(_ENVELOPE):
        return "a key of the envelope that stands twice"
    if message.keys() <= _ENVELOPE:
        return None
    for key in message.keys() - _ENVELOPE:
        if _PRINTABLE.fullmatch(key) is None:
            return "a key of the envelope that clients could read differently"
        if key in PROTOTYPES or key.translate(_LOOSE).lower() in _ENVELOPE:
            return "a key that could be taken for one of the envelope"
    return None


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
