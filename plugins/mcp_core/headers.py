"""Strict reading of the HTTP side of a request: which headers may stand beside an MCP message, and how.

Headers come as Kong and ASGI hold them: lower-case names, a string, or a list where a header was sent twice.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from mcp_core import methods
from mcp_core.outcome import FORBIDDEN, HEADER_MISMATCH, INVALID_REQUEST, Reject

Headers: TypeAlias = Mapping[str, str | Sequence[str]]

_PLAIN: Final = re.compile(r"[\x20-\x7e]*")
_SENTINEL: Final = re.compile(r"=\?base64\?(.*)\?=", re.DOTALL)
_JSON_TYPE: Final = re.compile(r'application/json[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?', re.IGNORECASE)


def encode_value(value: str) -> str:
    """Return `value` as it may stand in a header (2026-07-28, streamable-http, value encoding)."""
    if _PLAIN.fullmatch(value) and value == value.strip() and not _SENTINEL.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def decode_value(value: str) -> str | None:
    """Return what a header value stands for, or None where an encoded value is malformed or not canonical."""
    match = _SENTINEL.fullmatch(value)
    if match is None:
        return value
    try:
        raw = base64.b64decode(match[1], validate=True)
        if base64.b64encode(raw).decode() != match[1]:
            return None
        return raw.decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def single(headers: Headers, name: str) -> str | None:
    """Return the one value of a header, or None when it is absent. Repeated ones were refused by `check`."""
    value = headers.get(name)
    return value if value is None or isinstance(value, str) else ", ".join(value)


def check(headers: Headers, *, origins: Sequence[str] = (), most: int = 100) -> Reject | None:
    """Refuse header sets that two readers could read differently, and origins nobody allowed.

    `origins` lists the values of Origin that may pass, exactly, or "*" for any; a request without Origin passes
    (browsers always send it across origins). `most` is how many headers Kong handed over at most: a set of that size
    may have been cut.
    """
    if len(headers) >= most:
        return Reject(INVALID_REQUEST, f"Send fewer than {most} headers.", "headers-too-many", status=431)
    for name, value in headers.items():
        if name in methods.OWN_HEADERS or name in methods.OVERRIDE_HEADERS:
            return Reject(
                INVALID_REQUEST, f"Do not send the header {name}: the gateway does not take it.", "header-own"
            )
        if not isinstance(value, str) and (name in methods.SINGLE_HEADERS or name.startswith("mcp-")):
            return Reject(HEADER_MISMATCH, f"Send the header {name} once.", "header-repeated")
    if "transfer-encoding" in headers and "content-length" in headers:
        return Reject(INVALID_REQUEST, "Send Transfer-Encoding or Content-Length, not both.", "header-framing")
    origin = headers.get("origin")
    if origin is not None and "*" not in origins and origin not in origins:
        return Reject(
            FORBIDDEN,
            "This Origin is not allowed: a browser page may use this server only when the guard's origins name it.",
            "origin",
        )
    return None


def check_body_headers(headers: Headers) -> Reject | None:
    """Refuse a body that is labelled as anything but plain UTF-8 JSON."""
    encoding = single(headers, "content-encoding")
    if encoding is not None and encoding.strip().lower() != "identity":
        return Reject(INVALID_REQUEST, "Send the body without Content-Encoding.", "content-encoding", status=415)
    if _JSON_TYPE.fullmatch(single(headers, "content-type") or "") is None:
        return Reject(INVALID_REQUEST, "Send the body as Content-Type: application/json.", "content-type", status=415)
    return None


def agree(headers: Headers, name: str, expected: str | None, *, required: bool) -> Reject | None:
    """Refuse a header that says anything but `expected` (None: the body says nothing), decoded before comparing."""
    value = single(headers, name)
    if value is None:
        if not required or expected is None:
            return None
        return Reject(HEADER_MISMATCH, f"Header mismatch: send {name} with what the body says.", "header-missing")
    if expected is None or decode_value(value) != expected:
        return Reject(HEADER_MISMATCH, f"Header mismatch: {name} does not say what the body says.", "header-mismatch")
    return None
