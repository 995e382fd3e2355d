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
class CheckResult:
    """The name of a check, what it saw, and, unless all is well, what to do."""

    check: str
    level: Level
    seen: str
    mend: str = ""


def ok(check: str, seen: str) -> CheckResult:
    """Return that all is well."""
    return CheckResult(check, Level.OK, seen)


def warn(check: str, seen: str, mend: str) -> CheckResult:
    """Return what works, but should be otherwise."""
    return CheckResult(check, Level.WARN, seen, mend)


def fail(check: str, seen: str, mend: str) -> CheckResult:
    """Return what must be mended."""
    return CheckResult(check, Level.FAIL, seen, mend)
