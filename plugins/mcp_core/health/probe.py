"""One probe of one replica: what is asked, in the era that it speaks, and what its answers mean.

A probe is a generator of questions (as httpx's auth flows are), so that whoever has sockets carries it out and a test
needs none. A modern replica is asked for server/discover (2026-07-28 has no ping). An older one gets an initialize, and
in that session a list once and then pings; the session is ended after SESSION_ASKS of them. One that knows neither is
asked for the stream of 2024-11-05 (2025-03-26, basic/transports, backwards compatibility).

Who wants to know who asks (401, 403, 407) is there and speaks HTTP with care: it is well. So is who is asked too much
(429), and the probe comes back when Retry-After says.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from mcp_core import endpoint, jsonrpc, methods
from mcp_core.jsonrpc import Limits, NotStrictError, Response
from mcp_core.outcome import METHOD_NOT_FOUND, SESSION_NOT_FOUND

ID: Final = "kong-mcp-probe"
"""The id of every question, and the name with which the prober introduces itself."""
SESSION_ASKS: Final = 20
"""Questions in one session of the prober, before it ends that and opens another one."""
MAX_ANSWER: Final = 256 * 1024
"""Bytes of an answer that are read. What is longer is an answer all the same."""
LIMITS: Final = Limits(body=MAX_ANSWER)

_ASKS_WHO: Final = frozenset({401, 403, 407})
_BUSY: Final = 429
_LISTS: Final = {capability: method for method, _, capability in reversed(methods.LIST_METHODS)}
"""The first list of each capability that a server may have."""


class Way(StrEnum):
    """How a replica speaks."""

    MODERN = "modern"
    LEGACY = "legacy"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Sign:
    """What one probe found. `word` is short, stable and ours; `wait` the seconds for which nobody should ask again."""

    well: bool
    word: str
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """One HTTP request of a probe, to the replica's endpoint. A GET is for the first event of a stream."""

    http_method: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """What came of it: `failed` is a word where nothing whole came, else the rest holds.

    `text` is the first response of a JSON body or an event stream ("" for none), `event` the type of a GET's first
    event, or that of the event that names an endpoint. `large` says that the answer is longer than was read.
    """

    status: int = 0
    text: str = ""
    event: str = ""
    session: str | None = None
    wait: float = 0.0
    large: bool = False
    failed: str = ""


@dataclass(slots=True)
class Acquaintance:
    """What is remembered of a replica between two probes. `release` is the prober's own, as it says it."""

    release: str = "0"
    way: Way | None = None
    version: str = methods.LEGACY_VERSIONS[-1]
    session: str | None = None
    asks: int = 0
    introduced: bool = field(default=False)

    def forget(self) -> None:
        """Know nothing of a session any more."""
        self.session, self.introduced, self.asks = None, False, 0


Probe = Generator[ProbeRequest, ProbeAnswer, Sign]


def probe(known: Acquaintance) -> Probe:
    """Yield what to ask; return what was found. Of one that is ill nothing is remembered: it may come back another."""
    finding = yield from _probe(known)
    if not finding.well:
        known.way = None
        known.forget()
    return finding


def _probe(known: Acquaintance) -> Probe:
    if known.way in (None, Way.MODERN):
        finding = yield from _discover(known)
        if finding is not None:
            return finding
    if known.way is Way.STREAM:
        return (yield from _stream(known))
    return (yield from _legacy(known))


def leave(known: Acquaintance) -> ProbeRequest | None:
    """Return the request that ends the prober's session, or None where it has none."""
    if known.session is None:
        return None
    ask = ProbeRequest("DELETE", _headers(known))
    known.forget()
    return ask


def is_response(text: str) -> bool:
    """Return whether a message of a stream is an answer, whoever's: with it the stream has said what it has to say."""
    try:
        value = jsonrpc.load(text.encode("utf-8", "replace"), LIMITS)
    except NotStrictError:
        return True
    return not isinstance(value, dict) or "method" not in value


def _discover(known: Acquaintance) -> Generator[ProbeRequest, ProbeAnswer, Sign | None]:
    """Ask as the modern era does. None: whoever answers may still be of an older one."""
    said = yield ProbeRequest("POST", _headers(known, methods.DISCOVER), _request(known, methods.DISCOVER, {}))
    if (finding := _of_status(said)) is not None:
        return finding
    if said.event == endpoint.EVENT:
        known.way = Way.STREAM
        return Sign(well=True, word="ok")
    if said.status >= 400:
        return None
    answer = _read(said)
    if isinstance(answer, Sign):
        return answer
    if answer.error is not None:
        return None
    known.way = Way.MODERN
    return Sign(well=True, word="ok")


