"""One upstream: its targets, the choice among them and the value that requests are hashed on.

Source: init, balancers, round_robin, least_connections and consistent_hashing in kong/runloop/balancer (Kong 3.9.1). A
target given by name is one address here (Kong makes one of each DNS record).
"""

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kong_devkit.entities import split_target
from kong_devkit.exchange import Exchange
from kong_devkit.uri import lua_text, parse_query
from kong_devkit.xxhash32 import xxhash32

_POINTS: Final = 160


@dataclass(eq=False, slots=True)
class Address:
    """A target. ``available`` is what the health checks think of it."""

    host: str
    port: int
    weight: int
    available: bool = True
    connections: int = 0
    chosen: int = 0


@dataclass(slots=True)
class Handle:
    """One request's state in a balancer, over its retries."""

    address: Address
    failed: set[int] = field(default_factory=set)
    counted: bool = False


class Balancer:
    """Chooses targets for one upstream."""

    def __init__(self, upstream: Mapping[str, Any], targets: Iterable[Mapping[str, Any]]) -> None:
        self.upstream = upstream
        self.name: str = upstream["name"]
        self.addresses = [Address(*split_target(one["target"]), one["weight"]) for one in targets]
        self._total = sum(one.weight for one in self.addresses)
        self._threshold: float = upstream["healthchecks"]["threshold"]
        self._pointer = 0
        self._choices = 0
        self._wheel = self._round_robin_wheel()
        slots: int = upstream["slots"]
        self._slots = max(slots, 1000)
        hashing = upstream["algorithm"] == "consistent-hashing"
        self._continuum = self._make_continuum() if hashing else {}

    @property
    def healthy(self) -> bool:
        """Whether enough weight is available; never so without weight."""
        available = sum(one.weight for one in self.addresses if one.available)
        return self._total > 0 and available / self._total * 100 > self._threshold

    def pick(self, handle: Handle | None, hash_value: str) -> Handle | None:
        """Choose an address for the first try (no handle) or the next; None where there is none."""
        if not self.healthy:
            return None
        algorithm = self.upstream["algorithm"]
        if algorithm == "consistent-hashing":
            address = self._by_hash(hash_value)
        elif algorithm == "least-connections":
            address = self._least_connections(handle)
        else:
            address = self._round_robin()
        if address is None:
            return None
        handle = handle or Handle(address)
        handle.address = address
        if algorithm == "least-connections":
            address.connections += 1
            self._choices += 1
            address.chosen = self._choices
            handle.counted = True
        return handle

    def release(self, handle: Handle) -> None:
        """The request is over."""
        if handle.counted:
            handle.address.connections -= 1
            handle.counted = False

    def _round_robin_wheel(self) -> list[Address]:
        divisor = math.gcd(*(one.weight for one in self.addresses)) or 1
        wheel = [one for one in self.addresses for _ in range(one.weight // divisor)]
        random.Random(self.name).shuffle(wheel)  # noqa: S311 - spreads weights, keeps no secret
        return wheel

    def _round_robin(self) -> Address | None:
        for _ in self._wheel:
            self._pointer = (self._pointer + 1) % len(self._wheel)
            if self._wheel[self._pointer].available:
                return self._wheel[self._pointer]
        return None

    def _least_connections(self, handle: Handle | None) -> Address | None:
        if handle is not None:
            handle.failed.add(id(handle.address))
            self.release(handle)
        usable = [one for one in self.addresses if one.available and one.weight > 0]
        fresh = [one for one in usable if handle is None or id(one) not in handle.failed]
        # Of equals, Kong's binary heap offers the one that was not just used.
        return min(fresh or usable, key=lambda one: ((one.connections + 1) / one.weight, one.chosen), default=None)

    def _make_continuum(self) -> dict[int, Address]:
        continuum: dict[int, Address] = {}
        ordered = sorted(self.addresses, key=lambda one: (one.host, one.port))
        for one in ordered:
            entries = math.floor(one.weight / self._total * len(ordered) * _POINTS) if self._total else 0
            if one.weight > 0 and entries == 0:
                entries = 1
            step = 1
            while step <= entries and step <= self._slots:
                index = self._index(f"{one.host}::{one.port} {step}")
                if index in continuum:
                    entries += 1  # a collision: one more try further on
                else:
                    continuum[index] = one
                step += 1
        return continuum

    def _index(self, text: str) -> int:
        return xxhash32(text.encode("utf-8", "surrogateescape")) % self._slots + 1

    def _by_hash(self, hash_value: str) -> Address | None:
        # A retry starts from the same point: only a health check leads it elsewhere, as in Kong.
        start = self._index(hash_value)
        for step in range(self._slots):
            found = self._continuum.get((start - step - 1) % self._slots + 1)
            if found is not None and found.available:
                return found
        return None


def hash_value(upstream: Mapping[str, Any], exchange: Exchange) -> str:
    """The text that a request is hashed on; empty where neither hash_on nor hash_fallback finds one.

    ``hash_on: header`` reads an nginx variable, so the header's name must be written with underscores.
    """
    if upstream["hash_on"] == "none":
        return ""
    for prefix in ("hash_on", "hash_fallback"):
        found = _identifier(upstream, prefix, exchange)
        if found is not None:
            return found
    return ""


def _identifier(upstream: Mapping[str, Any], prefix: str, exchange: Exchange) -> str | None:
    kind = upstream[prefix]
    if kind == "consumer":
        who = exchange.consumer or exchange.credential or {}
        return who.get("id")
    if kind == "ip":
        return exchange.remote[0]
    if kind == "path":
        return exchange.request.uri
    if kind == "header":
        return exchange.headers.var(upstream[f"{prefix}_header"])
    if kind == "cookie":
        return _cookie(exchange, upstream["hash_on_cookie"])
    if kind == "query_arg":
        value = parse_query(exchange.query or "").get(upstream[f"{prefix}_query_arg"])
        return (
            ",".join(sorted(map(lua_text, value)))
            if isinstance(value, list)
            else None
            if value is None
            else lua_text(value)
        )
    if kind == "uri_capture":
        return exchange.match.captures.get(upstream[f"{prefix}_uri_capture"]) if exchange.match else None
    return None


def _cookie(exchange: Exchange, name: str) -> str | None:
    for header in exchange.headers.values("cookie"):
        for part in header.split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                return value
    return None
