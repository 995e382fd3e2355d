"""What a person at a terminal is told of a gateway: one line for each thing, once, with what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from mcp_core.scan.excerpt import escaped

MOST: Final = 1000
"""Lines of one sort that are told at most: whoever finds ever new ones is in the logs."""
_CUT: Final = 200


class Sort(StrEnum):
    """What a happening is about."""

    REFUSAL = "refusal"
    FINDING = "finding"
    TROUBLE = "trouble"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened. `text` is fit to print, and the same whenever the same thing happens again."""

    sort: Sort
    server: str
    text: str


def line(server: object, parts: Iterable[str], do: str = "") -> str:
    """Return a happening's text: whose it is, what happened in short parts, and what to do."""
    said = "; ".join(part for part in parts if part)
    return f"{shown(server)}: {said}" + (f"; what to do: {do}" if do else "")


def shown(value: Any, most: int = _CUT) -> str:
    """Return a text that somebody else chose, escaped and cut."""
    fit = escaped(str(value)[: most + 1])
    return fit if len(fit) <= most else f"{fit[:most]}..."


class Told:
    """What was told already, and how often everything happened."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._told: Counter[Sort] = Counter()
        self.counts: Counter[tuple[str, Sort]] = Counter()
        """How often something happened, by server and sort, told or not."""

    def new(self, happened: Iterable[Happening]) -> Iterator[Happening]:
        """Give what was not told yet, as far as it may be told, and count all of it."""
        for happening in happened:
            self.counts[happening.server, happening.sort] += 1
            if happening.text in self._seen or self._told[happening.sort] > MOST:
                continue
            self._told[happening.sort] += 1
            if self._told[happening.sort] > MOST:
                yield Happening(
                    happening.sort,
                    happening.server,
                    f"more than {MOST} lines of the sort {happening.sort}: see the logs",
                )
                continue
            self._seen.add(happening.text)
            yield happening
