"""Where a secret of the sidecar's own is: a reference, read anew each time that it is needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

WANTED = "write env:NAME for a variable of the sidecar's environment, or file:/FULL/PATH"


class SecretError(Exception):
    """A secret cannot be read. The message names the reference."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A reference: the name of a variable, or the path of a file, which may be rotated while the sidecar runs."""

    kind: str
    where: str

    @classmethod
    def parse(cls, text: str) -> Secret:
        """Return the reference that a text is. Raises ValueError saying what to write; the text stands in no error."""
        kind, colon, where = text.partition(":")
        if not colon or not where or kind not in ("env", "file") or (kind == "file" and not where.startswith("/")):
            raise ValueError(WANTED)
        return cls(kind, where)

    def read(self, environment: Mapping[str, str] = os.environ) -> str:
        """Return the secret. Raises SecretError."""
        try:
            value = environment.get(self.where, "") if self.kind == "env" else Path(self.where).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise SecretError(f"{self.kind}:{self.where} cannot be read") from None
        if not (value := value.strip()):
            raise SecretError(f"{self.kind}:{self.where} is not set, or empty")
        return value


@dataclass(frozen=True, slots=True)
class IssuerClient:
    """As whom an issuer is asked: the gateway's own client there."""

    id: str
    secret: Secret
