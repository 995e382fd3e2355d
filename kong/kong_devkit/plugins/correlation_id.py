"""correlation-id: one id per request, to the upstream and, if asked, back. Source: kong/plugins/correlation-id."""

import itertools
import time
import uuid
from collections.abc import Mapping
from os import getpid
from typing import Any, Final

from kong_devkit.exchange import Exchange

PRIORITY: Final = 100001
CONFIG: Final = {
    "type": "record",
    "required": True,
    "fields": [
        {"header_name": {"type": "string", "default": "Kong-Request-ID"}},
        {
            "generator": {
                "type": "string",
                "default": "uuid#counter",
                "required": True,
                "one_of": ["uuid", "uuid#counter", "tracker"],
            }
        },
        {"echo_downstream": {"type": "boolean", "required": True, "default": False}},
    ],
}
_WORKER: Final = str(uuid.uuid4())
_COUNTER: Final = itertools.count(1)


async def access(exchange: Exchange, config: Mapping[str, Any]) -> None:
    """Keep the client's id or make one."""
    found = exchange.headers.lookup(config["header_name"])
    if not found:
        found = _make(exchange, config["generator"])
        exchange.set_header(config["header_name"], found)
    exchange.serialize_values.append(("correlation_id", found))
    exchange.plugin_memory["correlation-id"] = found


def header_filter(exchange: Exchange, config: Mapping[str, Any]) -> None:
    """Echo the id to the client."""
    if config["echo_downstream"]:
        known = exchange.plugin_memory.get("correlation-id") or exchange.headers.lookup(config["header_name"])
        exchange.response_headers.set(config["header_name"], known or _make(exchange, config["generator"]))


def _make(exchange: Exchange, generator: str) -> str:
    if generator == "uuid":
        return str(uuid.uuid4())
    if generator == "uuid#counter":
        return f"{_WORKER}#{next(_COUNTER)}"
    return f"{exchange.local[0]}-{exchange.local[1]}-{getpid()}-{exchange.remote[1]}-1-{time.time():.3f}"
