"""Names of items on a virtual server: unique, stable, and such that every client and model takes them.

The laws: a name has 1 to 64 characters of [A-Za-z0-9_-]; the same items give the same names in whatever order their
members answered; and no item gets a name by which another one was meant, or what a virtual server has of its own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from mcp_core.virtual import Prefix

MOST: Final = 64
"""Characters of a name: what the narrowest of models' interfaces take."""
_GOOD: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{MOST}}}")
_BAD: Final = re.compile(r"[^A-Za-z0-9_-]")
_DIGITS: Final = 10
"""Hex digits of a digest that tell names apart which would be one."""

_TOLD_APART: Final = re.compile(rf"_[0-9a-f]{{{_DIGITS}}}\Z")

Own: TypeAlias = tuple[str, str]
"""An item by its member and by its own name there."""


def names(items: Iterable[Own], prefix: Prefix, reserved: Iterable[str] = ()) -> Mapping[str, Own]:
    """Return name -> item, for all items but those that lose their name to an earlier one.

    That is so with Prefix.NEVER, where two members have the same name, and for an item that is there twice.
    `reserved` are names that no item gets.
    """
    own = list(dict.fromkeys(items))
    taken = frozenset(reserved)
    first: dict[str, Own] = {}
    for item in own:
        first.setdefault(item[1], item)
    if prefix is Prefix.NEVER:
        own = [item for item in own if first[item[1]] == item]
    often = Counter(_clean(name) for _, name in own)
    named = {item: _candidate(item, prefix, taken, alone=often[_clean(item[1])] == 1) for item in own}
    wanted = Counter(named.values())
    result: dict[str, Own] = {}
    for item, name in named.items():
        if wanted[name] > 1 and name != item[1]:
            name = _shortened(name, item)  # noqa: PLW2901 - the name that it gets
        result.setdefault(name, item)
    return result


def _candidate(item: Own, prefix: Prefix, taken: frozenset[str], *, alone: bool) -> str:
    member, own = item
    name = _clean(own)
    needed = prefix is Prefix.ALWAYS or name in taken or (prefix is Prefix.WHEN_NEEDED and not alone)
    if needed:
        name = f"{member}_{name}"
    # Whatever looks as if a digest told it apart is told apart by its own: nobody can take such a name beforehand.
    good = _GOOD.fullmatch(name) and not _TOLD_APART.search(name)
    return name if good else _shortened(name, item)


def _clean(name: str) -> str:
    return _BAD.sub("_", name) or "_"


def _shortened(name: str, item: Own) -> str:
    """Return a name that says which item it is by a digest, as its letters cannot."""
    digest = hashlib.sha256(json.dumps(item).encode()).hexdigest()[:_DIGITS]
    return f"{name[: MOST - _DIGITS - 1]}_{digest}"
