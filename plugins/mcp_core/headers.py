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
from mcp_core.outcome import FORBIDDEN, HEADER_MISMATCH, INVALID_REQUEST, Reject, RequestId
from mcp_core.reasons import Reason

Headers: TypeAlias = Mapping[str, str | Sequence[str]]

_PLAIN: Final = re.compile(r"[\x20-\x7e]*")
_SENTINEL_START: Final = "=?base64?"
_SENTINEL_END: Final = "?="
_JSON_TYPE: Final = re.compile(
    r'application/json[ \t]*(?:;[ \t]*charset=(?:utf-8|"utf-8")[ \t]*)?', re.ASCII | re.IGNORECASE
)
_NO_UPGRADE: Final = (
    "MCP is spoken over plain HTTP here. If your client tries h2c, have it speak HTTP/1.1; if a proxy on the way adds "
    "this header, have it do so for WebSockets only."
)
_FORBIDDEN: Final = methods.OWN_HEADERS | methods.OVERRIDE_HEADERS
_SPELLED: Final = _FORBIDDEN | methods.SINGLE_HEADERS


def encode_value(value: str) -> str:
    """Return `value` as it may stand in a header (2026-07-28, streamable-http, value encoding)."""
    if _PLAIN.fullmatch(value) and value == value.strip() and not _is_encoded(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def _is_encoded(value: str) -> bool:
    return value.startswith(_SENTINEL_START) and value.endswith(_SENTINEL_END)


def decode_value(value: str) -> str | None:
    """Return what a header value stands for, or None where it is malformed, not canonical or not ASCII."""
    if not value.isascii() or not value.isprintable():
        return None
    if not _is_encoded(value):
        return value
    payload = value[len(_SENTINEL_START) : -len(_SENTINEL_END)]
    try:
        raw = base64.b64decode(payload, validate=True)
        # The marks may not share a character, and one value has one encoding.
        if f"{_SENTINEL_START}{base64.b64encode(raw).decode()}{_SENTINEL_END}" != value:
            return None
        return raw.decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def single(headers: Headers, name: str) -> str | None:
    """Return the one value of a header, or None when it is absent. Repeated ones were refused by `check`."""
    value = headers.get(name)
    return value if value is None or isinstance(value, str) else ", ".join(value)


def check(
    headers: Headers, *, origins: Sequence[str] = (), hosts: Sequence[str] = (), most: int = 100
) -> Reject | None:
    """Refuse header sets that two readers could read differently, and origins and hosts that nobody allowed.

    `origins` lists the values of Origin that may pass, exactly, or "*" for any; a request without Origin passes
    (browsers always send it across origins). `hosts` lists what Host may say, in lower case, with a port or for any
    port; without any, every host may pass. `most` is how many header lines Kong handed over at most: a set of that
    size may have been cut.
    """
    names = headers.keys()
    repeated = [name for name, value in headers.items() if value.__class__ is not str]
    if len(headers) + sum(len(headers[name]) - 1 for name in repeated) >= most:
        return Reject(INVALID_REQUEST, f"Send fewer than {most} headers.", Reason.HEADERS_TOO_MANY, status=431)
    if not names.isdisjoint(_FORBIDDEN):
        return _do_not_send(min(names & _FORBIDDEN))
    # CGI's way of naming headers, and nginx variables, make one of `a-b` and `a_b`.
    if "_" in "".join(names):
        for name in names:
            spelled = name.replace("_", "-")
            if spelled != name and (spelled in _SPELLED or spelled.startswith(methods.GUARDED_PREFIXES)):
                return _do_not_send(name)
    for name in repeated:
        if name in methods.SINGLE_HEADERS or name.startswith(methods.GUARDED_PREFIXES):
            return Reject(HEADER_MISMATCH, f"Send the header {name} once.", Reason.HEADER_REPEATED)
    if (refusal := _check_hop(headers)) is not None:
        return refusal
    if "transfer-encoding" in headers and "content-length" in headers:
        return Reject(INVALID_REQUEST, "Send Transfer-Encoding or Content-Length, not both.", Reason.HEADER_FRAMING)
    origin = headers.get(methods.ORIGIN_HEADER)
    if origin is not None and "*" not in origins and origin not in origins:
        return Reject(
            FORBIDDEN,
            "This Origin is not allowed: a browser page may use this server only when the guard's origins name it.",
            Reason.ORIGIN,
        )
    return _check_host(headers, hosts) if hosts else None


def _check_host(headers: Headers, hosts: Sequence[str]) -> Reject | None:
    """Refuse a name that nobody gave this gateway: a page that was rebound to its address asks for its own."""
    host = (single(headers, "host") or "").lower()
    if host in hosts or re.sub(r":[0-9]*\Z", "", host) in hosts:
        return None
    text = "This Host is not allowed: the gateway answers here only for those that the guard's hosts name."
    return Reject(FORBIDDEN, text, Reason.HOST)


def _check_hop(headers: Headers) -> Reject | None:
    """Refuse what changes the message or the protocol on the way to the next hop (RFC 9110, section 7.6.1)."""
    connection = single(headers, "connection")
    options = set() if connection is None else {option.strip().lower() for option in connection.split(",")}
    if "upgrade" in options:
        return Reject(INVALID_REQUEST, f"Send no Connection: upgrade: {_NO_UPGRADE}", Reason.HEADER_UPGRADE)
    if not options <= methods.HOP_OPTIONS:
        text = "Let Connection name close and keep-alive only: every header that it names would be removed on the way."
        return Reject(INVALID_REQUEST, text, Reason.HEADER_CONNECTION)
    # With a server that answers 101, nginx would tunnel bytes past guard, log and limits, whatever the protocol's name.
    if "upgrade" in headers:
        return Reject(INVALID_REQUEST, f"Send no Upgrade: {_NO_UPGRADE}", Reason.HEADER_UPGRADE)
    return None


def _do_not_send(name: str) -> Reject:
    text = f"Do not send the header {name[:64]}: the gateway does not take it."
    return Reject(INVALID_REQUEST, text, Reason.HEADER_OWN)


def check_body_headers(headers: Headers) -> Reject | None:
    """Refuse a body that is labelled as anything but plain UTF-8 JSON."""
    encoding = single(headers, "content-encoding")
    if encoding is not None and encoding.strip().lower() != "identity":
        return Reject(INVALID_REQUEST, "Send the body without Content-Encoding.", Reason.CONTENT_ENCODING, status=415)
    if _JSON_TYPE.fullmatch(single(headers, "content-type") or "") is None:
        return Reject(
            INVALID_REQUEST, "Send the body as Content-Type: application/json.", Reason.CONTENT_TYPE, status=415
        )
    return None


def agree(
    headers: Headers, name: str, expected: str | None, *, required: bool, id_: RequestId | None = None
) -> Reject | None:
    """Refuse a header that says anything but `expected` (None: the body says nothing).

    Mcp-Name is decoded before comparing; no other header of these may be encoded (2026-07-28, streamable-http, server
    validation).
    """
    value = single(headers, name)
    if value is None:
        if not required or expected is None:
            return None
        return Reject(
            HEADER_MISMATCH, f"Header mismatch: send {name} with what the body says.", Reason.HEADER_MISSING, id=id_
        )
    said = decode_value(value) if name == methods.NAME_HEADER else value
    if expected is None or said != expected:
        return Reject(
            HEADER_MISMATCH, f"Header mismatch: {name} does not say what the body says.", Reason.HEADER_MISMATCH, id=id_
        )
    return None
