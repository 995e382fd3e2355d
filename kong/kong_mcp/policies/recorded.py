"""What calls there were: from the store in which collectors count, or from an audit log."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from kong_mcp.policies.documents import PolicySourceError
from kong_mcp.policies.replay import RecordedCall
from kong_mcp.policies.surfaces import sidecar_module

_HOUR_MS = 3_600_000


def counted_calls(address: str, since: int, now: int, server: str | None) -> Counter[RecordedCall]:
    """Read the usage of the last `since` hours. `now` is Unix milliseconds. Raises PolicySourceError."""
    room, engine = sidecar_module("store.usage"), sidecar_module("store.engine")
    found: Counter[RecordedCall] = Counter()
    hour = now // _HOUR_MS + 1
    try:
        store = room.UsageStore(address)
        try:
            for key, counted in store.rows_between(hour - since, hour, server):
                call = RecordedCall(key.server, key.method, key.name, key.principal, key.outcome, key.reason)
                found[call] += counted.calls
        finally:
            store.close()
    except (engine.StoreError, ValueError) as error:
        raise PolicySourceError(f"{address}: {error}") from None
    return found


def logged_calls(folder: Path, since: int, now: int, server: str | None) -> Counter[RecordedCall]:
    """Read the audit log's lines of the last `since` hours. `now` is Unix milliseconds. Raises PolicySourceError."""
    reading = sidecar_module("telemetry.audit_reading")
    if not folder.is_dir():
        raise PolicySourceError(f"{folder}: there is no such folder of an audit log")
    found: Counter[RecordedCall] = Counter()
    wanted = {} if server is None else {"server": [server]}
    try:
        for told in reading.search(folder, wanted, now - since * _HOUR_MS):
            found[_call(told["event"])] += 1
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PolicySourceError(f"{folder}: this is no audit log of this release: {error}") from None
    return found


def _call(event: dict[str, Any]) -> RecordedCall:
    operation = event["api"]["operation"]
    return RecordedCall(
        event["api"]["service"]["name"],
        "" if operation == "http" else operation,
        (event.get("resources") or [{}])[0].get("name") or "",
        ((event.get("actor") or {}).get("user") or {}).get("name") or "",
        event["status"],
        event.get("status_detail") or "",
    )
