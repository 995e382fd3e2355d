"""What a check says: one line for a person, one object for a program. Nothing secret is ever in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is: `fail` means that requests are refused, or will be."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The name of a check, what it saw, and, unless all is well, what to do."""

    check: str
    level: Level
    seen: str
    mend: str = ""


def ok(check: str, seen: str) -> Finding:
    """Return that all is well."""
    return Finding(check, Level.OK, seen)


def warn(check: str, seen: str, mend: str) -> Finding:
    """Return what works, but should be otherwise."""
    return Finding(check, Level.WARN, seen, mend)


def fail(check: str, seen: str, mend: str) -> Finding:
    """Return what must be mended."""
    return Finding(check, Level.FAIL, seen, mend)
