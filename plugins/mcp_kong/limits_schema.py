"""How much one request may hold: the fields of the guard's `limits`, in Kong's schema language."""

from __future__ import annotations

from typing import Any, Final

from mcp_core.jsonrpc import DEFAULT_LIMITS


def limit(default: int, at_most: int, description: str) -> dict[str, Any]:
    """Return a field for a whole number from 1 to `at_most`."""
    return {
        "type": "integer",
        "required": True,
        "default": default,
        "between": [1, at_most],
        "description": description,
    }


LIMITS: Final[dict[str, Any]] = {
    "type": "record",
    "description": "How much one request may hold; what holds more is refused before anything reads it.",
    "fields": [
        {"body": limit(DEFAULT_LIMITS.body, 16 * 1024 * 1024, "Bytes of a request body, 4 MiB by default.")},
        {"depth": limit(DEFAULT_LIMITS.depth, 512, "Nesting depth of objects and arrays in a body.")},
        {"keys": limit(DEFAULT_LIMITS.keys, 1_000_000, "Number of object keys in a whole body.")},
        {"values": limit(DEFAULT_LIMITS.values, 4_000_000, "Number of values in a whole body.")},
        {"batch": limit(DEFAULT_LIMITS.batch, 1000, "Messages in a batch, for the revisions that have them.")},
        {"id_length": limit(DEFAULT_LIMITS.id_length, 4096, "Characters of a request id that is a string.")},
        {"digits": limit(DEFAULT_LIMITS.digits, 4000, "Digits of one number anywhere in a body.")},
        {
            "refusals": limit(
                DEFAULT_LIMITS.refusals,
                1_000_000,
                "Refused requests of one caller (a consumer, or an address where nobody authenticates) in a "
                "minute, for each route and worker of the plugin server; further ones are 429.",
            )
        },
        {
            "subscriptions": limit(
                DEFAULT_LIMITS.subscriptions,
                10_000,
                "URIs, and as many tasks, that one subscriptions/listen may name.",
            )
        },
        {
            "call_seconds": {
                "type": "integer",
                "between": [1, 86_400],
                "description": "Seconds that one call may take in all, from the first byte to the last; its "
                "work is cancelled then. Without it, as long as its work takes. Sends calls through the "
                "sidecar.",
            }
        },
    ],
}
