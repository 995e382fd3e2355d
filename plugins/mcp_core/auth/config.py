"""The section `auth` of the guard's configuration, read into what verifies tokens.

Nothing in it is optional by accident: whoever writes any of it must name the resource and an issuer, or the guard does
not start, and its route stays closed.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from mcp_core.auth import keysets, metadata, proof
from mcp_core.auth.facade import Facade
from mcp_core.auth.judge import Expected, is_scope
from mcp_core.auth.scopes import Denial, Need, Scopes
from mcp_core.methods import Kind
from mcp_core.policy import Globs

SKEW: Final = 30
"""Seconds by which the clocks of issuer and gateway may differ, unless it is configured."""
MAX_SKEW: Final = 300
DEFAULT_TYPES: Final = ("at+jwt",)
ACTORS: Final = 8
"""How many may act one for the other, unless it is configured: four servers, each with the gateway before it."""
MAX_ACTORS: Final = 15
"""No token's claims are nested deeper (tokens.parse)."""
_KEYS_BY_KONG: Final = {"denial", "skew", "dpop", "max_actors"}
"""Those that Kong fills in by itself."""
_KEYS: Final = {"resource", "issuers", "required_scopes", "scope_rules", "implied_scopes"} | _KEYS_BY_KONG
_ISSUER_KEYS: Final = {
    "issuer",
    "audiences",
    "audience_only",
    "algorithms",
    "types",
    "groups_claim",
    "introspect",
    "introspection_seconds",
    "facade",
}
_PROOF_KEYS: Final = {"required", "nonces", "seconds"}
INTROSPECTION_SECONDS: Final = 30
"""How long an issuer's word on an opaque token is believed, unless it is configured."""
MAX_SECONDS: Final = 300
_FACADE_KEYS: Final = {"authorization_endpoint", "token_endpoint", "scope_prefix", "client_id"}
_RULED: Final = (Kind.TOOL, Kind.PROMPT, Kind.RESOURCE)
"""What scopes are needed for: files of skills and apps are resources."""
_RULE_KEYS: Final = {"scopes", *(kind.value for kind in _RULED)}
_MOST_ISSUERS: Final = 16
_MOST_RULES: Final = 64


class AuthError(ValueError):
    """The section cannot be used; the message names the field and says what to write instead."""


@dataclass(frozen=True, slots=True)
class DPoP:
    """What is asked of proofs of possession (RFC 9449): a token that is bound to a key always needs one.

    `required`: tokens that are bound to none are refused. `nonces`: proofs need one of the gateway's. `seconds`: how
    far a proof's time may be from now.
    """

    required: bool = False
    nonces: bool = False
    seconds: int = proof.SECONDS

    @property
    def is_offered(self) -> bool:
        """Whether clients are told of it."""
        return self.required or self.nonces

    def metadata(self) -> dict[str, object]:
        """Return what the resource's metadata says of it (RFC 9728, section 2)."""
        said: dict[str, object] = {"dpop_signing_alg_values_supported": list(keysets.ALGORITHMS)}
        return said | ({"dpop_bound_access_tokens_required": True} if self.required else {})


@dataclass(frozen=True)
class Auth:
    """How one resource knows its callers. `fingerprint` differs wherever a token could be judged otherwise.

    `facade` is the issuer that the gateway speaks for as an authorization server, and what it says. `max_actors` is how
    many may act one for the other: servers that call servers.
    """

    resource: str
    issuers: Mapping[str, Expected]
    scopes: Scopes
    skew: int
    fingerprint: bytes
    introspection_seconds: Mapping[str, int]
    dpop: DPoP
    facade: tuple[str, Facade] | None = None
    max_actors: int = ACTORS

    @property
    def metadata_url(self) -> str:
        """Where clients find the resource's metadata document."""
        return metadata.url_of(self.resource)

    def document(self) -> bytes:
        """Return the resource's metadata document."""
        own = {} if self.facade is None else {self.facade[0]: self.facade[1].issuer}
        named = [own.get(issuer, issuer) for issuer in self.issuers]
        more = self.dpop.metadata() if self.dpop.is_offered else {}
        return metadata.document(self.resource, named, self.scopes.required, more)


