"""key-auth: the consumer is who holds the key, in a header. Source: kong/plugins/key-auth (Kong 3.9.1)."""

from collections.abc import Mapping
from typing import Any, Final

from kong_devkit.exchange import Exchange

PRIORITY: Final = 1250
_ELSEWHERE: Final = "the devkit takes keys from headers only: set it to false, or use a real Kong"
CONFIG: Final = {
    "type": "record",
    "required": True,
    "fields": [
        {"key_names": {"type": "array", "required": True, "elements": {"type": "string"}, "default": ["apikey"]}},
        {"hide_credentials": {"type": "boolean", "required": True, "default": False}},
        {"key_in_header": {"type": "boolean", "required": True, "default": True, "eq": True}},
        {"key_in_query": {"type": "boolean", "required": True, "default": True, "eq": False, "err": _ELSEWHERE}},
        {"key_in_body": {"type": "boolean", "required": True, "default": False, "eq": False, "err": _ELSEWHERE}},
    ],
}


async def access(exchange: Exchange, config: Mapping[str, Any]) -> None:
    """Authenticate, or end the request with 401."""
    challenge = {"WWW-Authenticate": "Key"}
    name, found = next(
        ((name, values) for name in config["key_names"] if (values := exchange.headers.values(name))), ("", [])
    )
    if len(found) > 1:
        raise exchange.error(401, "Duplicate API key found", challenge)
    if not found or not found[0]:
        raise exchange.error(401, "No API key found in request", challenge)
    if config["hide_credentials"]:
        exchange.headers.remove(name)
    credential = exchange.runtime.keys.get(found[0])
    if credential is None:
        raise exchange.error(401, "Unauthorized", challenge)
    consumer = exchange.runtime.consumers[credential["consumer_id"]]
    exchange.consumer, exchange.credential = consumer, credential
    told = {
        "X-Consumer-ID": consumer["id"],
        "X-Consumer-Custom-ID": consumer.get("custom_id"),
        "X-Consumer-Username": consumer["username"],
        "X-Credential-Identifier": credential["id"],
        "X-Anonymous-Consumer": None,
    }
    for header, value in told.items():
        if value is None:
            exchange.headers.remove(header)  # whatever the client wrote there is a forgery
        else:
            exchange.headers.set(header, value)
