"""Writing down what was seen: versions that are new are graded, and all are dated.

Grading only reads, and takes long for many items; what it closes is known before anything is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from mcp_core.pins.canonical import canonical, field_digests
from mcp_core.pins.states import OPEN, Grade, Rules, Sight, State, changed_fields, drift, first_use, is_open, rules_of
from mcp_core.scan import Finding, ItemKind, Severity, ToolNames
from mcp_sidecar.store import forget
from mcp_sidecar.store.chain import CHANGES_OFTEN, DIFFERS, SEEN, SELF, Draft, append, lock_head
from mcp_sidecar.store.rows import CLOSED_BEFORE, Row, Rows, item_key, read_rows, touch_items
from mcp_sidecar.store.sightings import (
    AS_SHIPPED,
    Sighting,
    new_server,
    scan,
    scanner_of,
    settings_of,
    trust_of,
    weighty,
)
from mcp_sidecar.store.tables import ChainHead, Known, Version

TOUCH_MS: Final = 60_000
"""How old the date of a version must be before it is written anew: not every list is worth a write."""
MOST_NAME: Final = 8192
"""Characters of a name: no policy shows a longer one."""

_BATCH: Final = 500
Key: TypeAlias = tuple[str, str]
"""The key of an item, and the digest of one of its versions."""
Grades: TypeAlias = dict[Key, tuple[Grade, tuple[Finding, ...]]]


@dataclass(frozen=True, slots=True)
class News:
    """What somebody should hear of: `action` is SEEN, DIFFERS or CHANGES_OFTEN."""

    action: str
    server: str
    kind: ItemKind
    name: str
    digest: str
    grade: Grade
    findings: tuple[Finding, ...] = ()

    def draft(self, now: int) -> Draft:
        """Return the entry that tells of it. `now` is in Unix milliseconds."""
        detail = {"fields": list(self.grade.fields), "rules": sorted({finding.rule for finding in self.findings})}
        state, why = self.grade.state.value, self.grade.reason
        return Draft(now, SELF, self.action, self.server, self.kind.value, self.name, self.digest, state, why, detail)


@dataclass(frozen=True, slots=True)
class Around:
    """What a node knows beside the items at hand.

    `siblings` are names of the server's tools that came with them, as `siblings_of` gives them; `closed` are items that
    stay closed until a reviewer opens them, by kind and name, because they were so before the store was another one.
    """

    siblings: Container[str] = frozenset()
    closed: Container[tuple[ItemKind, str]] = frozenset()


NOTHING_AROUND: Final = Around()


@dataclass(frozen=True, slots=True)
class Written:
    """What became of an observation: what is new, and which new versions the store has no room for."""

    news: Sequence[News] = ()
    left_out: Collection[Sighting] = ()


class Observation:
    """Some items of one server, seen at one time. `settle` is in seconds, `now` in Unix milliseconds."""

    def __init__(
        self,
        server: str,
        sightings: Iterable[Sighting],
        *,
        rules: Rules,
        settle: float,
        now: int,
        around: Around = NOTHING_AROUND,
    ) -> None:
        self._server = server
        self._seen = {
            (item_key(server, sighting.kind, sighting.name), sighting.digest): sighting
            for sighting in sightings
            if is_storable(sighting.name)
        }
        self._items = {item for item, _ in self._seen}
        self._settings = AS_SHIPPED
        self._otherwise = rules
        self._rules = rules
        self._settle = settle
        self._now = now
        self._around = around
        self._grades: Grades = {}
        self._states: dict[str, dict[str, State]] = {}

    @property
    def closing(self) -> list[Sighting]:
        """Return the new versions that are not to be open."""
        return [self._seen[key] for key, (grade, _) in self._grades.items() if grade.state not in OPEN]

    def grade(self, session: Session, names: ToolNames) -> None:
        """Grade what is new, beside the tools of all servers. Raises ScanConfigError."""
        rows = read_rows(session, self._items)
        self._grades = {}
        self._states = _states(rows)
        self._settings = settings_of(session, self._server)
        fresh = {key: one for key, one in self._seen.items() if key[1] not in rows.get(key[0], {})}
        if not fresh:
            return
        scanner, siblings = scanner_of(self._settings), self._around.siblings
        self._rules = rules_of(trust_of(self._settings), self._otherwise)
        reports = scan(scanner, names, self._server, fresh.values(), siblings)
        bases = self._bases(session, fresh, rows)
        # The scanner of today reads the open versions too: what only a new rule sees was there before.
        known = scan(scanner, names, self._server, bases.values(), siblings) if bases else {}
        for (item, seen), sighting in fresh.items():
            findings = reports[sighting.kind, sighting.name, seen].findings
            base = bases.get(item)
            if base is None:
                self._grades[item, seen] = self._first(sighting, rows.get(item, {}), findings), findings
            else:
                before = known[base.kind, base.name, base.digest].findings
                self._grades[item, seen] = self._drifted(base, before, sighting, findings)

    def _bases(
        self, session: Session, fresh: Iterable[Key], rows: Mapping[str, Mapping[str, Row]]
    ) -> dict[str, Sighting]:
        """Return, for each item that is new in some version, the open version that was seen last, if there is one."""
        bases = {}
        for item in {item for item, _ in fresh}:
            opened = {seen: row.last for seen, row in rows.get(item, {}).items() if row.state in OPEN}
            if opened:
                base = session.get_one(Version, (item, max(opened, key=lambda seen: opened[seen])))
                bases[item] = Sighting.again(base)
        return bases

    def _first(self, sighting: Sighting, versions: Mapping[str, Row], findings: tuple[Finding, ...]) -> Grade:
        if any(row.state is State.REJECTED for row in versions.values()):
            return Grade(State.QUARANTINED, "rejected-before")
        if (sighting.kind, sighting.name) in self._around.closed:
            return Grade(State.QUARANTINED, CLOSED_BEFORE)
        return first_use(weighty(findings), self._rules)

    def _drifted(
        self, base: Sighting, before: tuple[Finding, ...], sighting: Sighting, findings: tuple[Finding, ...]
    ) -> tuple[Grade, tuple[Finding, ...]]:
        change = scanner_of(self._settings).scan_change(sighting.kind, base.item, sighting.item).findings
        steers = (finding for finding in change if finding.severity is Severity.BLOCK)
        fields = changed_fields(field_digests(base.item), sighting.item)
        grade = drift(fields, before, (*weighty(findings), *steers), self._rules)
        return grade, tuple(dict.fromkeys((*findings, *change)))

    def commit(self, session: Session) -> Written | None:
        """Write it down, or return None where another writer made a grade stale: it is to be graded again."""
        head = lock_head(session)
        rows = read_rows(session, self._items)
        if _states(rows) != self._states or settings_of(session, self._server) != self._settings:
            return None
        generation = head.generation + 1
        known = session.get(Known, self._server)
        changed = known is None
        if known is None:
            known = new_server(self._server, generation)
            session.add(known)
        before = {item: self._is_open(rows.get(item, {})) for item in self._items}
        grades = self._fitting(session, head, known)
        news = [self._news(key, SEEN, *graded) for key, graded in grades.items()]
        news += self._touch(session, rows)
        self._insert(session, rows, known, grades, generation)
        append(session, head, [one.draft(self._now) for one in news])
        often = self._changes_often(session, head, known, rows, list(grades))
        append(session, head, [one.draft(self._now) for one in often])
        touched = {item for item in self._items if self._is_open(rows.get(item, {})) != before[item]}
        touch_items(session, touched, generation)
        if changed or touched or grades:
            head.generation = generation
        return Written([*news, *often], [self._seen[key] for key in self._grades if key not in grades])

    def _fitting(self, session: Session, head: ChainHead, known: Known) -> Grades:
        """Make room in the store for what is new, and return the grades of those versions for which there is some."""
        sizes = {key: self._seen[key].size for key in self._grades}
        versions, size = known.versions + len(sizes), known.size + sum(sizes.values())
        if versions > forget.MOST_VERSIONS or size > forget.MOST_SIZE:
            forget.make_room(session, head, known, self._items, self._now)
        grades: Grades = {}
        versions, size = known.versions, known.size
        for key, more in sizes.items():
            if versions < forget.MOST_VERSIONS and size + more <= forget.MOST_SIZE:
                grades[key] = self._grades[key]
                versions, size = versions + 1, size + more
        return grades

    def _changes_often(
        self, session: Session, head: ChainHead, known: Known, rows: Rows, new: Collection[Key]
    ) -> list[News]:
        """Forget old versions of items that have too many, and tell of items that change often."""
        news = []
        last = dict(new)
        for item, count in Counter(item for item, _ in new).items():
            versions = rows[item]
            undecided = forget.undecided(versions)
            if undecided > forget.MOST_OF_ITEM:
                forget.forget_old(session, head, known, item, versions, self._now)
            elif not undecided - count < forget.OFTEN <= undecided:
                continue
            state = versions[last[item]].state
            news.append(self._news((item, last[item]), CHANGES_OFTEN, Grade(state, CHANGES_OFTEN), ()))
        return news

    def _touch(self, session: Session, rows: Rows) -> list[News]:
        """Date the versions that were known, and notice where a server goes back and forth between two."""
        news = []
        changed: list[dict[str, Any]] = []
        for item, seen in self._seen:
            versions = rows.get(item, {})
            row = versions.get(seen)
            if row is None:
                continue
            newer = [version for version in versions.values() if version.last > row.last]
            recent = [one for one in newer if one.last > self._now - self._settle * 1000 and one.first > row.first]
            differs = row.differs or bool(recent)
            if differs and not row.differs:
                news.append(self._news((item, seen), DIFFERS, Grade(row.state, "differs"), ()))
            if newer or row.last < self._now - TOUCH_MS:
                last = max(row.last, self._now)
                versions[seen] = replace(row, last=last, differs=differs)
                changed.append({"item": item, "digest": seen, "last_seen": last, "differs": differs})
        if changed:
            session.execute(update(Version), changed)
        return news

    def _insert(self, session: Session, rows: Rows, known: Known, grades: Grades, generation: int) -> None:
        values = []
        for (item, seen), (grade, findings) in grades.items():
            sighting = self._seen[item, seen]
            rows.setdefault(item, {})[seen] = Row(grade.state, grade.reason, self._now, self._now, differs=False)
            values.append(
                {
                    "item": item,
                    "digest": seen,
                    "server": self._server,
                    "kind": sighting.kind.value,
                    "name": sighting.name,
                    "state": grade.state.value,
                    "reason": grade.reason,
                    "content": canonical(sighting.item),
                    "findings": canonical([finding.to_json() for finding in findings]),
                    "first_seen": self._now,
                    "last_seen": self._now,
                    "differs": False,
                    "generation": generation,
                }
            )
            known.versions += 1
            known.size += sighting.size
        for start in range(0, len(values), _BATCH):
            session.execute(insert(Version), values[start : start + _BATCH])

    def _is_open(self, versions: Mapping[str, Row]) -> bool:
        return is_open([Sight(row.state, row.last / 1000) for row in versions.values()], self._settle)

    def _news(self, key: Key, action: str, grade: Grade, findings: tuple[Finding, ...]) -> News:
        sighting = self._seen[key]
        return News(action, self._server, sighting.kind, sighting.name, sighting.digest, grade, findings)


def is_storable(name: str) -> bool:
    """Return whether an item of this name is ever known, and so ever open: a NUL fits into no PostgreSQL."""
    return "\0" not in name and len(name) <= MOST_NAME


def _states(rows: Rows) -> dict[str, dict[str, State]]:
    return {item: {seen: row.state for seen, row in versions.items()} for item, versions in rows.items()}