def read(value: Any) -> Auth | None:
    """Read the section as Kong gives it; None where there is none.

    Raises:
        AuthError: naming the field that cannot be used.
    """
    section = known_object(value, _KEYS, "auth")
    dpop = _dpop(section.get("dpop"))
    if not any(section.get(name) for name in _KEYS - _KEYS_BY_KONG):
        # What Kong fills in by itself is no wish of anybody's.
        by_kong = section.get("denial", Denial.HIDE.value), section.get("skew", SKEW), dpop, _actors(section)
        if by_kong != (Denial.HIDE.value, SKEW, DPoP(), ACTORS):
            raise AuthError("auth: name the resource and at least one issuer")
        return None
    resource = section.get("resource")
    if not isinstance(resource, str) or url_problem(resource, path=True) is not None:
        raise AuthError(
            "auth.resource: write the URL at which agents reach this server, such as https://gateway.example/notes/mcp "
            "(https, or http on a loopback address; no query, no fragment)"
        )
    issuers = _list(section, "issuers", "auth", _MOST_ISSUERS)
    if not issuers:
        raise AuthError("auth.issuers: name at least one issuer")
    expected = [_issuer(one, resource, f"auth.issuers[{number}]") for number, one in enumerate(issuers)]
    if len({one.issuer for one in expected}) != len(expected):
        raise AuthError("auth.issuers: an issuer is named twice")
    skew = section.get("skew", SKEW)
    if not isinstance(skew, int) or isinstance(skew, bool) or not 0 <= skew <= MAX_SKEW:
        raise AuthError(f"auth.skew: write a number of seconds from 0 to {MAX_SKEW}")
    fingerprint = hashlib.sha256(json.dumps(section, sort_keys=True).encode()).digest()
    seconds = {
        one.issuer: _seconds(given, "introspection_seconds", INTROSPECTION_SECONDS, f"auth.issuers[{number}]")
        for number, (one, given) in enumerate(zip(expected, issuers, strict=True))
    }
    scopes = _scopes(section)
    facades = [
        (expected[number].issuer, _facade(one["facade"], resource, scopes.required, f"auth.issuers[{number}].facade"))
        for number, one in enumerate(issuers)
        if one.get("facade") is not None
    ]
    if len(facades) > 1:
        raise AuthError("auth.issuers: one of them may have a facade, for the gateway can speak for one")
    facade = facades[0] if facades else None
    by_issuer = {one.issuer: one for one in expected}
    return Auth(resource, by_issuer, scopes, skew, fingerprint, seconds, dpop, facade, _actors(section))


def _actors(section: Mapping[str, Any]) -> int:
    most = section.get("max_actors", ACTORS)
    if not isinstance(most, int) or isinstance(most, bool) or not 0 <= most <= MAX_ACTORS:
        raise AuthError(f"auth.max_actors: write a whole number from 0 to {MAX_ACTORS}")
    return most


def _facade(value: Any, resource: str, scopes: tuple[str, ...], where: str) -> Facade:
    one = known_object(value, _FACADE_KEYS, where)
    for field in ("authorization_endpoint", "token_endpoint"):
        url = one.get(field)
        if not isinstance(url, str) or url_problem(url.partition("?")[0] if field[0] == "a" else url, path=True):
            raise AuthError(f"{where}.{field}: write the URL of the provider's (https, or http on a loopback address)")
    for field in ("scope_prefix", "client_id"):
        text = one.get(field, "")
        if not isinstance(text, str) or (text and not is_scope(text)):
            raise AuthError(f"{where}.{field}: write visible ASCII without blanks, quotes and backslashes")
    return Facade(resource, **one, scopes=scopes)


def _dpop(value: Any) -> DPoP:
    section = known_object(value, _PROOF_KEYS, "auth.dpop")
    required, nonces = flag(section, "required", "auth.dpop"), flag(section, "nonces", "auth.dpop")
    return DPoP(required, nonces, _seconds(section, "seconds", proof.SECONDS, "auth.dpop"))


def flag(section: Mapping[str, Any], field: str, where: str) -> bool:
    """Return a yes or no, which is no unless it is set. Raises AuthError."""
    value = section.get(field, False)
    if not isinstance(value, bool):
        raise AuthError(f"{where}.{field}: write true or false")
    return value


def _seconds(section: Mapping[str, Any], field: str, default: int, where: str) -> int:
    value = section.get(field)
    value = default if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_SECONDS:
        raise AuthError(f"{where}.{field}: write a number of seconds from 1 to {MAX_SECONDS}")
    return value


