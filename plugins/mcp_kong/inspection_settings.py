"""What a route asks beyond its policy, read from the guard's configuration: pins, scanning, arguments, repeats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_core.inspection import Inspection, Mode
from mcp_core.pins.states import Pinning, Trust
from mcp_kong.schema import INSPECTION, PINNING, REPEATS, RESUMES
from mcp_kong.settings_error import SettingsError


def read_pins(config: Mapping[str, Any]) -> tuple[Pinning, Trust | None]:
    """Read what pins do, and whose server it is, None where that is not said. Raises SettingsError."""
    value = config.get("pins") or {}
    if not isinstance(value, Mapping) or not value.keys() <= {"mode", "trust"}:
        raise SettingsError("config.pins: write {mode: WORD, trust: WORD}")
    mode, trust = value.get("mode", PINNING.value), value.get("trust")
    # YAML reads a bare off as false.
    mode = Pinning.OFF.value if mode is False else mode
    if mode not in list(Pinning):
        raise SettingsError(f"config.pins.mode: write one of {', '.join(Pinning)}")
    if trust is not None and trust not in list(Trust):
        raise SettingsError(f"config.pins.trust: write one of {', '.join(Trust)}")
    if trust is not None and mode == Pinning.OFF.value:
        raise SettingsError("config.pins.trust holds nothing while config.pins.mode is off: write mode: enforce")
    return Pinning(mode), None if trust is None else Trust(trust)


def read_inspection(config: Mapping[str, Any]) -> Inspection:
    """Read what is asked of results and arguments. Raises SettingsError."""
    return Inspection(
        results=_word(config, "results", "mode"),
        schema=_word(config, "arguments", "schema"),
        secrets=_word(config, "arguments", "secrets"),
        repeats=read_repeat(config),
        resumes=read_resume(config),
        lists=_word(config, "lists", "mode", Mode.BLOCK),
    )


def read_repeat(config: Mapping[str, Any]) -> bool:
    """Read whether calls may be repeated. Raises SettingsError."""
    value = config.get("repeat") or {}
    if not isinstance(value, Mapping) or not value.keys() <= {"calls", "sessions"}:
        raise SettingsError("config.repeat: write {calls: WORD, sessions: WORD}")
    word = value.get("calls", REPEATS[0])
    # YAML reads a bare off as false.
    word = REPEATS[0] if word is False else word
    if word not in REPEATS:
        raise SettingsError(f"config.repeat.calls: write one of {', '.join(REPEATS)}")
    if word == REPEATS[1] and read_pins(config)[0] is not Pinning.ENFORCE:
        raise SettingsError("config.repeat.calls is hinted: only approved hints count; write pins: {mode: enforce} too")
    return bool(word == REPEATS[1])


def read_resume(config: Mapping[str, Any]) -> bool:
    """Read whether sessions that their replica lost are opened again. Raises SettingsError."""
    word = (config.get("repeat") or {}).get("sessions") or RESUMES[0]  # YAML reads a bare off as false
    if word not in RESUMES:
        raise SettingsError(f"config.repeat.sessions: write one of {', '.join(RESUMES)}")
    return bool(word == RESUMES[1])


def _word(config: Mapping[str, Any], field: str, key: str, default: Mode = Mode.OFF) -> Mode:
    value, keys = config.get(field) or {}, INSPECTION[field]
    modes = [mode.value for mode in Mode]
    word = value.get(key, default.value) if isinstance(value, Mapping) and value.keys() <= keys else None
    # YAML reads a bare off as false.
    word = Mode.OFF.value if word is False else word
    if word not in modes:
        wanted = ", ".join(f"{one}: WORD" for one in sorted(keys))
        raise SettingsError(f"config.{field}: write {{{wanted}}} with one of {', '.join(modes)}")
    return Mode(word)
