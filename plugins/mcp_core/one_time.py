"""One-time links to the portal: what stands in the file of one, and how its secret names that file.

Each link is a file named by the SHA-256 of its secret, which goes when the link is used: a folder that somebody reads
lets nobody in. `kong-mcp dev` writes them, the sidecar reads them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class OneTime:
    """Whom a link signs in: what they are called, in which role, as which consumer of Kong their agents call, and how.

    `credential` maps names of headers to values: what an agent of theirs sends.
    """

    shown: str
    role: str
    consumer: str | None = None
    groups: Sequence[str] = ()
    credential: Mapping[str, str] = field(default_factory=dict, repr=False)


def file_name(secret: str) -> str:
    """Return the name of a link's file."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def write(link: OneTime) -> str:
    """Return the text of a link's file."""
    fields = {"shown": link.shown, "role": link.role, "consumer": link.consumer, "groups": list(link.groups)}
    return json.dumps({"format": FORMAT, **fields, "credential": dict(link.credential)})


def read(text: bytes) -> OneTime | None:
    """Return the link of a file, or None for one of a format that this release does not read."""
    try:
        fields = json.loads(text)
        if fields["format"] != FORMAT:
            return None
        return OneTime(
            fields["shown"], fields["role"], fields["consumer"], tuple(fields["groups"]), dict(fields["credential"])
        )
    except (KeyError, TypeError, ValueError):
        return None
