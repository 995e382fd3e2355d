"""Lists that a server lets be kept: answered once more to the same caller, for a moment, without asking it.

What is kept is what a caller was shown, so that nothing of it is judged less: it is given again to the same request of
the same caller by the same terms, while nothing that this node knows of any server's items has changed. Only of a
server that said when it was discovered that its lists do not change while it runs: else a call may change them, and
whoever made it asks at once. Source: 2026-07-28, server/utilities/caching; spec/decisions/382.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from mcp_core import methods
from mcp_core.claims import Target
from mcp_core.errand import Address
from mcp_core.methods import Era, Kind, Place
from mcp_core.outcome import RequestId
from mcp_core.reasons import Ending
from mcp_core.terms import Terms
from mcp_sidecar.lane.callers import Call
from mcp_sidecar.lane.fetched import Whole
from mcp_sidecar.lane.pinning import Pins
from mcp_sidecar.logs import Line
from mcp_sidecar.metrics import Metrics
from mcp_sidecar.surface.surfaces import Surfaces

MOST_BYTES: Final = 32 * 1024 * 1024
"""Of all lists that a process keeps."""
MOST_OF_ONE: Final = 4 * 1024 * 1024
MOST_ASKED: Final = 8 * 1024
"""Bytes of a request: a list's has a cursor and what is said of the client."""
MOST_SERVERS: Final = 10_000
STEADY_SECONDS: Final = 300.0
"""How long what a server said of itself counts: it may be replaced by another release."""
_CAPABILITY: Final = {method: capability for method, _, capability in methods.LIST_METHODS}
_CHANGED: Final = "list_changed"
_TTL: Final = "ttlMs"
_PASSED: Final = frozenset({Ending.PASSED, Ending.FILTERED, Ending.WOULD_FILTER})
"""How a list ends that may be kept: of others there is more to be told each time."""
_EACH: Final = methods.PASSING_HEADERS | methods.OWN_HEADERS
"""Headers that say which request this is, and nothing of it, and the gateway's own words."""
_EACH_PREFIXES: Final = ("x-kong-", "kong-")
"""Of headers that Kong writes, and no server gets (mcp_core.passing)."""


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    """A request, of whose params every byte counts."""

    jsonrpc: str
    id: msgspec.Raw
    method: str
    params: msgspec.Raw


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    jsonrpc: str
    id: msgspec.Raw
    result: dict[str, msgspec.Raw]


_read_request = msgspec.json.Decoder(_Request).decode
_read_answer = msgspec.json.Decoder(_Answer).decode
_write = msgspec.json.Encoder().encode


class _Key(NamedTuple):
    """What a request is the same by. `terms` is what they are called here: they are long, and kept beside the list."""

    server: str
    method: str
    params: bytes
    version: str
    who: str
    terms: int
    where: tuple[Hashable, ...]
    headers: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Kept:
    """A list as one caller was shown it. `text` is its result without its end: the milliseconds for which it is good.

    `good` and `until` are monotonic seconds: until then it may be believed, and is kept here. `hidden` is what the
    policy took out, `known` what this node knew.
    """

    terms: Terms
    headers: Mapping[str, str]
    text: bytes = field(repr=False)
    good: float
    until: float
    known: Hashable
    hidden: Counter[Kind]
    ended: Ending

    def body(self, id_: RequestId | None, now: float) -> bytes:
        """Return the answer to a request of that id: it is good for as long as it was, and not longer."""
        left = max(0, int((self.good - now) * 1000))
        return b'{"jsonrpc":"2.0","id":%b,"result":%b%d}}' % (_write(id_), self.text, left)

    def tell(self, line: Line, server: str, metrics: Metrics) -> None:
        """Count what was hidden, as of an answer that was just filtered."""
        for kind, count in self.hidden.items():
            metrics.hide(server, kind, count, enforce=self.terms.enforce)
        line.hidden, line.outcome = self.hidden.total(), self.ended


