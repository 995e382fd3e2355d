"""Active and passive health checks of one upstream.

Source: lua-resty-healthcheck 3.1 (counters) and kong/runloop/balancer/healthcheckers.lua (Kong 3.9.1). As there, a
limit of 0 switches its counter off.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from kong_devkit.balancer import Address, Balancer

_LOG = logging.getLogger("kong_devkit.health")
_STATUS = re.compile(rb"HTTP/\d+\.\d+\s+(\d+)")
Counter = Literal["successes", "http_failures", "tcp_failures", "timeouts"]
Kind = Literal["active", "passive"]
_FAILURES: Final[tuple[Counter, ...]] = ("http_failures", "tcp_failures", "timeouts")


class HealthChecker:
    """Watches the addresses of a balancer and marks them available or not."""

    def __init__(self, balancer: Balancer, before: "HealthChecker | None" = None) -> None:
        self._balancer = balancer
        self._checks: Mapping[str, Any] = balancer.upstream["healthchecks"]
        self._counters: dict[int, dict[Counter, int]] = {id(address): {} for address in balancer.addresses}
        self._tasks: list[asyncio.Task[None]] = []
        self._active, unhealthy = self._checks["active"], self._checks["passive"]["unhealthy"]
        self._intervals = {healthy: self._active[name]["interval"] for healthy, name in _NAMES.items()}
        self._on = any(self._intervals.values()) or any(unhealthy[name] for name in _FAILURES)
        if before is not None and self._on:
            # A reload must not send traffic back to a target that was found dead a moment ago.
            known = {(address.host, address.port): address for address in before._balancer.addresses}  # noqa: SLF001 - same class
            for one in balancer.addresses:
                if (old := known.get((one.host, one.port))) is not None:
                    one.available = old.available
                    self._counters[id(one)] = before._counters[id(old)]  # noqa: SLF001 - same class

    def start(self) -> None:
        """Begin active probing where it is configured."""
        for healthy, interval in self._intervals.items():
            if interval:
                self._tasks.append(asyncio.create_task(self._watch(interval, healthy=healthy)))

    async def stop(self) -> None:
        """End active probing."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def http_status(self, address: Address, status: int, kind: Kind = "passive") -> None:
        """Report the status that an address answered with."""
        if status in self._checks[kind]["healthy"]["http_statuses"]:
            self._count(address, "successes", kind)
        elif status in self._checks[kind]["unhealthy"]["http_statuses"] or status == 0:
            self._count(address, "http_failures", kind)

    def tcp_failure(self, address: Address, kind: Kind = "passive") -> None:
        """Report that an address could not be connected to, or broke the connection."""
        self._count(address, "tcp_failures", kind)

    def timeout(self, address: Address, kind: Kind = "passive") -> None:
        """Report that an address was too slow."""
        self._count(address, "timeouts", kind)

    def force(self, address: Address, *, healthy: bool) -> None:
        """Set the state of an address, whatever was counted; the counters begin anew (checker:set_target_status)."""
        if self._on and id(address) in self._counters:
            self._counters[id(address)].clear()
            address.available = healthy

    def _count(self, address: Address, counter: Counter, kind: Kind) -> None:
        healthy = counter == "successes"
        limit = self._checks[kind][_NAMES[healthy]][counter]
        counters = self._counters.get(id(address))
        if not self._on or not limit or counters is None:
            return
        for other in _FAILURES if healthy else ("successes",):
            counters.pop(other, None)
        if address.available == healthy:
            return
        counters[counter] = counters.get(counter, 0) + 1
        if counters[counter] >= limit:
            address.available = healthy
            word = "healthy" if healthy else "unhealthy"
            _LOG.warning("upstream %s: target %s:%d is %s", self._balancer.name, address.host, address.port, word)

    async def _watch(self, interval: float, *, healthy: bool) -> None:
        while True:
            await asyncio.sleep(interval)
            due = [address for address in self._balancer.addresses if address.weight and address.available == healthy]
            await asyncio.gather(*(self._probe(address) for address in due))

    async def _probe(self, address: Address) -> None:
        try:
            async with asyncio.timeout(self._active["timeout"]):
                status = await self._ask(address)
        except TimeoutError:
            self.timeout(address, "active")
        except OSError:
            self.tcp_failure(address, "active")
        else:
            self.http_status(address, status, "active")

    async def _ask(self, address: Address) -> int:
        reader, writer = await asyncio.open_connection(address.host.strip("[]"), address.port)
        try:
            lines = [f"GET {self._active['http_path']} HTTP/1.1", f"Host: {address.host}", "Connection: close", "", ""]
            writer.write("\r\n".join(lines).encode())
            line = await reader.readline()
            if not line:
                raise ConnectionResetError
            match = _STATUS.match(line)
            return int(match[1]) if match else 0
        finally:
            writer.close()


_NAMES: Final = {True: "healthy", False: "unhealthy"}
