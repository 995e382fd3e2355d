"""The guard's word to mcp-answers, the Lua plugin that holds answers of the call lane to their questions.

It is left in the request's context in Kong (`kong.ctx.shared`), where no client can write. mcp-answers opens the
upstream that it names, changes the headers as it says, and judges what comes back. See spec/decisions/100. What goes
to the sidecar it opens in the same way, and leaves its answer to the sidecar. See spec/decisions/381.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import Final

import msgspec

from mcp_core import methods
from mcp_core.answer import ServerMessages
from mcp_core.formats import CRITICAL
from mcp_core.headers import Headers
from mcp_core.methods import Kind, ServerKind
from mcp_core.outcome import RequestId
from mcp_core.policy import Policy
from mcp_core.principal import Principal
from mcp_core.question import Question
from mcp_core.record import MOST_TEXT, Record
from mcp_kong.pdk import Kong

FORMAT: Final = "1"
"""The format of the question that mcp-answers reads, and of what it gives."""
HEADERS: Final = "mcp_request_1"
"""The key under which mcp-answers of 0.2 and before gives the request's headers, and so says that it is there."""
REQUEST: Final = "mcp_request_5"
"""The key under which it gives them, and behind a line feed the body, where that is ASCII and not large; or, in Kong's
own way, AGAIN, a law and a word: the question that a guard of this law asked a moment ago, by the files of this word,
stands for this request too. Whoever gives anything under it knows the way to the sidecar too (`to_sidecar`)."""
DECIDED: Final = "mcp_request_2"
"""The key under which it gives headers and body to whoever decides by itself, and takes back what it has used again."""
AGAIN: Final = "again "
SHARED: Final = "mcp_question"
"""The key of the question in the request's context."""

Changes = Mapping[str, str | None]
"""Headers that the server gets, by name; None takes one off."""

_LETTERS: Final = {
    ServerKind.PROGRESS: "p",
    ServerKind.LOG: "l",
    ServerKind.LIST_CHANGED: "c",
    ServerKind.RESOURCE_UPDATED: "u",
    ServerKind.CANCELLED: "x",
    ServerKind.PING: "i",
    ServerKind.SAMPLING: "s",
    ServerKind.ELICITATION: "e",
    ServerKind.ROOTS: "r",
}
"""How the question names kinds. Tasks have no letter: their ids are sealed, which only the inspect lane does."""

MAX_HEADERS: Final = 100
"""Headers of a request that are read; one with more is refused."""


class Knows(Enum):
    """What the mcp-answers of this Kong can do."""

    NOTHING = "it is not there"
    CALLS = "it opens the way of a call, and holds its answer"
    SIDECAR = "it opens the way to the sidecar too"


def read_request(kong: Kong, most: int, stands: Callable[[], str]) -> tuple[Headers, bytes | None, Knows] | None:
    """Return the request's headers, its body, None where that is to be asked for, and what mcp-answers can do.

    Returns None where the same request was let pass a moment ago by what stands now (again.Reuse): mcp-answers has put
    the question of then in place of another one, and nothing is left to do.
    """
    said = kong.ctx.shared.get(REQUEST)
    knows = Knows.SIDECAR if isinstance(said, str) else Knows.CALLS
    if isinstance(said, str) and said.startswith(AGAIN):
        if said == AGAIN + stands():
            return None
        said = None
    for key in (DECIDED, HEADERS):
        if not isinstance(said, str):
            said = kong.ctx.shared.get(key)
    if not isinstance(said, str):
        return kong.request.get_headers(most), None, Knows.NOTHING
    # No line feed stands in what cjson writes.
    text, told, body = said.partition("\n")
    headers: Headers = msgspec.json.decode(text)
    return headers, body.encode() if told else None, knows


def to_sidecar(upstream: str, path: str, headers: Changes, told: Record | None, id_: RequestId | None) -> str:
    """Return what opens the way to one path of the sidecar, which holds the answer itself: an object in JSON.

    `told` is what happened, for Kong's log records; None where the guard has told them. `id_` is that of the request.
    """
    said = _to_sidecar(upstream, path)
    if told is not None:
        said += f',"record":{msgspec.json.encode(told.to_json()).decode()}'
    if id_ is not None:
        said += f',"id":{_scalar(id_)}'
    # The last, as its last header tells such questions apart: see kong_pluginserver.whole.answer.
    return f'{said},"headers":{_written(headers)}}}'


class Questions:
    """Writes the questions of one guarded server."""

    def __init__(
        self, server: str, policy: Policy, told: ServerMessages, *, hides_resources: bool = False, query: str = ""
    ) -> None:
        """Take whether anything beside the policy hides resources from some, and the query that the server gets."""
        kinds = {kind for kind in told.kinds if kind in _LETTERS}
        # Lua does not know who may see which resource.
        if hides_resources or not policy.shows_all(Kind.RESOURCE):
            kinds.discard(ServerKind.RESOURCE_UPDATED)
        self._server = f',"server":{quoted(server)}'
        self._query = f',"query":{quoted(query)}' if query else ""
        self._kinds = "".join(sorted(_LETTERS[kind] for kind in kinds))

    def write(
        self,
        question: Question,
        upstream: str,
        headers: Changes,
        who: Principal | None = None,
        cuts: Sequence[str] = (),
        again: str | None = None,
        law: str = "",
    ) -> str:
        """Return what asks one thing, or nothing, of an upstream of Kong: an object in JSON.

        `who` is for the record that mcp-answers then writes; None where the guard has written one itself. `cuts` are
        the digests by any of which the call is cut off while it is open (auth.revoked.marks_of).
        `again` is what the verdict stands by, where it may be used again, and `law` that of the guard (again.Reuse).
        """
        said = _common(upstream, question.era.value, question.version, self._kinds) + self._query
        if who is not None:
            said += self._server if who.name is None else f'{self._server},"principal":{quoted(who.name[:MOST_TEXT])}'
        if cuts:  # base64url, which needs no escapes
            said += ',"cuts":["' + '","'.join(cuts) + '"]'
        if again is not None:  # letters, digits and signs, which need none either
            said += f',"again":"{again}","law":"{law}"'
        said += f',"headers":{_written(headers)}'
        if (only := question.only) is not None:
            said += f',"method":{quoted(only.method)}'
            if only.token is not None:
                said += f',"token":{_scalar(only.token)}'
            # The last, as it tells questions apart: see kong_pluginserver.whole.answer.
            said += f',"id":{_scalar(only.id)}'
        return said + "}"


@lru_cache(256)
def _common(upstream: str, era: str, version: str, kinds: str) -> str:
    said = {"format": FORMAT, "upstream": upstream, "era": era, "version": version, "kinds": kinds}
    return "{" + ",".join(f"{quoted(name)}:{quoted(value)}" for name, value in said.items())


@lru_cache(256)
def _to_sidecar(upstream: str, path: str) -> str:
    # The service's protocol is the server's; the sidecar speaks plain HTTP on a private network.
    said = {"format": FORMAT, "upstream": upstream, "scheme": "http", "path": path, "redacted": methods.CONTEXT_HEADER}
    # Without its path it would be a call's.
    return json.dumps({**said, CRITICAL: ["path"]}, separators=(",", ":"))[:-1]


def _written(headers: Changes) -> str:
    changes = [f"{quoted(name)}:{'false' if value is None else quoted(value)}" for name, value in headers.items()]
    return "{" + ",".join(changes) + "}"


def _scalar(value: object) -> str:
    return quoted(value) if isinstance(value, str) else repr(value)
