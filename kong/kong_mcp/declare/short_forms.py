"""Short forms: what most servers need in one line, and what it stands for.

`trust: foreign` stands for `pins: {mode: enforce, trust: foreign}`: whose server it is decides what waits for a person,
so it is never written down without holding. `auth: {issuer: URL, resource: URL, scopes: {mail.write: ["send_*"]}}`
stands for `oauth` with that one issuer. Whoever needs more writes the long form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mcp_core.auth.scopes import Denial
from mcp_core.pins.states import Pinning, Trust

_NAMES: Final = {"type": "array", "elements": {"type": "string"}}

TRUST: Final[dict[str, Any]] = {
    "type": "string",
    "one_of": [one.value for one in Trust],
    "description": "Whose server it is: `pins` in one word, and always enforced. own: what is clean opens by itself; "
    "known: what is new and clean opens, changes of text or schema wait; foreign: everything waits for a person.",
    "examples": [Trust.FOREIGN.value],
}
TOKENS: Final[dict[str, Any]] = {
    "type": "record",
    "fields": [
        {
            "issuer": {
                "type": "string",
                "required": True,
                "pattern": r"https?://[^\s?#@]+",
                "say": "write the issuer as its tokens have it, https://idp.example.com say",
                "description": "Whose access tokens are taken.",
                "examples": ["https://idp.example.com"],
            }
        },
        {
            "resource": {
                "type": "string",
                "required": True,
                "pattern": r"https?://[^\s?#@]+",
                "say": "write the URL at which agents reach this server",
                "description": "The URL at which agents reach this server: what clients ask tokens for.",
                "examples": ["https://gateway.example.com/weather/mcp"],
            }
        },
        {"audiences": {**_NAMES, "description": "What `aud` must name, any of these. Without any: the resource."}},
        {"groups_claim": {**_NAMES, "description": "Keys that lead to the claim with its groups."}},
        {"required": {**_NAMES, "description": "Scopes that every request needs."}},
        {
            "scopes": {
                "type": "map",
                "keys": {"type": "string"},
                "values": _NAMES,
                "description": "For a scope, the tools that need it: names or globs.",
                "examples": [{"mail.write": ["send_*"]}],
            }
        },
        {
            "denial": {
                "type": "string",
                "one_of": [denial.value for denial in Denial],
                "description": "Whether what needs more scopes is hidden, or listed and answered with a challenge.",
            }
        },
    ],
}
"""`auth` as a mapping: access tokens of one issuer."""


class ShortFormError(ValueError):
    """A short form stands beside its long one. `field` is where."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


def expand(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a server file with the long forms in the place of the short ones.

    Raises:
        ShortFormError: both forms are there and do not say the same.
    """
    long = dict(values)
    if "trust" in long:
        long["pins"] = _pins(long.pop("trust"), long.get("pins"))
    if isinstance(long.get("auth"), dict):
        if "oauth" in long:
            raise ShortFormError("auth", "found an issuer beside oauth; write one or the other")
        long["oauth"] = _oauth(long.pop("auth"))
    return long


def _pins(trust: str, pins: Mapping[str, Any] | None) -> dict[str, Any]:
    for field, wanted in (("mode", Pinning.ENFORCE.value), ("trust", trust)):
        said = (pins or {}).get(field, wanted)
        if said != wanted:
            raise ShortFormError("trust", f"found {trust} beside pins.{field}: {said}; remove one of them")
    return {"mode": Pinning.ENFORCE.value, "trust": trust}


def _oauth(tokens: Mapping[str, Any]) -> dict[str, Any]:
    issuer = {name: tokens[name] for name in ("issuer", "audiences", "groups_claim") if name in tokens}
    rules = [{"scopes": [scope], "tools": list(tools)} for scope, tools in tokens.get("scopes", {}).items()]
    return {
        "resource": tokens["resource"],
        "issuers": [issuer],
        **({"required_scopes": tokens["required"]} if "required" in tokens else {}),
        **({"scope_rules": rules} if rules else {}),
        **({"denial": tokens["denial"]} if "denial" in tokens else {}),
    }
