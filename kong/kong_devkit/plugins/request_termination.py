"""request-termination: a fixed answer. Source: kong/plugins/request-termination (Kong 3.9.1); ``echo`` is not built."""

import json
from collections.abc import Mapping
from typing import Any, Final

from kong_devkit.errors import JSON
from kong_devkit.exchange import Exchange, PluginExit
from kong_devkit.headers import encode
from kong_devkit.uri import parse_query

PRIORITY: Final = 2
CONFIG: Final = {
    "type": "record",
    "required": True,
    "fields": [
        {"status_code": {"type": "integer", "required": True, "default": 503, "between": [100, 599]}},
        {"message": {"type": "string"}},
        {"content_type": {"type": "string"}},
        {"body": {"type": "string"}},
        {
            "echo": {
                "type": "boolean",
                "required": True,
                "default": False,
                "eq": False,
                "err": "the devkit does not echo",
            }
        },
        {"trigger": {"type": "string", "match": "^[%w_-]+$"}},
    ],
}
_MESSAGES: Final = {
    401: "Unauthorized",
    404: "Not found",
    405: "Method not allowed",
    500: "An unexpected error occurred",
    502: "Bad Gateway",
    503: "Service unavailable",
}


def check(config: Mapping[str, Any]) -> str | None:
    """Message, or body with its type."""
    if config.get("message") and (config.get("content_type") or config.get("body")):
        return "message cannot be used with content_type or body"
    if config.get("content_type") and not config.get("body"):
        return "content_type requires a body"
    return None


async def access(exchange: Exchange, config: Mapping[str, Any]) -> None:
    """Answer, unless a trigger is set and absent from the request."""
    trigger, status = config.get("trigger"), config["status_code"]
    if trigger and trigger not in exchange.headers and trigger not in parse_query(exchange.query or ""):
        return
    if config.get("body"):
        kind = config.get("content_type")
        raise PluginExit(status, encode(config["body"]), {"Content-Type": kind} if kind else {})
    message = config.get("message") or _MESSAGES.get(status)
    body = json.dumps({"message": message}, separators=(",", ":")).encode() if message else None
    raise PluginExit(status, body, {"Content-Type": JSON} if body else {})
