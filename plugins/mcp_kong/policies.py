"""What the guard tells the sidecar of its policy, and the node's folder of the policies that no header can carry.

A policy is named by its digest, which the guard signs into every claim, so a file can be missing or damaged and nobody
gets to see more for it. It is written when it is first needed, beside and then renamed, and again where it is gone.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcp_core.policy import View
from mcp_core.seal import base64url
from mcp_core.terms import Terms, named_terms, terms_digest, write_terms

POLICIES_VARIABLE: Final = "KONG_MCP_POLICIES"
"""Environment variable with the folder that this node's plugin server writes and its sidecar reads."""
MOST_IN_HEADER: Final = 16 * 1024
"""Bytes of terms that travel in the header itself: more would not fit beside the rest."""
MOST_BYTES: Final = 8 * 1024 * 1024
"""Bytes of terms at all: both ends read them whole, and keep them."""
CHECK_SECONDS: Final = 1.0
"""How long a file is taken for being there."""
KEPT_SECONDS: Final = 7 * 24 * 3600
"""How long a file stays that no guard has looked at. Guards touch those that they name."""
MOST_TERMS: Final = 1024
"""Views whose terms are kept: there are as many as rules and scopes can be combined, and few are used."""

_log: Final = logging.getLogger("mcp_kong.policies")


class PolicyFolder:
    """The files of one folder, each named by the digest of its content."""

    def __init__(self, path: str, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        """Take a monotonic clock and one of Unix time, both in seconds."""
        self._path = Path(path)
        self._clock = clock
        self._wall = wall
        self._seen: dict[str, float] = {}
        self._problem: str | None = None

    def has(self, digest: str, content: bytes) -> bool:
        """Return whether the sidecar can read some content under its digest; it is written where it is not there."""
        now = self._clock()
        if now - self._seen.get(digest, float("-inf")) < CHECK_SECONDS:
            return True
        file = self._path / digest
        try:
            # The first time, a file of another process is read: it may be one that a full disk cut short.
            if digest in self._seen or file.read_bytes() == content:
                os.utime(file, (self._wall(), self._wall()))
            else:
                self._write(file, content)
        except FileNotFoundError:
            if not self._can(lambda: self._write(file, content)):
                return False
        except OSError as error:
            self._tell(error)
            return False
        self._seen[digest], self._problem = now, None
        return True

    def _can(self, write: Callable[[], None]) -> bool:
        try:
            write()
        except OSError as error:
            self._tell(error)
            return False
        return True

    def _write(self, file: Path, content: bytes) -> None:
        self._path.mkdir(exist_ok=True)
        self._remove_old()
        number, name = tempfile.mkstemp(prefix=".new.", dir=self._path)
        try:
            with open(number, "wb") as beside:  # noqa: PTH123 - a descriptor, not a path
                beside.write(content)
            # The sidecar may run as another user, and what stands in it is no secret.
            Path(name).chmod(0o644)
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _remove_old(self) -> None:
        for path in self._path.iterdir():
            if path.is_file() and path.stat().st_mtime < self._wall() - KEPT_SECONDS:
                path.unlink(missing_ok=True)

    def _tell(self, error: OSError) -> None:
        """Write a problem once, however many requests meet it."""
        problem = error.strerror or str(error)
        if problem != self._problem:
            self._problem = problem
            _log.warning("no policy can be written to %s, so lists are refused: %s", self._path, problem)


@dataclass(frozen=True, slots=True)
class _Written:
    terms: Terms
    text: str
    digest: str
    content: bytes | None
    """None where the terms are in the header."""


class WrittenTerms:
    """The terms of one guarded server, made and written once for each view. `make` returns those of a view."""

    def __init__(self, make: Callable[[View], Terms], folder: PolicyFolder | None) -> None:
        self._make = make
        self._folder = folder
        self._kept: dict[View, _Written] = {}

    def of(self, view: View) -> tuple[Terms, str] | None:
        """Return the terms of a view and how a header has them, or None where the sidecar could not read them."""
        known = self._kept.get(view)
        if known is None:
            if len(self._kept) >= MOST_TERMS:
                self._kept.clear()
            known = self._kept[view] = _written(self._make(view))
        if known.content is not None and (self._folder is None or not self._folder.has(known.digest, known.content)):
            return None
        return known.terms, known.text


def _written(terms: Terms) -> _Written:
    content = write_terms(terms)
    if len(content) <= MOST_IN_HEADER:
        return _Written(terms, base64url(content), "", None)
    digest = terms_digest(content)
    return _Written(terms, named_terms(digest), digest, content)


def policy_folder(
    environment: Mapping[str, str], clock: Callable[[], float], wall: Callable[[], float]
) -> PolicyFolder | None:
    """Return the folder that the environment names, or None where it names none."""
    path = environment.get(POLICIES_VARIABLE)
    return PolicyFolder(path, clock, wall) if path else None
