"""The store as the rest of the sidecar and the command line use it. Every call blocks and may raise StoreError."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session, defer

from mcp_core.auth.revoked import Word
from mcp_core.errand import Address
from mcp_core.pins.states import OPEN, Rules, Sight, State, is_open
from mcp_core.scan import ItemKind
from mcp_sidecar.store import chain, leases, lineage, rescan, revocations, second
from mcp_sidecar.store.chain import DECIDED, EFFECTS, Audit, Draft, append, lock_head
from mcp_sidecar.store.engine import (
    StoreError,
    StoreGoneError,
    file_mark,
    is_file,
    open_engine,
    reading,
    store_url,
    write,
)
from mcp_sidecar.store.leases import Tenure
from mcp_sidecar.store.lineage import Anchor, ItemName, goes_through, is_accepted
from mcp_sidecar.store.migrate import check_schema, upgrade
from mcp_sidecar.store.observe import NOTHING_AROUND, Around, News, Observation, Written
from mcp_sidecar.store.rows import REVIEWED, batches, item_key
from mcp_sidecar.store.sightings import Sighting, Tools, new_server
from mcp_sidecar.store.tables import ChainHead, Entry, Known, Version
from mcp_sidecar.store.values import Changes, DecidedMeanwhileError, ItemId, Seen, Standing, UnknownItemError

SETTLE: Final = 300.0
"""Seconds for which a version that nobody approved must stay away before its item opens again by itself."""
_BATCH: Final = 1000


class Store:
    """A store whose schema is this release's. `settle` is in seconds."""

    def __init__(self, address: str, *, settle: float = SETTLE, migrate: bool = False, create: bool = True) -> None:
        """Open the store at a file's path or a PostgreSQL URL; `migrate` brings its schema to this release.

        Where not `create`, nothing is made where there is no store yet; without `migrate` nothing ever is.

        Raises:
            ValueError: the address is neither.
            StoreError: it cannot be reached, or its schema is another release's.
        """
        self._url = store_url(address)
        if is_file(self._url) and not (create and migrate) and file_mark(self._url) is None:
            there = f"there is no store {self._url.database}"
            raise StoreError(there if migrate else f"{there}: run `mcp-sidecar migrate`, or start the sidecar")
        self._engine = open_engine(self._url, create=create and migrate)
        self._settle = settle
        self._tools = Tools()
        try:
            if migrate:
                upgrade(self._engine, create=create)
            else:
                check_schema(self._engine)
        except BaseException:
            self._engine.dispose()
            raise
        self._mark = file_mark(self._url)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def words(self, after: int) -> tuple[int, dict[str, tuple[second.Opinion, str]]]:
        """Return what the second reader said behind an entry of the chain; see second.words."""
        with reading(self._engine) as session:
            return second.words(session, after)

    def asked_since(self, at: int) -> dict[str, int]:
        """Return how often the second reader said something about each server since a time (Unix milliseconds)."""
        with reading(self._engine) as session:
            return second.asked_since(session, at)

    def unread(self, behind: second.Place, most: int, *, is_open: bool) -> list[second.Unread]:
        """Return versions for the second reader, at most so many; see second.unread."""
        with reading(self._engine) as session:
            return second.unread(session, behind, most, is_open=is_open)

    def say(self, one: second.Unread, word: second.Opinion, said: str, *, known: bool, now: int) -> News | None:
        """Write down what the second reader says of a version, and return what that closes; see second.say."""
        return write(self._engine, partial(second.say, one=one, word=word, said=said, known=known, now=now))

    def take_lease(self, name: str, holder: str, now: int, lasts: int, told: str | None) -> Tenure:
        """Take or renew a lease, as leases.take has it."""
        return leases.take(self._engine, name, holder, now, lasts, told)

    def leave_lease(self, name: str, holder: str) -> None:
        """Give a lease up."""
        leases.leave(self._engine, name, holder)

    def generation(self) -> int:
        """Return a number that grows with every change that guards must know."""
        with reading(self._engine) as session:
            return session.execute(select(ChainHead.generation)).scalar_one()

    def head(self) -> str:
        """Return the anchor of the chain as it is now: SEQ:HASH."""
        with reading(self._engine) as session:
            seq, last = session.execute(select(ChainHead.seq, ChainHead.hash)).one()
            return f"{seq}:{last}"

    def changes(self, since: int = -1, head: Anchor | None = None) -> Changes:
        """Return what changed after a generation; -1 for everything.

        `head` is the last entry that the caller knows. Where the chain does not go through it, nothing is read, or
        everything where a person accepted this store in the place of the one that the caller knows.

        Raises:
            StoreGoneError: the store's file is another one than was opened, or was taken away.
        """
        if is_file(self._url) and (self._mark is None or file_mark(self._url) != self._mark):
            raise StoreGoneError(f"the file of the store, {self._url.database}, was taken away or replaced")
        with reading(self._engine) as session:
            row = session.execute(select(ChainHead)).scalar_one()
            changes = Changes(row.generation, (row.seq, row.hash))
            if head is not None and not goes_through(session, head):
                changes = replace(changes, follows=False, accepted=is_accepted(session, head))
                since = -1
            if row.generation == since or not (changes.follows or changes.accepted):
                return changes
            changed = Version.item.in_(select(Version.item).where(Version.generation > since))
            standings = tuple(self._standings(session, [changed] if since >= 0 else []))
            known = session.scalars(select(Known).where(Known.generation > since))
            return replace(changes, standings=standings, settings={one.name: one.scan for one in known})

    def grade(
        self,
        server: str,
        sightings: Iterable[Sighting],
        *,
        rules: Rules,
        now: int,
        around: Around = NOTHING_AROUND,
    ) -> Observation:
        """Grade what a server sent at `now` (Unix milliseconds), and write nothing down.

        Raises:
            ScanConfigError: the scanner's settings of this server are another release's.
        """
        seen = Observation(server, sightings, rules=rules, settle=self._settle, now=now, around=around)
        with reading(self._engine) as session:
            self._tools.catch_up(session)
            seen.grade(session, self._tools.names)
        return seen

    def write_down(self, seen: Observation) -> Written | None:
        """Write down what was graded; None where it is to be graded again, as the store changed meanwhile."""
        return write(self._engine, seen.commit)

    def observe(self, server: str, sightings: Sequence[Sighting], *, rules: Rules, now: int) -> Sequence[News]:
        """Grade and write down what a server sent, and return what is new. Raises what `grade` raises."""
        while True:
            written = self.write_down(self.grade(server, sightings, rules=rules, now=now))
            if written is not None:
                return written.news

    def adopt(self, server: str, settings: str, now: int) -> list[News]:
        """Take over the scanner's settings of a server (canonical JSON), and return what they close.

        Raises:
            ScanConfigError: they cannot be used.
        """

        def work(session: Session) -> list[News]:
            self._tools.catch_up(session)
            return rescan.adopt(session, self._tools.names, server, settings, now)

        return write(self._engine, work)

    def accept(self, anchor: Anchor, *, reviewer: str, why: str, now: int) -> None:
        """Take this store in the place of the one whose chain had an entry. Raises AlreadyFollowsError."""
        write(self._engine, lambda session: lineage.accept(session, anchor, reviewer=reviewer, why=why, now=now))

    def close_items(self, items: Sequence[ItemName], now: int) -> list[News]:
        """Close items (server, kind, name) that were closed by the store that this one replaces."""
        return write(self._engine, lambda session: lineage.close(session, items, now))

    def decide(
        self,
        id_: ItemId,
        state: State,
        *,
        reviewer: str,
        why: str,
        now: int,
        digest: str | None = None,
        shown: Seen | None = None,
        effects: Sequence[str] | None = None,
    ) -> Seen:
        """Approve or reject one version of an item: that of `digest` (or its beginning), or the one seen last.

        `shown` is the version as the reviewer saw it, where it matters that nobody decided since; `effects` are labels
        that the reviewer gave it (pins.effects), kept with the decision.

        Raises:
            UnknownItemError: there is no such item or version, or several versions begin so.
            DecidedMeanwhileError: it does not stand as it was shown.
        """

        def work(session: Session) -> Seen:
            head = lock_head(session)
            version = _find(session, id_, digest)
            if shown is not None and (version.state, version.reason) != (shown.state.value, shown.reason):
                raise DecidedMeanwhileError(chain.last_word(session, version))
            head.generation += 1
            key = Version.item == version.item, Version.digest == version.digest
            values = {"state": state.value, "reason": REVIEWED, "generation": head.generation}
            session.execute(update(Version).where(*key).values(**values))
            name = id_.server, id_.kind.value, id_.name
            detail = {} if effects is None else {EFFECTS: sorted(effects)}
            append(session, head, [Draft(now, reviewer, DECIDED, *name, version.digest, state.value, why, detail)])
            session.flush()
            session.refresh(version)
            return _seen(version)

        return write(self._engine, work)

    def standings(self, server: str | None = None) -> list[Standing]:
        """Return every item, of one server or of all, in order."""
        with reading(self._engine) as session:
            return list(self._standings(session, [] if server is None else [Version.server == server]))

    def standing(self, id_: ItemId) -> Standing:
        """Return one item. Raises UnknownItemError."""
        with reading(self._engine) as session:
            found = list(self._standings(session, [Version.item == item_key(id_.server, id_.kind, id_.name)]))
        if not found:
            raise UnknownItemError(_unknown(id_))
        return found[0]

    def content(self, id_: ItemId, digest: str | None = None) -> tuple[Seen, dict[str, Any], list[dict[str, str]]]:
        """Return a version, the item as the server sent it, and its findings. Raises UnknownItemError."""
        with reading(self._engine) as session:
            version = _find(session, id_, digest)
            return _seen(version), json.loads(version.content), json.loads(version.findings)

    def contents(
        self, server: str, digests: Sequence[str]
    ) -> dict[tuple[ItemKind, str, str], tuple[dict[str, Any], list[dict[str, str]]]]:
        """Return versions of a server's items as it sent them, with findings, by kind, name and digest."""
        columns = Version.kind, Version.name, Version.digest, Version.content, Version.findings
        found: dict[tuple[ItemKind, str, str], tuple[dict[str, Any], list[dict[str, str]]]] = {}
        with reading(self._engine) as session:
            for part in batches(digests):
                of_server = select(*columns).where(Version.server == server, Version.digest.in_(part))
                for kind, name, digest, content, findings in session.execute(of_server):
                    found[ItemKind(kind), name, digest] = json.loads(content), json.loads(findings)
        return found

    def approved(self, id_: ItemId) -> dict[str, dict[str, Any]]:
        """Return the versions of an item that are open and in use: digest -> the item, the one seen last first."""
        of_item = Version.item == item_key(id_.server, id_.kind, id_.name)
        is_open = Version.state.in_([state.value for state in OPEN])
        with reading(self._engine) as session:
            found = session.scalars(select(Version).where(of_item, is_open).order_by(Version.last_seen.desc())).all()
            return {
                one.digest: json.loads(one.content)
                for one in found
                if one.last_seen >= found[0].last_seen - self._settle * 1000
            }

    def revoke(self, word: Word, *, kind: str, name: str, issuer: str, reviewer: str, why: str) -> None:
        """Cut somebody off, or let them in again; see revocations.write."""
        said = partial(revocations.write, word=word, kind=kind, name=name, issuer=issuer, reviewer=reviewer, why=why)
        write(self._engine, said)

    def revocations(self, since: int = 0) -> tuple[int, list[Word]]:
        """Return who was cut off or let in again behind an entry of the chain, and the number of its last entry."""
        with reading(self._engine) as session:
            return revocations.read(session, since)

    def history(self, id_: ItemId) -> Sequence[Entry]:
        """Return what was written of an item, oldest first."""
        with reading(self._engine) as session:
            return list(chain.history(session, id_.server, id_.kind.value, id_.name))

    def entries(self, after: int, most: int) -> list[dict[str, Any]]:
        """Return the entries of the chain behind one, by its number: `most` of them at most, oldest first."""
        with reading(self._engine) as session:
            return chain.behind(session, after, most)

    def effects(self, id_: ItemId, digest: str) -> tuple[str, ...] | None:
        """Return the labels that a reviewer gave a version last (pins.effects), or None where nobody did."""
        given = [json.loads(one.detail) for one in self.history(id_) if one.digest == digest and one.action == DECIDED]
        return next((tuple(one[EFFECTS]) for one in reversed(given) if EFFECTS in one), None)

    def verify(self, anchor: tuple[int, str] | None = None) -> Audit:
        """Prove the chain, from its first entry to its head, and that every version stands where it says."""
        with reading(self._engine) as session:
            return chain.verify(session, anchor)

    def servers(self) -> Mapping[str, tuple[int, str]]:
        """Return every server that was heard of: when it was last looked at (0 for never), and how that ended."""
        with reading(self._engine) as session:
            return {one.name: (one.looked, one.outcome) for one in session.scalars(select(Known).order_by(Known.name))}

    def gone(self, older: int) -> list[ItemId]:
        """Return the items whose server was seen whole by its last look, `older` milliseconds after the item was."""
        last = func.max(Version.last_seen)
        named = select(Version.server, Version.kind, Version.name).join(Known, Known.name == Version.server)
        whole = named.where(Known.outcome == "seen").group_by(Version.server, Version.kind, Version.name, Known.looked)
        with reading(self._engine) as session:
            found = session.execute(whole.having(last < Known.looked - older))
            return [ItemId(server, ItemKind(kind), name) for server, kind, name in found]

    def reached(self, server: str, target: Address) -> bool:
        """Write down where a server is. Returns False where it was never heard of."""

        def work(session: Session) -> bool:
            known = session.get(Known, server)
            if known is not None:
                known.target = json.dumps(target.to_json())
            return known is not None

        return write(self._engine, work)

    def target(self, server: str) -> Address | None:
        """Return where a server is, or None where no guard said that yet."""
        with reading(self._engine) as session:
            known = session.get(Known, server)
            return None if known is None or not known.target else Address.from_json(json.loads(known.target))

    def looked(self, server: str, outcome: str, now: int) -> None:
        """Write down how a look at a server ended."""

        def work(session: Session) -> None:
            head = lock_head(session)
            known = session.get(Known, server)
            if known is None:
                head.generation += 1
                known = new_server(server, head.generation)
                session.add(known)
            known.looked, known.outcome = now, outcome

        write(self._engine, work)

    def _standings(self, session: Session, where: Sequence[ColumnElement[bool]]) -> Iterator[Standing]:
        order = Version.server, Version.kind, Version.name, Version.last_seen.desc(), Version.digest
        query = select(Version).options(defer(Version.content, raiseload=True)).where(*where).order_by(*order)
        versions: list[Seen] = []
        for row in session.scalars(query.execution_options(yield_per=_BATCH)):
            seen = _seen(row)
            if versions and versions[0].id != seen.id:
                yield self._standing(versions)
                versions = []
            versions.append(seen)
        if versions:
            yield self._standing(versions)

    def _standing(self, versions: Sequence[Seen]) -> Standing:
        sights = [Sight(one.state, one.last_seen / 1000) for one in versions]
        return Standing(versions[0].id, is_open(sights, self._settle), tuple(versions))


