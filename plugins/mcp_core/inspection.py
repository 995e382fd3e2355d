"""What a route asks beyond its policy: that lists and results be scanned, and arguments held to schemas."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mcp_core.methods import ARGUMENT_METHODS, CALL, READ_RESOURCE

_LONGEST_STEP: Final = 64
_LONGEST_PATH: Final = 400


class Mode(StrEnum):
    """What becomes of what is found: it is not looked for, it is only written down, or it goes no further."""

    OFF = "off"
    FLAG = "flag"
    BLOCK = "block"


# A member of an enum takes longer to find than a global, and this is asked for each call.
_OFF: Final = Mode.OFF


@dataclass(frozen=True, slots=True)
class Inspection:
    """How lists and results are scanned, and arguments are held to the tool's approved schema and searched for secrets.

    `repeats` says that calls whose approved tool says that it may be repeated are, on another replica; `resumes` that
    sessions whose replica lost them are opened again, on another one.
    """

    results: Mode = Mode.OFF
    schema: Mode = Mode.OFF
    secrets: Mode = Mode.OFF
    repeats: bool = False
    resumes: bool = False
    lists: Mode = Mode.BLOCK

    def takes(self, method: str) -> bool:
        """Return whether a request of this method goes through the sidecar for it."""
        if self.arguments and method in ARGUMENT_METHODS:
            return True
        return self.repeats and method in (CALL, READ_RESOURCE)

    @property
    def arguments(self) -> bool:
        """Whether arguments are looked at."""
        return self.schema is not _OFF or self.secrets is not _OFF


def step(path: str, key: str | int) -> str:
    """Return the path of what stands under a key or index of what is at `path`; long ones are cut."""
    if isinstance(key, int):
        longer = f"{path}[{key}]"
    elif key.isascii() and key.isidentifier():
        longer = f"{path}.{key[:_LONGEST_STEP]}"
    else:
        longer = f"{path}[{key[:_LONGEST_STEP]!a}]"
    return longer if len(longer) <= _LONGEST_PATH else path
