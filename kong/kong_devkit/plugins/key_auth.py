"""key-auth: the consumer is who holds the key. Source: kong/plugins/key-auth (Kong 3.9.1)."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from kong_devkit.exchange import Exchange, PdkError, PluginExit
from kong_devkit.uri import drop_query_argument, parse_query

PRIORITY: Final = 1250
CONFIG: Final = {
    "type": "record",
    "required": True,
    "fields": [
        {
            "key_names": {
                "type": "array",
                "required": True,
                "elements": {"type": "string", "match": "^[%w_-]+$"},
                "default": ["apikey"],
            }
        },
        {"hide_credentials": {"type": "boolean", "required": True, "default": False}},
        {"anonymous": {"type": "string"}},
        {"key_in_header": {"type": "boolean", "required": True, "default": True}},
        {"key_in_query": {"type": "boolean", "required": True, "default": True}},
        {"key_in_body": {"type": "boolean", "required": True, "default": False}},
        {"run_on_preflight": {"type": "boolean", "required": True, "default": True}},
        {"realm": {"type": "string"}},
    ],
}


async def access(exchange: Exchange, config: Mapping[str, Any]) -> None:
    """Authenticate, or end the request with 401; with ``anonymous`` set, let it pass as that consumer instead."""
    if not config["run_on_preflight"] and exchange.method == "OPTIONS":
        return
    anonymous = config.get("anonymous")
    if anonymous is None:
        await _authenticate(exchange, config)
        return
    if exchange.credential is not None:
        return
    try:
        await _authenticate(exchange, config)
    except PluginExit:
        runtime = exchange.runtime
        consumer = runtime.consumers.get(anonymous) or runtime.usernames.get(anonymous)
        if consumer is None:
            raise PdkError(f"the anonymous consumer {anonymous} does not exist") from None
        _set_consumer(exchange, consumer, None)


async def _authenticate(exchange: Exchange, config: Mapping[str, Any]) -> None:
    challenge = {"WWW-Authenticate": f'Key realm="{config["realm"]}"' if config.get("realm") else "Key"}
    found: Any = None
    for name in config["key_names"]:
        found = await _find(exchange, config, name)
        if isinstance(found, list):
            raise exchange.error(401, "Duplicate API key found", challenge)
        if isinstance(found, str):
            if config["hide_credentials"]:
                await _hide(exchange, config, name)
            break
    if not isinstance(found, str) or not found:
        raise exchange.error(401, "No API key found in request", challenge)
    credential = exchange.runtime.keys.get(found)
    if credential is None:
        raise exchange.error(401, "Unauthorized", challenge)
    _set_consumer(exchange, exchange.runtime.consumers[credential["consumer_id"]], credential)


async def _find(exchange: Exchange, config: Mapping[str, Any], name: str) -> Any:
    found: Any = None
    if config["key_in_header"]:
        values = exchange.headers.values(name)
        found = values[0] if len(values) == 1 else values or None
    if not found and config["key_in_query"]:
        found = parse_query(exchange.query or "").get(name)
    if not found and config["key_in_body"]:
        found = (await _body(exchange)).get(name)
    return found


async def _hide(exchange: Exchange, config: Mapping[str, Any], name: str) -> None:
    if exchange.query:
        exchange.query = drop_query_argument(exchange.query, name)
    exchange.headers.remove(name)
    if not config["key_in_body"]:
        return
    body = await _body(exchange)
    if body:
        body.pop(name, None)
        kind = (exchange.headers.get("content-type") or "").split(";")[0].strip().lower()
        text = json.dumps(body) if kind == "application/json" else urlencode(body, doseq=True)
        exchange.body.replace(text.encode("utf-8", "surrogateescape"))


async def _body(exchange: Exchange) -> dict[str, Any]:
    kind = (exchange.headers.get("content-type") or "").split(";")[0].strip().lower()
    if kind not in {"application/json", "application/x-www-form-urlencoded"}:
        return {}
    await exchange.body.read()
    if exchange.body.data is None:
        return {}
    text = exchange.body.data.decode("utf-8", "surrogateescape")
    if kind == "application/json":
        try:
            found = json.loads(text)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
    fields: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        before = fields.get(key)
        fields[key] = value if before is None else [*(before if isinstance(before, list) else [before]), value]
    return fields


def _set_consumer(exchange: Exchange, consumer: dict[str, Any], credential: dict[str, Any] | None) -> None:
    exchange.consumer, exchange.credential = consumer, credential
    told = {
        "X-Consumer-ID": consumer.get("id"),
        "X-Consumer-Custom-ID": consumer.get("custom_id"),
        "X-Consumer-Username": consumer.get("username"),
        "X-Credential-Identifier": credential["id"] if credential else None,
        "X-Anonymous-Consumer": None if credential else "true",
    }
    for name, value in told.items():
        if value is None:
            exchange.headers.remove(name)  # whatever the client wrote there is a forgery
        else:
            exchange.set_header(name, value)
