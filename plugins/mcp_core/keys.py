"""Which keys of a message lax readers could take for others.

A gateway reads keys exactly, and the servers and clients behind it may not. So an object of the protocol may hold any
key but one that some reader would take for a key that decides something (RFC 8259, section 8.3, compares code units).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from unicodedata import normalize

from mcp_core import methods

IGNORABLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Characters that show nothing and that folding leaves out, as the inside of a character class (Unicode's property
Default_Ignorable_Code_Point). Python takes half of them for printable."""
_IGNORED: Final = re.compile(f"[{IGNORABLE}]+")

PROTOTYPES: Final = frozenset({"__proto__", "constructor", "prototype"})
"""Keys through which merging in ECMAScript lets an object inherit members that it does not hold."""

# What trimming takes off, in one language or another: Java's every control, ECMAScript's the byte order mark too.
_EDGES: Final = "".join(
    map(chr, (*range(0x21), *range(0x7F, 0xA1), 0x1680, 0x180E, *range(0x2000, 0x2010), *range(0x2028, 0x2030)))
) + ("\u205f\u2060\u3000\ufeff")


def fold(key: str) -> str:
    """Return what the laxest reader would take a key for.

    Lax readers fold case (Go's encoding/json with the long s and the Kelvin sign, Java's equalsIgnoreCase with both
    Turkish i's), trim, cut at NUL as C does, and take snake_case and kebab-case for camelCase.
    """
    bare = key.strip(_EDGES).partition("\0")[0].strip(_EDGES).casefold()
    if not bare.isascii():
        bare = bare.replace("i\u0307", "i").replace("\u0131", "i")
    return bare.replace("_", "").replace("-", "")


def alike(name: str) -> str:
    """Return what a reader that folds case and width would take a name or a URI for.

    As NFKC_Casefold does (Unicode, section 3.13), it leaves out what shows nothing.
    """
    if name.isascii():
        return name.lower()
    folded = normalize("NFKC", normalize("NFKC", _IGNORED.sub("", name)).casefold())
    return folded.replace("i\u0307", "i").replace("\u0131", "i")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one kind of object: those that decide something, and `plain` ones that are known not to."""

    deciding: frozenset[str]
    known: frozenset[str]
    folded: frozenset[str]

    @classmethod
    def of(cls, deciding: Iterable[str], plain: Iterable[str] = ()) -> Keys:
        """Return the keys as they are asked for. A plain key costs less to allow, and means nothing else."""
        spelled = frozenset(deciding)
        return cls(spelled, spelled.union(plain), frozenset(map(fold, spelled)))

    def misread(self, mapping: Mapping[str, Any]) -> str | None:
        """Return a key of the object that a lax reader could take for a deciding one, or None."""
        if mapping.keys() <= self.known:
            return None
        return next((key for key in mapping if key not in self.known and self.could_be(key)), None)

    def could_be(self, key: str) -> bool:
        """Return whether a lax reader could take this key, which is not spelled like one, for a deciding one."""
        return key in PROTOTYPES or fold(key) in self.folded


ENVELOPE: Final = Keys.of({"jsonrpc", "id", "method", "params", "result", "error"})

PARAMS: Final = Keys.of(
    {
        "_meta",
        "argument",
        "arguments",
        "capabilities",
        "clientInfo",
        "context",
        "cursor",
        "inputResponses",
        "level",
        "name",
        "notifications",
        "progressToken",
        "protocolVersion",
        "ref",
        "requestId",
        "requestState",
        "task",
        "taskId",
        "uri",
    }
)
"""What any revision's client may say in params, but for words that change nothing (`reason`, `progress`, `total`)."""

META: Final = Keys.of(
    {
        methods.META_CAPABILITIES,
        methods.META_CLIENT_INFO,
        methods.META_LOG_LEVEL,
        methods.META_VERSION,
        methods.META_RELATED_TASK,
        methods.META_SUBSCRIPTION,
        methods.PROGRESS_TOKEN,
    }
)

REFERENCE: Final = Keys.of({"type", "name", "uri"})
"""What a completion asks for: params.ref."""

RELATED_TASK: Final = Keys.of({"taskId"})
"""What says to which task a message belongs: a member of _meta."""
