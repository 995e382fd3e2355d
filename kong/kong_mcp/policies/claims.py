"""Why the holder of a token may or may not use an item, by the claims of the token: first the token, then its scopes.

The claims are those of a token that nobody has seen: its signature is not looked at. Everything else is judged as the
guard judges it (mcp_core.auth.judge).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from kong_mcp.policies.asking import Wanted, decided
from kong_mcp.policies.documents import PolicySourceError
from kong_mcp.policies.explain import Change, Explanation, explain, may, refusal_of, shown, who
from kong_mcp.policies.source import ServerPolicy
from kong_mcp.policies.surfaces import KnownSurfaces
from mcp_core import jsonrpc
from mcp_core.auth import judge
from mcp_core.auth.config import Auth
from mcp_core.auth.denied import INSUFFICIENT_SCOPE, Denied
from mcp_core.auth.judge import UNTYPED, WRONG_ISSUER, Verified
from mcp_core.auth.scopes import TOO_NARROW, Denial
from mcp_core.decide import Admitted
from mcp_core.jsonrpc import Limits, NotStrictError
from mcp_core.outcome import Reject
from mcp_core.principal import NOBODY, Principal
from mcp_core.scan.excerpt import escaped
from mcp_kong.settings import read_auth

_LIMITS: Final = Limits(body=64 * 1024, depth=16, keys=512, values=2048, digits=40)
_TIMES: Final = (judge.EXPIRED, judge.NOT_YET, judge.NO_EXPIRY)
_FIELDS: Final = {
    WRONG_ISSUER: "auth.issuers",
    judge.WRONG_AUDIENCE: "auth.resource",
}
"""Of what is said of a token, the field of the configuration that says otherwise."""


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who holds a token, with all that its scopes imply, and what is the matter with its times."""

    principal: Principal
    late: Denied | None


def read_claims(text: str) -> Mapping[str, Any]:
    """Return claims from their JSON. Raises PolicySourceError, which shows nothing of them."""
    try:
        value = jsonrpc.load(text.encode(), _LIMITS)
    except NotStrictError as error:
        hint = ": that is a whole token, or a part of one" if text.startswith("eyJ") else ""
        raise PolicySourceError(
            f"the claims are not one strict JSON object{hint}; write the decoded middle part of the token ({error})"
        ) from None
    if not isinstance(value, dict):
        raise PolicySourceError('the claims are one JSON object, as in {"iss": "https://idp.example", "sub": "ann"}')
    return value


def explain_claims(
    policy: ServerPolicy, claims: Mapping[str, Any], asked: Wanted, known: KnownSurfaces, server: str, *, now: float
) -> Explanation:
    """Explain what the guard decides over a request with a token of these claims. `now` is a Unix time in seconds.

    Raises:
        PolicySourceError: the policy takes no tokens, or cannot be used.
    """
    policy.guard  # noqa: B018 - what cannot be used is said with its line first
    auth = read_auth(policy.config)
    if auth is None:
        raise PolicySourceError(
            f"no token says who calls {server!a}: its policy has no section auth ({policy.where('auth')})"
        )
    holder = _holder(auth, claims, now)
    if isinstance(holder, Denied):
        return _not_believed(policy, auth, holder, asked, server)
    principal = holder.principal
    told = explain(policy, principal, asked, known, server)
    needed = _needed(auth, asked)
    missing = sorted(needed - principal.scopes)
    if not auth.scopes.lets_in(principal.scopes):
        told = _too_narrow(policy, auth, told, needed, passes=False)
    elif told.allowed and missing:
        decision = decided(policy, principal, asked, server, known, scopes=auth.scopes)
        if refusal_of(decision) is not None:
            told = _too_narrow(policy, auth, told, needed, passes=isinstance(decision, Admitted))
    notes = list(told.notes)
    if holder.late is not None:
        notes.insert(0, f"this very token is refused with 401 ({holder.late.text}): what is said is for a fresh one")
    return replace(told, notes=tuple(notes), scopes=(tuple(sorted(needed)), tuple(missing)))


