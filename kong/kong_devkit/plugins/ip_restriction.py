"""ip-restriction: only certain client addresses. Source: kong/plugins/ip-restriction (Kong 3.9.1)."""

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from kong_devkit.exchange import Exchange

PRIORITY: Final = 990


def _network(value: str) -> str | None:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return f"invalid ip or cidr range: '{value}'"
    return None


_RANGES: Final = {"type": "array", "elements": {"type": "string", "custom": _network}}
CONFIG: Final = {
    "type": "record",
    "required": True,
    "fields": [{"allow": _RANGES}, {"deny": _RANGES}, {"status": {"type": "number"}}, {"message": {"type": "string"}}],
}


def check(config: Mapping[str, Any]) -> str | None:
    """At least one of allow and deny."""
    if not config.get("allow") and not config.get("deny"):
        return "at least one of these fields must be non-empty: 'config.allow', 'config.deny'"
    return None


async def access(exchange: Exchange, config: Mapping[str, Any]) -> None:
    """Refuse with 403 (or the configured status) by address."""
    address = exchange.remote[0]
    denied = bool(config.get("deny")) and _within(address, config["deny"])
    if denied or (config.get("allow") and not _within(address, config["allow"])):
        message = config.get("message") or f"IP address not allowed: {address}"
        raise exchange.error(int(config.get("status") or 403), message)


def _within(address: str, ranges: list[str]) -> bool:
    found = ipaddress.ip_address(address)
    return any(found in ipaddress.ip_network(one, strict=False) for one in ranges)
