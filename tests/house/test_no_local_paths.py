"""What is committed belongs to no machine."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("kong", "plugins", "sidecar", "deck", "spec", "tests", "docs", ".github")
# Folders of the machines on which this was written. In parts, so that this file does not match itself.
LOCAL = re.compile("|".join((r"/" + r"work/", r"/tmp/" + r"lab\b", r"/root/" + r"\.", r"/" + r"Users/[A-Za-z]+/")))


def texts():
    for path in (*ROOT.iterdir(), *(path for room in ROOMS for path in (ROOT / room).rglob("*"))):
        if path.is_file() and path.suffix != ".pyc":
            yield path.relative_to(ROOT), path.read_bytes().decode(errors="replace")


def test_no_text_names_a_local_path():
    found = [
        f"{name}:{number}: {line.strip()[:80]}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if LOCAL.search(line)
    ]
    assert not found
