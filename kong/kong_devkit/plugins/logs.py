"""file-log and http-log: the record of each request, as a line of a file or in batches to an HTTP server.

A batch that is not taken is sent again, as it is, until its time is over; then it is lost, as with Kong.
Source: kong/plugins/{file-log,http-log}, kong/tools/queue.lua (Kong 3.9.1).
"""

import asyncio
import contextlib
import json
import logging
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from kong_devkit.exchange import Exchange
from kong_devkit.serialize import serialize

_LOG = logging.getLogger("kong_devkit.http_log")
_NOTHING: Final = "return nil"
_CUSTOM_FIELDS: Final = {
    "custom_fields_by_lua": {
        "type": "map",
        "keys": {"type": "string"},
        "values": {
            "type": "string",
            "one_of": [_NOTHING],
            "err": f"the devkit takes fields out only: write {_NOTHING!r}, or use a real Kong",
        },
    }
}
_QUEUE: Final = {
    "type": "record",
    "required": True,
    "fields": [
        {"max_batch_size": {"type": "integer", "default": 1}},
        {"max_coalescing_delay": {"type": "number", "default": 1}},
        {"max_entries": {"type": "integer", "default": 10000}},
        {"max_retry_time": {"type": "number", "default": 60}},
        {"max_retry_delay": {"type": "number", "default": 60}},
    ],
}
FILE_PRIORITY: Final = 9
FILE_CONFIG: Final = {
    "type": "record",
    "required": True,
    "fields": [
        {"path": {"type": "string", "required": True}},
        {"reopen": {"type": "boolean", "required": True, "default": False}},
        _CUSTOM_FIELDS,
    ],
}
HTTP_PRIORITY: Final = 12
HTTP_CONFIG: Final = {
    "type": "record",
    "required": True,
    "fields": [
        {"http_endpoint": {"type": "string", "required": True}},
        {"timeout": {"type": "number", "default": 10000}},
        {"headers": {"type": "map", "keys": {"type": "string"}, "values": {"type": "string"}}},
        {"queue": _QUEUE},
        _CUSTOM_FIELDS,
    ],
}


def _record(exchange: Exchange, config: Mapping[str, Any]) -> str:
    without = [(name, None) for name in config.get("custom_fields_by_lua") or {}]
    return json.dumps(serialize(exchange, without), separators=(",", ":"))


async def to_file(exchange: Exchange, config: Mapping[str, Any]) -> None:
    """Append the record. A file that cannot be written loses it, as with Kong."""
    _append(Path(config["path"]), _record(exchange, config))


def _append(path: Path, line: str) -> None:
    with contextlib.suppress(OSError), path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


class _Queue:
    """What waits for one endpoint. `sending` is the task that empties it."""

    def __init__(self) -> None:
        self.entries: deque[str] = deque()
        self.full = asyncio.Event()
        self.sending: asyncio.Task[None] | None = None


_QUEUES: Final[dict[str, _Queue]] = {}


async def to_server(exchange: Exchange, config: Mapping[str, Any]) -> None:
    """Put the record into the endpoint's queue. What has no room there takes the place of the oldest."""
    queue = _QUEUES.setdefault(config["http_endpoint"], _Queue())
    if len(queue.entries) >= config["queue"]["max_entries"]:
        queue.entries.popleft()
        _LOG.error("queue full, dropping old entries until processing is successful again")
    queue.entries.append(_record(exchange, config))
    if len(queue.entries) >= config["queue"]["max_batch_size"]:
        queue.full.set()
    if queue.sending is None:
        queue.sending = asyncio.create_task(_empty(queue, config))


async def _empty(queue: _Queue, config: Mapping[str, Any]) -> None:
    most = config["queue"]["max_batch_size"]
    while queue.entries:
        queue.full.clear()
        if len(queue.entries) < most:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(queue.full.wait(), config["queue"]["max_coalescing_delay"])
        batch = [queue.entries.popleft() for _ in range(min(len(queue.entries), most))]
        await _deliver(batch[0] if most == 1 else f"[{','.join(batch)}]", len(batch), config)
    queue.sending = None


async def _deliver(body: str, entries: int, config: Mapping[str, Any]) -> None:
    limits, loop = config["queue"], asyncio.get_running_loop()
    until, delay = loop.time() + limits["max_retry_time"], 0.01
    while (problem := await asyncio.to_thread(_post, body, config)) is not None:
        _LOG.warning("handler could not process entries: %s", problem)
        if loop.time() > until:
            _LOG.error("could not send entries due to max_retry_time exceeded. %d queue entries were lost", entries)
            return
        await asyncio.sleep(delay)
        delay = min(delay * 2, limits["max_retry_delay"])


def _post(body: str, config: Mapping[str, Any]) -> str | None:
    """Send a body, and return why it was not taken."""
    headers = {"Content-Type": "application/json", **(config.get("headers") or {})}
    request = urllib.request.Request(config["http_endpoint"], body.encode(), headers)  # noqa: S310 - the operator's own
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=config["timeout"] / 1000):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"status code {error.code}"
    except OSError as error:
        return str(error)
