from __future__ import annotations

import base64
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from kong_side import KEY

from mcp_kong.settings import KEYS_VARIABLE


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    """The ring of keys that Kong's environment holds."""
    monkeypatch.setenv(KEYS_VARIABLE, base64.b64encode(KEY).decode())
