"""What happened to a request as an event of the Open Cybersecurity Schema Framework, class API Activity (6003).

Source: schema.ocsf.io, version 1.6.0. What the class has no attribute for stands under `unmapped`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from mcp_core.methods import METHODS
from mcp_core.reasons import Ending
from mcp_core.telemetry.visit import Visit

VERSION: Final = "1.6.0"
CLASS: Final = 6003
_OTHER: Final = 99
_INFORMATIONAL, _LOW, _MEDIUM = 1, 2, 3
_SUCCESS, _FAILURE = 1, 2
_ROUTINE: Final = frozenset({Ending.PASSED, Ending.FILTERED})
_CREATE, _UPDATE, _DELETE = 1, 3, 4
_ACTIVITIES: Final = {"seen": _CREATE, "decided": _UPDATE, "forgotten": _DELETE}
"""What an entry of the store's chain tells of -> activity_id."""
_CLOSED: Final = frozenset({"quarantined", "rejected", "revoked"})
_NOT_KEPT: Final = {"name": "not kept"}
"""The endpoint, which the class requires, where none is kept."""
_DENIED: Final = frozenset({Ending.REFUSED, Ending.LIMITED, Ending.WITHHELD, Ending.UNSIGNED})


class Persons(StrEnum):
    """What becomes of who called, and from where."""

    KEPT = "kept"
    HASHED = "hashed"
    """A pseudonym, the same for the same person as long as the key is the same."""
    DROPPED = "dropped"


def matters(visit: Visit) -> bool:
    """Return whether something was decided: all but what passed, and lists that lost what their caller may not see."""
    return visit.record.outcome not in _ROUTINE


def event(visit: Visit, release: str, person: Callable[[str], str | None]) -> dict[str, Any]:
    """Return the event of a request. `person` gives what stands for a principal or an address: None for nothing."""
    record = visit.record
    denied = record.outcome in _DENIED
    principal = person(record.principal) if record.principal else None
    address = person(visit.address) if visit.address else None
    method = record.method or "http"
    told: dict[str, Any] = {
        **_activity(_OTHER, method),
        "severity_id": _MEDIUM if denied else _LOW if visit.error else _INFORMATIONAL,
        "status_id": _FAILURE if visit.error or denied else _SUCCESS,
        "status": str(record.outcome),
        "time": visit.at,
        "duration": visit.took // 1000,
        "metadata": {"uid": visit.id, **_metadata(release)},
        "actor": _known({"user": principal and {"name": principal}, "session": _uid(record.session)})
        or {"app_name": "agent"},
        "api": _known(
            {
                "operation": method,
                "service": {"name": visit.server},
                "request": {"uid": visit.id},
                "response": _known({"code": visit.status, "error": visit.error or None}),
            }
        ),
        "unmapped": _known({"mcp.era": record.era, "mcp.lane": record.lane, "trace_id": visit.trace}),
    }
    if record.reason:
        told["status_detail"] = str(record.reason)
        told["unmapped"] |= _known({"detail": record.refused.detail, "cause": record.refused.cause})
    told["src_endpoint"] = {"ip" if address == visit.address else "uid": address} if address else _NOT_KEPT
    if record.name is not None:
        known = METHODS.get(record.method or "")
        kind = known.kind.value.removesuffix("s") if known is not None and known.kind is not None else "item"
        told["resources"] = [{"name": record.name, "type": kind}]
    return told


def decision(entry: Mapping[str, Any], release: str) -> dict[str, Any]:
    """Return the event of an entry of the store's chain: what a server showed, what a person decided of it or of whom.

    `entry` has the members that the entry's hash is made of, and that hash, by which the event is known.
    """
    action, server = entry["action"], entry["server"]
    closed = entry["state"] in _CLOSED
    by_person = entry["actor"] != "mcp-sidecar"
    told: dict[str, Any] = {
        **_activity(_ACTIVITIES.get(action, _OTHER), action),
        "severity_id": _MEDIUM if closed else _LOW if by_person else _INFORMATIONAL,
        "status_id": _SUCCESS,
        "status": entry["state"],
        "time": entry["at"],
        "metadata": {"uid": entry["hash"], "sequence": entry["seq"], **_metadata(release)},
        "actor": {"user": {"name": entry["actor"]}} if by_person else {"app_name": entry["actor"]},
        "api": {"operation": action, "service": {"name": server or "kong-mcp"}},
        "src_endpoint": _NOT_KEPT,
        "resources": [_known({"name": entry["name"], "type": entry["kind"], "uid": entry["digest"]})],
        "unmapped": {"previous": entry["previous"], "detail": entry["detail"]},
    }
    if entry["why"]:
        told["status_detail"] = entry["why"]
    return told


def terms(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what an event can be found by: names of search's options, and values."""
    api, actor, unmapped = told["api"], told.get("actor", {}), told.get("unmapped", {})
    resources = told.get("resources") or [{}]
    found = {
        "request": told["metadata"]["uid"],
        "server": api["service"]["name"],
        "method": api["operation"],
        "item": resources[0].get("name"),
        "principal": (actor.get("user") or {}).get("name"),
        "session": (actor.get("session") or {}).get("uid"),
        "outcome": told["status"],
        "reason": told.get("status_detail"),
        "error": api["response"].get("error"),
        "trace": unmapped.get("trace_id"),
    }
    yield from ((name, value) for name, value in found.items() if value)


def _activity(number: int, name: str) -> dict[str, Any]:
    """Return the members by which an event says what kind it is."""
    return {
        "category_uid": 6,
        "class_uid": CLASS,
        "activity_id": number,
        "activity_name": name,
        "type_uid": CLASS * 100 + number,
    }


def _metadata(release: str) -> dict[str, Any]:
    """Return the members of an event's metadata that all events have."""
    return {"version": VERSION, "product": {"name": "kong-mcp", "vendor_name": "kong-mcp", "version": release}}


def _uid(session: str | None) -> dict[str, str] | None:
    return {"uid": session} if session else None


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, str) else value for name, value in values.items() if value}