def _issuer(value: Any, resource: str, where: str) -> Expected:
    one = known_object(value, _ISSUER_KEYS, where)
    issuer = one.get("issuer")
    if not isinstance(issuer, str) or url_problem(issuer) is not None:
        raise AuthError(
            f"{where}.issuer: write the issuer exactly as its tokens and its metadata have it (https, or http on a "
            "loopback address; no query, no fragment)"
        )
    algorithms = _words(one, "algorithms", where) or keysets.ALGORITHMS
    if unknown := set(algorithms) - set(keysets.ALGORITHMS):
        raise AuthError(
            f"{where}.algorithms: {min(unknown)!r} is not taken; write some of {', '.join(keysets.ALGORITHMS)}"
        )
    return Expected(
        issuer,
        audiences=frozenset(_words(one, "audiences", where) or (resource,)),
        algorithms=frozenset(algorithms),
        types=frozenset(kind.lower() for kind in _words(one, "types", where) or DEFAULT_TYPES),
        groups_claim=_words(one, "groups_claim", where),
        audience_only=flag(one, "audience_only", where),
        introspect=flag(one, "introspect", where),
    )


def _scopes(section: Mapping[str, Any]) -> Scopes:
    required = scope_words(section, "required_scopes", "auth")
    rules = _list(section, "scope_rules", "auth", _MOST_RULES)
    needs = [_need(rule, f"auth.scope_rules[{number}]") for number, rule in enumerate(rules)]
    implied = section.get("implied_scopes") or {}
    if not isinstance(implied, Mapping):
        raise AuthError("auth.implied_scopes: write an object, a list of narrower scopes for each broad one")
    narrower = {scope: scope_words(implied, scope, "auth.implied_scopes") for scope in implied}
    words = [one.value for one in Denial]
    denial = section.get("denial", Denial.HIDE.value)
    if denial not in words:
        raise AuthError(f"auth.denial: write one of {', '.join(words)}")
    return Scopes(required, needs, narrower, Denial(denial))


def _need(value: Any, where: str) -> Need:
    rule = known_object(value, _RULE_KEYS, where)
    scopes = scope_words(rule, "scopes", where)
    items: dict[Kind, Globs] = {kind: _words(rule, kind.value, where) for kind in _RULED if rule.get(kind.value)}
    if not scopes or not any(items.values()):
        raise AuthError(f"{where}: name scopes, and the tools, prompts or resources that need them")
    return Need(items, frozenset(scopes))


def known_object(value: Any, known: set[str], where: str) -> dict[str, Any]:
    """Return an object without the nulls that Kong writes for what is not set. Raises AuthError."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise AuthError(f"{where}: write an object with {', '.join(sorted(known))}")
    if unknown := set(value) - known:
        raise AuthError(f"{where}: {min(map(str, unknown))!r} is not known; write {', '.join(sorted(known))}")
    return {name: one for name, one in value.items() if one is not None}


def _list(section: Mapping[str, Any], field: str, where: str, most: int) -> list[Any]:
    value = section.get(field) or []  # Kong's JSON writes an empty list as an empty object
    if not isinstance(value, list | tuple) or len(value) > most:
        raise AuthError(f"{where}.{field}: write a list of {most} at most")
    return list(value)


def _words(section: Mapping[str, Any], field: str, where: str) -> tuple[str, ...]:
    value = section.get(field) or ()
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) and one for one in value):
        raise AuthError(f"{where}.{field}: write a list of non-empty strings")
    return tuple(value)


def scope_words(section: Mapping[str, Any], field: str, where: str) -> tuple[str, ...]:
    """Return a list of scopes. Raises AuthError."""
    words = _words(section, field, where)
    if not all(is_scope(word) for word in words):
        raise AuthError(f"{where}.{field}: a scope is visible ASCII without blanks, quotes and backslashes")
    return words


def url_problem(text: str, *, path: bool = False) -> str | None:
    """Return why a text is no URL of an issuer or a resource; http is for this machine alone."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return "no URL"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not text.isascii():
        return "no URL"
    if parts.query or parts.fragment or "@" in parts.netloc or "?" in text or "#" in text or not text.isprintable():
        return "it has more than a host and a path"
    if any(one in text for one in ' "\\'):
        return "it has characters that a challenge could not hold"
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        return "http"
    return "no path" if path and len(parts.path) < 2 else None


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
