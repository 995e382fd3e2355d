"""docs/know-before-you-change.md: every example is run, and prints what stands there."""

import re
import shlex

import pytest
from click.testing import CliRunner

from deck.support import ROOT
from kong_mcp.cli import main

PAGE = (ROOT / "docs" / "know-before-you-change.md").read_text(encoding="utf-8")


def block(name):
    found = re.search(rf"<!-- tested: {re.escape(name)} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"the page has no tested block {name}"
    return found[1]


@pytest.mark.requirement("KNOW-003")
@pytest.mark.parametrize("name", ["explain", "diff"])
def test_every_example_prints_what_stands_there(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file in ("policy.yaml", "new.yaml", "tools.json"):
        (tmp_path / file).write_text(block(file), encoding="utf-8")
    examples = block(name).split("$ kong-mcp ")[1:]
    assert examples
    for example in examples:
        command, _, printed = example.partition("\n")
        ended = CliRunner().invoke(main, shlex.split(command))
        assert ended.output == printed
        assert ended.exit_code == (1 if command.startswith("policy diff") else 0)
