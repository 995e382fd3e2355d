"""Reading a JWT in compact form, strictly, before anything in it is believed.

What two readers could read differently is refused: members that stand twice, base64url that is not canonical, JSON that
is not exactly one object. So is a header that brings a key of its own or says where one is, or names an extension.
Source: RFC 7515, sections 3.1, 4.1 and 5.2; RFC 7519, section 7.2; RFC 8725.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_core import jsonrpc
from mcp_core.auth.bearer import MAX_TOKEN
from mcp_core.auth.denied import INVALID_TOKEN, Denied
from mcp_core.jsonrpc import Limits, NotStrictError
from mcp_core.reasons import Reason

MAX_KID: Final = 256
_HEADER: Final = Limits(body=2048, depth=4, keys=32, values=64, digits=20)
_CLAIMS: Final = Limits(body=MAX_TOKEN, depth=16, keys=512, values=2048, digits=40)
_EMBEDDED: Final = frozenset({"jwk", "jku", "x5u", "x5c"})
"""Members that bring a key or lead to one: whoever writes the token would choose what it is verified with."""
_CHANGING: Final = frozenset({"crit", "b64", "zip", "enc", "epk"})
"""Members that change what the rest means (RFC 7515, section 4.1.11; RFC 7797; RFC 7516)."""


def _denied(reason: Reason, text: str) -> Denied:
    return Denied(INVALID_TOKEN, reason, text)


NOT_A_JWT: Final = _denied(
    Reason.TOKEN_SHAPE, "The access token is no signed JWT: three parts of base64url with points between."
)
ENCRYPTED: Final = _denied(Reason.TOKEN_ENCRYPTED, "The access token is encrypted, and the gateway reads signed ones.")
NOT_STRICT: Final = _denied(
    Reason.TOKEN_JSON, "The header or the claims of the access token are not one strict JSON object."
)
BRINGS_A_KEY: Final = _denied(Reason.TOKEN_EMBEDDED_KEY, "The header of the access token brings a key or leads to one.")
EXTENDED: Final = _denied(
    Reason.TOKEN_CRIT, "The header of the access token names an extension that is not known here."
)
BAD_HEADER: Final = _denied(
    Reason.TOKEN_HEADER, "alg, typ and kid in the header of the access token are short strings."
)


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token's parts. `signed` is what `signature` is over. Nothing of it is to be believed, or shown."""

    algorithm: str
    kid: str | None
    type: str | None
    claims: dict[str, Any] = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def decode(text: str) -> bytes | None:
    """Return the bytes of canonical base64url without padding, or None (RFC 7515, appendix C)."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text else None


def parse(token: str) -> Unverified | Denied:
    """Return the parts of a token that `bearer.read` gave."""
    if len(token) > MAX_TOKEN:
        return NOT_A_JWT
    parts = token.split(".")
    if len(parts) == 5:
        return ENCRYPTED
    decoded = [decode(part) for part in parts]
    if len(parts) != 3 or not all(decoded):
        return NOT_A_JWT
    header, claims = strict_object(decoded[0] or b"", _HEADER), strict_object(decoded[1] or b"", _CLAIMS)
    if header is None or claims is None:
        return NOT_STRICT
    if not header.keys().isdisjoint(_EMBEDDED):
        return BRINGS_A_KEY
    if not header.keys().isdisjoint(_CHANGING):
        return EXTENDED
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
    if not isinstance(algorithm, str) or not _is_short(kid) or not _is_short(kind):
        return BAD_HEADER
    signed = token.rpartition(".")[0].encode()
    return Unverified(algorithm, kid, kind, claims, signed, decoded[2] or b"")


def strict_object(data: bytes, limits: Limits) -> dict[str, Any] | None:
    """Return the one strict JSON object that bytes are, or None."""
    try:
        value = jsonrpc.load(data, limits)
    except NotStrictError:
        return None
    return value if isinstance(value, dict) else None


def _is_short(value: object) -> bool:
    return value is None or (isinstance(value, str) and 0 < len(value) <= MAX_KID)
