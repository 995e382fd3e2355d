"""How `kong-mcp scan` shows what it found: lines of JSON, a table, SARIF. Nothing of the input is printed raw."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from mcp_core.scan import Report, Severity, Verdict, escaped
from mcp_core.scan.catalog import ALL

_LEVEL: Final = {Severity.BLOCK: "error", Severity.FLAG: "warning"}
_NAME: Final = 48
"""Characters of a name in the table."""


@dataclass(frozen=True, slots=True)
class ScanRow:
    """One scanned thing: where it stands (file and number of the line or member), what it is, and its report.

    `beside` is how many other servers' tools were known; None where that says nothing, as of results.
    """

    place: str
    index: int
    kind: str
    name: str
    report: Report
    server: str = ""
    beside: int | None = None


def json_line(row: ScanRow) -> str:
    """Return the row as one line of ASCII JSON: index, name, verdict, findings, server, `beside` where known."""
    value: dict[str, Any] = {"index": row.index, "name": row.name, **row.report.to_json()}
    if row.server:
        value |= {"server": row.server, "kind": row.kind}
    if row.beside is not None:
        value["beside"] = row.beside
    return json.dumps(value)


def table(rows: Sequence[ScanRow]) -> Iterator[str]:
    """Yield a line for every finding, and one that counts."""
    for row in rows:
        name = escaped(row.name)
        name = name if len(name) <= _NAME else name[: _NAME - 3] + "..."
        owner = f"{escaped(row.server)}: " if row.server else ""
        for finding in row.report.findings:
            yield f"{finding.severity.value:<5}  {owner}{name}  {finding.rule}"
            yield f"       {finding.message}"
            yield f"       {finding.path}"
            if finding.excerpt:
                yield f"       > {finding.excerpt}"
    if alone := sum(row.beside == 0 for row in rows):
        yield (
            f"{alone} read without an inventory: what they say about tools of other servers was not seen "
            "(--beside FILE|DIR)"
        )
    count = {verdict: sum(row.report.verdict is verdict for row in rows) for verdict in Verdict}
    yield (
        f"{len(rows)} scanned: {count[Verdict.BLOCK]} to block, {count[Verdict.FLAG]} to look at, "
        f"{count[Verdict.CLEAN]} clean"
    )


def sarif(rows: Sequence[ScanRow]) -> str:
    """Return a SARIF 2.1.0 log (OASIS, sarif-v2.1.0): one run, with a result for every finding."""
    rules = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.message},
            "defaultConfiguration": {"level": _LEVEL[rule.severity]},
        }
        for rule in ALL
        if rule.severity is not None
    ]
    results = [
        {
            "ruleId": finding.rule,
            "level": _LEVEL[finding.severity],
            "message": {"text": f"{finding.message} {finding.path}: {finding.excerpt}"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": row.place},
                        "region": {"startLine": row.index + 1},
                    },
                    "logicalLocations": [{"fullyQualifiedName": finding.path, "kind": row.kind}],
                }
            ],
        }
        for row in rows
        for finding in row.report.findings
    ]
    driver = {"name": "kong-mcp scan", "version": version("kong-mcp"), "rules": rules}
    log = {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(log, indent=1) + "\n"
