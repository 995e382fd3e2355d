"""What goes wrong on purpose: configuration errors, and the error body that Kong sends.

Kong has four forms of it and chooses by ``Accept``; JSON is what our clients get, and all that the devkit has.
Source: kong/tools/http.lua, kong/error_handlers.lua, kong/pdk/response.lua (Kong 3.9.1).
"""

from collections.abc import Mapping
from typing import Final

SERVER: Final = "kong/3.9.3"
JSON: Final = "application/json; charset=utf-8"


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


def unreadable(error: OSError | UnicodeDecodeError) -> str:
    """Return why a file of text cannot be read, in words that do not name it: whoever raises does."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8; save the file as UTF-8"
    return error.strerror or str(error)


MESSAGES: Final[Mapping[int, str]] = {
    400: "Bad request",
    405: "Method not allowed",
    413: "Payload too large",
    414: "URI too long",
    494: "Request header or cookie too large",
    500: "An unexpected error occurred",
    501: "Not implemented",
    502: "An invalid response was received from the upstream server",
    503: "The upstream server is currently unavailable",
    504: "The upstream server is timing out",
    505: "HTTP version not supported",
}


def error_body(message: str, request_id: str) -> bytes:
    """Render Kong's error template."""
    text = f'{{\n  "message":"{message}",\n  "request_id":"{request_id}"\n}}'
    return text.encode("utf-8", "surrogateescape")
