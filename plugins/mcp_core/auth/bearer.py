"""The token of a request: in the header Authorization, once, by the scheme Bearer or DPoP, and nowhere else.

Source: RFC 9449, section 7.1; RFC 6750, sections 2.1 and 3.1; 2026-07-28/basic/authorization (token requirements).
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus

from mcp_core import methods
from mcp_core.auth.denied import INVALID_CREDENTIALS, Denied
from mcp_core.headers import Headers
from mcp_core.reasons import Reason

MAX_TOKEN: Final = 8192
"""Characters of a token: what one header line of nginx holds (large_client_header_buffers, 8k by default)."""

_SCHEME: Final = re.compile(r"(?:bearer|dpop)(?: +(?P<token>.*))?", re.ASCII | re.IGNORECASE | re.DOTALL)
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
_PARAMETER: Final = "access_token"

NO_TOKEN: Final = Denied("", Reason.NO_TOKEN, "Authorization required: send an access token of this server's issuer.")
REPEATED: Final = Denied(INVALID_CREDENTIALS, Reason.TOKEN_REPEATED, "Send the header Authorization once.")
MALFORMED: Final = Denied(
    INVALID_CREDENTIALS, Reason.TOKEN_MALFORMED, "Write Authorization as Bearer, a blank and one access token."
)
TOO_LONG: Final = Denied(
    INVALID_CREDENTIALS, Reason.TOKEN_TOO_LONG, f"A token has {MAX_TOKEN} characters at most here."
)
IN_QUERY: Final = Denied(
    INVALID_CREDENTIALS, Reason.TOKEN_IN_QUERY, "Send the access token in the header Authorization, never in the URL."
)


def read(headers: Headers) -> str | Denied:
    """Return the token that the header Authorization brings, with nothing known of it but its characters."""
    value = headers.get(methods.AUTHORIZATION_HEADER)
    if value is None:
        return NO_TOKEN
    if not isinstance(value, str):
        return REPEATED
    match = _SCHEME.fullmatch(value)
    if match is None:
        return NO_TOKEN  # another scheme is no credential of this server's
    token = match["token"]
    if token is None:
        return MALFORMED
    if len(token) > MAX_TOKEN:
        return TOO_LONG
    return token if _TOKEN.fullmatch(token) else MALFORMED


def is_dpop(headers: Headers) -> bool:
    """Return whether a token that `read` gave came by the scheme DPoP (RFC 9449, section 7.1)."""
    return str(headers.get(methods.AUTHORIZATION_HEADER, ""))[:4].lower() == "dpop"


def in_query(raw: str) -> bool:
    """Return whether a query (without its question mark) names a token, however the name is encoded."""
    names = (part.partition("=")[0] for part in re.split("[&;]", raw))
    return any(unquote_plus(name).strip().lower() == _PARAMETER for name in names)
