"""How much of one answer is looked at: counts and lengths come before anything else, and what is beyond is left out.

Looking at an item of a list costs far more than its bytes do in the JSON reader, and a URI that is encoded is read
several times. So an answer of some megabytes that was made for it would keep a reader busy for many seconds. Honest
lists come in pages, and hold a few thousand items of some hundred characters. Nothing depends on the caller or on time.
"""

from __future__ import annotations

from typing import Final

ITEMS: Final = 10_000
"""Items of all lists of one text that are looked at."""
URIS: Final = 2_500_000
"""What the URIs of one text may cost: 5,000 of a hundred characters that are encoded once cost less."""

_EACH: Final = 128
"""What a URI costs beside its characters."""
_LONG: Final = 512
_OF_LONG: Final = 4
"""Times that a character costs in a URI that is longer than most."""
_ONCE, _AGAIN = 2, 25
"""Times that a URI costs which is encoded, and one in which a percent sign is: each reading of it is looked at."""


def cost(uri: str) -> int:
    """Return what a URI costs, in about the time that one character of a plain one takes."""
    characters = _EACH + len(uri) * (1 if len(uri) <= _LONG else _OF_LONG)
    if "%" not in uri:
        return characters
    return characters * (_AGAIN if "%25" in uri else _ONCE)


class Allowance:
    """What is left for one text: it may be a batch, and each of its messages may hold several lists."""

    __slots__ = ("_items", "_uris")

    def __init__(self) -> None:
        self._items = ITEMS
        self._uris = URIS

    def items(self, count: int) -> int:
        """Return how many of so many items may be looked at."""
        granted = min(count, self._items)
        self._items -= granted
        return granted

    def uri(self, uri: str) -> bool:
        """Return whether one more URI may be looked at."""
        price = cost(uri)
        if price > self._uris:
            return False
        self._uris -= price
        return True
