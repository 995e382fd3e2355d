"""An MCP client, sans-I/O: what to ask next, given what was answered; whoever drives it sends and reads.

It speaks the modern era first, and the legacy one where a server knows no other (2026-07-28, basic/versioning; all
legacy revisions, basic/lifecycle). The generators yield requests, or questions, and are sent the result of each, or
None where there is none. The ways of sending are the driver's: Kong's internal route (mcp_sidecar.upstream.talk), or a
URL (kong_mcp.scan_live).
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar

from mcp_core import jsonrpc, methods
from mcp_core.jsonrpc import NotStrictError, Response
from mcp_core.methods import Era, Place
from mcp_core.outcome import Reject, RequestId
from mcp_core.question import Asked, Question
from mcp_core.surface import ANSWER_LIMITS

MOST_PAGES: Final = 1000
"""Pages of one list that are read: a server may always promise another one."""
MOST_ITEMS: Final = 20_000
"""Items of one list that are read."""

Result: TypeAlias = Mapping[str, Any]
Ask: TypeAlias = tuple[str, dict[str, Any]]
"""A method, and its params without `_meta`."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One HTTP request of a client. What expects an answer asks something in `question`."""

    http_method: str
    method: str
    headers: Mapping[str, str]
    body: bytes
    question: Question

    @property
    def id(self) -> RequestId | None:
        """The id of the answer, or None where none is expected."""
        return None if self.question.only is None else self.question.only.id


class Conversation:
    """One conversation with a server, by a client that calls itself `name` in release `version`."""

    def __init__(self, name: str, version: str) -> None:
        self._self = {"name": name, "version": version}
        self._number = 0
        self.era = Era.MODERN
        self.version = methods.MODERN_VERSIONS[-1]
        self.session: str | None = None

    def introduce(self) -> Generator[Outgoing, Result | None, Result | None]:
        """Introduce ourselves in the era that the server speaks. Returns what it says of itself, None if nothing."""
        said = yield self.request(methods.DISCOVER, {})
        if said is not None:
            return said
        return (yield from self.join(methods.LEGACY_VERSIONS[-1], {}, self._self))

    def join(
        self, version: str, capabilities: Mapping[str, Any], client: Mapping[str, Any]
    ) -> Generator[Outgoing, Result | None, Result | None]:
        """Open a session of the legacy era for a client. Returns what the server says of itself, None if nothing."""
        hello = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": client}
        return (yield from self.initialize(hello, version))

    def initialize(
        self, hello: Mapping[str, Any], version: str = methods.LEGACY_VERSIONS[-1]
    ) -> Generator[Outgoing, Result | None, Result | None]:
        """Open a session by the params of an initialize. Returns what the server says of itself, None if nothing."""
        self.era, self.version = Era.LEGACY, version
        said = yield self.request(methods.INITIALIZE, hello)
        if said is None:
            return None
        spoken = said.get("protocolVersion")
        self.version = spoken if spoken in methods.LEGACY_VERSIONS else self.version
        yield self._outgoing("POST", {"jsonrpc": "2.0", "method": methods.INITIALIZED})
        return said

    def asking(self, questions: Generator[Ask, Result | None, _T]) -> Generator[Outgoing, Result | None, _T]:
        """Ask questions of any kind, each as a request of this conversation."""
        result: Result | None = None
        try:
            ask = next(questions)
            while True:
                result = yield self.request(*ask)
                ask = questions.send(result)
        except StopIteration as end:
            value: _T = end.value
            return value

    def request(self, method: str, params: Mapping[str, Any]) -> Outgoing:
        """Return a request."""
        self._number += 1
        meta = {}
        if self.era is Era.MODERN:
            meta["_meta"] = {
                methods.META_VERSION: self.version,
                methods.META_CAPABILITIES: {},
                methods.META_CLIENT_INFO: self._self,
            }
        message = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": {**params, **meta}}
        return self._outgoing("POST", message)

    def listen(self) -> Outgoing | None:
        """Return the request for a stream that tells when lists change, or None where no server could tell."""
        if self.era is Era.MODERN:
            return self.request(methods.LISTEN, {"notifications": dict.fromkeys(methods.LISTEN_CHANGES, True)})
        return None if self.session is None else self._outgoing("GET", None)

    def close(self) -> Outgoing | None:
        """Return the request that ends the session, where there is one. A server may refuse it."""
        return None if self.session is None else self._outgoing("DELETE", None)

    def head(self, outgoing: Outgoing, sessions: Sequence[str]) -> None:
        """Take the values of Mcp-Session-Id on the answer to a request. More than one is none."""
        if outgoing.method == methods.INITIALIZE and len(sessions) == 1:
            self.session = sessions[0]

    def _outgoing(self, http_method: str, message: Mapping[str, Any] | None) -> Outgoing:
        body = b"" if message is None else json.dumps(message, separators=(",", ":")).encode()
        method = "" if message is None else str(message["method"])
        headers = {} if message is None else {"content-type": "application/json"}
        if method != methods.INITIALIZE:
            headers[methods.VERSION_HEADER] = self.version
        if self.era is Era.MODERN:
            headers[methods.METHOD_HEADER] = method
        asked = () if message is None or "id" not in message else (Asked(message["id"], method),)
        place = Place.GET if http_method == "GET" else Place.POST
        return Outgoing(http_method, method, headers, body, Question(self.era, self.version, place, asked))


def read_message(text: bytes) -> jsonrpc.Message | None:
    """Read one message of a server strictly, or return None for what is none."""
    try:
        message = jsonrpc.message(jsonrpc.load(text, ANSWER_LIMITS), ANSWER_LIMITS)
    except NotStrictError:
        return None
    return None if isinstance(message, Reject) else message


def result_of(outgoing: Outgoing, message: jsonrpc.Message) -> tuple[Result | None] | None:
    """Return the result, or None for an error, in a tuple, where a message answers a request; else None."""
    if not isinstance(message, Response) or outgoing.id is None or message.id != outgoing.id:
        return None
    return (message.result if isinstance(message.result, dict) else None,)


@dataclass(frozen=True, slots=True)
class Lists:
    """What a server lists: key of the result -> items, as they came; `cut` names methods with more than is read."""

    items: dict[str, list[Any]] = field(default_factory=dict)
    cut: tuple[str, ...] = ()


def read_lists(introduction: Result) -> Generator[Ask, Result | None, Lists]:
    """Ask for every list that a server says it has, page by page. A page without a result ends its list."""
    found: dict[str, list[Any]] = {}
    cut: list[str] = []
    capabilities = introduction.get("capabilities")
    for method, key, capability in methods.LIST_METHODS:
        if isinstance(capabilities, Mapping) and isinstance(capabilities.get(capability), Mapping):
            items, whole = yield from _read_list(method, key)
            found[key] = items
            cut += [] if whole else [method]
    return Lists(found, tuple(cut))


def _read_list(method: str, key: str) -> Generator[Ask, Result | None, tuple[list[Any], bool]]:
    found: list[Any] = []
    cursors: set[str] = set()
    params: dict[str, Any] = {}
    for _ in range(MOST_PAGES):
        result = yield method, params
        if result is None:
            return found, True
        page = result.get(key)
        found += page if isinstance(page, list) else []
        cursor = result.get("nextCursor")
        # A cursor that comes again would go on for ever.
        if not isinstance(cursor, str) or cursor in cursors:
            return found[:MOST_ITEMS], len(found) <= MOST_ITEMS
        if len(found) >= MOST_ITEMS:
            return found[:MOST_ITEMS], False
        cursors.add(cursor)
        params = {"cursor": cursor}
    return found, False