class KeptLists:
    """The lists that one process keeps, each for `seconds` at most: none with 0."""

    def __init__(self, surfaces: Surfaces | None, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._surfaces = surfaces
        self._seconds = seconds
        self._clock = clock
        self._size = 0
        # The oldest first: each is kept equally long at most.
        self._lists: OrderedDict[_Key, Kept] = OrderedDict()
        # Which lists of a server do not change while it runs, and until when that counts.
        self._steady: dict[tuple[str, Address | None], tuple[frozenset[str], float]] = {}

    def find(self, call: Call) -> tuple[Kept, bytes] | None:
        """Return the list that answers a request, and the answer; None where its server is to be asked."""
        key = _key_of(call) if self._lists else None
        kept = None if key is None else self._lists.get(key)
        if kept is None or key is None or kept.terms is not call.claims.terms:
            return None
        now = self._clock()
        if kept.until <= now or kept.known != self._known():
            self._drop(key)
            return None
        return kept, kept.body(call.claims.id, now)

    def keep(self, call: Call, whole: Whole, pins: Pins | None, line: Line) -> None:
        """Keep an answer as it was passed on, where the server lets it be kept and all of it was shown for good."""
        claims, target = call.claims, call.target
        if not self._seconds:
            return
        if claims.method == methods.DISCOVER and claims.question.era is Era.MODERN:
            self._discovered(target, whole)
        if line.ended not in _PASSED or not _may_be_kept(whole) or not self._is_steady(call):
            return
        # What is not open is counted each time, and what was judged by what is known no more is judged anew.
        if pins is not None and not (pins.showed_all and pins.judged_by == self._view(target)):
            return
        key, result = _key_of(call), _result_of(whole.text)
        ttl = _milliseconds(result.pop(_TTL, msgspec.Raw(b"0")))
        if key is None or not ttl:
            return
        now = self._clock()
        good = now + ttl / 1000
        members = b"".join(b"%b:%b," % (_write(name), bytes(value)) for name, value in result.items())
        text = b"{%b%b:" % (members, _write(_TTL))
        until = min(good, now + self._seconds)
        hidden = Counter(call.view.hidden)
        self._drop(key)
        self._lists[key] = Kept(claims.terms, whole.headers, text, good, until, self._known(), hidden, line.ended)
        self._size += len(text)
        while self._size > MOST_BYTES or next(iter(self._lists.values())).until <= now:
            self._drop(next(iter(self._lists)))

    def hear(self, server: str, said: str | None) -> None:
        """Take note of what a server says on a stream: where its lists changed, none of them is kept."""
        if self._lists and said is not None and _CHANGED in said:
            self._forget(server)

    def _discovered(self, target: Target, whole: Whole) -> None:
        """Note which lists a server says do not change: those of which it would not tell that they did."""
        if len(self._steady) >= MOST_SERVERS:
            self._steady.clear()
        steady = _steady_in(whole.text) if whole.status == 200 else frozenset[str]()
        if steady != self._steady.get((target.server, target.address), (steady, 0.0))[0]:
            self._forget(target.server)  # another release of it may have come
        self._steady[target.server, target.address] = steady, self._clock() + STEADY_SECONDS

    def _is_steady(self, call: Call) -> bool:
        steady, until = self._steady.get((call.target.server, call.target.address), (frozenset[str](), 0.0))
        return _CAPABILITY.get(call.claims.method) in steady and self._clock() < until

    def _forget(self, server: str) -> None:
        for key in [key for key in self._lists if key.server == server]:
            self._drop(key)

    def _drop(self, key: _Key) -> None:
        gone = self._lists.pop(key, None)
        self._size -= 0 if gone is None else len(gone.text)

    def _view(self, target: Target) -> Hashable:
        return None if self._surfaces is None else self._surfaces.view(target.server)

    def _known(self) -> Hashable:
        return None if self._surfaces is None else self._surfaces.known


def _key_of(call: Call) -> _Key | None:
    """Return what a request is the same by, or None where it asks for no list, or for one that nobody may keep."""
    claims, target, body = call.claims, call.target, call.body
    question = claims.question
    alone = question.era is Era.MODERN and question.place is Place.POST and question.only is not None
    bound = target.session is not None or target.endpoint is not None or claims.refusal is not None
    if claims.method not in _CAPABILITY or not alone or bound or len(body) > MOST_ASKED or b"task" in body:
        return None
    try:
        asked = _read_request(body)
    except msgspec.DecodeError:
        return None
    headers = []
    for name, value in call.headers.items():
        if name in _EACH or name.startswith(_EACH_PREFIXES):
            continue
        if not isinstance(value, str):
            return None
        headers.append((name, value))
    where = target.address, target.authorization
    who, terms = claims.principal.seal_key, id(claims.terms)
    params = bytes(asked.params)
    return _Key(target.server, asked.method, params, question.version, who, terms, where, frozenset(headers))


def _may_be_kept(whole: Whole) -> bool:
    return (
        whole.status == 200
        and len(whole.text) <= MOST_OF_ONE
        and _TTL.encode() in whole.text
        and "no-store" not in whole.headers.get("cache-control", "").lower()
    )


def _result_of(text: bytes) -> dict[str, msgspec.Raw]:
    """Return the members of a whole result, as they are written; none of what is not one."""
    try:
        result = _read_answer(text).result
    except msgspec.DecodeError:
        return {}
    return result if bytes(result.get("resultType", b"")) == b'"complete"' else {}


def _steady_in(text: bytes) -> frozenset[str]:
    """Return the capabilities of a discovered server whose lists do not change while it runs."""
    try:
        told = msgspec.json.decode(_read_answer(text).result.get("capabilities", b"{}"), type=dict[str, dict[str, Any]])
    except msgspec.DecodeError:
        return frozenset()
    return frozenset(name for name, said in told.items() if said.get("listChanged", False) is False)


def _milliseconds(written: msgspec.Raw) -> int:
    try:
        return msgspec.json.decode(written, type=int)
    except msgspec.DecodeError:
        return 0
