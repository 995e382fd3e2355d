"""What goes wrong on purpose: configuration errors, and the error bodies that Kong sends.

Source: kong/tools/http.lua (templates, Accept rules), kong/error_handlers.lua, kong/pdk/response.lua (Kong 3.9.1).
"""

import re
from collections.abc import Mapping
from typing import Final

SERVER: Final = "kong/3.9.3"


class ConfigError(Exception):
    """A kong.conf or a declarative file that Kong would refuse; the message says where and what to do."""


class SchemaError(ConfigError):
    """One or more fields do not fit their schema.

    Attributes:
        problems: ``(path, message)`` pairs, the path in Kong's dotted form.
    """

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{path}: {message}" if path else message for path, message in problems))


MESSAGES: Final[Mapping[int, str]] = {
    400: "Bad request",
    401: "Unauthorized",
    402: "Payment required",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    407: "Proxy authentication required",
    408: "Request timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length required",
    412: "Precondition failed",
    413: "Payload too large",
    414: "URI too long",
    415: "Unsupported media type",
    416: "Range not satisfiable",
    417: "Expectation failed",
    418: "I'm a teapot",
    421: "Misdirected request",
    422: "Unprocessable entity",
    423: "Locked",
    424: "Failed dependency",
    425: "Too early",
    426: "Upgrade required",
    428: "Precondition required",
    429: "Too many requests",
    431: "Request header fields too large",
    451: "Unavailable for legal reasons",
    494: "Request header or cookie too large",
    500: "An unexpected error occurred",
    501: "Not implemented",
    502: "An invalid response was received from the upstream server",
    503: "The upstream server is currently unavailable",
    504: "The upstream server is timing out",
    505: "HTTP version not supported",
    506: "Variant also negotiates",
    507: "Insufficient storage",
    508: "Loop detected",
    510: "Not extended",
    511: "Network authentication required",
}

JSON: Final = "application/json; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"
PLAIN: Final = "text/plain; charset=utf-8"
XML: Final = "application/xml; charset=utf-8"

_MIME: Final[Mapping[str, str]] = {
    "text/html": HTML,
    "application/json": JSON,
    "text/plain": PLAIN,
    "application/xml": XML,
    "application": JSON,
    "text": PLAIN,
}

_TEMPLATES: Final[Mapping[str, str]] = {
    JSON: '{{\n  "message":"{message}",\n  "request_id":"{rid}"\n}}',
    PLAIN: "{message}\nrequest_id: {rid}\n",
    XML: (
        '<?xml version="1.0" encoding="UTF-8"?>\n<error>\n  <message>{message}</message>\n'
        "  <requestid>{rid}</requestid>\n</error>\n"
    ),
    HTML: (
        '<!doctype html>\n<html>\n  <head>\n    <meta charset="utf-8">\n    <title>Error</title>\n  </head>\n  <body>\n'
        "    <h1>Error</h1>\n    <p>{message}.</p>\n    <p>request_id: {rid}</p>\n  </body>\n</html>\n"
    ),
}

_TOKEN = r"(?:[a-z0-9][a-z0-9\-!#$&^_+.]+|\*)"  # noqa: S105 - a media type token, not a secret
_ACCEPT = re.compile(
    rf"({_TOKEN}/{_TOKEN})(?:\s*;\s*q=(1(?:\.0{{0,3}})?|0(?:\.\d{{0,3}})?)|\s*;\s*[a-z0-9][a-z0-9\-!#$&^_+.]+(?:=[^;]*)?)*",
    re.IGNORECASE,
)


def message_of(status: int) -> str:
    """Kong's message for a status; an unknown one gets the generic sentence."""
    return MESSAGES.get(status, f"The upstream server responded with {status}")


def response_type(accept: str | None) -> str:
    """Choose the error media type for an ``Accept`` value; JSON where nothing fits."""
    chosen, best = JSON, 0.0
    for part in (accept or "").split(","):
        match = _ACCEPT.match(part.strip())
        quality = float(match[2] or 1) if match else 0.0
        if match is not None and quality > best:
            best, chosen = quality, _mime(match[1])
    return chosen


def _mime(media_type: str) -> str:
    kind, _, sub = media_type.partition("/")
    return _MIME.get(kind if sub == "*" else media_type, JSON)


def error_body(media_type: str, message: str, request_id: str) -> bytes:
    """Render one of Kong's four error templates."""
    return _TEMPLATES[media_type].format(message=message, rid=request_id).encode("utf-8", "surrogateescape")
