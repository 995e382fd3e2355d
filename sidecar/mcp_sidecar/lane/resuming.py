"""Legacy sessions that their replica has lost, opened again on another one, where the policy lets that be done.

The agent keeps its sealed id, in which the params of its own initialize are recorded (seal.Session); what it became is
held here, for a number of sessions, by server, principal and the first id: nobody else's session is ever found. Another
sidecar opens it once more for itself. Source: 2025-11-25/basic/transports, session management (a server answers 404
for a session that it does not know, and whoever gets it initializes again); spec/decisions/247.
"""

from __future__ import annotations

import json
import re
from collections import Counter, OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any, Final

import anyio
from prometheus_client import Counter as Counted

from mcp_core import jsonrpc, methods
from mcp_core.claims import Claims, Target
from mcp_core.jsonrpc import NotStrictError
from mcp_core.methods import Kind
from mcp_core.reasons import Ending
from mcp_core.repeat import says_nobody_is_there
from mcp_core.surface import ANSWER_LIMITS
from mcp_sidecar.lane.callers import Call
from mcp_sidecar.lane.fetched import Fetched, Whole
from mcp_sidecar.upstream.internal_route import Upstream
from mcp_sidecar.upstream.talk import SpeaksFor, Talk, TalkError

MAX_HELLO: Final = 2048
"""Bytes of the params of an initialize that are recorded: they travel in a header with each request of the session."""
MOST: Final = 10_000
"""Sessions of which is known what they became, or to what they are subscribed: those that were used last."""
MOST_URIS: Final = 32
"""Resources of one session that are subscribed to again."""
MAX_URI: Final = 1024
TIMES: Final = 2
"""How often a session is opened again for one request: meanwhile another replica may have come or gone."""
MOST_VAIN: Final = 2
"""After so many requests in a row that are 404 in a session just opened too, 404 says something else to them."""
AT_ONCE: Final = 16
"""Sessions of one server that are opened again at once: a replica that died may have had thousands."""
SECONDS: Final = 10.0
"""How long opening one again may take, from its turn on."""

_CODES: Final = (-32000, -32001, -32600)
_WORDS: Final = re.compile(
    r"(bad request: )?(no valid session id( provided)?|server not initialized|session not found"
    r"|(missing|invalid|invalid or missing|missing or invalid|unknown) session id)[.!]?"
)
"""The whole of what they say, in lower case: a tool's own error may speak of sessions too."""
_DONE: Final = "resumed"
_SLOW: Final = "timeout"
_OTHER: Final = "other-version"
_NONE: Final = "no-session"
_GOING: Final = (Ending.UNAVAILABLE, Ending.BROKEN)
"""How it ends where the replica that was asked goes just then; which of them is asked next is another draw."""


@dataclass(slots=True)
class Life:
    """What became of one session: where it is now, what is subscribed to, and what listeners have not heard yet."""

    session: str | None
    affinity: str
    uris: dict[str, None] = field(default_factory=dict)
    missed: tuple[str, ...] = ()
    vain: Counter[str] = field(default_factory=Counter)
    """How many requests in a row of each HTTP method were 404 in sessions just opened too."""
    lock: anyio.Lock = field(default_factory=anyio.Lock)


def recorded(call: Call) -> str | None:
    """Return the JSON text of the params by which the session may be opened again; None where it may not, or is long.

    What belongs to that one request (`_meta`: its progress token, its trace) is left out.
    """
    if call.claims.method != methods.INITIALIZE or not call.claims.terms.inspection.resumes:
        return None
    params = _params(call)
    if params is None:
        return None
    text = json.dumps({name: value for name, value in params.items() if name != "_meta"}, separators=(",", ":"))
    return text if len(text) <= MAX_HELLO else None


def is_lost(target: Target, http_method: str, method: str, status: int) -> bool:
    """Return whether an answer says that its server has lost the session, and it may be opened again.

    Who ends a session wants no other one; of a method that nobody knows a server may say 404 for that.
    """
    return (
        status == 404
        and target.hello is not None
        and target.session is not None
        and http_method != "DELETE"
        and (http_method == "GET" or not method or method in methods.METHODS or method == methods.RESPONSE_METHOD)
    )


def says_lost(target: Target, claims: Claims, said: Fetched) -> bool:
    """Return whether the first part of an answer says the same in the way of many servers: with 400, and in words.

    The examples of the official SDKs do (code -32000 or -32600, "No valid session ID provided", "Server not
    initialized"), before they run anything. That another server did not, no sentence proves.
    """
    if not isinstance(said, Whole) or said.status != 400 or not is_lost(target, claims.http_method, claims.method, 404):
        return False
    try:
        value = jsonrpc.load(said.text, ANSWER_LIMITS)
    except NotStrictError:
        return False
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict) or error.get("code") not in _CODES:
        return False
    return _WORDS.fullmatch(str(error.get("message")).strip().lower()) is not None


