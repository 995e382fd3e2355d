"""What is known to be written down of what callers read, so that it need not be written at each reading.

The law: what is forgotten here is written once more; nothing opens by it. Each caller has places of its own, so that
nobody has another one's reads written again and again.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

from mcp_core.adaptive.flow import ReadLabel

MOST_CALLERS: Final = 10_000
"""Callers, each on one virtual server; an entry takes some 150 bytes, whatever names are long."""
MOST_OF_CALLER: Final = 16
"""Entries of one caller: sessions, and what is read without one."""
_NEVER: Final[Mapping[ReadLabel, int]] = {}


class Noted:
    """Entries by caller and session: until when (Unix milliseconds) each kind of reading is written down."""

    def __init__(self, most: int = MOST_CALLERS, of_caller: int = MOST_OF_CALLER) -> None:
        self._most = most
        self._most_of_caller = of_caller
        self._of: OrderedDict[bytes, OrderedDict[bytes, Mapping[ReadLabel, int]]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def holds(self, server: str, caller: str, session: str, reads: Iterable[ReadLabel], until: int) -> bool:
        """Return whether it is known to be written down that somebody read so much, until then or longer."""
        mine = self._of.get(_digest(server, caller))
        known = _NEVER if mine is None else mine.get(_digest(session), _NEVER)
        return all(known.get(label, 0) >= until for label in reads)

    def keep(self, server: str, caller: str, session: str, reads: Iterable[ReadLabel], until: int) -> None:
        """Know that it is written down."""
        who, where = _digest(server, caller), _digest(session)
        mine = self._of.setdefault(who, OrderedDict())
        mine[where] = {**mine.get(where, _NEVER), **dict.fromkeys(reads, until)}
        mine.move_to_end(where)
        self._of.move_to_end(who)
        if len(mine) > self._most_of_caller:
            mine.popitem(last=False)
        if len(self._of) > self._most:
            self._of.popitem(last=False)


def _digest(*parts: str) -> bytes:
    return hashlib.sha256(json.dumps(parts).encode()).digest()
