"""No test asserts how long something took: another machine, or a busy one, would fail it. `make bench` has the figures.

What a clock may be for in a test: a deadline that something awaited must come before, and values that hold a time.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
MEASURING = {"bench", "eval", "mutants"}
PROGRAMS = {"resilience/chaos.py"}
"""Programs that measure, beside tests that do not."""
FILES = sorted(
    one
    for one in TESTS.rglob("*.py")
    if one.relative_to(TESTS).parts[0] not in MEASURING and str(one.relative_to(TESTS)) not in PROGRAMS
)
STOPWATCHES = {"process_time", "perf_counter", "thread_time", "getrusage", "timeit", "elapsed"}
STOPWATCHES |= {f"{name}_ns" for name in STOPWATCHES}
CLOCKS = {"monotonic", "monotonic_ns", "time", "time_ns"}


def reads_a_clock(node, held):
    """Say whether an expression calls a clock, or names something that holds what a clock said."""
    return any(
        (isinstance(one, ast.Call) and called(one) in CLOCKS) or (isinstance(one, ast.Name) and one.id in held)
        for one in ast.walk(node)
    )


def called(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def measured(text):
    """Return the lines of a file that measure how long something took."""
    tree = ast.parse(text)
    held = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and called(node.value) in CLOCKS
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    lines = set()
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        took = (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Sub)
            and reads_a_clock(node.left, held)
            and not isinstance(node.right, ast.Constant)
        ) or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and reads_a_clock(node.right, held))
        if name in STOPWATCHES or took:
            lines.add(node.lineno)
    return sorted(lines)


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(TESTS)) for path in FILES])
def test_no_test_measures_how_long_something_took(path):
    assert path.name == Path(__file__).name or not measured(path.read_text()), "measure it in tests/bench, as a ratio"


@pytest.mark.parametrize(
    "text",
    [
        "started = time.process_time()",
        "from time import perf_counter\nstarted = perf_counter()",
        "assert response.elapsed.total_seconds() < 1",
        "started = monotonic()\nassert clock() - started < 1",
        "worst.append(time.monotonic() - float(sent))",
        "assert abs(int(signed) - time.time()) < 10",
    ],
)
def test_what_measures_is_found(text):
    assert measured(text)


@pytest.mark.parametrize(
    "text",
    ["until = time.monotonic() + 10\nassert time.monotonic() < until", "expires = int(time.time()) - 1"],
)
def test_a_deadline_and_a_value_are_no_measurement(text):
    assert measured(text) == []
