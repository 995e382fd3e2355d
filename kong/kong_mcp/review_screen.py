"""The review screen as values: keys in, lines out. No terminal, no store.

The laws: a key marks one item, and marks decide nothing; what is marked is written only after a question that names
the numbers; what a rule holds for must be opened before it can be approved; keys of one burst (a paste) only move.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from rich.text import Text

from mcp_core.pins.effects import Effect
from mcp_core.pins.states import State
from mcp_core.scan import escaped
from mcp_core.scan.items import KIND_WORDS
from mcp_sidecar.surface.queue import Decision, WaitingVersion

LINES_A_ROW: Final = 4
_INDENT: Final = " " * 9
_AROUND: Final = 4
"""Lines above and below the rows."""
_MOVES: Final = {"up": -1, "k": -1, "down": 1, "j": 1}
_PAGES: Final = {"pageup": -1, "p": -1, "pagedown": 1, "n": 1}
_LABELS: Final = (
    None,
    (Effect.READS,),
    (Effect.READS, Effect.WRITES),
    (Effect.READS, Effect.WRITES, Effect.DESTROYS),
    (Effect.READS, Effect.OUTSIDE),
    (Effect.READS, Effect.WRITES, Effect.OUTSIDE),
)
"""What the key e goes through: as the server says, then a reviewer's labels."""
_MARKS: Final = {State.APPROVED: ("approve", "green"), State.REJECTED: ("reject", "red"), None: ("", "dim")}
_LIST_KEYS: Final = (
    "a approve  r reject  s skip  v show  e effects  A all new and clean here  n/p page  w write  q quit"
)
_SHOW_KEYS: Final = "a approve  r reject  s skip  e effects  j/k scroll  q back"


class NextStep(Enum):
    """What the screen wants of whoever runs it."""

    NOTHING = 0
    WRITE = 1
    QUIT = 2


