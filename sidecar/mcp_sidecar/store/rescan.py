"""A server's settings, taken over: what is open without a reviewer's word is read and graded again by them."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from mcp_core.pins.canonical import canonical
from mcp_core.pins.states import OPEN, Grade, State, Trust
from mcp_core.scan import Finding, ToolNames
from mcp_sidecar.store.chain import SEEN, append, lock_head
from mcp_sidecar.store.observe import News
from mcp_sidecar.store.rows import REVIEWED, item_key
from mcp_sidecar.store.sightings import Sighting, new_server, scan, scanner_of, trust_of, weighty
from mcp_sidecar.store.tables import Known, Version


def adopt(session: Session, names: ToolNames, server: str, settings: str, now: int) -> list[News]:
    """Write down the settings (canonical JSON), and quarantine what they find. `now` is in Unix milliseconds.

    Of a server that is foreign from now on, everything waits that no reviewer opened.

    The head row stays locked while the scanner reads: whatever is graded meanwhile is graded again. What waits goes
    on waiting.

    Raises:
        ScanConfigError: the settings cannot be used.
    """
    scanner, foreign = scanner_of(settings), trust_of(settings) is Trust.FOREIGN
    head = lock_head(session)
    known = session.get(Known, server)
    if known is not None and known.scan == settings:
        return []
    head.generation += 1
    if known is None:
        session.add(new_server(server, head.generation, settings))
    else:
        known.scan, known.generation = settings, head.generation
    versions = session.scalars(select(Version).where(Version.server == server, _is_open())).all()
    seen = [(one, Sighting.again(one)) for one in versions]
    reports = scan(scanner, names, server, (sighting for _, sighting in seen)) if seen else {}
    accepted: defaultdict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for version, one in seen:
        if version.reason == REVIEWED:
            accepted[version.item] |= {_place(found) for found in reports[one.kind, one.name, one.digest].findings}
    news = []
    for version, one in seen:
        findings = reports[one.kind, one.name, one.digest].findings
        if version.reason == REVIEWED:
            continue
        if any(_place(it) not in accepted[version.item] for it in weighty(findings)):
            news.append(News(SEEN, server, one.kind, one.name, one.digest, _FOUND, findings))
        elif foreign:
            news.append(News(SEEN, server, one.kind, one.name, one.digest, _FOREIGN, findings))
    for told in news:
        values = {"state": told.grade.state.value, "reason": told.grade.reason, "generation": head.generation}
        key = Version.item == item_key(server, told.kind, told.name), Version.digest == told.digest
        session.execute(update(Version).where(*key).values(findings=canonical(_json(told)), **values))
    append(session, head, [one.draft(now) for one in news])
    return news


_FOUND: Final = Grade(State.QUARANTINED, "settings-findings")
_FOREIGN: Final = Grade(State.QUARANTINED, "settings-foreign")


def _is_open() -> ColumnElement[bool]:
    return Version.state.in_([state.value for state in OPEN])


def _place(found: Finding) -> tuple[str, str, str]:
    return found.rule, found.path, found.excerpt


def _json(news: News) -> list[dict[str, str]]:
    return [finding.to_json() for finding in news.findings]
