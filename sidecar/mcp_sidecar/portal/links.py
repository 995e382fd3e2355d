"""One-time links as they are used: the file goes first, so that of two who come at once one finds nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from mcp_core import one_time
from mcp_core.one_time import OneTime

SECONDS: Final = 15 * 60
"""How long a link that nobody used is good for: its secret stands in a URL, and so in histories and logs of access."""


def use(folder: str, secret: str) -> OneTime | None:
    """Return whom a link signs in, and use it up; None for one that is not good, too old, or was used."""
    path = Path(folder) / one_time.file_name(secret)
    try:
        age = time.time() - path.stat().st_mtime
        text = path.read_bytes()
        path.unlink()
    except OSError:
        return None
    return None if age > SECONDS else one_time.read(text)