def _holder(auth: Auth, claims: Mapping[str, Any], now: float) -> _Holder | Denied:
    """Return who holds a token. Its times are not held against it: claims are asked about long after."""
    issuer = claims.get("iss")
    expected = auth.issuers.get(issuer) if isinstance(issuer, str) else None
    if expected is None:
        return WRONG_ISSUER
    kind = min(expected.types)
    typed = None if kind == UNTYPED else kind
    found = judge.judge(typed, claims, expected, now=now, skew=auth.skew)
    late = found if isinstance(found, Denied) and found in _TIMES else None
    if late is not None:
        fresh = {name: one for name, one in claims.items() if name not in ("nbf", "iat")} | {"exp": int(now) + 60}
        found = judge.judge(typed, fresh, expected, now=now, skew=auth.skew)
    if not isinstance(found, Verified):
        return found
    return _Holder(replace(found.principal, scopes=auth.scopes.granted(found.principal.scopes)), late)


def _needed(auth: Auth, asked: Wanted) -> frozenset[str]:
    needs = () if asked.kind is None or asked.name is None else auth.scopes.needs(asked.kind, asked.name)
    return frozenset(auth.scopes.required).union(*(scopes for _, scopes in needs))


def _not_believed(policy: ServerPolicy, auth: Auth, denied: Denied, asked: Wanted, server: str) -> Explanation:
    field = _FIELDS.get(denied, "auth")
    wants = ""
    if denied is WRONG_ISSUER:
        wants = f": it takes those of {_listed(auth.issuers)}"
    elif denied is judge.WRONG_AUDIENCE:
        wants = (
            f": aud must name {_listed({audience for each in auth.issuers.values() for audience in each.audiences})}"
        )
    refusal = Reject(0, denied.text, denied.reason)
    return Explanation(
        server,
        policy,
        NOBODY,
        asked,
        passes=False,
        allowed=False,
        cause=denied.reason,
        sentence=f"whoever sends this token {may(asked, refusal)} of {escaped(server)}: the guard answers with 401 "
        f"{shown(denied.text)} ({policy.where(field)}){wants}.",
        by=(),
        changes=(),
        notes=(),
    )


def _too_narrow(
    policy: ServerPolicy, auth: Auth, told: Explanation, needed: frozenset[str], *, passes: bool
) -> Explanation:
    """Return the explanation of a refusal for scopes. `told` is what the policy says without them."""
    missing = needed - told.principal.scopes
    rules = [("auth.required_scopes", scope) for scope in auth.scopes.required if scope in missing]
    if told.asked.kind is not None and told.asked.name is not None:
        rules += [
            (f"auth.scope_rules[{number}]", scope)
            for number, scopes in auth.scopes.needs(told.asked.kind, told.asked.name)
            for scope in sorted(scopes & missing)
        ]
    why = " and ".join(
        f"{field} ({policy.where(field)}) needs {_listed(scope for one, scope in rules if one == field)}"
        for field in dict.fromkeys(field for field, _ in rules)
    )
    listed = auth.scopes.lets_in(told.principal.scopes) and auth.scopes.denial is Denial.CHALLENGE
    if listed or not auth.scopes.lets_in(told.principal.scopes):
        end = f"so the guard answers with 403 insufficient_scope and names {_listed(needed)}"
    else:
        end = f"so it does not exist for this token (auth.denial is hide, {policy.where('auth.denial')})"
    what = may(told.asked, Reject(0, TOO_NARROW.text, TOO_NARROW.reason))
    if listed:
        what = what.replace("may not see or use", "may see but not use", 1)
    return replace(
        told,
        passes=passes,
        allowed=False,
        cause=INSUFFICIENT_SCOPE,
        sentence=f"{who(told.principal)} {what} of {escaped(told.server)}: {why}, which the token lacks, {end}.",
        by=(),
        changes=(Change(f"ask the issuer for a token with the scopes {' '.join(sorted(needed))}"),),
    )


def _listed(words: Iterable[str]) -> str:
    return ", ".join(escaped(word) for word in sorted(words))