def _seen(one: Version) -> Seen:
    rules = tuple(sorted({str(found["rule"]) for found in json.loads(one.findings)})) if one.findings != "[]" else ()
    id_ = ItemId(one.server, ItemKind(one.kind), one.name)
    state = State(one.state)
    return Seen(id_, one.digest, state, one.reason, rules, one.first_seen, one.last_seen, one.differs)


def _find(session: Session, id_: ItemId, digest: str | None) -> Version:
    of_item = select(Version).where(Version.item == item_key(id_.server, id_.kind, id_.name))
    if digest is not None:
        of_item = of_item.where(Version.digest.startswith(digest, autoescape=True))
    found = session.scalars(of_item.order_by(Version.last_seen.desc(), Version.digest)).all()
    if not found:
        raise UnknownItemError(_unknown(id_) if digest is None else f"{_shown(id_)} has no version {digest}")
    if digest is not None and len(found) > 1:
        raise UnknownItemError(f"{_shown(id_)} has several versions that begin with {digest}: give more of it")
    return found[0]


def _shown(id_: ItemId) -> str:
    return f"{id_.server} {id_.kind.value} {json.dumps(id_.name)}"


def _unknown(id_: ItemId) -> str:
    return f"{_shown(id_)} was never seen: `kong-mcp surface list` names what was"
