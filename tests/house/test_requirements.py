"""spec/requirements.toml and the tests speak of the same numbered behaviours."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
REQUIREMENTS = tomllib.loads((ROOT / "spec/requirements.toml").read_text())["requirement"]
IDS = [requirement["id"] for requirement in REQUIREMENTS]


def named_by_tests() -> dict[str, str]:
    """Return every id that a test's marker names -> one file that does."""
    named = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "requirement"
                and ast.unparse(node.func.value) == "pytest.mark"
            ):
                for argument in node.args:
                    named[ast.literal_eval(argument)] = path.name
    return named


def test_every_requirement_has_a_test():
    missing = set(IDS) - set(named_by_tests())
    assert not missing, f"mark a test with {sorted(missing)}, or take them out of spec/requirements.toml"


def test_every_id_that_a_test_names_is_a_requirement():
    unknown = {number: file for number, file in named_by_tests().items() if number not in IDS}
    assert not unknown, f"add these to spec/requirements.toml: {unknown}"


def test_ids_are_unique_and_well_formed():
    assert not [number for number, times in Counter(IDS).items() if times > 1]
    assert not [number for number in IDS if not re.fullmatch(r"[A-Z0-9]{2,6}-[0-9]{3}", number)]


def test_every_requirement_says_what_and_why():
    for requirement in REQUIREMENTS:
        assert set(requirement) == {"id", "text", "source"}, requirement
        assert requirement["text"].strip().endswith("."), requirement
        assert requirement["source"].strip(), requirement


def test_every_page_of_ours_that_is_a_source_exists():
    pages = {page for requirement in REQUIREMENTS for page in re.findall(r"spec/[^ ;]+", requirement["source"])}
    assert not [page for page in pages if not (ROOT / page).is_file()]
