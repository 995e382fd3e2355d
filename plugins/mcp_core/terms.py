"""By which policy an answer is judged: the part of the guard's word that is the same for many requests.

Terms stand in the header in base64url, or, where no header can carry them, in a file of the node that their digest
names.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from mcp_core.answer import ServerMessages
from mcp_core.formats import CRITICAL, is_understood
from mcp_core.inspection import Inspection, Mode
from mcp_core.pins.states import Pinning
from mcp_core.policy import View
from mcp_core.scan import ScanConfig
from mcp_core.seal import base64url, from_base64url
from mcp_core.virtual import Virtual

_encode: Final = json.JSONEncoder(separators=(",", ":")).encode
NAMED: Final = "~"  # what base64url never has: a digest follows


@dataclass(frozen=True, slots=True)
class Terms:
    """By which policy an answer is judged: what of the guard's configuration the sidecar carries out for a principal.

    `lists_tasks` says whether the policy lets agents ask for all tasks; `hide` holds the globs of headers that no
    server gets, None for passing.HIDDEN_HEADERS; `scan` is what scan.ScanConfig reads; `call_seconds` as in Limits.
    """

    view: View
    enforce: bool = True
    lists_tasks: bool = False
    server_messages: ServerMessages = field(default_factory=ServerMessages)
    hide: tuple[str, ...] | None = None
    pins: Pinning = Pinning.OFF
    inspection: Inspection = field(default_factory=Inspection)
    scan: Mapping[str, Any] = field(default_factory=dict)
    call_seconds: int = 0
    virtual: Virtual | None = None


def write_terms(terms: Terms) -> bytes:
    """Return terms as JSON: what stands in the header in base64url, or in a file."""
    inspection, told = terms.inspection, terms.server_messages
    values: dict[str, Any] = {
        "view": {kind: access for kind, access in terms.view.to_json().items() if any(access.values())},
        "monitor": not terms.enforce,
        "lists_tasks": terms.lists_tasks,
        "messages": None if told == ServerMessages() else told.to_json(),
        "pins": _unless_off(terms.pins),
        "results": _unless_off(inspection.results),
        "schema": _unless_off(inspection.schema),
        "secrets": _unless_off(inspection.secrets),
        "scan": terms.scan,
        "repeat": inspection.repeats,
        "lists": None if inspection.lists is Mode.BLOCK else inspection.lists.value,
        "resume": inspection.resumes,
        "call_seconds": terms.call_seconds,
        "virtual": terms.virtual and terms.virtual.to_json(),
    }
    if terms.virtual is not None and terms.virtual.flow is not None:
        # A sidecar that knows no flow rules must not let through what they close.
        values["flow"] = values["virtual"].pop("flow")
        values[CRITICAL] = ["flow"]
    kept = {name: value for name, value in values.items() if value}
    return dumped(kept if terms.hide is None else {**kept, "hide": terms.hide})


def terms_digest(content: bytes) -> str:
    """Return what names terms that stand in a file: their SHA-256 in base64url, which is a good name for the file."""
    return base64url(hashlib.sha256(content).digest())


def named_terms(digest: str) -> str:
    """Return TERMS of a header for terms that stand in a file."""
    return NAMED + digest


def read_named_terms(digest: str, content: bytes) -> Terms | None:
    """Return the terms in a file, or None where it is not what was signed, or this release does not read them."""
    if not hmac.compare_digest(terms_digest(content), digest):
        return None
    try:
        return terms_of(_known(object_of(json.loads(content)), _TERMS))
    except (KeyError, TypeError, ValueError):
        return None


_TERMS: Final = frozenset(
    {"view", "monitor", "lists_tasks", "messages", "hide", "pins", "results", "schema", "secrets", "scan", "repeat"}
    | {"resume", "call_seconds", "virtual", "flow"}
)


@lru_cache(maxsize=1024)
def read_terms(text: str) -> Terms:
    """Return the terms that stand in a header. Raises KeyError, TypeError or ValueError."""
    return terms_of(understood(text, _TERMS))


def terms_of(values: Mapping[str, Any]) -> Terms:
    """Return the terms that these members say. Raises KeyError, TypeError or ValueError."""
    hide = values.get("hide")
    return Terms(
        view=View.from_json(object_of(values.get("view", {}))),
        enforce=not values.get("monitor", False),
        lists_tasks=bool(values.get("lists_tasks", False)),
        server_messages=ServerMessages.from_json(values["messages"]) if "messages" in values else ServerMessages(),
        hide=None if hide is None else tuple(texts_of(hide)),
        pins=Pinning(values.get("pins", Pinning.OFF)),
        inspection=inspection_of(values),
        scan=scan_of(values),
        call_seconds=int(values.get("call_seconds", 0)),
        virtual=Virtual.from_json({**values["virtual"], "flow": values.get("flow")}) if "virtual" in values else None,
    )


def dumped(values: Mapping[str, Any]) -> bytes:
    """Return an object as JSON without blanks."""
    return _encode(values).encode()


def loaded(text: str) -> Mapping[str, Any]:
    """Return the object that a text in base64url holds. Raises ValueError, or TypeError for no object."""
    data = from_base64url(text)
    if data is None:
        raise ValueError("not base64url")
    return object_of(json.loads(data))


def understood(text: str, known: frozenset[str]) -> Mapping[str, Any]:
    """Return the object of a text whose members this release may read. Raises as `loaded` does."""
    return _known(loaded(text), known)


def _known(values: Mapping[str, Any], known: frozenset[str]) -> Mapping[str, Any]:
    if not is_understood(values, known):
        raise ValueError("a critical member that is not known")
    return values


def _unless_off(word: Mode | Pinning) -> str | None:
    return None if word == "off" else word.value


def inspection_of(values: Mapping[str, Any]) -> Inspection:
    """Return what the members say of inspection. Raises ValueError."""
    results, schema, secrets = (Mode(values.get(name, Mode.OFF)) for name in ("results", "schema", "secrets"))
    repeats, resumes = bool(values.get("repeat", False)), bool(values.get("resume", False))
    lists = Mode(values.get("lists", Mode.BLOCK))
    return Inspection(results, schema, secrets, repeats=repeats, resumes=resumes, lists=lists)


def scan_of(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the scanner's settings. Where results are scanned by them, this release must know all of them.

    Elsewhere they matter to what is new alone, which stays hidden (spec/decisions/092).
    """
    scan = object_of(values.get("scan", {}))
    if values.get("results", Mode.OFF) != Mode.OFF:
        ScanConfig.from_config(scan)
    return scan


def object_of(value: Any) -> Mapping[str, Any]:
    """Return an object of JSON. Raises TypeError for anything else."""
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def texts_of(values: Any) -> list[str]:
    """Return texts. Raises TypeError for anything else."""
    return [text_of(value) for value in values]


def text_of(value: Any) -> str:
    """Return a text. Raises TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError("not text")
    return value