class Resumer:
    """Opens sessions again, each once for all of its requests that find it lost. `count` counts them."""

    def __init__(self, upstream: Upstream, count: Counted, max_answer: int) -> None:
        self._upstream = upstream
        self._count = count
        self._max = max_answer
        self._lives: OrderedDict[tuple[str, str, str], Life] = OrderedDict()
        self._turns: dict[str, anyio.CapacityLimiter] = {}

    def where(self, call: Call, target: Target) -> Target:
        """Return the target as the session is now."""
        life = self._lives.get(_key(call)) if target.hello is not None else None
        return target if life is None else replace(target, session=life.session, affinity=life.affinity)

    def missed(self, call: Call) -> tuple[str, ...]:
        """Return what the listener of a session must be told before anything else, once."""
        life = self._lives.get(_key(call)) if call.target.hello is not None else None
        if life is None:
            return ()
        missed, life.missed = life.missed, ()
        return missed

    def note(self, call: Call) -> None:
        """Take down what a request did that its server answered with success: subscriptions, and the end."""
        claims, target = call.claims, call.target
        if target.hello is None or target.session is None:
            return
        if (life := self._lives.get(_key(call))) is not None:
            life.vain.pop(claims.http_method, None)
        if claims.http_method == "DELETE":
            self._lives.pop(_key(call), None)
            return
        if claims.method not in (methods.SUBSCRIBE, methods.UNSUBSCRIBE):
            return
        uri = (_params(call) or {}).get("uri")
        life = self._life(call)
        if claims.method == methods.UNSUBSCRIBE:
            life.uris.pop(str(uri), None)
        elif isinstance(uri, str) and len(uri) <= MAX_URI and len(life.uris) < MOST_URIS:
            life.uris[uri] = None

    async def resume(self, call: Call, lost: Target) -> Target | None:
        """Return the target with the session opened again, or None where it was not. `lost` is how it was asked."""
        life = self._life(call)
        async with life.lock:
            if (life.session, life.affinity) != (lost.session, lost.affinity):
                return replace(lost, session=life.session, affinity=life.affinity)
            if life.vain[call.claims.http_method] >= MOST_VAIN:
                return None
            async with self._turns.setdefault(lost.server, anyio.CapacityLimiter(AT_ONCE)):
                outcome = _SLOW
                with anyio.move_on_after(SECONDS):
                    outcome = await self._open_somewhere(call, lost, life)
            self._count.labels(lost.server, outcome).inc()
            if outcome != _DONE:
                return None
            return replace(lost, session=life.session, affinity=life.affinity)

    def undo(self, call: Call, before: Target, opened: Target) -> None:
        """Take back that a session was lost: a request was answered with 404 in the one that was opened, too."""
        self.doubt(call)
        life = self._life(call)
        if (life.session, life.affinity) == (opened.session, opened.affinity):
            life.session, life.affinity, life.missed = before.session, before.affinity, ()

    def doubt(self, call: Call) -> None:
        """Take down that a session was opened, and that nothing yet shows that this was the remedy."""
        self._life(call).vain[call.claims.http_method] += 1

    def _life(self, call: Call) -> Life:
        key = _key(call)
        life = self._lives.get(key)
        if life is None:
            life = self._lives[key] = Life(call.target.session, call.target.affinity)
        self._lives.move_to_end(key)
        if len(self._lives) > MOST:
            self._lives.popitem(last=False)
        return life

    async def _open_somewhere(self, call: Call, lost: Target, life: Life) -> str:
        """Open the session, and once more where its new replica was going, too: introducing oneself may be repeated."""
        tries = self._upstream.begin(lost.server)
        while (outcome := await self._open(call, lost, life)) in _GOING:
            wait = tries.again("session-lost")
            if wait is None:
                break
            await anyio.sleep(wait)
        return outcome

    async def _open(self, call: Call, lost: Target, life: Life) -> str:
        """Open the session, subscribe again, and put down where it is. Returns a word for how that went."""
        if lost.address is None or lost.hello is None:
            return _NONE
        headers = {name: value for name, value in call.headers.items() if not of_one_request(name)}
        whose = SpeaksFor(headers, call.claims.terms.hide, lost.authorization)
        talk = Talk(self._upstream, lost.server, lost.address, max_answer=self._max, speaks_for=whose)
        try:
            said = await talk.initialize(json.loads(lost.hello))
            session, affinity = talk.session
            if session is None:
                return _NONE
            if methods.VERSION_HEADER in call.headers and said.get("protocolVersion") != call.claims.question.version:
                await talk.close()
                return _OTHER
            for uri in life.uris:
                if call.claims.terms.view.allows(Kind.RESOURCE, uri):
                    await talk.ask(_ask(methods.SUBSCRIBE, {"uri": uri}))
        except TalkError as error:
            nobody = talk.refusals and says_nobody_is_there(talk.refusals[-1], retry_after=False)
            return Ending.UNAVAILABLE if nobody else error.outcome
        life.session, life.affinity, life.missed = session, affinity, _changes(said)
        return _DONE


def _ask(method: str, params: dict[str, Any]) -> Any:
    yield method, params


def _changes(said: Any) -> tuple[str, ...]:
    """Return the notifications by which a server with these capabilities would say that its lists changed."""
    capabilities = said.get("capabilities")
    capabilities = capabilities if isinstance(capabilities, dict) else {}
    told = []
    for name in ("tools", "prompts", "resources"):
        capability = capabilities.get(name)
        if isinstance(capability, dict) and capability.get("listChanged") is True:
            told.append(f"notifications/{name}/list_changed")
    return tuple(told)


def of_one_request(name: str) -> bool:
    """Return whether a header of an agent speaks of its request alone, and not of who asks."""
    return name.startswith("mcp-") or name in ("accept", "content-type", methods.LAST_EVENT_HEADER)


def _key(call: Call) -> tuple[str, str, str]:
    return call.target.server, call.claims.principal.seal_key, call.target.session or ""


def _params(call: Call) -> dict[str, Any] | None:
    try:
        value = jsonrpc.load(call.body, ANSWER_LIMITS)
    except NotStrictError:
        return None
    params = value.get("params") if isinstance(value, dict) else None
    return params if isinstance(params, dict) else None
