"""The pages of reference say what the code says."""

import subprocess
import sys

import pytest

from deck.support import ROOT


@pytest.mark.requirement("DOCS-002")
def test_the_pages_of_reference_are_those_of_the_code():
    done = subprocess.run(
        [sys.executable, "docs/site/reference.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
