"""acl: only consumers of certain groups. Source: kong/plugins/acl (Kong 3.9.1)."""

from collections.abc import Mapping
from typing import Any, Final

from kong_devkit.exchange import Exchange

PRIORITY: Final = 950
_GROUPS: Final = {"type": "array", "elements": {"type": "string"}}
CONFIG: Final = {
    "type": "record",
    "required": True,
    "fields": [
        {"allow": _GROUPS},
        {"deny": _GROUPS},
        {"hide_groups_header": {"type": "boolean", "required": True, "default": False}},
        {"always_use_authenticated_groups": {"type": "boolean", "required": True, "default": False}},
    ],
}
_REFUSAL: Final = "You cannot consume this service"


def check(config: Mapping[str, Any]) -> str | None:
    """One of allow and deny, not both."""
    if bool(config.get("allow")) == bool(config.get("deny")):
        return "exactly one of 'config.allow', 'config.deny' must be set"
    return None


async def access(exchange: Exchange, config: Mapping[str, Any]) -> None:
    """Refuse with 401 (nobody authenticated) or 403, or tell the upstream the groups."""
    consumer_id = (exchange.consumer or exchange.credential or {}).get("id" if exchange.consumer else "consumer_id")
    groups: list[str] | None = None
    authenticated = exchange.shared.get("authenticated_groups")
    use_authenticated = consumer_id is None or exchange.credential is None or config["always_use_authenticated_groups"]
    if isinstance(authenticated, list) and use_authenticated:
        groups, header = authenticated, "X-Authenticated-Groups"
    else:
        groups, header = exchange.runtime.groups.get(str(consumer_id)), "X-Consumer-Groups"
    denied, allowed = config.get("deny") or [], config.get("allow") or []
    if groups is None and (consumer_id is None or not denied):
        raise exchange.error(403, _REFUSAL) if exchange.credential is not None else exchange.error(401)
    member = bool(set(groups or []) & set(denied or allowed))
    if member if denied else not member:
        raise exchange.error(403, _REFUSAL)
    if not config["hide_groups_header"]:
        exchange.set_header(header, ", ".join(groups or []))
