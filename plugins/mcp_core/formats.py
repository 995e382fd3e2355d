"""How releases read each other: what is signed, sealed or stored begins with the number of its format.

The law, for every format: a reader takes its own number and the one before, ignores members that it does not know, and
reads nothing of a text that names one of those in `crit` (the idea of RFC 7515, section 4.1.11). So a new member is
added freely where a reader without it does no harm, is named in `crit` where it would, and a new number is for a text
that no longer means what it did. What a reader cannot take is as if it were not there, never an exception.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

CRITICAL: Final = "crit"
"""The member that lists the names of those without which the rest must not be read."""


def is_understood(fields: Mapping[str, Any], known: Collection[str]) -> bool:
    """Return whether a reader that knows these names may read the fields. A `crit` that is no list of names says no."""
    if CRITICAL not in fields:
        return True
    named = fields[CRITICAL]
    return isinstance(named, list) and all(isinstance(one, str) and one in known for one in named)
