"""file-log: the record of each request as a line of JSON in a file. Source: kong/plugins/file-log (Kong 3.9.1)."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from kong_devkit.exchange import Exchange
from kong_devkit.serialize import serialize

PRIORITY: Final = 9
CUSTOM_FIELDS: Final = {
    "custom_fields_by_lua": {
        "type": "map",
        "keys": {"type": "string", "len_min": 1},
        "values": {"type": "string", "len_min": 1},
    }
}
CONFIG: Final = {
    "type": "record",
    "required": True,
    "fields": [
        {"path": {"type": "string", "required": True}},
        {"reopen": {"type": "boolean", "required": True, "default": False}},
        CUSTOM_FIELDS,
    ],
}
NOTHING: Final = "return nil"


def check(config: Mapping[str, Any]) -> str | None:
    """Refuse what the devkit lacks: Lua that does more than take a field out."""
    if any(one.strip() != NOTHING for one in (config.get("custom_fields_by_lua") or {}).values()):
        return f"the devkit's custom_fields_by_lua takes fields out only: write {NOTHING!r}, or use a real Kong"
    return None


async def access(_exchange: Exchange, _config: Mapping[str, Any]) -> None:
    """Do nothing: the plugin works when the request has ended."""


async def log(exchange: Exchange, config: Mapping[str, Any]) -> None:
    """Append the record. A file that cannot be written loses it, as with Kong."""
    for name in config.get("custom_fields_by_lua") or {}:
        exchange.serialize_values.append((name, None))
    _append(Path(config["path"]), json.dumps(serialize(exchange), separators=(",", ":")))


def _append(path: Path, line: str) -> None:
    with contextlib.suppress(OSError), path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
