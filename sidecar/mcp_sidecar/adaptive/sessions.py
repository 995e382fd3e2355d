"""Sessions of the legacy era: that of an agent with a virtual server, and those with members that stand behind it.

The agent's session id holds what it said of itself, sealed by the lane as every server's session id is: any sidecar can
open sessions with members for it. They are opened when something is asked of a member, and kept.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from weakref import WeakValueDictionary

import anyio

from mcp_core import methods
from mcp_core.conversation import Ask, Result
from mcp_core.seal import base64url, from_base64url
from mcp_sidecar.adaptive.flows import FlowItem
from mcp_sidecar.adaptive.goodbyes import Goodbyes
from mcp_sidecar.upstream.acting import ActingWay
from mcp_sidecar.upstream.talk import Talk, TalkError

MOST: Final = 20_000
"""Sessions with members that are kept; one that is gone from here is opened anew."""
LONGEST: Final = 3_000
"""Characters of a session id, before it is sealed."""
MOST_LEFT: Final = 64
"""Requests of one session of which is known that a member left them without an answer: the newest."""
MOST_ENDED: Final = 20_000
"""Sessions of agents that are known to have ended."""
OPEN_SECONDS: Final = 10.0
HEAR_SECONDS: Final = 1.0
"""How long the first request of a session to a member waits until what the member says beside it is heard."""
MOST_LEVELS: Final = 20_000
"""Sessions of agents of which is known from which level on they want log messages."""
_VERSION: Final = methods.LEGACY_VERSIONS[-1]


@dataclass(frozen=True, slots=True)
class AgentSaid:
    """What an agent said when it opened its session."""

    version: str
    capabilities: Mapping[str, Any]
    client: Mapping[str, Any]


def new_id(said: AgentSaid) -> str:
    """Return the id of a new session with a virtual server."""
    for capabilities, client in ((said.capabilities, said.client), (_names(said.capabilities), {}), ({}, {})):
        values = {"n": secrets.token_hex(8), "v": said.version, "c": capabilities, "i": client}
        id_ = base64url(json.dumps(values).encode())
        if len(id_) <= LONGEST:
            return id_
    raise AssertionError("an id without what an agent said is short")


def _names(capabilities: Mapping[str, Any]) -> dict[str, Any]:
    return {name[:64]: {} for name in list(capabilities)[:8]}


def read_id(id_: str) -> AgentSaid:
    """Return what an agent said when its session was opened, by the id that `new_id` gave."""
    values = json.loads(from_base64url(id_) or b"{}")
    client = values.get("i") or {"name": "agent", "version": "0"}
    return AgentSaid(values.get("v", _VERSION), values.get("c", {}), client)


@dataclass(slots=True)
class _Kept:
    lock: anyio.Lock = field(default_factory=partial(anyio.Lock, fast_acquire=True))
    opened: bool = False
    session: str | None = None
    talk: Talk | None = None
    level: str | None = None
    joined: anyio.Event = field(default_factory=anyio.Event)
    heard: anyio.Event = field(default_factory=anyio.Event)


@dataclass(slots=True, eq=False)
class Running:
    """A request that a member has: the agent's own id of it, what it uses, and what the member asks of the agent.

    `questions` are ids of requests of the member's, as JSON. `is_open` says whether its answer is still to come.
    """

    id: Any
    item: FlowItem
    questions: Collection[str] = ()
    is_open: Callable[[], bool] = lambda: True


class RunningAt:
    """The requests of agents' sessions that members have now, and those whose answer they left open."""

    def __init__(self) -> None:
        self._of: dict[str, list[Running]] = {}
        self._left: OrderedDict[bytes, deque[tuple[str, str]]] = OrderedDict()

    @contextmanager
    def note(self, session: str, running: Running) -> Iterator[None]:
        """Know that a member has a request, as long as the context lasts."""
        having = self._of.setdefault(session, [])
        having.append(running)
        try:
            yield
        finally:
            having.remove(running)
            if not having:
                del self._of[session]
            if running.is_open():
                self._leave(session, running)

    def _leave(self, session: str, running: Running) -> None:
        left = self._left.setdefault(_mark(session), deque(maxlen=MOST_LEFT))
        left.append((running.item.member, json.dumps(running.id)))
        self._left.move_to_end(_mark(session))
        if len(self._left) > MOST:
            self._left.popitem(last=False)

    def may_answer(self, session: str, member: str, id_: Any) -> bool:
        """Return whether a member may answer a request with this id on a stream that goes on after another one."""
        wanted = (member, json.dumps(id_))
        having = ((running.item.member, json.dumps(running.id)) for running in self._of.get(session, ()))
        return wanted in self._left.get(_mark(session), ()) or wanted in having

    def of_id(self, session: str, id_: Any) -> Running | None:
        """Return the request with this id, of several the last one; None where no member has it."""
        wanted = json.dumps(id_)
        return next(
            (running for running in reversed(self._of.get(session, ())) if json.dumps(running.id) == wanted), None
        )

    def that_asked(self, session: str, member: str, own: Any) -> Running | None:
        """Return the request during which a member asked the agent something by this id, None where none is known."""
        asked = json.dumps(own)
        having = self._of.get(session, ())
        return next(
            (running for running in having if running.item.member == member and asked in running.questions), None
        )


