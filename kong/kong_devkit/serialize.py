"""kong.log.serialize: the record that logging plugins write. Source: kong/pdk/log.lua (Kong 3.9.1)."""

from collections.abc import Iterable
from typing import Any

from kong_devkit.exchange import Exchange


def serialize(exchange: Exchange, more: Iterable[tuple[str, Any]] = ()) -> dict[str, Any]:
    """The log record of a finished request, with the plugins' own values set in, then `more`; times in milliseconds."""
    request = exchange.request
    headers = exchange.headers.table()
    for name in ("authorization", "proxy-authorization"):
        if name in headers:
            headers[name] = "REDACTED"
    root: dict[str, Any] = {
        "request": {
            "id": exchange.request_id,
            "uri": request.target,
            "url": f"http://{request.host}:{exchange.local[1]}{request.target}",
            "method": request.method,
            "headers": headers,
            "size": request.size + exchange.body.length,
        },
        "upstream_uri": exchange.upstream.uri if exchange.match else "",
        "upstream_status": str(exchange.upstream_status or ""),
        "response": {
            "status": exchange.response_status,
            "headers": exchange.response_headers.table(),
            "size": exchange.sent,
        },
        "latencies": {
            "kong": exchange.proxy_ms,
            "proxy": exchange.waited_ms,
            "request": exchange.elapsed_ms(),
            "receive": 0,
        },
        "tries": exchange.upstream.tries,
        "client_ip": exchange.remote[0],
        "started_at": int(exchange.started * 1000),
        "source": "upstream" if exchange.proxied and not exchange.exited else "kong",
    }
    optional = {"route": exchange.route, "service": exchange.service, "consumer": exchange.consumer}
    root.update({name: value for name, value in optional.items() if value is not None})
    if exchange.credential is not None:
        root["authenticated_entity"] = {name: exchange.credential.get(name) for name in ("id", "consumer_id")}
    for name, value in (*exchange.serialize_values, *more):
        _put(root, name.split("."), value)
    return root


def _put(root: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        inner = root.setdefault(key, {})
        if not isinstance(inner, dict):
            return
        root = inner
    if value is None:
        root.pop(keys[-1], None)
    else:
        root[keys[-1]] = value
