"""Writing down what was seen: versions that are new are graded, and all are dated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.orm import Session

from mcp_core.pins.canonical import canonical, digest, field_digests
from mcp_core.pins.states import OPEN, Grade, Rules, Sight, State, changed_fields, drift, first_use, is_open
from mcp_core.scan import Finding, ItemKind, Severity
from mcp_sidecar.store.chain import DIFFERS, SEEN, Draft, append, lock_head
from mcp_sidecar.store.engine import reading, write
from mcp_sidecar.store.sightings import AS_SHIPPED, Neighbourhood, Sighting, scanner_of, settings_of, weighty
from mcp_sidecar.store.tables import Known, Version

SELF: Final = "mcp-sidecar"
"""The actor of what no person decided."""
TOUCH_MS: Final = 60_000
"""How old the date of a version must be before it is written anew: not every list is worth a write."""
MOST_VERSIONS: Final = 100_000
"""Versions of one server's items that are kept. What comes after that is hidden: no server may fill the disk."""
MOST_OF_ITEM: Final = 100
"""Versions of one item that are kept."""
MOST_NAME: Final = 8192
"""Characters of a name: no policy shows a longer one."""

_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class News:
    """What somebody should hear of: `action` is SEEN or DIFFERS."""

    action: str
    server: str
    kind: ItemKind
    name: str
    digest: str
    grade: Grade
    findings: tuple[Finding, ...] = ()

    def draft(self, now: int) -> Draft:
        """Return the entry that tells of it. `now` is in Unix milliseconds."""
        detail = {"fields": list(self.grade.fields), "rules": sorted({one.rule for one in self.findings})}
        state, why = self.grade.state.value, self.grade.reason
        return Draft(now, SELF, self.action, self.server, self.kind.value, self.name, self.digest, state, why, detail)


def item_key(server: str, kind: str, name: str) -> str:
    """Return the key of an item in the table of versions."""
    return digest([server, kind, name])


@dataclass(frozen=True, slots=True)
class _Row:
    state: State
    first: int
    last: int
    differs: bool


