"""One request to a member, in the era and the session that the member has for whoever asks, and its answer back."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import structlog

from mcp_core import headers as http
from mcp_core import loosejson, methods
from mcp_core.claims import Target
from mcp_core.jsonrpc import SAFE_INTEGER, NotStrictError
from mcp_core.methods import Era, Kind
from mcp_core.outcome import Reject
from mcp_core.policy import Access, View
from mcp_core.question import Asked, Question
from mcp_core.reasons import Ending, Reason
from mcp_core.sse import Event
from mcp_core.surface import ANSWER_LIMITS, unreadable, written
from mcp_core.terms import Terms
from mcp_sidecar.adaptive.failing import STATUS, failed_member, name_member, speaks_of_failure
from mcp_sidecar.adaptive.local import unavailable
from mcp_sidecar.lane.callers import Call
from mcp_sidecar.lane.fetch import Fetch, LateError
from mcp_sidecar.lane.fetched import Failed, Fetched, Said, Whole
from mcp_sidecar.lane.filtering import Tally
from mcp_sidecar.lane.parts import Parts
from mcp_sidecar.logs import Line
from mcp_sidecar.upstream.answers import STREAM_TYPE
from mcp_sidecar.upstream.bodies import THREAD_BYTES
from mcp_sidecar.upstream.talk import TalkError

EVERYTHING: Final = View({kind: Access(("*",)) for kind in Kind})
"""The member's own guard has decided: nothing is hidden here a second time."""
STREAM_HEADERS: Final = {"content-type": STREAM_TYPE, "cache-control": "no-cache", "x-accel-buffering": "no"}
"""What begins a stream that is made here."""
MOST_QUESTIONS: Final = 256
"""Questions of a member, during one request, of which it is known which request they belong to: the newest."""
_LONGEST_ID: Final = 256
"""Characters of an id by which an agent can answer."""
_METHOD: Final = re.compile(rb'"(?:m|\\u006[dD])(?:e|\\u0065)(?:t|\\u0074)(?:h|\\u0068)(?:o|\\u006[fF])(?:d|\\u0064)"')
"""The key of a message that is a call, in all its spellings."""
_GONE: Final = 404
_REFUSED: Final = re.compile(r"(-[0-9]{5}) ([a-z0-9-]+)")
_REASONS: Final = frozenset(one.value for one in Reason)
_MODERN_META: Final = (
    methods.META_VERSION,
    methods.META_CAPABILITIES,
    methods.META_CLIENT_INFO,
    methods.META_LOG_LEVEL,
)


@dataclass(frozen=True, slots=True)
class Spoken:
    """How a member is spoken to: its era, the revision, and the session there, None where it keeps none."""

    era: Era
    version: str
    session: str | None = None


Speak: TypeAlias = Callable[[bool], Awaitable[Spoken]]
"""Returns how a member is spoken to; with True, in a session that is opened anew. Raises TalkError."""

Apart: TypeAlias = Callable[..., Awaitable[Any]]
"""Does work in a thread that may take long, in its caller's turn, and returns what it comes to."""

Cut: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any] | None]]
"""Returns what is shown of a result that is too long, None for one that is not."""


