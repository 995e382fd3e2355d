"""Mutate one module of the core, bit by bit, and see whether its tests notice: `make mutants MODULE=mcp_core.record`.

Cosmic Ray makes the mutants; this draws them by lot until the time is over. A mutant is killed by the tests of the core
that import the module, in a copy of the tree. One that differs in annotations alone is none.
"""

from __future__ import annotations

import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[2]
SLOWER = 5
"""Times that tests may take what they took without a mutant: beyond, it has made them endless."""


class _Bare(ast.NodeTransformer):
    """Takes off what does nothing at run time: annotations."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        for one in (*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs):
            one.annotation = None
        return self.generic_visit(node)


def bare(source: str) -> str | None:
    """Return what a text does at run time, or None for one that is no Python."""
    try:
        return ast.dump(_Bare().visit(ast.parse(source)))
    except SyntaxError:
        return None


def places(source: str) -> list[tuple[str, int]]:
    """Return where a mutant can be made: by which operator, and as which of its occurrences."""
    tree, found = get_ast(source), []
    for name in operator_names():
        kind = get_operator(name)
        if not kind.arguments():
            operator = kind()
            count = sum(1 for node in ast_nodes(tree) for _ in operator.mutation_positions(node))
            found += [(name, occurrence) for occurrence in range(count)]
    return found


def drawn(source: str, seed: int) -> Iterator[tuple[str, str]]:
    """Give mutants that do something else at run time, in the order of a lot, with the name of what made each."""
    same, every = bare(source), places(source)
    random.Random(seed).shuffle(every)
    for name, occurrence in every:
        code = mutate_code(source, get_operator(name)(), occurrence)
        if code is not None and bare(code) not in (None, same):
            yield name.partition("/")[2], code


def tests_of(module: str) -> list[str]:
    package, _, name = module.rpartition(".")
    imports = re.compile(rf"(?m)^(?:from {re.escape(module)} import|from {re.escape(package)} import .*\b{name}\b)")
    files = sorted((ROOT / "tests" / "mcp_core").rglob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if imports.search(file.read_text(encoding="utf-8"))]


def copy_tree(folder: Path) -> None:
    left_out = shutil.ignore_patterns("__pycache__", "node_modules", ".hypothesis")
    for name in ("plugins", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    shutil.copy(ROOT / "pyproject.toml", folder)


def passes(folder: Path, tests: list[str], limit: float | None = None) -> bool:
    environment = {**os.environ, "PYTHONPATH": str(folder / "plugins"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def line_of(source: str, code: str) -> tuple[int, str]:
    """Return where a mutant is another text, and what stands there."""
    for number, (one, other) in enumerate(zip(source.splitlines(), code.splitlines(), strict=False), 1):
        if one != other:
            return number, other.strip()
    return 0, ""


@click.command()
@click.argument("module")
@click.option("--seconds", default=120, show_default=True, help="Time for all mutants.")
@click.option("--seed", default=1, show_default=True, help="The lot by which mutants are drawn.")
def main(module: str, seconds: int, seed: int) -> None:
    """Print the score of MODULE, such as mcp_core.record, and every mutant that its tests let live."""
    path, tests = Path("plugins", *module.split(".")).with_suffix(".py"), tests_of(module)
    source = (ROOT / path).read_text(encoding="utf-8")
    if not tests:
        raise click.ClickException(f"no test of tests/mcp_core imports {module}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_tree(folder)
        started = time.monotonic()
        if not passes(folder, tests):
            raise click.ClickException("the tests fail without any mutant")
        limit = SLOWER * (time.monotonic() - started)
        ends, tried, killed = time.monotonic() + seconds, 0, 0
        for kind, code in drawn(source, seed):
            if time.monotonic() > ends:
                break
            (folder / path).write_text(code, encoding="utf-8")
            tried += 1
            if not passes(folder, tests, limit):
                killed += 1
                continue
            number, text = line_of(source, code)
            click.echo(f"lives: {path}:{number}: {kind}: {text}")
        text = f"{module}: {killed} of {tried} mutants killed, drawn from {len(places(source))} places"
        click.echo(f"{text}; {len(tests)} test files")


if __name__ == "__main__":
    main()