class Observation:
    """Some items of one server, seen at one time. `settle` is in seconds, `now` in Unix milliseconds."""

    def __init__(self, server: str, sightings: Iterable[Sighting], *, rules: Rules, settle: float, now: int) -> None:
        self._server = server
        # A name with a NUL fits into no PostgreSQL; it is never known, and so never open.
        self._seen = {
            (item_key(server, one.kind, one.name), one.digest): one
            for one in sightings
            if "\0" not in one.name and len(one.name) <= MOST_NAME
        }
        self._settings = AS_SHIPPED
        self._rules = rules
        self._settle = settle
        self._now = now
        self._grades: dict[tuple[str, str], tuple[Grade, tuple[Finding, ...]]] = {}

    def write(self, engine: Engine) -> list[News]:
        """Write it down, and return what is new. Raises StoreError."""
        while True:
            # Scanning takes long for a large surface: no other writer waits for it.
            with reading(engine) as session:
                self._grade(session)
            news = write(engine, self._commit)
            if news is not None:
                return news

    def _grade(self, session: Session) -> None:
        rows = _rows(session, self._server)
        self._grades = {}
        self._settings = settings_of(session, self._server)
        room = MOST_VERSIONS - sum(map(len, rows.values()))
        fresh = {
            (item, seen): sighting
            for (item, seen), sighting in self._seen.items()
            if seen not in rows.get(item, {}) and len(rows.get(item, {})) < MOST_OF_ITEM
        }
        fresh = dict(list(fresh.items())[: max(0, room)])
        if not fresh:
            return
        scanner, around = scanner_of(self._settings), Neighbourhood(session, self._server, self._seen.values())
        reports = around.scan(scanner, fresh.values())
        bases = self._bases(session, fresh, rows)
        # The scanner of today reads the open versions too: what only a new rule sees was there before.
        known = around.scan(scanner, bases.values()) if bases else {}
        for (item, seen), sighting in fresh.items():
            findings = reports[sighting.kind, sighting.name, seen].findings
            base = bases.get(item)
            if base is None:
                self._grades[item, seen] = self._first(rows.get(item, {}), findings), findings
            else:
                before = known[base.kind, base.name, base.digest].findings
                self._grades[item, seen] = self._drifted(base, before, sighting, findings)

    def _bases(
        self, session: Session, fresh: Iterable[tuple[str, str]], rows: Mapping[str, Mapping[str, _Row]]
    ) -> dict[str, Sighting]:
        """Return, for each item that is new in some version, the open version that was seen last, if there is one."""
        bases = {}
        for item in {item for item, _ in fresh}:
            opened = {seen: row.last for seen, row in rows.get(item, {}).items() if row.state in OPEN}
            if opened:
                base = session.get_one(Version, (item, max(opened, key=lambda seen: opened[seen])))
                bases[item] = Sighting.again(base)
        return bases

    def _first(self, versions: Mapping[str, _Row], findings: tuple[Finding, ...]) -> Grade:
        if any(row.state is State.REJECTED for row in versions.values()):
            return Grade(State.QUARANTINED, "rejected-before")
        return first_use(weighty(findings), self._rules)

    def _drifted(
        self, base: Sighting, before: tuple[Finding, ...], sighting: Sighting, findings: tuple[Finding, ...]
    ) -> tuple[Grade, tuple[Finding, ...]]:
        change = scanner_of(self._settings).scan_change(sighting.kind, base.item, sighting.item).findings
        steers = (one for one in change if one.severity is Severity.BLOCK)
        fields = changed_fields(field_digests(base.item), sighting.item)
        grade = drift(fields, before, (*weighty(findings), *steers), self._rules)
        return grade, tuple(dict.fromkeys((*findings, *change)))

    def _commit(self, session: Session) -> list[News] | None:
        """Write it down, or return None where another writer made a grade stale."""
        head = lock_head(session)
        rows = _rows(session, self._server)
        fresh = {key for key in self._seen if key[1] not in rows.get(key[0], {})}
        if not self._grades.keys() <= fresh or settings_of(session, self._server) != self._settings:
            return None
        items = {item for item, _ in self._seen}
        before = {item: self._is_open(rows.get(item, {})) for item in items}
        news = [self._news(key, SEEN, *graded) for key, graded in self._grades.items()]
        news += self._touch(session, rows)
        self._insert(session, rows)
        if session.get(Known, self._server) is None:
            session.add(Known(name=self._server, looked=0, outcome=""))
            head.generation += 1
        append(session, head, [one.draft(self._now) for one in news])
        if self._grades or any(self._is_open(rows.get(item, {})) != before[item] for item in items):
            head.generation += 1
        return news

    def _touch(self, session: Session, rows: dict[str, dict[str, _Row]]) -> list[News]:
        """Date the versions that were known, and notice where a server goes back and forth between two."""
        news = []
        changed: list[dict[str, Any]] = []
        for item, seen in self._seen:
            versions = rows.get(item, {})
            row = versions.get(seen)
            if row is None:
                continue
            newer = [one for one in versions.values() if one.last > row.last]
            recent = [one for one in newer if one.last > self._now - self._settle * 1000 and one.first > row.first]
            differs = row.differs or bool(recent)
            if differs and not row.differs:
                news.append(self._news((item, seen), DIFFERS, Grade(row.state, "differs"), ()))
            if newer or row.last < self._now - TOUCH_MS:
                last = max(row.last, self._now)
                versions[seen] = _Row(row.state, row.first, last, differs)
                changed.append({"item": item, "digest": seen, "last_seen": last, "differs": differs})
        if changed:
            session.execute(update(Version), changed)
        return news

    def _insert(self, session: Session, rows: dict[str, dict[str, _Row]]) -> None:
        values = []
        for (item, seen), (grade, findings) in self._grades.items():
            sighting = self._seen[item, seen]
            rows.setdefault(item, {})[seen] = _Row(grade.state, self._now, self._now, differs=False)
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
                    "findings": canonical([one.to_json() for one in findings]),
                    "first_seen": self._now,
                    "last_seen": self._now,
                    "differs": False,
                }
            )
        for start in range(0, len(values), _BATCH):
            session.execute(insert(Version), values[start : start + _BATCH])

    def _is_open(self, versions: Mapping[str, _Row]) -> bool:
        return is_open([Sight(row.state, row.last / 1000) for row in versions.values()], self._settle)

    def _news(self, key: tuple[str, str], action: str, grade: Grade, findings: tuple[Finding, ...]) -> News:
        one = self._seen[key]
        return News(action, self._server, one.kind, one.name, one.digest, grade, findings)


def _rows(session: Session, server: str) -> dict[str, dict[str, _Row]]:
    """Return item -> digest -> row for every version of a server."""
    columns = Version.item, Version.digest, Version.state, Version.first_seen, Version.last_seen, Version.differs
    rows: dict[str, dict[str, _Row]] = {}
    for item, seen, state, first, last, differs in session.execute(select(*columns).where(Version.server == server)):
        rows.setdefault(item, {})[seen] = _Row(State(state), first, last, differs)
    return rows
