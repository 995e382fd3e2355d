"""Caps on size. They only go down."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for room in ("kong", "plugins", "sidecar", "deck", "tests") for path in (ROOT / room).rglob("*.py"))
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60


def names(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


def test_there_are_files_to_measure():
    assert len(FILES) > 20


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_files_and_functions_stay_small(path):
    text = path.read_text()
    assert len(text.splitlines()) < MOST_LINES_OF_A_FILE, "split the file: one concept each"
    long = [
        f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 >= MOST_LINES_OF_A_FUNCTION
    ]
    assert not long
