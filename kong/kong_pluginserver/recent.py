"""What was used last, up to a number of things; beyond it, what has not been used for longest is forgotten.

Pure: no I/O. By use and not by age, so that the many that come once never push out the few that always come.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class Recent(Generic[_Key, _Value]):
    """Values by key, at most `most` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[_Key, _Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def use(self, key: _Key) -> _Value | None:
        """Return the value of `key`, which counts as used now; None if there is none."""
        value = self._kept.get(key)
        if value is not None:
            self._kept.move_to_end(key)
        return value

    def peek(self, key: _Key) -> _Value | None:
        """Return the value of `key` without counting that as a use; None if there is none."""
        return self._kept.get(key)

    def keep(self, key: _Key, value: _Value) -> None:
        """Keep a value, which counts as used now."""
        self._kept[key] = value
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def forget(self, key: _Key) -> None:
        """Forget the value of `key`, if there is one."""
        self._kept.pop(key, None)