class MemberSessions:
    """Sessions with members, by the agent's session and the member."""

    def __init__(self, *, max_answer: int) -> None:
        self._max = max_answer
        self.goodbyes = Goodbyes()
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._ended: OrderedDict[bytes, None] = OrderedDict()
        self._levels: OrderedDict[bytes, str] = OrderedDict()
        self._listeners: Counter[str] = Counter()
        self._ends: WeakValueDictionary[bytes, anyio.Event] = WeakValueDictionary()

    def known(self, session: str, member: str) -> str | None:
        """Return the session with a member that is open, None where none is."""
        kept = self._kept.get((session, member))
        return None if kept is None else kept.session

    def has_joined(self, session: str, member: str) -> bool:
        """Return whether a member took the agent's era, whether or not it keeps a session."""
        kept = self._kept.get((session, member))
        return kept is not None and kept.opened

    async def open(self, way: ActingWay, session: str, member: str, *, anew: bool = False) -> str | None:
        """Return the session with a member that stands behind an agent's; None where it keeps none.

        Raises:
            TalkError: the member could not be talked with, or does not take the agent's era.
        """
        kept = self._of(session, member)
        async with kept.lock:
            if not kept.opened or anew:
                said = read_id(session)
                kept.opened = False
                with anyio.move_on_after(OPEN_SECONDS) as scope:
                    talk = Talk(way, member, None, max_answer=self._max)
                    kept.session = await talk.join(said.version, said.capabilities, said.client)
                    kept.opened, kept.talk, kept.level = True, talk, None
                    kept.joined.set()
                    if self.has_ended(session):  # while the member opened its own
                        self.goodbyes.add(talk)
                if scope.cancelled_caught:
                    raise TalkError("timeout")
            await self._tell_level(kept, self._levels.get(_mark(session)))
            return kept.session

    def choose_level(self, session: str, level: str) -> None:
        """Have members that are asked something in an agent's session log from a level on."""
        self._levels[_mark(session)] = level
        self._levels.move_to_end(_mark(session))
        if len(self._levels) > MOST_LEVELS:
            self._levels.popitem(last=False)

    async def _tell_level(self, kept: _Kept, level: str | None) -> None:
        if level is None or kept.level == level or kept.talk is None or kept.session is None:
            return
        kept.level = level  # a member that does not take it is not told again
        with anyio.move_on_after(OPEN_SECONDS), suppress(TalkError):
            await kept.talk.ask(_chosen(level))

    @contextmanager
    def listened(self, session: str) -> Iterator[None]:
        """Know that an agent listens to a stream of its session, as long as the context lasts."""
        self._listeners[session] += 1
        try:
            yield
        finally:
            self._listeners[session] -= 1
            if not self._listeners[session]:
                del self._listeners[session]

    async def joined(self, session: str, member: str) -> None:
        """Wait until there is a session with a member."""
        await self._of(session, member).joined.wait()

    def hears(self, session: str, member: str) -> None:
        """Note that what a member says in an agent's session beside its answers is heard, or cannot be."""
        self._of(session, member).heard.set()

    async def heard(self, session: str, member: str) -> None:
        """Wait a moment until it is, where the agent listens: servers drop what nobody hears."""
        heard = self._of(session, member).heard
        if not heard.is_set() and self._listeners[session]:
            with anyio.move_on_after(HEAR_SECONDS):
                await heard.wait()
            heard.set()  # a member that is silent holds up one request, and no other

    def _of(self, session: str, member: str) -> _Kept:
        kept = self._kept.get((session, member))
        if kept is None:
            kept = self._kept[session, member] = _Kept()
        self._kept.move_to_end((session, member))
        if len(self._kept) > MOST:
            self._part(self._kept.popitem(last=False)[1])
        return kept

    def _part(self, kept: _Kept) -> None:
        if kept.talk is not None and kept.session is not None:
            self.goodbyes.add(kept.talk)

    def has_ended(self, session: str) -> bool:
        """Return whether an agent ended its session, as far as this sidecar was told."""
        return _mark(session) in self._ended

    def end_of(self, session: str) -> anyio.Event:
        """Return what is set when an agent ends its session, for as long as somebody holds it."""
        return self._ends.setdefault(_mark(session), anyio.Event())

    def forget(self, session: str, members: tuple[str, ...]) -> None:
        """End an agent's session, and those with members that stood behind it."""
        self._ended[_mark(session)] = None
        if len(self._ended) > MOST_ENDED:
            self._ended.popitem(last=False)
        if (end := self._ends.get(_mark(session))) is not None:
            end.set()
        self._levels.pop(_mark(session), None)
        for member in members:
            kept = self._kept.pop((session, member), None)
            if kept is not None:
                self._part(kept)


def _chosen(level: str) -> Generator[Ask, Result | None, None]:
    yield methods.SET_LOG_LEVEL, {"level": level}


def _mark(session: str) -> bytes:
    return hashlib.sha256(session.encode()).digest()
