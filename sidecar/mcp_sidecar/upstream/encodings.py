"""Bodies that a server compressed although it was asked not to: taken out of it piece by piece, and never a bomb.

The agent gets the text without the encoding. Sources: RFC 9110, section 8.4.1; RFC 1950 to 1952; spec/decisions/124.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Final

PIECE: Final = 64 * 1024
"""Bytes that come out at a time: what a chunk of the network holds may be a thousand times as much."""
RATIO: Final = 200
"""How many times as large as what came in all that came out may be, beyond SLACK: JSON text is seldom 50 times."""
SLACK: Final = 1024 * 1024

_IDENTITY: Final = frozenset({"", "identity"})
_GZIP: Final = frozenset({"gzip", "x-gzip"})
_DEFLATE: Final = "deflate"
_GZIP_WINDOW: Final = 31
_ZLIB_WINDOW: Final = 15
_RAW_WINDOW: Final = -15
_GZIP_MAGIC: Final = b"\x1f\x8b"


class EncodingError(ValueError):
    """The body is not what its Content-Encoding says, ends too early, or holds far more than it should."""


def codings(value: str) -> list[str]:
    """Return the codings that a Content-Encoding names, in lower case, without those that do nothing."""
    return [one for part in value.split(",") if (one := part.strip().lower()) not in _IDENTITY]


def is_known(value: str) -> bool:
    """Return whether a body with this Content-Encoding can be read."""
    named = codings(value)
    return not named or (len(named) == 1 and (named[0] in _GZIP or named[0] == _DEFLATE))


class Inflater:
    """Takes the bytes of one body out of gzip or deflate, as they come."""

    def __init__(self, coding: str) -> None:
        self._gzip = coding in _GZIP
        self._begun = b""
        self._inflate = zlib.decompressobj(_GZIP_WINDOW) if self._gzip else None
        self._in = self._out = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what the next bytes give, at most PIECE bytes at a time.

        Raises:
            EncodingError: see there.
        """
        self._in += len(chunk)
        chunk = self._begun + chunk
        self._begun = b""
        while chunk:
            if (inflate := self._ready(chunk)) is None:
                self._begun = chunk
                return
            try:
                piece = inflate.decompress(chunk, PIECE)
            except zlib.error as error:
                raise EncodingError("a body that is not in its Content-Encoding") from error
            self._out += len(piece)
            if self._out > SLACK + RATIO * self._in:
                raise EncodingError("a body that is far larger than what was sent of it")
            if piece:
                yield piece
            chunk = inflate.unused_data if inflate.eof else inflate.unconsumed_tail

    def _ready(self, chunk: bytes) -> zlib._Decompress | None:
        """Return what reads the chunk, or None where more of it must come first."""
        if self._inflate is None:
            # Half of the world's "deflate" is without the frame that its name stands for (RFC 1950, section 2.2).
            if len(chunk) < 2:
                return None
            framed = chunk[0] & 0x0F == zlib.DEFLATED and int.from_bytes(chunk[:2], "big") % 31 == 0
            self._inflate = zlib.decompressobj(_ZLIB_WINDOW if framed else _RAW_WINDOW)
        elif self._inflate.eof:
            # A gzip file may have several members (RFC 1952, section 2.2).
            if self._gzip and len(chunk) < 2 and _GZIP_MAGIC.startswith(chunk):
                return None
            if not self._gzip or not chunk.startswith(_GZIP_MAGIC):
                raise EncodingError("something behind the end of a body in its Content-Encoding")
            self._inflate = zlib.decompressobj(_GZIP_WINDOW)
        return self._inflate

    def end(self) -> None:
        """Take the end of the body.

        Raises:
            EncodingError: it ended too early.
        """
        if self._in and (self._begun or self._inflate is None or not self._inflate.eof):
            raise EncodingError("a body that ends before its Content-Encoding does")


def inflater(headers: Mapping[str, str]) -> Inflater | None:
    """Return what reads a body with these headers, whose encoding is known, or None where it is read as it is."""
    named = codings(headers.get("content-encoding", ""))
    return Inflater(named[0]) if named else None
