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

from mcp_core.auth import keysets, metadata
from mcp_core.auth.judge import Expected, is_scope
from mcp_core.auth.scopes import Denial, Need, Scopes
from mcp_core.methods import Kind
from mcp_core.policy import Globs

SKEW: Final = 30
"""Seconds by which the clocks of issuer and gateway may differ, unless it is configured."""
MAX_SKEW: Final = 300
DEFAULT_TYPES: Final = ("at+jwt",)
_KEYS: Final = {"resource", "issuers", "required_scopes", "scope_rules", "implied_scopes", "denial", "skew"}
_ISSUER_KEYS: Final = {"issuer", "audiences", "audience_only", "algorithms", "types", "groups_claim"}
_RULED: Final = (Kind.TOOL, Kind.PROMPT, Kind.RESOURCE)
"""What scopes are needed for: files of skills and apps are resources."""
_RULE_KEYS: Final = {"scopes", *(kind.value for kind in _RULED)}
_MOST_ISSUERS: Final = 16
_MOST_RULES: Final = 64


class AuthError(ValueError):
    """The section cannot be used; the message names the field and says what to write instead."""


@dataclass(frozen=True)
class Auth:
    """How one resource knows its callers. `fingerprint` differs wherever a token could be judged otherwise."""

    resource: str
    issuers: Mapping[str, Expected]
    scopes: Scopes
    skew: int
    fingerprint: bytes

    @property
    def metadata_url(self) -> str:
        """Where clients find the resource's metadata document."""
        return metadata.url_of(self.resource)

    def document(self) -> bytes:
        """Return the resource's metadata document."""
        return metadata.document(self.resource, self.issuers, self.scopes.required)


def read(value: Any) -> Auth | None:
    """Read the section as Kong gives it; None where there is none.

    Raises:
        AuthError: naming the field that cannot be used.
    """
    section = _object(value, _KEYS, "auth")
    if not any(section.get(name) for name in _KEYS - {"denial", "skew"}):
        # What Kong fills in by itself is no wish of anybody's.
        if section.get("denial", Denial.HIDE.value) != Denial.HIDE.value or section.get("skew", SKEW) != SKEW:
            raise AuthError("auth: name the resource and at least one issuer")
        return None
    resource = section.get("resource")
    if not isinstance(resource, str) or _url_problem(resource, path=True) is not None:
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
    return Auth(resource, {one.issuer: one for one in expected}, _scopes(section), skew, fingerprint)


def _issuer(value: Any, resource: str, where: str) -> Expected:
    one = _object(value, _ISSUER_KEYS, where)
    issuer = one.get("issuer")
    if not isinstance(issuer, str) or _url_problem(issuer) is not None:
        raise AuthError(
            f"{where}.issuer: write the issuer exactly as its tokens and its metadata have it (https, or http on a "
            "loopback address; no query, no fragment)"
        )
    algorithms = _words(one, "algorithms", where) or keysets.ALGORITHMS
    if unknown := set(algorithms) - set(keysets.ALGORITHMS):
        raise AuthError(
            f"{where}.algorithms: {min(unknown)!r} is not taken; write some of {', '.join(keysets.ALGORITHMS)}"
        )
    only = one.get("audience_only", False)
    if not isinstance(only, bool):
        raise AuthError(f"{where}.audience_only: write true or false")
    return Expected(
        issuer,
        audiences=frozenset(_words(one, "audiences", where) or (resource,)),
        algorithms=frozenset(algorithms),
        types=frozenset(kind.lower() for kind in _words(one, "types", where) or DEFAULT_TYPES),
        groups_claim=_words(one, "groups_claim", where),
        audience_only=only,
    )


def _scopes(section: Mapping[str, Any]) -> Scopes:
    required = _scope_words(section, "required_scopes", "auth")
    rules = _list(section, "scope_rules", "auth", _MOST_RULES)
    needs = [_need(rule, f"auth.scope_rules[{number}]") for number, rule in enumerate(rules)]
    implied = section.get("implied_scopes") or {}
    if not isinstance(implied, Mapping):
        raise AuthError("auth.implied_scopes: write an object, a list of narrower scopes for each broad one")
    narrower = {scope: _scope_words(implied, scope, "auth.implied_scopes") for scope in implied}
    words = [one.value for one in Denial]
    denial = section.get("denial", Denial.HIDE.value)
    if denial not in words:
        raise AuthError(f"auth.denial: write one of {', '.join(words)}")
    return Scopes(required, needs, narrower, Denial(denial))


def _need(value: Any, where: str) -> Need:
    rule = _object(value, _RULE_KEYS, where)
    scopes = _scope_words(rule, "scopes", where)
    items: dict[Kind, Globs] = {kind: _words(rule, kind.value, where) for kind in _RULED if rule.get(kind.value)}
    if not scopes or not any(items.values()):
        raise AuthError(f"{where}: name scopes, and the tools, prompts or resources that need them")
    return Need(items, frozenset(scopes))


def _object(value: Any, known: set[str], where: str) -> dict[str, Any]:
    """Return an object without the nulls that Kong writes for what is not set."""
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


def _scope_words(section: Mapping[str, Any], field: str, where: str) -> tuple[str, ...]:
    words = _words(section, field, where)
    if not all(is_scope(word) for word in words):
        raise AuthError(f"{where}.{field}: a scope is visible ASCII without blanks, quotes and backslashes")
    return words


def _url_problem(text: str, *, path: bool = False) -> str | None:
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
