"""One upstream: its targets, the choice among them and the value that requests are hashed on.

Source: round_robin and least_connections in kong/runloop/balancer (Kong 3.9.1). A target given by name is one address
here (Kong makes one of each DNS record). Equal values are hashed to the same target, as in Kong, though not to Kong's.
"""

import hashlib
import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kong_devkit.entities import split_target
from kong_devkit.exchange import Exchange


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
        self.addresses = [Address(*split_target(target["target"]), target["weight"]) for target in targets]
        self._choices = 0
        divisor = math.gcd(*(address.weight for address in self.addresses)) or 1
        self._wheel = [address for address in self.addresses for _ in range(address.weight // divisor)]
        random.Random(self.name).shuffle(self._wheel)  # noqa: S311 - spreads weights, keeps no secret
        self._pointer = 0

    def pick(self, handle: Handle | None, hash_value: str) -> Handle | None:
        """Choose an address for the first try (no handle) or the next; None where there is none."""
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

    def _round_robin(self) -> Address | None:
        for _ in self._wheel:
            self._pointer = (self._pointer + 1) % len(self._wheel)
            if self._wheel[self._pointer].available:
                return self._wheel[self._pointer]
        return None

    def _usable(self) -> list[Address]:
        return [address for address in self.addresses if address.available and address.weight > 0]

    def _least_connections(self, handle: Handle | None) -> Address | None:
        if handle is not None:
            handle.failed.add(id(handle.address))
            self.release(handle)
        usable = self._usable()
        fresh = [one for one in usable if handle is None or id(one) not in handle.failed]
        # Of equals, Kong's binary heap offers the one that was not just used.
        return min(fresh or usable, key=lambda one: ((one.connections + 1) / one.weight, one.chosen), default=None)

    def _by_hash(self, hash_value: str) -> Address | None:
        # Rendezvous hashing: of the targets that are there, each value has one that it keeps. A retry goes to the same
        # one: only a health check leads it elsewhere, as in Kong.
        def rank(address: Address) -> float:
            text = f"{address.host}:{address.port} {hash_value}".encode("utf-8", "surrogateescape")
            chance = (int.from_bytes(hashlib.sha256(text).digest()[:8]) + 1) / 2**64
            return address.weight / -math.log(chance) if chance < 1 else math.inf

        return max(self._usable(), key=rank, default=None)


def hash_value(upstream: Mapping[str, Any], exchange: Exchange) -> str:
    """The text that a request is hashed on; empty where it is hashed on nothing.

    ``hash_on: header`` reads an nginx variable, so the header's name must be written with underscores.
    """
    return (exchange.headers.var(upstream["hash_on_header"]) or "") if upstream["hash_on"] == "header" else ""
