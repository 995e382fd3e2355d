"""What Kong is told of a plugin before it has ever talked to the server, and the proof that it was the right thing.

Kong reads the description once, when it starts, from a query command; that may print a file that was written long
before. So what Kong goes by can be of another release than the server that it connects to: its phases, its priority (a
guard that runs before authentication), its fields and their defaults. No call of the protocol says which one Kong has.

Therefore each description adds one field to the plugin's configuration whose *name* is a digest of the rest. Kong fills
its default in for every instance, from the description that it has, whatever a database holds: when it reads it drops
fields that its schema does not know (kong/db/schema/init.lua, process_auto_fields). An instance whose configuration
lacks the field is not started, and Kong answers 500.

The digest is of what has a meaning for Kong. Descriptions and the version have none: releases that differ in nothing
else follow each other without a restart of Kong.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

PROTOCOL: Final = "ProtoBuf:1"
# As kong/db/schema/typedefs.lua (protocols_http), which bundled plugins have. decK takes a plugin whose schema says
# nothing about protocols for one that has none, and finds a difference to what Kong keeps, for ever.
_PROTOCOLS: Final = ("grpc", "grpcs", "http", "https")
_DIGITS: Final = 12
_PREFIX: Final = "described_"


class StrangeDescriptionError(Exception):
    """Kong has another description of a plugin than this server's; the message says what to do."""

    log_safe = True


def mark(phases: Sequence[str], priority: int, schema: Sequence[dict[str, Any]]) -> str:
    """Return the name of the field that stands for this description."""
    meant = [PROTOCOL, sorted(phases), priority, _PROTOCOLS, _without_words(schema)]
    digest = hashlib.sha256(json.dumps(meant, sort_keys=True).encode()).hexdigest()
    return _PREFIX + digest[:_DIGITS]


def table(name: str, mark_: str, schema: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the schema table that Kong loads: the plugin's own fields, and those that are the same for all."""
    protocols = {
        "type": "set",
        "required": True,
        "default": list(_PROTOCOLS),
        "elements": {"type": "string", "one_of": list(_PROTOCOLS)},
    }
    same = {
        "type": "boolean",
        "required": True,
        "default": True,
        "eq": True,
        "description": "Shows the plugin server which description of it Kong has. Leave it out: it is filled in.",
    }
    config = {"type": "record", "required": True, "fields": [*schema, {mark_: same}]}
    return {"name": name, "fields": [{"protocols": protocols}, {"config": config}]}


def check(name: str, mark_: str, config: bytes) -> None:
    """Hold the configuration of a new instance to this server's description of its plugin.

    Raises:
        StrangeDescriptionError: Kong filled it in by another one, older or newer.
        ValueError: it is no JSON.
    """
    values = json.loads(config)
    if not isinstance(values, dict) or values.get(mark_) is not True:
        raise StrangeDescriptionError(
            f"Kong describes {name} otherwise than this plugin server does: its dump is of another release. "
            f"Write it anew (mcp-pluginserver --dump {name}), then restart Kong. Until then every request is refused"
        )


def _without_words(node: Any) -> Any:
    # A field may itself be called description: then what stands there is its definition, a dict.
    if isinstance(node, dict):
        return {
            key: _without_words(value)
            for key, value in node.items()
            if key != "description" or not isinstance(value, str)
        }
    if isinstance(node, list | tuple):
        return [_without_words(one) for one in node]
    return node


def mark_in(schema: dict[str, Any]) -> str | None:
    """Return the mark in a schema table, None for a description of a release that had none."""
    configs = [field["config"] for field in schema.get("fields", ()) if "config" in field]
    names = [name for config in configs for field in config.get("fields", ()) for name in field]
    return next((name for name in names if name.startswith(_PREFIX)), None)
