"""Lists as people use them: filtered, sorted and in pages, each of them a link that can be kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode

_T = TypeVar("_T")

PAGE: Final = 50
"""Rows of one page."""
MOST_ASKED: Final = 200
"""Characters of a search that are looked at."""


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column: `link` sorts by it; `order` says how it is sorted now, for those who listen to pages."""

    title: str
    link: str | None = None
    order: str = "none"
    number: bool = False


@dataclass(frozen=True, slots=True)
class ListPage(Generic[_T]):
    """One page of a list. `first` and `last` count from 1; `before` and `after` are links, None at the ends."""

    rows: Sequence[_T]
    total: int
    first: int
    last: int
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Order(Generic[_T]):
    """One way to sort: by what, and whether the greatest comes first unless it is turned round."""

    title: str
    key: Callable[[_T], Any]
    falls: bool = False
    number: bool = False


def listed(rows: Sequence[_T], path: str, query: Mapping[str, str], size: int = PAGE) -> ListPage[_T]:
    """Return the page that a query asks for; one that is not there is the nearest."""
    most = max(0, (len(rows) - 1) // size)
    number = min(most, max(0, _number(query.get("page", "1")) - 1))
    begin = number * size
    some = rows[begin : begin + size]
    return ListPage(
        some,
        len(rows),
        begin + 1 if some else 0,
        begin + len(some),
        link(path, query, page=str(number)) if number else None,
        link(path, query, page=str(number + 2)) if number < most else None,
    )


def in_order(rows: Sequence[_T], orders: Mapping[str, Order[_T]], query: Mapping[str, str]) -> list[_T]:
    """Return rows sorted as a query says: `sort` names the order, with a hyphen before it turned round."""
    word = query.get("sort", "")
    order = orders.get(word.removeprefix("-"))
    if order is None:
        return list(rows)
    return sorted(rows, key=order.key, reverse=order.falls != word.startswith("-"))


def columns(orders: Mapping[str, Order[_T]], path: str, query: Mapping[str, str]) -> list[Column]:
    """Return the heads of columns that can be sorted."""
    now = query.get("sort", "")
    heads = []
    for word, order in orders.items():
        mine, turned = now.removeprefix("-") == word, now.startswith("-")
        direction = "none" if not mine else "descending" if order.falls != turned else "ascending"
        wanted = f"-{word}" if mine and not turned else word
        heads.append(Column(order.title, link(path, query, sort=wanted, page=""), direction, order.number))
    return heads


def link(path: str, query: Mapping[str, str], **changes: str) -> str:
    """Return the link to a list with some of its query changed; what is empty is left out."""
    fields = {name: value for name, value in {**query, **changes}.items() if value}
    return f"{path}?{urlencode(fields)}" if fields else path


def words(query: Mapping[str, str]) -> list[str]:
    """Return the words that somebody searches for."""
    return query.get("q", "")[:MOST_ASKED].casefold().split()


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 1