def _legacy(known: Acquaintance) -> Probe:
    if known.introduced:
        said = yield _more(known, methods.PING)
        if said.failed or said.status not in (400, 404):
            return _of_answer(said)
        # The replica knows the session no more: it was started anew, and must be met anew.
        known.forget()
    hello = {
        "protocolVersion": methods.LEGACY_VERSIONS[-1],
        "capabilities": {},
        "clientInfo": {"name": ID, "version": known.release},
    }
    said = yield ProbeRequest("POST", _headers(known, methods.INITIALIZE), _request(known, methods.INITIALIZE, hello))
    if (finding := _of_status(said)) is not None:
        return finding
    answer = _read(said)
    if isinstance(answer, Response) and answer.error is not None:
        return Sign(well=False, word="errors")
    if said.status >= 400:
        return (yield from _stream(known))
    if isinstance(answer, Sign) or answer.result is None:
        return answer if isinstance(answer, Sign) else Sign(well=False, word="not-mcp")
    known.way, known.session, known.introduced = Way.LEGACY, said.session, True
    spoken = answer.result.get("protocolVersion")
    known.version = spoken if spoken in methods.LEGACY_VERSIONS else known.version
    told = {"jsonrpc": "2.0", "method": methods.INITIALIZED}
    said = yield ProbeRequest("POST", _headers(known), json.dumps(told).encode())
    if said.failed:
        return Sign(well=False, word=said.failed)
    capabilities = answer.result.get("capabilities")
    offered = [one for one in _LISTS if isinstance(capabilities, dict) and one in capabilities]
    said = yield _more(known, _LISTS[offered[0]] if offered else methods.PING)
    return _of_answer(said)


def _more(known: Acquaintance, method: str) -> ProbeRequest:
    known.asks += 1
    return ProbeRequest("POST", _headers(known), _request(known, method, {}))


def _stream(known: Acquaintance) -> Probe:
    """Open the stream of 2024-11-05, whose first event names the endpoint."""
    said = yield ProbeRequest("GET", {"accept": "text/event-stream"})
    if (finding := _of_status(said)) is not None:
        return finding
    if said.event != endpoint.EVENT:
        return Sign(well=False, word="not-mcp")
    known.way = Way.STREAM
    return Sign(well=True, word="ok")


def _of_status(said: ProbeAnswer) -> Sign | None:
    """Return what the status alone says, or None where the rest of the answer is to be read."""
    if said.failed:
        return Sign(well=False, word=said.failed)
    if said.status in _ASKS_WHO:
        return Sign(well=True, word="asks-who")
    if said.status == _BUSY:
        return Sign(well=True, word="busy", wait=said.wait)
    if said.status >= 500:
        return Sign(well=False, word="status-5xx", wait=said.wait)
    if 300 <= said.status < 400:
        return Sign(well=False, word="redirect")
    return None


def _of_answer(said: ProbeAnswer) -> Sign:
    """Return what an answer in a session says."""
    if (finding := _of_status(said)) is not None:
        return finding
    if said.large:
        return Sign(well=True, word="ok")
    if said.status >= 400:
        return Sign(well=False, word="not-mcp")
    answer = _read(said)
    if isinstance(answer, Sign):
        return answer
    # Who says that it has no such method has read the question.
    if answer.error is not None and answer.error["code"] not in (METHOD_NOT_FOUND, SESSION_NOT_FOUND):
        return Sign(well=False, word="errors")
    return Sign(well=True, word="ok")


def _read(said: ProbeAnswer) -> Response | Sign:
    """Return the answer, or the finding that there is none to the question: it is read as strictly as agents' are."""
    if said.large:
        return Sign(well=True, word="ok")
    try:
        message = jsonrpc.message(jsonrpc.load(said.text.encode("utf-8", "replace"), LIMITS), LIMITS)
    except NotStrictError:
        return Sign(well=False, word="not-mcp")
    if not isinstance(message, Response):
        return Sign(well=False, word="not-mcp")
    if message.id != ID and not (message.error is not None and message.id is None):
        return Sign(well=False, word="other-id")
    return message


def _request(known: Acquaintance, method: str, params: Mapping[str, Any]) -> bytes:
    meta: dict[str, Any] = {}
    if method == methods.DISCOVER:
        about = {"name": ID, "version": known.release}
        meta = {
            "_meta": {
                methods.META_VERSION: methods.MODERN_VERSIONS[-1],
                methods.META_CAPABILITIES: {},
                methods.META_CLIENT_INFO: about,
            }
        }
    return json.dumps({"jsonrpc": "2.0", "id": ID, "method": method, "params": {**params, **meta}}).encode()


def _headers(known: Acquaintance, method: str | None = None) -> dict[str, str]:
    headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    if method == methods.DISCOVER:
        return headers | {methods.VERSION_HEADER: methods.MODERN_VERSIONS[-1], methods.METHOD_HEADER: method}
    if method != methods.INITIALIZE:
        headers[methods.VERSION_HEADER] = known.version
        if known.session is not None:
            headers[methods.SESSION_HEADER] = known.session
    return headers
