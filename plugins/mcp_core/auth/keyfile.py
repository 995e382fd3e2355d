"""The file of issuers' keys: the node's sidecar fetches and writes them, the guards read them.

It is a sealed file (see `sealed_file`), of the values

    {"format": 1, "version": TEXT, "issuers": {ISSUER: {"keys": [JWK, ...], "until": UNIX TIME}}}

with public members of keys alone. After `until`, in seconds, an issuer's keys count no more: so long may its provider,
or the sidecar, be away. Nothing in it is secret; the HMAC keeps a file from being believed that somebody else wrote, as
whoever writes keys could write tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_core.auth import keysets
from mcp_core.auth.keysets import KeySet
from mcp_core.sealed_file import SealedFileError, SealedFormat, Unpack

FILE: Final = SealedFormat(b"KMI1", "kong-mcp issuer keys", 1, frozenset({"format", "version", "issuers"}))
_MOST_ISSUERS: Final = 256


@dataclass(frozen=True, slots=True)
class IssuerKeys:
    """The keys of one issuer, and the Unix time in seconds until which they may be used."""

    keys: KeySet
    until: float


def to_values(version: str, issuers: Mapping[str, IssuerKeys]) -> dict[str, Any]:
    """Return the values that MessagePack packs. `version` is the writer's release."""
    said = {
        issuer: {"keys": issuer_keys.keys.to_values(), "until": issuer_keys.until}
        for issuer, issuer_keys in issuers.items()
    }
    return {"format": FILE.number, "version": version, "issuers": said}


def read_file(file: bytes, keys: Sequence[bytes], unpack: Unpack) -> dict[str, IssuerKeys]:
    """Return the issuers' keys in a file's bytes.

    Raises:
        SealedFileError: the file cannot be believed or read.
    """
    values = FILE.read(file, keys, unpack)
    issuers = values.get("issuers")
    if not isinstance(issuers, Mapping) or len(issuers) > _MOST_ISSUERS:
        raise SealedFileError("its issuers are missing, or too many")
    return {str(issuer): _issuer_keys(one) for issuer, one in issuers.items()}


def _issuer_keys(value: Any) -> IssuerKeys:
    if isinstance(value, Mapping):
        until = value.get("until")
        if isinstance(until, int | float) and not isinstance(until, bool):
            try:
                return IssuerKeys(keysets.read(value), float(until))
            except keysets.KeySetError as error:
                raise SealedFileError(f"the keys of an issuer cannot be used: {error}") from None
    raise SealedFileError("an issuer is not keys with a time")
