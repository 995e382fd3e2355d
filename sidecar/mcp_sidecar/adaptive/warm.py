"""What members list for one principal: asked once, kept for a while, and shared by all who wait for it.

Each member decides by its own guard what the principal may see, so what is kept is the principal's alone.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import anyio

from mcp_core import outcome
from mcp_core.conversation import read_lists
from mcp_core.outcome import INTERNAL_ERROR
from mcp_core.principal import Principal
from mcp_sidecar.upstream.acting import ActingWay
from mcp_sidecar.upstream.internal_route import Upstream
from mcp_sidecar.upstream.talk import Talk, TalkError

FRESH_SECONDS: Final = 10.0
"""How long what a member listed is served without asking it again. Calls are decided anew each time."""
ANEW_SECONDS: Final = 2.0
"""How old lists may be before they are asked for anew for a name that is not in them, and how long it is between two
times that a member has its own asked for anew: who invents names, or changes, asks nobody."""
ANEW_AT_ONCE: Final = 3
"""Times that a member may have its own asked for anew without a pause between them, where it was quiet before."""
MEMBER_SECONDS: Final = 5.0
"""How long all wait for a member's lists: it is left out then, and said so."""
AGAIN_SECONDS: Final = 3.0
"""How long a member that failed is left out before it is asked again."""
MOST: Final = 5_000
"""Members, each for one principal, that are kept."""
LIST_BYTES: Final = 16 * 1024 * 1024
"""Bytes that all lists of one member may take for one principal: it is left out where they are more."""
MOST_BYTES: Final = 256 * 1024 * 1024
"""Bytes, as they were sent, of all lists that are kept; what was asked for longest ago goes first."""
IDLE_SECONDS: Final = 300.0
"""How long a member is kept that nobody asks for."""
NAMED_BY: Final = {"tools": "name", "prompts": "name", "resources": "uri", "resourceTemplates": "uriTemplate"}
"""What items are known by, by the key of the result that lists them."""
REFUSED: Final = "refused"
"""The member does not know the principal, or does not let it in: nobody is told of such a member."""
UNAVAILABLE: Final = "unavailable"
_NOT_LET_IN: Final = 403
_FAILURES: Final = frozenset({INTERNAL_ERROR, outcome.UNAVAILABLE, 429, *range(500, 600)})
"""Codes and statuses that say that a list is not there now; others say that the server has none."""


@dataclass(frozen=True, slots=True)
class MemberList:
    """What one member lists: key of the result -> items. `failed` is a word for why there is nothing.

    Of one that failed `had` is what it listed before, key -> names or URIs; None where nobody here knows.
    """

    member: str
    items: Mapping[str, list[Any]] = field(default_factory=dict)
    instructions: str = ""
    failed: str | None = None
    size: int = 0
    """Bytes of these lists, as they were sent."""
    had: Mapping[str, Sequence[str]] | None = None

    def names(self) -> Mapping[str, Sequence[str]] | None:
        """Return what it lists, or listed before it failed: key -> names or URIs."""
        if self.failed is not None:
            return self.had
        return {key: _texts(self.items.get(key, []), named) for key, named in NAMED_BY.items()}


def _texts(items: list[Any], named: str) -> list[str]:
    return [item[named] for item in items if isinstance(item, dict) and isinstance(item.get(named), str)]


@dataclass(slots=True)
class _Kept:
    """One member for one principal: the conversation that is open with it, and what it listed last."""

    lock: anyio.Lock = field(default_factory=partial(anyio.Lock, fast_acquire=True))
    talk: Talk | None = None
    introduction: Mapping[str, Any] = field(default_factory=dict)
    listed: MemberList | None = None
    until: float = 0.0
    asked: float = 0.0
    size: int = 0
    wanted: float = 0.0
    dropped: float = 0.0
    paced: float = 0.0
    gone: bool = False

    def fresh(self, now: float, since: float | None, *, patient: bool) -> MemberList | None:
        """Return what was listed where that is good enough; with `patient` that it failed is."""
        if self.listed is None:
            return None
        good = now < self.until and (since is None or self.asked >= since)
        return self.listed if good or (patient and self.listed.failed is not None) else None


