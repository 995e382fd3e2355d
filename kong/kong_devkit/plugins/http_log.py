"""http-log: records of requests, in batches, to an HTTP server. Source: kong/plugins/http-log, kong/tools/queue.lua.

A batch that is not taken is sent again, as it is, until its time is over; then it is lost, as with Kong.
"""

import asyncio
import contextlib
import json
import logging
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from kong_devkit.exchange import Exchange
from kong_devkit.plugins import file_log
from kong_devkit.serialize import serialize

_LOG = logging.getLogger("kong_devkit.http_log")
_QUEUE: Final = {
    "type": "record",
    "required": True,
    "fields": [
        {"max_batch_size": {"type": "integer", "default": 1}},
        {"max_coalescing_delay": {"type": "number", "default": 1}},
        {"max_entries": {"type": "integer", "default": 10000}},
        {"max_bytes": {"type": "integer"}},
        {"max_retry_time": {"type": "number", "default": 60}},
        {"initial_retry_delay": {"type": "number", "default": 0.01}},
        {"max_retry_delay": {"type": "number", "default": 60}},
        {"concurrency_limit": {"type": "integer", "default": 1}},
    ],
}
PRIORITY: Final = 12
CONFIG: Final = {
    "type": "record",
    "required": True,
    "fields": [
        {"http_endpoint": {"type": "string", "required": True}},
        {"method": {"type": "string", "default": "POST"}},
        {"content_type": {"type": "string", "default": "application/json"}},
        {"timeout": {"type": "number", "default": 10000}},
        {"keepalive": {"type": "number", "default": 60000}},
        {"headers": {"type": "map", "keys": {"type": "string"}, "values": {"type": "string"}}},
        {"queue": _QUEUE},
        file_log.CUSTOM_FIELDS,
    ],
}
check = file_log.check
access = file_log.access


class _Queue:
    """What waits for one endpoint. `sending` is the task that empties it."""

    def __init__(self) -> None:
        self.entries: deque[str] = deque()
        self.full = asyncio.Event()
        self.sending: asyncio.Task[None] | None = None


_QUEUES: Final[dict[str, _Queue]] = {}


async def log(exchange: Exchange, config: Mapping[str, Any]) -> None:
    """Put the record into the endpoint's queue. What has no room there takes the place of the oldest."""
    for name in config.get("custom_fields_by_lua") or {}:
        exchange.serialize_values.append((name, None))
    queue = _QUEUES.setdefault(config["http_endpoint"], _Queue())
    if len(queue.entries) >= config["queue"]["max_entries"]:
        queue.entries.popleft()
        _LOG.error("queue full, dropping old entries until processing is successful again")
    queue.entries.append(json.dumps(serialize(exchange), separators=(",", ":")))
    if len(queue.entries) >= config["queue"]["max_batch_size"]:
        queue.full.set()
    if queue.sending is None:
        queue.sending = asyncio.create_task(_empty(queue, config))


async def _empty(queue: _Queue, config: Mapping[str, Any]) -> None:
    limits = config["queue"]
    while queue.entries:
        queue.full.clear()
        if len(queue.entries) < limits["max_batch_size"]:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(queue.full.wait(), limits["max_coalescing_delay"])
        batch = [queue.entries.popleft() for _ in range(min(len(queue.entries), limits["max_batch_size"]))]
        body = batch[0] if limits["max_batch_size"] == 1 else f"[{','.join(batch)}]"
        await _deliver(body, len(batch), config)
    queue.sending = None


async def _deliver(body: str, entries: int, config: Mapping[str, Any]) -> None:
    limits, loop = config["queue"], asyncio.get_running_loop()
    until, delay = loop.time() + limits["max_retry_time"], limits["initial_retry_delay"]
    while (problem := await asyncio.to_thread(_post, body, config)) is not None:
        _LOG.warning("handler could not process entries: %s", problem)
        if loop.time() > until:
            _LOG.error("could not send entries due to max_retry_time exceeded. %d queue entries were lost", entries)
            return
        await asyncio.sleep(delay)
        delay = min(delay * 2, limits["max_retry_delay"])


def _post(body: str, config: Mapping[str, Any]) -> str | None:
    """Send a body, and return why it was not taken."""
    headers = {"Content-Type": config["content_type"], **(config.get("headers") or {})}
    request = urllib.request.Request(config["http_endpoint"], body.encode(), headers, method=config["method"])  # noqa: S310 - the operator's own
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=config["timeout"] / 1000):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"status code {error.code}"
    except OSError as error:
        return str(error)
