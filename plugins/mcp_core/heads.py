"""The head of a server's answer: what becomes of the answer by its status, and how its body is read by its type.

One table for both lanes: mcp-answers says the same in Lua. spec/decisions/123 says why each line is as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from mcp_core.outcome import INTERNAL_ERROR, INVALID_REQUEST, Reject
from mcp_core.reasons import Reason


class Fate(Enum):
    """What becomes of an answer."""

    READ = "its body is judged"
    NOTHING = "it has no content, which is an error where something was asked"
    ERROR = "its status stays; its body passes if it is one JSON-RPC error, else ours does"
    REPLACED = "502, with an error of ours"


@dataclass(frozen=True, slots=True)
class StatusRow:
    """What becomes of the statuses from `first` to `last`; where `challenged`, only of those with WWW-Authenticate.

    `reason` is for logs and metrics, `text` what the agent is told, `do` what the operator is. Both may name
    {status}.
    """

    first: int
    last: int
    fate: Fate
    reason: Reason = Reason.ANSWER
    text: str = ""
    do: str = ""
    challenged: bool = False

    def refusal(self, status: int) -> Reject:
        """Return what the agent gets in place of an answer with this status, without its id."""
        passes = self.fate is Fate.ERROR
        code = INVALID_REQUEST if passes and status < 500 else INTERNAL_ERROR
        text, shown = self.text.format(status=status), status if passes else 502
        return Reject(code, text, self.reason, status=shown, detail=str(status))


_CREDENTIALS: Final = (
    Fate.REPLACED,
    Reason.CREDENTIALS,
    "The server wants other credentials of the gateway (HTTP {status}). The gateway's operator must set them.",
    "set or renew the credentials that Kong adds for this server",
)

TABLE: Final = (
    StatusRow(202, 202, Fate.NOTHING),
    StatusRow(204, 205, Fate.NOTHING),
    StatusRow(200, 299, Fate.READ),
    StatusRow(
        300,
        399,
        Fate.REPLACED,
        Reason.REDIRECT,
        "The server answered with a redirect (HTTP {status}), which the gateway does not follow. The gateway's "
        "operator must set the server's URL to where it points, which the gateway's log says.",
        "give the URL of this server as the redirect has it, if you trust that place",
    ),
    StatusRow(401, 401, *_CREDENTIALS),
    StatusRow(403, 403, *_CREDENTIALS, challenged=True),
    StatusRow(
        403,
        403,
        Fate.ERROR,
        Reason.FORBIDDEN,
        "The server refused the request with HTTP 403. The gateway's operator finds the server's reason in its log.",
        "see what the server says: an Origin, a Host, an address or an account that it does not allow",
    ),
    StatusRow(
        404,
        404,
        Fate.ERROR,
        Reason.NOT_FOUND,
        "The server refused the request with HTTP 404. If it answered before, initialize again; else the gateway's "
        "operator must check the path of the server's URL.",
        "check the path of this server's URL, if initialize fails too",
    ),
    StatusRow(
        407,
        407,
        Fate.REPLACED,
        Reason.PROXY,
        "A proxy before the server wants credentials (HTTP {status}). The gateway's operator must set the way to the "
        "server.",
        "have Kong reach this server without that proxy",
    ),
    StatusRow(
        421,
        421,
        Fate.REPLACED,
        Reason.MISDIRECTED,
        "The server does not answer to the host name that the gateway calls it by (HTTP {status}). The gateway's "
        "operator must have the server allow that name.",
        "add the host that Kong sends to the server's allowed hosts, or set host_header of its upstreams",
    ),
    StatusRow(
        426,
        426,
        Fate.REPLACED,
        Reason.PROTOCOL,
        "The server wants another protocol than plain HTTP/1.1 (HTTP {status}). The gateway's operator must look into "
        "it.",
        "have the server speak HTTP/1.1 without an upgrade, or set the protocol of its services",
    ),
    StatusRow(
        429,
        429,
        Fate.ERROR,
        Reason.BUSY,
        "The server refused the request with HTTP 429: it has too many. Try again later.",
        "raise the server's limits for the gateway, or limit its agents (rate-limiting)",
    ),
    StatusRow(
        400,
        499,
        Fate.ERROR,
        Reason.REFUSED,
        "The server refused the request with HTTP {status}. The gateway's operator finds the server's reason in its "
        "log.",
        "see what the server says",
    ),
    StatusRow(
        503,
        503,
        Fate.ERROR,
        Reason.UNAVAILABLE,
        "The server failed with HTTP 503: it is not available now. Try again later.",
        "look after the server",
    ),
    StatusRow(
        500,
        599,
        Fate.ERROR,
        Reason.FAILED,
        "The server failed with HTTP {status}. Try again; if it lasts, the gateway's operator must look after the "
        "server.",
        "look after the server: its own log says more",
    ),
)
"""The first row that a status fits into holds."""

_OTHER: Final = StatusRow(
    0,
    999,
    Fate.REPLACED,
    Reason.STATUS,
    "The server answered with a status that means nothing here (HTTP {status}). The gateway's operator must look into "
    "it.",
    "is it an HTTP server that speaks MCP?",
)


def row_of(status: int, *, challenged: bool) -> StatusRow:
    """Return what becomes of an answer. `challenged` says whether it has a WWW-Authenticate."""
    for row in TABLE:
        if row.first <= status <= row.last and (challenged or not row.challenged):
            return row
    return _OTHER


class BodyKind(Enum):
    """How a body is read."""

    JSON = "application/json"
    STREAM = "text/event-stream"


_KINDS: Final = {kind.value: kind for kind in BodyKind}
_CHARSETS: Final = frozenset(
    {"", "utf-8", "utf8", "utf_8", "us-ascii", "ascii", "iso-8859-1", "iso8859-1", "latin-1", "latin1", "windows-1252"}
)
"""UTF-8, and those whose ASCII half is the same: official clients read UTF-8, whatever the server says."""
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER: Final = re.compile(rf'[ \t]*;[ \t]*(?:({_WORD})[ \t]*=[ \t]*({_WORD}|"(?:[^"\\]|\\.)*"|))?')
_TYPE: Final = re.compile(rf"[ \t]*({_WORD}/{_WORD})((?:{_PARAMETER.pattern})*)[ \t]*")


def kind_of(content_type: str) -> BodyKind | None:
    """Return how a body of this Content-Type is read, or None where it is neither JSON nor an event stream, in UTF-8.

    Parameters say nothing of it but the charset, and clients do not mind how they are written (RFC 9110, section
    8.3.1). The agent is told a type of the gateway's own.
    """
    match = _TYPE.fullmatch(content_type)
    if match is None:
        return None
    for name, value in _PARAMETER.findall(match[2]):
        if name.lower() == "charset" and value.strip("\"' \t").lower() not in _CHARSETS:
            return None
    return _KINDS.get(match[1].lower())
