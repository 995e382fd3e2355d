"""Active and passive health checks of one upstream.

Source: lua-resty-healthcheck 3.1 (counters and states) and kong/runloop/balancer/healthcheckers.lua (Kong 3.9.1). As
there,
``type: tcp`` probes nothing for HTTP upstreams, and a limit of 0 switches its counter off.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from kong_devkit.balancer import Address, Balancer

_LOG = logging.getLogger("kong_devkit.health")
_STATUS = re.compile(rb"HTTP/\d+\.\d+\s+(\d+)")
State = Literal["healthy", "unhealthy", "mostly_healthy", "mostly_unhealthy"]
Counter = Literal["successes", "http_failures", "tcp_failures", "timeouts"]
_FAILURES: Final[tuple[Counter, ...]] = ("http_failures", "tcp_failures", "timeouts")


class _Record:
    __slots__ = ("counters", "state")

    def __init__(self) -> None:
        self.state: State = "healthy"
        self.counters: dict[Counter, int] = {"successes": 0, "http_failures": 0, "tcp_failures": 0, "timeouts": 0}


class HealthChecker:
    """Watches the addresses of a balancer and marks them available or not."""

    def __init__(self, balancer: Balancer, before: "HealthChecker | None" = None) -> None:
        self._balancer = balancer
        self._checks: Mapping[str, Any] = balancer.upstream["healthchecks"]
        self._records = {id(one): _Record() for one in balancer.addresses}
        self._tasks: list[asyncio.Task[None]] = []
        active, passive = self._checks["active"], self._checks["passive"]["unhealthy"]
        intervals = (active["healthy"]["interval"], active["unhealthy"]["interval"])
        limits = (passive["tcp_failures"], passive["timeouts"], passive["http_failures"])
        self._on = any(intervals) or any(limits)
        if before is not None and self._on:
            self._inherit(before)

    def _inherit(self, before: "HealthChecker") -> None:
        # A reload must not send traffic back to a target that was found dead a moment ago.
        known = {(one.host, one.port): before._records[id(one)] for one in before._balancer.addresses}  # noqa: SLF001 - same class
        for one in self._balancer.addresses:
            record = known.get((one.host, one.port))
            if record is not None:
                self._records[id(one)] = record
                one.available = record.state in {"healthy", "mostly_healthy"}

    def start(self) -> None:
        """Begin active probing where it is configured."""
        active = self._checks["active"]
        if active["type"] == "tcp":
            if active["healthy"]["interval"] or active["unhealthy"]["interval"]:
                _LOG.warning(
                    "upstream %s: Kong runs no active checks of type tcp for http; use type http", self._balancer.name
                )
            return
        modes: tuple[Literal["healthy", "unhealthy"], ...] = ("healthy", "unhealthy")
        for mode in modes:
            if active[mode]["interval"]:
                self._tasks.append(asyncio.create_task(self._watch(mode, active[mode]["interval"])))

    async def stop(self) -> None:
        """End active probing."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def http_status(self, address: Address, status: int, kind: str = "passive") -> None:
        """Report the status that an address answered with."""
        checks = self._checks[kind]
        if status in checks["healthy"]["http_statuses"]:
            self._count(address, "healthy", "successes", checks["healthy"]["successes"])
        elif status in checks["unhealthy"]["http_statuses"] or status == 0:
            self._count(address, "unhealthy", "http_failures", checks["unhealthy"]["http_failures"])

    def tcp_failure(self, address: Address, kind: str = "passive") -> None:
        """Report that an address could not be connected to, or broke the connection."""
        self._count(address, "unhealthy", "tcp_failures", self._checks[kind]["unhealthy"]["tcp_failures"])

    def force(self, address: Address, *, healthy: bool) -> None:
        """Set the state of an address, whatever was counted; the counters begin anew (checker:set_target_status)."""
        record = self._records.get(id(address))
        if not self._on or record is None:
            return
        record.counters = dict.fromkeys(record.counters, 0)
        record.state = "healthy" if healthy else "unhealthy"
        address.available = healthy

    def timeout(self, address: Address, kind: str = "passive") -> None:
        """Report that an address was too slow."""
        self._count(address, "unhealthy", "timeouts", self._checks[kind]["unhealthy"]["timeouts"])

    def _count(self, address: Address, report: Literal["healthy", "unhealthy"], counter: Counter, limit: int) -> None:
        record = self._records.get(id(address))
        if not self._on or not limit or record is None or record.state == report:
            return
        record.counters[counter] += 1
        reset: tuple[Counter, ...] = _FAILURES if counter == "successes" else ("successes",)
        for other in reset:
            record.counters[other] = 0
        before = record.state
        if record.counters[counter] >= limit:
            record.state = report
        elif before == "healthy" and report == "unhealthy":
            record.state = "mostly_healthy"
        elif before == "unhealthy" and report == "healthy":
            record.state = "mostly_unhealthy"
        available = record.state in {"healthy", "mostly_healthy"}
        if available != address.available:
            address.available = available
            _LOG.warning(
                "upstream %s: target %s:%d is %s", self._balancer.name, address.host, address.port, record.state
            )

    async def _watch(self, mode: Literal["healthy", "unhealthy"], interval: float) -> None:
        states = {mode, f"mostly_{mode}"}
        gate = asyncio.Semaphore(self._checks["active"]["concurrency"])
        while True:
            await asyncio.sleep(interval)
            due = [one for one in self._balancer.addresses if one.weight and self._records[id(one)].state in states]
            await asyncio.gather(*(self._probe(one, gate) for one in due))

    async def _probe(self, address: Address, gate: asyncio.Semaphore) -> None:
        active = self._checks["active"]
        try:
            async with gate, asyncio.timeout(active["timeout"]):
                status = await self._ask(address)
        except TimeoutError:
            self.timeout(address, "active")
        except OSError:
            self.tcp_failure(address, "active")
        else:
            self.http_status(address, status, "active")

    async def _ask(self, address: Address) -> int:
        active = self._checks["active"]
        reader, writer = await asyncio.open_connection(address.host.strip("[]"), address.port)
        try:
            host = self._balancer.upstream.get("host_header") or address.host
            lines = [f"GET {active['http_path']} HTTP/1.1", f"Host: {host}", "Connection: close"]
            lines += [f"{name}: {value}" for name, values in (active.get("headers") or {}).items() for value in values]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            line = await reader.readline()
            if not line:
                raise ConnectionResetError
            match = _STATUS.match(line)
            return int(match[1]) if match else 0
        finally:
            writer.close()
