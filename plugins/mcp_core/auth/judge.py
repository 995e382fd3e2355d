"""What a token whose signature held says: is it for this resource, now, and who is it.

Each check is one step with its source. Claims are compared exactly, without folding or trimming: issuer, audience and
subject are case-sensitive text (RFC 7519, sections 2 and 4.1).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_core.auth.denied import INVALID_TOKEN, Denied
from mcp_core.principal import TOKEN, Principal
from mcp_core.reasons import Reason

UNTYPED: Final = "untyped"
"""The type of a token whose header has none: some issuers write it so. Taken only where it is asked for."""
MAX_SUBJECT: Final = 1024
MAX_GROUPS: Final = 1000
MAX_SCOPES: Final = 256
_MAX_WORD: Final = 512
_MAX_TIME: Final = 2**53
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,512}")
"""RFC 6749, section 3.3: scope-token."""
_SCOPE_TEXT: Final = re.compile(r" +")
_OF_ID_TOKENS: Final = frozenset({"at_hash", "c_hash", "s_hash"})
_OF_LOGOUT_TOKENS: Final = "events"
_JKT: Final = "jkt"
"""RFC 9449, section 6.1."""
_X5T: Final = "x5t#S256"
"""RFC 8705, section 3.1."""
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_CLIENT: Final = ("client_id", "azp", "appid", "cid")
"""RFC 9068, section 2.2; OpenID Connect Core, section 2; Entra ID 1.0 tokens; Okta."""


def _denied(reason: Reason, text: str) -> Denied:
    return Denied(INVALID_TOKEN, reason, text)


WRONG_ISSUER: Final = _denied(
    Reason.TOKEN_ISSUER, "The access token is of an issuer that this resource does not take tokens from."
)
WRONG_TYPE: Final = _denied(
    Reason.TOKEN_TYPE, "The typ of the token is not that of an access token: at+jwt, or what is configured."
)
NOT_ACCESS: Final = _denied(Reason.TOKEN_KIND, "The token is no access token: it has claims of ID or logout tokens.")
WRONG_AUDIENCE: Final = _denied(
    Reason.TOKEN_AUDIENCE, "The access token was not issued for this resource: ask for one with its resource."
)
NO_EXPIRY: Final = _denied(
    Reason.TOKEN_TIMES, "exp, nbf and iat of an access token are numbers of seconds, and exp is required."
)
EXPIRED: Final = _denied(Reason.TOKEN_EXPIRED, "The access token expired.")
NOT_YET: Final = _denied(Reason.TOKEN_EARLY, "The access token is not valid yet: nbf or iat is in the future.")
NO_SUBJECT: Final = _denied(Reason.TOKEN_SUBJECT, "The access token has no sub, or one that is no short text.")
BAD_SCOPE: Final = _denied(Reason.TOKEN_SCOPE, "scope or scp of the access token is not a list of scopes.")
BAD_GROUPS: Final = _denied(Reason.TOKEN_GROUPS, "The claim of groups in the access token is not a list of names.")
BOUND: Final = _denied(
    Reason.TOKEN_BOUND, "The access token is bound (cnf) in a way that is not known here: jkt and x5t#S256 are."
)
BAD_ACTOR: Final = _denied(Reason.TOKEN_ACTOR, "The claim act of the access token names nobody who acts.")


@dataclass(frozen=True, slots=True)
class Expected:
    """What the tokens of one issuer must say. `types` are in lower case; `groups_claim` are keys, outermost first.

    With `audience_only` a token that is for anybody else too is refused: whoever that is could use it here. With
    `introspect` the issuer is asked of tokens that are no signed JWT.
    """

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str]
    types: frozenset[str] = frozenset({"at+jwt"})
    groups_claim: tuple[str, ...] = ()
    audience_only: bool = False
    introspect: bool = False


@dataclass(frozen=True, slots=True)
class Binding:
    """What whoever brings a token must show besides: a key (RFC 9449), a certificate (RFC 8705), or both.

    Each is the thumbprint that the token names, a SHA-256 in base64url, or "".
    """

    jkt: str = ""
    x5t: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """Who a token speaks of, the Unix time in seconds until which it does, and what it is bound to."""

    principal: Principal
    until: float
    bound: Binding | None = None


def judge(
    kind: str | None, claims: Mapping[str, Any], expected: Expected, *, now: float, skew: float
) -> Verified | Denied:
    """Return who the claims speak of. Their issuer and signature were checked. `skew` is in seconds."""
    if (UNTYPED if kind is None else kind.lower().removeprefix("application/")) not in expected.types:
        return WRONG_TYPE
    if not claims.keys().isdisjoint(_OF_ID_TOKENS) or _OF_LOGOUT_TOKENS in claims:
        return NOT_ACCESS
    if "exp" not in claims:
        return NO_EXPIRY
    return _judge(claims, expected, claims.get("sub"), now=now, skew=skew)


def judge_introspected(claims: Mapping[str, Any], expected: Expected, *, now: float, skew: float) -> Verified | Denied:
    """Return who an issuer says that an active token speaks of (RFC 7662, section 2.2).

    An issuer may say no expiry, and no subject of a client that came for itself (RFC 9068, section 2.2, has its id
    then). Whom it is for it must say: a token of another resource is active too.
    """
    if "iss" in claims and claims["iss"] != expected.issuer:
        return WRONG_ISSUER
    return _judge(claims, expected, claims.get("sub", claims.get("client_id")), now=now, skew=skew)


def _judge(
    claims: Mapping[str, Any], expected: Expected, subject: Any, *, now: float, skew: float
) -> Verified | Denied:
    if not _is_for(claims.get("aud"), expected):
        return WRONG_AUDIENCE
    until = _until(claims, now, skew)
    if isinstance(until, Denied):
        return until
    bound = _bound(claims["cnf"]) if "cnf" in claims else None
    if "cnf" in claims and bound is None:
        return BOUND
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
        return NO_SUBJECT
    scopes, groups = _scopes(claims), _groups(claims, expected.groups_claim)
    if scopes is None:
        return BAD_SCOPE
    if groups is None:
        return BAD_GROUPS
    client = next((one for one in map(claims.get, _CLIENT) if isinstance(one, str) and len(one) <= _MAX_WORD), "")
    via = _actor(claims["act"]) if "act" in claims else ""
    if via is None:
        return BAD_ACTOR
    actors = _actors(claims)
    return Verified(Principal(TOKEN, subject, expected.issuer, groups, scopes, client, via, actors), until, bound)


def _actor(value: Any) -> str | None:
    """Return who acts now, or None for what cannot be read: the outermost of the chain alone counts.

    RFC 8693, section 4.1: those further in are what happened before, and nothing is decided by them.
    """
    if not isinstance(value, Mapping):
        return None
    actor = value.get("sub", value.get("client_id"))
    return actor if isinstance(actor, str) and 0 < len(actor) <= _MAX_WORD and actor.isprintable() else None


def _actors(claims: Mapping[str, Any]) -> int:
    """Return how many act, one for the other: those further in are counted, whoever they are."""
    number, inner = 0, claims
    while "act" in inner:
        number, act = number + 1, inner["act"]
        inner = act if isinstance(act, Mapping) else {}
    return number


def _bound(value: Any) -> Binding | None:
    """Return what a token is bound to, or None for what is not known: it binds the token, nobody can tell to what."""
    if not isinstance(value, Mapping) or not value or not value.keys() <= {_JKT, _X5T}:
        return None
    if not all(isinstance(one, str) and _THUMBPRINT.fullmatch(one) for one in value.values()):
        return None
    return Binding(value.get(_JKT, ""), value.get(_X5T, ""))


def _is_for(audience: Any, expected: Expected) -> bool:
    """RFC 7519, section 4.1.3; RFC 8707, section 2: one string, or a list of them."""
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not named or not all(isinstance(one, str) for one in named):
        return False
    own = expected.audiences.intersection(named)
    return bool(own) and (not expected.audience_only or own.issuperset(named))


def _until(claims: Mapping[str, Any], now: float, skew: float) -> float | Denied:
    """RFC 7519, sections 4.1.4 to 4.1.6."""
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    if not all(_is_time(value) for value in times.values()):
        return NO_EXPIRY
    until = float(times.get("exp", math.inf) + skew)
    if now >= until:
        return EXPIRED
    if any(times[name] > now + skew for name in ("nbf", "iat") if name in times):
        return NOT_YET
    return until


def _is_time(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 <= value <= _MAX_TIME


def is_scope(word: str) -> bool:
    """Return whether a word may be a scope (RFC 6749, section 3.3)."""
    return _SCOPE.fullmatch(word) is not None


def _scopes(claims: Mapping[str, Any]) -> frozenset[str] | None:
    """RFC 9068, section 2.2.3, and RFC 8693, section 4.2: text; Entra ID and Okta say scp, Okta as a list.

    Where both stand they must say the same, for nobody knows by which the token was granted.
    """
    found = [_scope_list(claims[name]) for name in ("scope", "scp") if name in claims]
    if not found:
        return frozenset()
    return found[0] if all(one is not None and one == found[0] for one in found) else None


def _scope_list(value: Any) -> frozenset[str] | None:
    words = [word for word in _SCOPE_TEXT.split(value) if word] if isinstance(value, str) else value
    if not isinstance(words, list) or len(words) > MAX_SCOPES:
        return None
    if not all(isinstance(word, str) and is_scope(word) for word in words):
        return None
    return frozenset(words)


def _groups(claims: Mapping[str, Any], path: tuple[str, ...]) -> frozenset[str] | None:
    """Return the groups that the configured claim names: none where it is missing, None where it cannot be read."""
    value: Any = claims if path else None
    for key in path:
        if value is None:
            break
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    if value is None:
        return frozenset()
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or len(names) > MAX_GROUPS:
        return None
    if not all(isinstance(name, str) and 0 < len(name) <= _MAX_WORD for name in names):
        return None
    return frozenset(names)
