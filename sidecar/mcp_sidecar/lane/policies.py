"""The policies that guards of this node name by digest: read from the node's folder when they are first asked for.

What a file holds counts only under the digest that a guard has signed, whoever wrote it. A file that is not there, or
is another one, opens nothing: the request is refused, and the next one looks again.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Final

import structlog

from mcp_core.terms import Terms, read_named_terms

MOST_KEPT: Final = 64
"""Policies that are kept as they were read."""
MOST_BYTES: Final = 16 * 1024 * 1024
"""Bytes of a file that are read: more than any guard writes."""


class PolicyReader:
    """Reads one folder; None where there is none."""

    def __init__(self, folder: str | None) -> None:
        self._folder = None if folder is None else Path(folder)
        self._kept: OrderedDict[str, Terms] = OrderedDict()
        self._problem: str | None = None

    def terms(self, digest: str) -> Terms | None:
        """Return what a guard calls so, or None where it cannot be read."""
        known = self._kept.get(digest)
        if known is not None:
            self._kept.move_to_end(digest)
            return known
        read = self._read(digest)
        if isinstance(read, str):
            self._tell(read)
            return None
        self._problem = None
        self._kept[digest] = read
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return read

    def _read(self, digest: str) -> Terms | str:
        if self._folder is None:
            return "KONG_MCP_POLICIES is not set"
        try:
            with (self._folder / digest).open("rb") as file:
                content = file.read(MOST_BYTES)
        except OSError as error:
            return f"{self._folder}: {error.strerror}"
        return read_named_terms(digest, content) or f"{self._folder}: the file is not what its guard signed"

    def _tell(self, problem: str) -> None:
        """Write a problem once, however many requests meet it."""
        if problem != self._problem:
            self._problem = problem
            structlog.get_logger().warning("a policy cannot be read", problem=problem)
