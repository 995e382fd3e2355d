"""Which URIs a resource template stands for: RFC 6570 read backwards, as far as servers do.

A literal stands for itself. A plain expression, `{id}`, stands for text without `/`, `?` and `#`; a wide one, which
may write a slash (`{+path}`, `{/path}`, `{#part}`, and `{path*}` as some servers read it), for any text; a query or
fragment at the end, `{?q,lang}`, for one that may be there. Between two wide ones nothing is looked at. The cost is
linear in the URI for each literal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_EXPRESSION: Final = re.compile(r"\{([^{}]*)\}")
_TAIL: Final = re.compile(r"(?:\{[?&#][^{}]*\})+\Z")
_LIMIT: Final = re.compile(r"[?#]")
_NARROW: Final = re.compile(r"[^/?#]*")


class Template:
    """One template, read once. Text that is no template of RFC 6570 stands for nothing."""

    __slots__ = ("_cut", "_head", "_readable", "_tail")

    def __init__(self, text: str) -> None:
        query = _TAIL.search(text)
        self._cut = query is not None
        path = text[: query.start()] if query else text
        self._readable = not {"{", "}"} & set(_EXPRESSION.sub("", path))
        # Odd places hold what stands in the braces, even ones the literals around them.
        pieces = _EXPRESSION.split(path)
        wide = [at for at in range(1, len(pieces), 2) if pieces[at][:1] in ("+", "/", "#") or pieces[at].endswith("*")]
        self._head = pieces[: wide[0] if wide else None : 2]
        self._tail = pieces[wide[-1] + 1 :: 2] if wide else None

    def matches(self, uri: str) -> bool:
        """Return whether the template stands for this URI."""
        if not self._readable:
            return False
        if self._cut:
            uri = _LIMIT.split(uri, maxsplit=1)[0]
        if self._tail is not None:
            at = _place(self._head, uri)
            # From the right, the same in the mirror.
            return at >= 0 and _place([one[::-1] for one in reversed(self._tail)], uri[at:][::-1]) >= 0
        *head, last = self._head
        if not head:
            return uri == last
        at = _place(head, uri)
        end = len(uri) - len(last)
        return 0 <= at <= end and uri.endswith(last) and _NARROW.fullmatch(uri, at, end) is not None


def _place(literals: Sequence[str], text: str) -> int:
    """Place literals leftmost in turn with narrow gaps between them. Returns where the last one ends, or -1.

    If any placing fits, this one does: gaps hold no slash, so a literal with a slash has one place only.
    """
    if not text.startswith(literals[0]):
        return -1
    at = len(literals[0])
    for literal in literals[1:]:
        found = text.find(literal, at)
        if found < 0 or _NARROW.fullmatch(text, at, found) is None:
            return -1
        at = found + len(literal)
    return at