class Relay:
    """Fetches the answer of one member. It is what Answering takes in the place of a Fetch."""

    def __init__(
        self,
        parts: Parts,
        call: Call,
        line: Line,
        member: str,
        message: Mapping[str, Any],
        repeated: Mapping[str, str] | None = None,
        *,
        apart: Apart,
    ) -> None:
        """`repeated` are headers that repeat arguments; None where the agent's own do. `apart` is for long texts."""
        self._apart = apart
        self._repeated = repeated
        self._parts = parts
        self._call = call
        self._line = line
        self._member = member
        self._message = message
        self._fetch: Fetch | None = None
        self.heard: Callable[[], bool] | None = None
        self.during: Callable[[], AbstractContextManager[None]] = nullcontext
        """What holds as long as the request is with the member."""
        self.questions: deque[str] = deque(maxlen=MOST_QUESTIONS)
        """Ids of what the member asked the agent, as JSON."""
        self.changed: Callable[[float], object] = lambda _at: None
        """Told when (monotonic) the member said on this stream that a list of its changed."""
        self.reopens = True
        """Whether a session that the member does not know is opened anew: calls of the old one would be nobody's."""
        self.may_answer: Callable[[Any], bool] | None = None
        """Says by a request's id whether it may be answered here, where the judge cannot know: on a resumed stream."""
        self._cut: Cut | None = None
        self._cut_over = 0

    def cutting(self, cut: Cut | None, over: int) -> Relay:
        """Return the relay, which has `cut` shorten answers of more bytes than `over`, as far as they are too long."""
        self._cut, self._cut_over = cut, over
        return self

    @property
    def is_open(self) -> bool:
        """Whether the member has the request, and its answer is still to come."""
        return self._fetch is not None and self._fetch.is_open

    def speaking(self, speak: Speak) -> Relay:
        """Return the relay, which asks `speak` when it begins."""
        self._speak = speak
        return self

    def fail(self, refusal: Reject, outcome: str) -> Failed:
        """Return that there is no answer, or no more of it."""
        # What fails before a member is asked has no fetch yet.
        fetch = self._fetch or Fetch(self._parts, self._call, self._line)
        return fetch.fail(refusal, outcome)

    @asynccontextmanager
    async def answer(self) -> AsyncIterator[AsyncGenerator[Fetched]]:
        """Give the parts of the answer as they come."""
        with self.during():
            try:
                async with aclosing(self._answer()) as parts:
                    yield parts
            except LateError as late:
                raise LateError(failed_member(self._member, late.failed)) from late

    async def _answer(self) -> AsyncGenerator[Fetched]:
        for anew in (False, True):
            try:
                spoken = await self._speak(anew)
            except TalkError as error:
                yield self.fail(unavailable(self._member, error.outcome), "unavailable")
                return
            call = member_call(self._call, self._member, self._message, spoken, self._repeated)
            self._fetch = fetch = Fetch(self._parts, call, self._line)
            fetch.heard = self.heard
            async with fetch.answer() as fetched:
                first = True
                async for part in fetched:
                    gone = first and isinstance(part, Whole) and part.status == _GONE and spoken.session is not None
                    if gone and not anew and self.reopens:
                        break
                    if first:
                        self._account_for(fetch.told.get(methods.REFUSED_HEADER))
                    first = False
                    try:
                        changed = await self._changed(part, spoken)
                    except NotStrictError:
                        yield self.fail(unreadable("more than is read of one answer"), Ending.WITHHELD)
                        return
                    yield changed
                else:
                    return

    def _account_for(self, word: str | None) -> None:
        """Take down that the member's guard refused, which tells agents an error as of any server."""
        said = _REFUSED.fullmatch(word or "")
        if said is None or said[2] not in _REASONS:
            return
        refusal = Reject(int(said[1]), "", Reason(said[2]), detail=f"member {self._member}")
        self._line.end(Ending.LIMITED if refusal.reason is Reason.TOO_MANY else Ending.REFUSED, refusal)

    async def _changed(self, part: Fetched, spoken: Spoken) -> Fetched:
        if isinstance(part, Failed):
            return failed_member(self._member, part)
        if isinstance(part, Whole) and part.text:
            self.may_answer = None  # it is no stream, but says why there is none
            failed = part.status >= 500
            text = await self._text(part.text, spoken, failed=failed)
            return replace(part, text=text, status=STATUS if failed else part.status)
        if isinstance(part, Said):
            event = part.event
            if event.id:
                # Whoever lost its connection comes back with it: it says whose stream it was.
                event = replace(event, id=f"{self._member}/{event.id}")
            if not part.text:
                return Said(part.text, event)
            text = await self._text(part.text, spoken)
            return Said(text, replace(event, data=text.decode() if text else None))
        return part

    async def _text(self, text: bytes, spoken: Spoken, *, failed: bool = False) -> bytes:
        bridged = spoken.era is Era.LEGACY and self._call.target.era is Era.MODERN
        cut = self._cut if len(text) > self._cut_over else None
        named = failed or speaks_of_failure(text)
        if not bridged and cut is None and not named and self.may_answer is None and _METHOD.search(text) is None:
            # An answer as it came: of messages, only questions of the member need another id.
            return text
        # Read as it was judged, and as clients read it: what they take for a question is one, however odd it is.
        value = (await self._done(len(text), loosejson.load, text, ANSWER_LIMITS)).value
        messages = value if isinstance(value, list) else [value]
        kept = [message for message in messages if self._is_for_here(message)]
        if not kept:
            return b""
        changed = len(kept) < len(messages)
        value = kept if isinstance(value, list) else value
        for message in kept:
            if isinstance(message, dict):
                if str(message.get("method")) in methods.LIST_CHANGED:
                    # Whoever hears of a change and asks is answered with lists that have it.
                    self.changed(time.monotonic())
                asks, bears = self._names_question(message), await self._bears(message, cut, bridged=bridged)
                changed = changed or asks or bears or name_member(self._member, message, failed=failed)
        return await self._done(len(text), written, value) if changed else text

    async def _done(self, size: int, work: Callable[..., Any], *of: Any) -> Any:
        """Do work on a text of so many bytes: a long one is read and written apart from the event loop."""
        return work(*of) if size < THREAD_BYTES else await self._apart(work, *of)

    def _is_for_here(self, message: Any) -> bool:
        """Return whether a message is no answer to what was asked of somebody else."""
        if self.may_answer is None or not isinstance(message, dict) or "method" in message:
            return True
        if self.may_answer(whole_id(message.get("id"))):
            return True
        structlog.get_logger().warning("an answer was left out", member=self._member, why="it was not asked for that")
        return False

    def _names_question(self, message: dict[str, Any]) -> bool:
        """Give a question of the member the id by which it is answered or taken back. Returns whether it is one."""
        params = message.get("params")
        if message.get("method") == methods.CANCELLED and isinstance(params, dict) and "requestId" in params:
            if self._call.target.era is Era.MODERN:
                return False  # it is the agent's own listen that ends
            params["requestId"] = asked_id(self._member, whole_id(params["requestId"]))
            return True
        if "method" not in message or "id" not in message:
            return False
        # Ids of several members' questions would be one: the agent answers to a name that says whose it is.
        own = whole_id(message["id"])
        if len(written := json.dumps(own)) <= _LONGEST_ID:
            self.questions.append(written)
        message["id"] = asked_id(self._member, own)
        return True

    async def _bears(self, message: dict[str, Any], cut: Cut | None, *, bridged: bool) -> bool:
        """Change the result of a message as the agent is to have it, in place. Returns whether it was changed."""
        result = message.get("result")
        if not isinstance(result, dict):
            return False
        if bridged:
            result.setdefault("resultType", "complete")
        short = None if cut is None else await cut(result)
        if short is not None:
            message["result"] = short
        return bridged or short is not None