class Warm:
    """The members' lists, by virtual server, member and principal."""

    def __init__(self, upstream: Upstream, *, max_answer: int) -> None:
        self._upstream = upstream
        self._max = max_answer
        self._kept: OrderedDict[tuple[str, str, Principal], _Kept] = OrderedDict()
        self._size = 0

    def known(
        self, by: str, members: Sequence[str], principal: Principal, since: float | None, *, patient: bool = False
    ) -> list[MemberList] | None:
        """Return what all members list, None where one of them must be asked. Otherwise as `listed`."""
        now = time.monotonic()
        found = [self._of(by, member, principal).fresh(now, since, patient=patient) for member in members]
        return None if None in found else [member_list for member_list in found if member_list is not None]

    async def listed(
        self, by: str, member: str, principal: Principal, *, since: float | None = None, patient: bool = False
    ) -> MemberList:
        """Return what a member lists for a principal; what was asked for before `since` (monotonic) is too old.

        With `patient` a member that failed is not asked again: whoever wants another one does not wait for it.
        """
        kept = self._of(by, member, principal)
        async with kept.lock:
            now = time.monotonic()
            if (known := kept.fresh(now, since, patient=patient)) is not None:
                return known
            kept.listed, kept.asked = await self._ask(kept, by, member, principal), now
            if not kept.gone:
                self._size += kept.listed.size - kept.size
            kept.size = kept.listed.size
            kept.until = time.monotonic() + (FRESH_SECONDS if kept.listed.failed is None else AGAIN_SECONDS)
            return kept.listed

    async def talk(self, by: str, member: str, principal: Principal) -> Talk | None:
        """Return the conversation that is open with a member, None where there is none."""
        await self.listed(by, member, principal)
        return self._of(by, member, principal).talk

    def forget(self, by: str, member: str, principal: Principal) -> None:
        """Ask a member anew when its lists are wanted next."""
        self._of(by, member, principal).until = 0.0

    def changed(self, by: str, member: str, principal: Principal, at: float) -> float:
        """Drop what a member listed before it said, at a time (monotonic), that this changed.

        Returns how many seconds from now that is done: a member that says so again and again is not asked each time.
        """
        kept, now = self._of(by, member, principal), time.monotonic()
        if kept.dropped < at:
            # `paced` is ahead of the clock by ANEW_SECONDS for each time that nothing made up for yet.
            kept.dropped = max(now, kept.paced - (ANEW_AT_ONCE - 1) * ANEW_SECONDS)
            kept.paced = max(now, kept.paced) + ANEW_SECONDS
        kept.until = min(kept.until, kept.dropped) if kept.asked < kept.dropped else kept.until
        return max(0.0, kept.dropped - now)

    def _of(self, by: str, member: str, principal: Principal) -> _Kept:
        key = (by, member, principal)
        kept, now = self._kept.get(key), time.monotonic()
        if kept is None:
            kept = self._kept[key] = _Kept()
        kept.wanted = now
        self._kept.move_to_end(key)
        while len(self._kept) > 1:
            oldest = next(iter(self._kept.values()))
            if len(self._kept) <= MOST and self._size <= MOST_BYTES and oldest.wanted > now - IDLE_SECONDS:
                break
            self._kept.popitem(last=False)
            self._size -= oldest.size
            oldest.gone = True
        return kept

    async def _ask(self, kept: _Kept, by: str, member: str, principal: Principal) -> MemberList:
        failed = "timeout"
        with anyio.move_on_after(MEMBER_SECONDS):
            for fresh in (kept.talk is None, True):
                try:
                    return await self._read(kept, by, member, principal, fresh=fresh)
                except TalkError as error:
                    failed, kept.talk = error.outcome, None
                    if fresh:
                        break
        kept.talk = None
        had = None if kept.listed is None or failed == REFUSED else kept.listed.names()
        size = sum(len(name) for names in (had or {}).values() for name in names)
        return MemberList(member, failed=failed, had=had, size=size)

    async def _read(self, kept: _Kept, by: str, member: str, principal: Principal, *, fresh: bool) -> MemberList:
        if fresh or kept.talk is None:
            way = ActingWay(self._upstream, by, principal)
            talk = Talk(way, member, None, max_answer=self._max)
            try:
                kept.introduction = await talk.open()
            except TalkError as error:
                shut = error.outcome == REFUSED and talk.refusals[-1:] == [_NOT_LET_IN]
                raise TalkError(REFUSED if shut else UNAVAILABLE) from error
            kept.talk = talk
        kept.talk.refusals.clear()
        kept.talk.left = LIST_BYTES
        lists = await kept.talk.ask(read_lists(kept.introduction))
        if not _FAILURES.isdisjoint(kept.talk.refusals):
            raise TalkError(UNAVAILABLE)
        said = kept.introduction.get("instructions")
        size = LIST_BYTES - (kept.talk.left or 0)
        return MemberList(member, lists.items, said if isinstance(said, str) else "", size=size)
