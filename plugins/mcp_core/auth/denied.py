"""Why a request has no principal, and the challenge that tells its sender what to do.

A challenge is the header WWW-Authenticate with the scheme Bearer: `resource_metadata` always (RFC 9728, section 5.1),
`scope` wherever scopes would help, `error` only where a credential was sent (RFC 6750, section 3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mcp_core import methods
from mcp_core.outcome import FORBIDDEN, INVALID_REQUEST, UNAVAILABLE, Reject, RejectKind, RequestId
from mcp_core.reasons import Reason

INVALID_TOKEN: Final = "invalid_token"  # noqa: S105 - a word of RFC 6750
INVALID_CREDENTIALS: Final = "invalid_request"
INSUFFICIENT_SCOPE: Final = "insufficient_scope"
INVALID_PROOF: Final = "invalid_dpop_proof"
USE_NONCE: Final = "use_dpop_nonce"

_STATUS: Final = {
    "": 401,
    INVALID_TOKEN: 401,
    INVALID_CREDENTIALS: 400,
    INSUFFICIENT_SCOPE: 403,
    INVALID_PROOF: 401,
    USE_NONCE: 401,
}
"""RFC 6750, section 3.1; RFC 9449, sections 7.1 and 9; 2026-07-28/basic/authorization, error handling."""
_CODE: Final = {400: INVALID_REQUEST, 401: FORBIDDEN, 403: FORBIDDEN}


@dataclass(frozen=True, slots=True)
class Denied:
    """No principal. `error` is a code of RFC 6750, or "" where no credential was sent at all.

    `text` is for whoever wrote the client: ASCII without quotes and
    backslashes, and nothing of the token.
    """

    error: str
    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class KeysMissing:
    """The node has no keys of an issuer that is trusted: nobody's token can be judged, and no client is to blame."""

    reason: Reason = Reason.NO_KEYS
    text: str = "The gateway has no keys of this issuer at present, so no token of it can be checked. Try again."


def challenge(
    denied: Denied, metadata: str, scopes: Iterable[str], id_: RequestId | None = None, *, algorithms: str = ""
) -> Reject:
    """Return the refusal with its challenge. `metadata` is the URL of the resource's metadata document.

    `scopes` are all that the request needs: clients take them for the scopes to ask for. With `algorithms`, blanks
    between them, the scheme is DPoP, and they are what its proofs may be signed by (RFC 9449, section 7.1).
    """
    parameters = {"error": denied.error, "scope": " ".join(scopes), "resource_metadata": metadata, "algs": algorithms}
    if denied.error:
        parameters["error_description"] = denied.text
    value = f"{'DPoP' if algorithms else 'Bearer'} " + ", ".join(
        f'{name}="{one}"' for name, one in parameters.items() if one
    )
    status = _STATUS[denied.error]
    headers = {methods.AUTHENTICATE_HEADER: value, "Cache-Control": "no-store"}
    kind = RejectKind.POLICY if denied.error == INSUFFICIENT_SCOPE else RejectKind.PROTOCOL
    return Reject(_CODE[status], denied.text, denied.reason, id=id_, status=status, headers=headers, kind=kind)


def unavailable(missing: KeysMissing) -> Reject:
    """Return the refusal of a request that could not be judged. No challenge: a new token would not help."""
    headers = {"Retry-After": "1", "Cache-Control": "no-store"}
    return Reject(UNAVAILABLE, missing.text, missing.reason, status=503, headers=headers)
