"""The file of issuers' keys, as the sidecar writes it and reads it again when it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import structlog

from mcp_core.auth import keyfile
from mcp_core.auth.keyfile import IssuerKeys
from mcp_core.sealed_file import SealedFileError
from mcp_sidecar.surface.snapshots import replace_file


class KeyFileWriter:
    """One file. `release` is ours, for whoever looks at it."""

    def __init__(self, path: str, ring: Sequence[bytes], release: str) -> None:
        self._path = Path(path)
        self._ring = ring
        self._release = release

    def read(self) -> dict[str, IssuerKeys]:
        """Return what the file says, or nothing where there is none that can be believed."""
        try:
            return keyfile.read_file(self._path.read_bytes(), self._ring, msgspec.msgpack.decode)
        except FileNotFoundError:
            return {}
        except (OSError, SealedFileError) as error:
            structlog.get_logger().warning("the last keys of issuers are not read", problem=str(error))
            return {}

    def write(self, issuers: Mapping[str, IssuerKeys]) -> None:
        """Put the file in the place of the last one. Raises OSError."""
        packed = msgspec.msgpack.encode(keyfile.to_values(self._release, issuers))
        replace_file(self._path, keyfile.FILE.seal(packed, self._ring))
