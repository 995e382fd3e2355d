"""A person is asked whether one call may pass that the flow rules close, by elicitation, where the client can ask.

In the legacy era the question goes out on the call's own stream, and the call waits for the answer. In the modern era
it is a result that asks for input (2026-07-28, basic/patterns/mrtr): what the agent then sends again is the same call
with the answer, and a state that says for whom, for which call and until when the question was asked. Whatever is no
plain yes is a no, and a yes is for that one call, and for what the person was shown of it.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

from mcp_core import methods
from mcp_core.claims import Claims, Target
from mcp_core.methods import Era, ServerKind
from mcp_core.outcome import Reject, RequestId
from mcp_core.reasons import Ending
from mcp_core.seal import Signer
from mcp_core.sse import Event
from mcp_sidecar.adaptive.flows import FlowItem, FlowRequest
from mcp_sidecar.adaptive.relay import STREAM_HEADERS, as_event
from mcp_sidecar.adaptive.sessions import read_id
from mcp_sidecar.adaptive.showing import as_shown
from mcp_sidecar.lane.answering import Fetching
from mcp_sidecar.lane.cutting import CUT_OFF
from mcp_sidecar.lane.fetched import Began, Failed, Fetched, Said, Whole
from mcp_sidecar.lane.repeating import as_heard

ASK_SECONDS: Final = 120.0
"""How long a person has to answer."""
POLL_SECONDS: Final = 2.0
"""How often it is looked whether another sidecar heard the answer."""
MOST_ASKED: Final = 1_000
"""People who are asked at once."""
MOST_OF_CALLER: Final = 4
ID_PREFIX: Final = "~ask/"
"""How the ids of these questions begin: no member is called so."""
_ID: Final = re.compile(re.escape(ID_PREFIX) + r"[0-9a-f]{32}")
KEY: Final = "kong-mcp/flow"
"""The name of the question among those that a result asks."""
_ROUNDS: Final = frozenset({methods.CALL, methods.GET_PROMPT, methods.READ_RESOURCE})
"""What may be answered with a question in the modern era."""


def is_yes(answer: Any) -> bool:
    """Return whether an answer to the question is a plain yes."""
    if not isinstance(answer, Mapping) or answer.get("action") != "accept":
        return False
    content = answer.get("content")
    return isinstance(content, Mapping) and content.get("allow") is True


def asks_here(id_: Any) -> bool:
    """Return whether an id is of a question that a sidecar asks itself."""
    return isinstance(id_, str) and _ID.fullmatch(id_) is not None


def can_ask(claims: Claims, target: Target, method: str, params: Mapping[str, Any]) -> bool:
    """Return whether the client can ask a person, and the policy lets it be asked."""
    if ServerKind.ELICITATION not in claims.terms.server_messages.kinds:
        return False
    if target.era is Era.LEGACY:
        return target.session is not None and _has_forms(read_id(target.session).capabilities)
    meta = params.get("_meta")
    said = meta.get(methods.META_CAPABILITIES) if isinstance(meta, Mapping) else None
    return method in _ROUNDS and isinstance(said, Mapping) and _has_forms(said)


def _has_forms(capabilities: Mapping[str, Any]) -> bool:
    said = capabilities.get("elicitation")
    # One that names no way to ask has forms (2025-11-25, client/elicitation, capabilities).
    return isinstance(said, Mapping) and (not said or "form" in said)


@dataclass(slots=True)
class OpenQuestion:
    """A question that waits for its answer: the first one counts. `call` is the id of the call that it is about."""

    call: RequestId | None
    answered: anyio.Event = field(default_factory=anyio.Event)
    allowed: bool = False

    def answer(self, *, yes: bool) -> None:
        """Take an answer."""
        if not self.answered.is_set():
            self.allowed = yes
            self.answered.set()


class Consents:
    """The questions of a sidecar. `keys` sign what comes back of those of the modern era."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._signer = Signer(keys, "kong-mcp flow 1")
        self._open: dict[tuple[str, str, str], OpenQuestion] = {}
        self._of: Counter[str] = Counter()

    @contextmanager
    def asking(self, target: Target, caller: str, call: RequestId | None) -> Iterator[tuple[str, OpenQuestion] | None]:
        """Give a new question of a session its id, and what hears of the answer; None where too many are open.

        `call` is the id of the call that it is about.
        """
        if len(self._open) >= MOST_ASKED or self._of[caller] >= MOST_OF_CALLER:
            yield None
            return
        id_, question = ID_PREFIX + secrets.token_hex(16), OpenQuestion(call)
        key = (caller, target.session or "", id_)
        self._open[key] = question
        self._of[caller] += 1
        try:
            yield id_, question
        finally:
            del self._open[key]
            self._of -= Counter({caller: 1})

    def hear(self, target: Target, caller: str, message: Mapping[str, Any]) -> bool:
        """Take an agent's answer. Returns whether it answers an open question of its session, asked here."""
        question = self._open.get((caller, target.session or "", str(message.get("id"))))
        if question is not None:
            question.answer(yes=is_yes(message.get("result")))
        return question is not None

    def withdraw(self, target: Target, caller: str, call: RequestId | None = None) -> bool:
        """Take back the questions of a session about a call of it, all without one. Returns whether there were any."""
        mine = [open_question for key, open_question in self._open.items() if key[:2] == (caller, target.session or "")]
        taken = [question for question in mine if call is None or question.call == call]
        for open_question in taken:
            open_question.answer(yes=False)
        return bool(taken)

    def state(self, claims: Claims, target: Target, item: FlowItem, params: Mapping[str, Any], now: float) -> str:
        """Return the state of a question of the modern era. `params` are those that are shown."""
        said = {"for": _call(claims, target, item, params), "until": now + ASK_SECONDS, "once": secrets.token_hex(16)}
        return self._signer.sign(json.dumps(said).encode())

    def is_ours(self, params: Mapping[str, Any]) -> bool:
        """Return whether a call comes with a state of ours."""
        state = params.get(methods.REQUEST_STATE)
        return isinstance(state, str) and self._signer.open(state) is not None

    def yes_to(
        self, claims: Claims, target: Target, item: FlowItem, params: Mapping[str, Any], now: float
    ) -> tuple[str, float] | None:
        """Return the name of a person's yes to this very call, asked of its caller a moment ago; None without one.

        It is good for one use, until a time (Unix seconds) by the clock of whoever asked.
        """
        state, answers = params.get(methods.REQUEST_STATE), params.get(methods.INPUT_RESPONSES)
        raw = self._signer.open(state) if isinstance(state, str) else None
        if raw is None or not isinstance(answers, Mapping) or not is_yes(answers.get(KEY)):
            return None
        said = json.loads(raw)
        mine = said["for"] == _call(claims, target, item, as_shown(params)) and now <= said["until"]
        return (str(said["once"]), float(said["until"])) if mine else None


