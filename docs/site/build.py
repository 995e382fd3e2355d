"""Lay the pages out for MkDocs as the repository has them, and build the site into build/docs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = ROOT / "build/docs-pages"
TAKEN: Final = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "docs",
    "spec",
    "deck",
    "kong",
    "tests",
    "observability",
)
"""What pages are, and what they point at."""
POINTED_AT: Final = re.compile(r"\]\(([^)#\s]+)")


def lay_out() -> None:
    """Copy the pages, and the files that they point at, to PAGES."""
    shutil.rmtree(PAGES, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", *TAKEN],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    files = [ROOT / name for name in listed if name]
    pages = [path for path in files if path.suffix == ".md" and "tests" not in path.parts]
    wanted = {(page.parent / link).resolve() for page in pages for link in POINTED_AT.findall(page.read_text("utf-8"))}
    for path in files:
        if path in pages or path.resolve() in wanted:
            target = PAGES / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    (PAGES / "spec/decisions/index.md").write_text(decisions(), encoding="utf-8")


def decisions() -> str:
    """Return the list of all decisions, by number."""
    lines = ["# Decisions\n", "What someone may question, why it is so, and what was tried.\n"]
    for path in sorted((ROOT / "spec/decisions").glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ")
        lines.append(f"- [{title}]({path.name})")
    return "\n".join([*lines, ""])


def main() -> int:
    """Build the site; a link that leads nowhere is an error."""
    lay_out()
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--config-file", ROOT / "mkdocs.yml"]
    return subprocess.run(command, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