def dumped(message: Any) -> bytes:
    """Return a message, or several, as JSON."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def as_event(message: Mapping[str, Any]) -> Said:
    """Return a message that is said on a stream."""
    text = dumped(message)
    return Said(text, Event(data=text.decode()))


def whole_id(id_: Any) -> Any:
    """Return an id, a whole one that is written as a float as the integer that it is."""
    whole = isinstance(id_, float) and id_.is_integer() and abs(id_) <= SAFE_INTEGER
    return int(id_) if whole else id_


def asked_id(member: str, id_: Any) -> str:
    """Return the id by which an agent answers a member's own request."""
    return f"{member}/{json.dumps(id_)}"


def answered(id_: Any, members: tuple[str, ...]) -> tuple[str, Any] | None:
    """Return the member and its own id that `asked_id` wrote, or None for any other id."""
    member, slash, own = id_.partition("/") if isinstance(id_, str) else ("", "", "")
    if not slash or member not in members:
        return None
    try:
        value = json.loads(own)
    except ValueError:
        return None
    return (member, value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def member_call(
    call: Call, member: str, message: Mapping[str, Any], spoken: Spoken, repeated: Mapping[str, str] | None = None
) -> Call:
    """Return the request that a member gets, and what its answer is held to. `repeated` is as Relay has it."""
    claims, method = call.claims, str(message.get("method", ""))
    if spoken.era is not call.target.era:
        message = _in_era(message, spoken)
    asked = claims.question.asked
    if method and asked and asked[0].method != method:
        asked = (Asked(asked[0].id, method, asked[0].token),)
    headers = {name: value for name, value in call.headers.items() if not name.startswith("mcp-")}
    headers[methods.VERSION_HEADER] = spoken.version
    if spoken.era is Era.MODERN:
        headers |= _modern_headers(message, method)
        own = {name: one for name, one in call.headers.items() if name.startswith(methods.PARAM_HEADER_PREFIX)}
        headers |= own if repeated is None else dict(repeated)
    said_here = claims.terms
    terms = Terms(
        EVERYTHING,
        server_messages=said_here.server_messages,
        hide=said_here.hide,
        call_seconds=said_here.call_seconds,
    )
    question = Question(spoken.era, spoken.version, claims.question.place, asked)
    said = replace(claims, terms=terms, question=question, method=method or methods.RESPONSE_METHOD)
    target = Target(member, spoken.era, call.target.affinity, spoken.session)
    return Call(said, target, Tally(EVERYTHING), headers, dumped(message))


def _modern_headers(message: Mapping[str, Any], method: str) -> dict[str, str]:
    headers = {methods.METHOD_HEADER: method}
    known, params = methods.METHODS.get(method), message.get("params")
    name = params.get(known.param) if known is not None and known.param and isinstance(params, dict) else None
    if isinstance(name, str) and method in methods.NAME_HEADER_METHODS:
        headers[methods.NAME_HEADER] = http.encode_value(name)
    return headers


def _in_era(message: Mapping[str, Any], spoken: Spoken) -> dict[str, Any]:
    """Return a message as the other era has it. Across eras nobody can ask the agent for anything."""
    params = dict(message.get("params") or {})
    meta = {name: one for name, one in (params.get("_meta") or {}).items() if name not in _MODERN_META}
    if spoken.era is Era.MODERN:
        client = {"name": "kong-mcp-sidecar", "version": "1"}
        meta |= {methods.META_VERSION: spoken.version, methods.META_CAPABILITIES: {}, methods.META_CLIENT_INFO: client}
    if meta:
        params["_meta"] = meta
    else:
        params.pop("_meta", None)
    return {**message, "params": params}