def _call(claims: Claims, target: Target, item: FlowItem, shown: Mapping[str, Any]) -> str:
    """Return the digest of who uses what, and of all that is sent."""
    principal = claims.principal
    who = [target.server, principal.seal_key, principal.client, principal.via, claims.method, *item.place]
    return hashlib.sha256(json.dumps([who, shown], sort_keys=True).encode()).hexdigest()


class AskFirst:
    """Asks a person on the stream of a call of the legacy era, and fetches the answer of what they let pass."""

    def __init__(
        self,
        consents: Consents,
        elsewhere: Callable[[str], Awaitable[bool | None]],
        request: FlowRequest,
        refusal: Reject,
        form: Mapping[str, Any],
        go_on: Callable[[], Awaitable[Fetching | Reject]],
    ) -> None:
        """`refusal` is what the agent hears where the answer is no; `form` are the params of the question.

        `go_on` returns what fetches the answer once a person said yes, or a refusal after all.

        `elsewhere` returns the answer to a question, by its id, that another sidecar heard, None where none did yet.
        """
        self._consents = consents
        self._elsewhere = elsewhere
        self._request = request
        self._claims = request.claims
        self._refusal = refusal
        self._form = form
        self._go_on = go_on
        self.heard: Callable[[], bool] | None = None

    def fail(self, refusal: Reject, outcome: str) -> Failed:
        """Return that there is no answer, or no more of it."""
        self._request.line.end(outcome, refusal)
        return Failed(as_heard(refusal, self._claims), outcome)

    @asynccontextmanager
    async def answer(self) -> AsyncIterator[AsyncGenerator[Fetched]]:
        """Give the parts of the answer as they come."""
        async with aclosing(self._answer()) as parts:
            yield parts

    async def _answer(self) -> AsyncGenerator[Fetched]:
        caller = self._claims.principal.seal_key
        with self._consents.asking(self._request.target, caller, self._claims.id) as asking:
            if asking is None:
                yield self.fail(self._refusal, "refused")
                return
            id_, question = asking
            yield Began(200, STREAM_HEADERS)
            yield as_event({"jsonrpc": "2.0", "id": id_, "method": methods.ELICITATION, "params": self._form})
            with self._request.cuts.watch(self._claims.cuts) as cut, cut.scope, anyio.move_on_after(ASK_SECONDS):
                await self._wait(id_, question)
        if cut.scope.cancelled_caught:
            yield self.fail(CUT_OFF, Ending.CUT_OFF)
            return
        fetching = await self._go_on() if question.allowed else self._refusal
        if isinstance(fetching, Reject):
            yield self.fail(fetching, "refused")
            return
        fetching.heard = self.heard
        async with fetching.answer() as fetched:
            async for part in fetched:
                if isinstance(part, Whole):
                    yield Said(part.text, Event(data=part.text.decode() if part.text else None))
                elif not isinstance(part, Began):
                    yield part

    async def _wait(self, id_: str, question: OpenQuestion) -> None:
        while not question.answered.is_set():
            with anyio.move_on_after(POLL_SECONDS):
                await question.answered.wait()
            if not question.answered.is_set() and (said := await self._elsewhere(id_)) is not None:
                question.answer(yes=said)
