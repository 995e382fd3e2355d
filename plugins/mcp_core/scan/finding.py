"""What a scan says: findings, each naming its rule, its place and its reason, and the verdict they add up to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a finding weighs on its own."""

    FLAG = "flag"
    BLOCK = "block"


class Verdict(StrEnum):
    """What all findings of an item add up to: the heaviest of them decides."""

    CLEAN = "clean"
    FLAG = "flag"
    BLOCK = "block"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One rule that holds at one place.

    `path` names the field (`tools["x"].inputSchema.properties.path.description`). `excerpt` is at most 160 ASCII
    characters of the text that the rule saw, everything else escaped: it can be printed anywhere. `message` is a
    sentence for an operator.
    """

    rule: str
    family: str
    severity: Severity
    path: str
    excerpt: str
    message: str

    def to_json(self) -> dict[str, str]:
        """Return the finding as JSON values."""
        return {
            "rule": self.rule,
            "family": self.family,
            "severity": self.severity.value,
            "path": self.path,
            "excerpt": self.excerpt,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All findings about one item, sorted; no findings is a clean item."""

    findings: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Report:
        """Return the report of these findings: each once, in an order that depends on nothing but themselves."""
        every = set(findings)
        return cls(tuple(sorted(every)) if every else ())

    @property
    def verdict(self) -> Verdict:
        """Return block if anything blocks, flag if anything was found, and clean otherwise."""
        if any(finding.severity is Severity.BLOCK for finding in self.findings):
            return Verdict.BLOCK
        return Verdict.FLAG if self.findings else Verdict.CLEAN

    def __add__(self, other: Report) -> Report:
        """Return what both together say."""
        return Report.of((*self.findings, *other.findings)) if other.findings else self

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {"verdict": self.verdict.value, "findings": [finding.to_json() for finding in self.findings]}
