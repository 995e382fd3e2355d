"""Where Kong delivers, by mcp-answers or http-log: a batch is taken whole, once, and answered when it is written down.

Kong holds what it could not deliver and sends the same batch again, before all that came later. So 503 loses nothing
while Kong has room, and an answer of 200 says that the batch will be counted, also if this process ends in the next
moment. What could never be taken is answered 200 too, counted by why and logged: else it would keep all others waiting.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from mcp_core.jsonrpc import Limits, NotStrictError
from mcp_core.loosejson import plain
from mcp_core.telemetry.tally import HOUR_MS, Counted, Names, UsageKey, fold, key_of
from mcp_core.telemetry.visit import Odd, Visit, read
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.usage import UsageBatch, UsageStore
from mcp_sidecar.telemetry.audit import Auditor
from mcp_sidecar.telemetry.debugging import Debugging
from mcp_sidecar.telemetry.known import KnownIds
from mcp_sidecar.telemetry.metrics import TelemetryMetrics
from mcp_sidecar.telemetry.settings import TelemetrySettings

if TYPE_CHECKING:
    from mcp_sidecar.telemetry.spans import SpanSender

PATH: Final = "/collector"
MAX_BODY: Final = 8 * 1024 * 1024
"""Bytes of one delivery: of 400 records (deck), each would have to be 20 KiB."""
MOST_RECORDS: Final = 10_000
WAITING: Final = 32
"""Deliveries that wait for the one before them. Kong's workers send one at a time each."""
REMEMBERED: Final = 200_000
"""Ids of requests that are known to be counted. What Kong repeats, it repeats within seconds of being there again."""
KEPT_SECONDS: Final = 600
"""How long the store keeps which records were taken, while this process runs."""
ITEMS: Final = 2_000
PRINCIPALS: Final = 20_000
"""Names by which usage is counted: items of each server, and principals. Metrics have fewer."""
_LIMITS: Final = Limits(body=MAX_BODY, keys=400_000, values=2_000_000)
_EVERY_SECONDS: Final = 60.0
_AGAIN_SECONDS: Final = 1.0


