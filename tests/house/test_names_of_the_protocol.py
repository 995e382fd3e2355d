"""Names of methods and of keys in _meta are written in mcp_core.methods alone: elsewhere a slip is a name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from mcp_core.methods import METHODS, SERVER_METHODS

ROOT = Path(__file__).parents[2]
FILES = [
    path
    for folder in ("kong/kong_mcp", "plugins", "sidecar")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path != ROOT / "plugins/mcp_core/methods.py"
]
# Whoever writes a new method of these families writes it where the others stand, too.
FAMILIES = {name.partition("/")[0] for name in (*METHODS, *SERVER_METHODS) if "/" in name} | {"skills"}
NAME = re.compile(rf"(?:{'|'.join(sorted(FAMILIES))})/[a-zA-Z_]+(?:/[a-zA-Z_]+)*|io\.modelcontextprotocol/.*")


def docstrings(tree):
    """Return what stands alone as a text: documentation, also of constants."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def names(source):
    """Return the names of the protocol that are written as texts, each with its line."""
    tree = ast.parse(source)
    documents = docstrings(tree)
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents
        if NAME.fullmatch(node.value) or node.value in METHODS
    ]


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_names_of_methods_are_written_in_one_place(path):
    assert not names(path.read_text()), "take them from mcp_core.methods"


def test_a_name_is_seen_and_a_sentence_is_not():
    assert names('x = "tools/list"\n') == [(1, "tools/list")]
    assert names('f("initialize", {"io.modelcontextprotocol/x": 1})\n') == [
        (1, "initialize"),
        (1, "io.modelcontextprotocol/x"),
    ]
    assert names('"""tools/list"""\nx: str\n"""ping"""\ny = "a tools/list answer"\n') == []
