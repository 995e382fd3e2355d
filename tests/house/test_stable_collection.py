"""Several workers share the tests out by their order: it must be the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def collected(seed: str) -> list[str]:
    """Return the ids of all tests as a process finds them whose hashes, and so its sets, are ordered by `seed`."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", "-p", "no:xdist", "tests"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return [line for line in done.stdout.splitlines() if "::" in line]


@pytest.mark.long
@pytest.mark.timeout(600)  # it collects all tests twice, beside another worker
def test_the_order_of_tests_does_not_depend_on_hashes():
    first, second = collected("1"), collected("2")
    assert len(first) > 1000
    assert [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]] == [], (
        "sort what parametrizes these"
    )
