"""The transport of 2024-11-05: a GET opens a stream, whose `endpoint` event names the URI that takes the messages.

The agent is told a URI of the gateway instead of the server's, with the server's own sealed in it: the way to the
messages then leads through the guard too, and no gateway node need remember who listens where.
Source: 2024-11-05/basic/transports (HTTP with SSE).
"""

from __future__ import annotations

import re
from typing import Final

EVENT: Final = "endpoint"
"""The type of the event that names the URI."""

_SEGMENT: Final = "messages"
_PARAMETER: Final = "session_id="
_MAX_URI: Final = 1024
_STEP: Final = re.compile(r"\.{1,2}/")
# What every reader of URIs, Kong's router among them, takes for the same path: nothing encoded, no dot segments.
_URI: Final = re.compile(
    r"(?:https?://[^/?#\s]+)?(?P<uri>(?:/(?!\.{1,2}(?:[/?]|\Z))[A-Za-z0-9._~-]+)+/?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?)"
)


def announced_path(path: str) -> str:
    """Return where an agent that reaches a stream at `path` reaches the messages: the last segment differs.

    A slash at the end of `path` begins no segment.
    """
    return f"{path.removesuffix('/').rpartition('/')[0]}/{_SEGMENT}"


def takes_messages(path: str) -> bool:
    """Return whether a path of the gateway is one that `announced_path` gives."""
    return path.rpartition("/")[2] == _SEGMENT


def announced_uri(path: str, token: str) -> str:
    """Return the data of the event that the agent gets, for a path of `announced_path`."""
    return f"{path}?{_PARAMETER}{token}"


def read_query(query: str) -> str | None:
    """Return the token in the query of an announced URI, or None where the query is any other."""
    token = query.removeprefix(_PARAMETER)
    return token if token and token != query else None


def read_uri(data: str, base: str | None = None) -> str | None:
    """Return path and query of the URI that a server's event names, or None where the gateway cannot go there.

    The origin of an absolute URI is dropped: messages go to the replica that opened the stream and nowhere else. A
    relative one is resolved against `base`, the path of the stream on the server; where that is not known, it is None.
    """
    if len(data) > _MAX_URI:
        return None
    match = _URI.fullmatch(data if base is None else _resolved(data, base))
    return match["uri"] if match else None


def _resolved(data: str, base: str) -> str:
    """Return a relative reference as a path and query (RFC 3986, section 5.2), and any other as it is."""
    first = re.split("[/?#]", data, maxsplit=1)[0]
    if not data or data.startswith("/") or ":" in first:
        return data
    if data.startswith("?"):
        return f"{base}{data}"
    folder = base.rpartition("/")[0]
    # Dot segments lead somewhere at its beginning alone; anywhere else no honest server writes them.
    while (step := _STEP.match(data)) is not None:
        data = data[step.end() :]
        folder = folder.rpartition("/")[0] if step[0].startswith("..") else folder
    return f"{folder}/{data}"
