"""Duties, in plain words: what is ordered with a tool, a path, a value or an address; and what honest hints say."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_core.scan import ItemKind, Scanner, Verdict

SCANNER = Scanner()
FIELDS = ("recipient", "amount", "path", "city", "hotel", "account", "subject")
SCHEMA = {"type": "object", "properties": {name: {"type": "string"} for name in FIELDS}}
LINES = (Path(__file__).parent / "duties.txt").read_text(encoding="utf-8").splitlines()[1:]
STEERS, HONEST = LINES[: LINES.index("---")], LINES[LINES.index("---") + 1 :]


def verdict(text):
    item = {"name": "do_it", "description": text, "inputSchema": SCHEMA}
    return SCANNER.scan_item(ItemKind.TOOL, item).verdict


@pytest.mark.requirement("SCAN-024")
@pytest.mark.parametrize("text", STEERS)
def test_what_makes_a_model_do_something_else_is_blocked(text):
    assert verdict(text) is Verdict.BLOCK


@pytest.mark.requirement("SCAN-024")
@pytest.mark.parametrize("text", HONEST)
def test_an_honest_hint_passes(text):
    assert verdict(text) is not Verdict.BLOCK
