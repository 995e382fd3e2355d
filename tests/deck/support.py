"""What the decK tests share: paths, the fixed environment, and the decK that `make deck` built."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DECK = ROOT / "deck"
FILES = [DECK / "rendered.yaml"]
ENV = {"DECK_MCP_SIDECAR_TARGET": "127.0.0.1:8790"}


def deck_binary() -> Path:
    """The newest decK in build/tools; skips the test where there is none."""
    found = [path for path in (ROOT / "build" / "tools").glob("deck-v*") if path.suffix not in {".log", ".part"}]
    if not found:
        pytest.skip("decK is not built: run `make deck` where Go is present")
    return max(found, key=lambda path: path.stat().st_mtime)


def deck(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [deck_binary(), *arguments],
        env={**os.environ, **ENV, "DECK_ANALYTICS": "false"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def dump(document: dict[str, Any], path: Path) -> Path:
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path