@dataclass
class ReviewScreen:
    """What is shown and marked. `height` and `width` are the terminal's lines and columns; `note` is said once."""

    rows: Sequence[WaitingVersion]
    height: int = 24
    width: int = 120
    at: int = 0
    note: str = ""
    marks: dict[int, State] = field(default_factory=dict)
    labels: dict[int, int] = field(default_factory=dict)
    opened: set[int] = field(default_factory=set)
    showing: bool = False
    scrolled: int = 0
    _quits: bool = False

    @property
    def size(self) -> int:
        """Return how many items one page shows."""
        return max(1, (self.height - _AROUND) // LINES_A_ROW)

    @property
    def page(self) -> range:
        """Return the numbers of the items that are on the screen."""
        first = self.at // self.size * self.size
        return range(first, min(first + self.size, len(self.rows)))

    def decisions(self) -> list[Decision]:
        """Return what is marked."""
        return [Decision(self.rows[at].seen, state, self._labels(at)) for at, state in sorted(self.marks.items())]

    def told(self) -> str:
        """Return how many are marked, in words."""
        count = Counter(self.marks.values())
        return f"{count[State.APPROVED]} to approve, {count[State.REJECTED]} to reject"

    def press(self, keys: Sequence[str]) -> NextStep:
        """Take the keys of one burst. Of several at once only those that move do anything."""
        self.note = ""
        if len(keys) > 1 and not all(key in _MOVES or key in _PAGES for key in keys):
            self.note = "several keys came at once: none was taken"
            self._quits = False
            return NextStep.NOTHING
        asked = NextStep.NOTHING
        for key in keys:
            asked = self._show(key) if self.showing else self._list(key)
        return asked

    def _list(self, key: str) -> NextStep:
        quits, self._quits = self._quits, False
        if key in _MOVES:
            self._move(_MOVES[key])
        elif key in _PAGES:
            self._turn(_PAGES[key])
        elif key in ("v", "enter") and self.rows:
            self.showing, self.scrolled = True, 0
            self.opened.add(self.at)
        elif key == "A":
            self._approve_page()
        elif key == "w" and self.marks:
            return NextStep.WRITE
        elif key == "w":
            self.note = "nothing is marked"
        elif key == "q" and self.marks and not quits:
            self._quits, self.note = True, f"{self.told()} are not written. q again leaves them; any other key goes on"
        elif key == "q":
            return NextStep.QUIT
        else:
            self._mark(key)
        return NextStep.NOTHING

    def _show(self, key: str) -> NextStep:
        if key in _MOVES:
            self.scrolled = max(0, min(self.scrolled + _MOVES[key], len(self._detail()) - 1))
        elif key in _PAGES:
            step = _PAGES[key] * max(1, self.height - _AROUND)
            self.scrolled = max(0, min(self.scrolled + step, len(self._detail()) - 1))
        elif key in ("q", "escape", "enter"):
            self.showing = False
        elif key in ("a", "r", "s"):
            self.showing = False
            self._mark(key)
        else:
            self._mark(key)
        return NextStep.NOTHING

    def _mark(self, key: str) -> None:
        if not self.rows:
            return
        if key == "a" and self.rows[self.at].found and self.at not in self.opened:
            self.note = "rules hold for it: look at it first (v)"
        elif key in ("a", "r"):
            self.marks[self.at] = State.APPROVED if key == "a" else State.REJECTED
            self._move(1)
        elif key == "s":
            self.marks.pop(self.at, None)
            self._move(1)
        elif key == "e":
            self.labels[self.at] = (self.labels.get(self.at, 0) + 1) % len(_LABELS)
        else:
            self.note = f"no key: {escaped(key)[:20]}"

    def _approve_page(self) -> None:
        """Mark what is new and clean on this page, all of which is on the screen, and go on to the next one."""
        left = 0
        for at in self.page:
            row = self.rows[at]
            if at in self.marks:
                continue
            if row.found or row.fields:
                left += 1
            else:
                self.marks[at] = State.APPROVED
        self.note = f"{left} on the page before are changed, or rules hold for them: decide each" if left else ""
        self._turn(1)

    def _move(self, by: int) -> None:
        self.at = max(0, min(self.at + by, len(self.rows) - 1))

    def _turn(self, by: int) -> None:
        first = self.page.start + by * self.size
        if 0 <= first < len(self.rows):
            self.at = first

    def _labels(self, at: int) -> tuple[str, ...] | None:
        chosen = _LABELS[self.labels.get(at, 0)]
        return None if chosen is None else tuple(effect.value for effect in chosen)

    def lines(self) -> list[Text]:
        """Return what is on the screen, a text a line; all of it in ASCII."""
        if not self.rows:
            return [Text("nothing waits", "bold")]
        body = self._detail()[self.scrolled :] if self.showing else self._rows()
        head = f"{len(self.rows)} wait   {self.told()}   page {self.page.start // self.size + 1} of " + str(
            -(-len(self.rows) // self.size)
        )
        room = self.height - _AROUND
        keys = _SHOW_KEYS if self.showing else _LIST_KEYS
        return [Text(head, "bold"), Text(""), *body[:room], Text(self.note, "yellow"), Text(keys, "dim")]

    def _rows(self) -> list[Text]:
        lines = []
        for at in self.page:
            row, id_ = self.rows[at], self.rows[at].seen.id
            word, style = _MARKS[self.marks.get(at)]
            labels = self._labels(at)
            reach = row.effects.text() if labels is None else f"{'+'.join(labels)} (you)"
            found = f"   ! {len(row.found)} found" if row.found else ""
            line = Text(f"{'>' if at == self.at else ' '}{word:<8}", style)
            line.append(f"{id_.server} {KIND_WORDS[id_.kind]} {escaped(id_.name)[:60]}", "bold")
            line.append(f"   [{reach}]", "cyan")
            line.append(found, "red")
            differs = Text(f"{_INDENT}{row.differs}", "magenta" if row.fields else "dim")
            lines += [line, *self._does(row.does), differs]
        return lines

    def _does(self, text: str) -> list[Text]:
        """Return what an item does, in two lines."""
        said = textwrap.wrap(
            f"does: {text}",
            max(40, self.width - 1),
            initial_indent=_INDENT,
            subsequent_indent=_INDENT,
            max_lines=2,
            placeholder=" ... (v)",
        )
        return [*map(Text, said), *[Text("")] * (2 - len(said))]

    def _detail(self) -> list[Text]:
        row = self.rows[self.at]
        id_ = row.seen.id
        head = f"{id_.server} {KIND_WORDS[id_.kind]} {escaped(id_.name)}  {row.seen.digest[:12]}  ({row.seen.reason})"
        return [
            Text(head, "bold"),
            *(Text(one, "red") for one in row.found),
            *(
                Text(change, "green" if change[:1] == "+" else "red" if change[:1] == "-" else "dim")
                for change in row.changes
            ),
            *(Text(one) for one in row.content),
        ]
