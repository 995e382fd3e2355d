"""Small files that a node's sidecar writes and its guards read: pins, issuers' keys, revocations, health.

A file is four bytes of magic, an HMAC-SHA256 (RFC 2104) over everything behind it, and packed values (MessagePack,
which the writer and the reader bring): a map with the number of its format first, as `formats` has it. Each kind of
file has a magic and a purpose of its own, so that none is taken for another. The HMAC keeps a file from being believed
that was cut, or that somebody else wrote.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_core.formats import is_understood
from mcp_core.seal import derive, is_signed

_MAC_BYTES: Final = 32
_MAGIC_BYTES: Final = 4
_SIGN_BYTES: Final = 8
ABSENT: Final = "-"
"""The sign of a file that is not there."""

Unpack = Callable[[bytes], Any]
"""Reads MessagePack. Raises ValueError on what is not."""


def sign_of(file: bytes) -> str:
    """Return what a file is told apart by from what stood there before: the first 8 bytes of its MAC, in hex."""
    return file[_MAGIC_BYTES:][:_SIGN_BYTES].hex()


class SealedFileError(ValueError):
    """A file cannot be believed or read; the message says why, and shows nothing of it."""


@dataclass(frozen=True, slots=True)
class SealedFormat:
    """One kind of file: how it begins, what its key is derived for, its number, and its known members."""

    magic: bytes
    purpose: str
    number: int
    members: frozenset[str]

    def seal(self, packed: bytes, keys: Sequence[bytes]) -> bytes:
        """Return the file of packed values: the first key signs."""
        return self.magic + hmac.digest(derive(keys[0], self.purpose), packed, "sha256") + packed

    def read(self, file: bytes, keys: Sequence[bytes], unpack: Unpack) -> Mapping[str, Any]:
        """Return the values of a file that one of the keys signed.

        Raises:
            SealedFileError: it is another kind's or format's, asks for more than is known, was cut or changed, or none
                of the keys signed it.
        """
        if not file.startswith(self.magic):
            raise SealedFileError("it does not begin as such a file does")
        mac, packed = file[len(self.magic) :][:_MAC_BYTES], file[len(self.magic) + _MAC_BYTES :]
        if not is_signed((derive(key, self.purpose) for key in keys), packed, mac):
            raise SealedFileError("no key of KONG_MCP_KEYS signed it, or it is not whole")
        try:
            values = unpack(packed)
        except (ValueError, RecursionError):
            raise SealedFileError("it is not MessagePack") from None
        if not isinstance(values, Mapping) or not set(map(type, values)) <= {str}:
            raise SealedFileError("it is not a map with text for keys")
        if values.get("format") != self.number or not is_understood(values, self.members):
            raise SealedFileError(
                f"it is not of format {self.number}, or asks for more: sidecar and guard differ in release"
            )
        return values