class Collector:
    """Takes deliveries. `store` is the address of the usage's store; without one, counts go with the process."""

    def __init__(
        self,
        settings: TelemetrySettings,
        store: str | None,
        metrics: TelemetryMetrics,
        secret: bytes = b"",
        debugging: Debugging | None = None,
    ) -> None:
        self._settings = settings
        self._address = store
        self._metrics = metrics
        self._secret = secret
        self._debugging = debugging
        self._store: UsageStore | None = None
        self._auditor: Auditor | None = None
        self._unsettled = False
        self._spans: SpanSender | None = None
        if settings.otlp is not None:
            from mcp_sidecar.telemetry.spans import SpanSender  # noqa: PLC0415 - its packages are an extra

            self._spans = SpanSender(settings.otlp, metrics)
        self._ready = store is None
        self._names = Names(ITEMS, PRINCIPALS)
        self._seen = KnownIds(REMEMBERED)
        self._turn = anyio.Lock()
        self._waiting = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take deliveries for as long as the context lasts."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run)
            if self._spans is not None:
                tasks.start_soon(self._spans.run)
            yield
            tasks.cancel_scope.cancel()
        if self._store is not None:
            self._store.close()

    async def answer(self, request: Request) -> Response:
        """Take one delivery: 200 when it is written down or never can be, 503 when Kong shall send it again."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        token = given.strip().encode("latin-1", "replace") if scheme.lower() == "bearer" else b""
        if not hmac.compare_digest(token, self._settings.collector_token):
            return self._refuse("unauthorized", 401, "Send MCP_SIDECAR_COLLECTOR_TOKEN as a bearer token.")
        try:
            body = await _body(request)
        except ClientDisconnect:
            return self._refuse("cut-off", 400, "The delivery broke off.")
        if body is None:
            return self._drop("too-large", f"A delivery has {MAX_BODY} bytes at most.")
        try:
            records = plain(body, _LIMITS)
        except NotStrictError as error:
            return self._drop("not-json", f"The delivery cannot be read: {error}.")
        records = records if isinstance(records, list) else [records]
        if len(records) > MOST_RECORDS:
            return self._drop("too-large", f"A delivery has {MOST_RECORDS} records at most.")
        if not self._ready:
            return self._refuse("store", 503, "The store cannot be used yet.")
        if self._waiting >= WAITING:
            return self._refuse("busy", 503, "Other deliveries wait.")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._take(records)
        finally:
            self._waiting -= 1

    async def _take(self, records: Sequence[Any]) -> Response:
        now = time.time_ns() // 1_000_000
        visits, odd = self._read(records, now)
        counts = fold(visits, self._names)
        if visits and self._store is not None:
            try:
                # A commit that was begun ends: whether it is there decides what Kong is told.
                with anyio.CancelScope(shield=True):
                    fresh = await anyio.to_thread.run_sync(self._write, self._store, visits, now, counts)
            except (StoreError, OSError) as error:
                structlog.get_logger().warning("delivery not taken", why=str(error))
                word = "store" if isinstance(error, StoreError) else "audit"
                return self._refuse(word, 503, f"The {word} cannot be written; the sidecar's log says why.")
            if not fresh:
                odd += [Odd.DUPLICATE] * len(visits)
                visits, counts = [], {}
        self._remember([one.id for one in visits])
        self._metrics.add(counts, [(key_of(one, self._names), one) for one in visits if one.trace is not None])
        if self._spans is not None:
            self._spans.add(visits)
        if self._debugging is not None:
            self._debugging.tell(visits)
        self._metrics.records["taken"] += len(visits)
        self._metrics.records.update(odd)
        self._metrics.deliveries["taken"] += 1
        self._metrics.last = now / 1000
        return JSONResponse({"taken": len(visits), "odd": len(odd)})

    def _write(self, store: UsageStore, visits: Sequence[Visit], now: int, counts: Mapping[UsageKey, Counted]) -> bool:
        """Write down a batch: first what is audited, then all of it in one transaction, which decides."""
        ids, auditor = [one.id for one in visits], self._auditor
        if auditor is None:
            return store.take(self._settings.collector_name, UsageBatch(ids, now, counts))
        if self._unsettled:
            auditor.settle(store.audit_head(self._settings.collector_name))
        self._unsettled = True
        before = auditor.head
        fresh = store.take(self._settings.collector_name, UsageBatch(ids, now, counts, auditor.write(visits)))
        if not fresh:
            auditor.settle(before)
        self._unsettled = False
        return fresh

    def _read(self, records: Sequence[Any], now: int) -> tuple[list[Visit], list[str]]:
        visits: dict[str, Visit] = {}
        odd: list[str] = []
        for record in records:
            visit, why = read(record, now)
            if visit is not None and (visit.id in self._seen or visit.id in visits):
                visit, why = None, Odd.DUPLICATE
            if visit is not None:
                visits[visit.id] = self._metrics.heard.joined(visit)
            if why is not None:
                odd.append(why)
        return list(visits.values()), odd

    def _remember(self, ids: Sequence[str]) -> None:
        self._seen.add(ids)
        self._metrics.heard.forget(ids)

    def _drop(self, word: str, text: str) -> Response:
        """Let go of what Kong would send again in vain for an hour."""
        structlog.get_logger().error("delivery lost", result=word, why=text)
        return self._refuse(word, 200, text)

    def _refuse(self, word: str, status: int, text: str) -> Response:
        self._metrics.deliveries[word] += 1
        return JSONResponse({"error": text}, status)

    async def _run(self) -> None:
        """Open the store and go on from what it has; then roll up, every minute."""
        if self._address is None:
            return
        while not await self._tried(self._open):  # noqa: ASYNC110 - nobody tells when a database is there again
            await anyio.sleep(_AGAIN_SECONDS)
        self._ready = True
        started = time.monotonic()
        while True:
            await anyio.sleep(_EVERY_SECONDS)
            known = time.monotonic() - started > KEPT_SECONDS
            await self._tended(known)

    async def _tended(self, forget: bool) -> None:  # noqa: FBT001 - a task group starts it
        """Roll up between deliveries: a head that is signed says what the store has acknowledged, and no more."""
        async with self._turn:
            await self._tried(lambda: self._roll_up(forget=forget))

    async def _tried(self, work: Callable[[], None]) -> bool:
        try:
            await anyio.to_thread.run_sync(work)
        except (StoreError, OSError, ValueError) as error:
            structlog.get_logger().warning("usage store not ready", why=str(error))
            return False
        return True

    def _open(self) -> None:
        store = UsageStore(self._address or "", migrate=True)
        try:
            totals = store.totals(self._settings.collector_name)
            ids = store.taken(REMEMBERED)
            if self._settings.audit is not None:
                self._auditor = Auditor(self._settings, self._settings.audit, self._secret)
                if gone := self._auditor.settle(store.audit_head(self._settings.collector_name)):
                    structlog.get_logger().info("audit lines that were never acknowledged are taken off", lines=gone)
        except (StoreError, OSError):
            store.close()
            raise
        for key in sorted(totals, key=lambda usage: -totals[usage].calls):
            self._names.server(key.server)
            self._names.item(key.server, key.name, may_enter=True)
        self._metrics.restore(totals)
        self._remember(ids[::-1])
        self._store = store

    def _roll_up(self, *, forget: bool) -> None:
        if self._store is None:
            return
        now = time.time_ns() // 1_000_000
        self._store.roll_up(now // HOUR_MS, self._settings.usage_hours, self._settings.usage_days)
        if self._auditor is not None and not self._unsettled:
            self._auditor.tend(now)
        if forget:
            self._store.forget_deliveries(now - KEPT_SECONDS * 1000)


async def _body(request: Request) -> bytes | None:
    """Return the body, or None where it is larger than may be.

    That is read to its end too, and not kept: Kong, cut off while it sends, would take it for not delivered.
    """
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size <= MAX_BODY:
            pieces.append(piece)
        else:
            pieces.clear()
    return b"".join(pieces) if size <= MAX_BODY else None
