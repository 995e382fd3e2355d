"""Where documents of issuers may be fetched from: public addresses, and networks that the operator named.

A document that names `jwks_uri`, or a name server, could else point the sidecar at anything that it can reach: cloud
metadata, Kong's own administration, a neighbour (RFC 9728, section 7.7; OWASP, server side request forgery). What is
looked at is the address that is connected to, not the name, so that a name cannot change between the two.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, TypeAlias

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

Network: TypeAlias = IPv4Network | IPv6Network

_EMBEDDING: Final = (
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)
"""Networks whose addresses hold an IPv4 address, and by how many bits it is to be shifted (RFC 6052, RFC 3056)."""


class ForbiddenAddressError(OSError):
    """A name or URL leads to an address that nobody allowed. The message names host and address."""


def really(text: str) -> IPv4Address | IPv6Address:
    """Return the address that is reached by this one in the end. Raises ValueError on what is none."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        for network, shift in _EMBEDDING:
            if address in network:
                return IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return address


def is_allowed(text: str, networks: Iterable[Network]) -> bool:
    """Return whether an address is a public one, or in one of the networks."""
    address = really(text)
    if any(address in network for network in networks):
        return True
    return address.is_global and not address.is_multicast and not address.is_reserved


class CheckedResolver(AbstractResolver):
    """Resolves names, and answers only when every address of a name is allowed."""

    def __init__(self, networks: Sequence[Network], inner: AbstractResolver | None = None) -> None:
        self._networks = networks
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host. Raises ForbiddenAddressError."""
        found = await self._inner.resolve(host, port, family)
        for one in found:
            check(host, one["host"], self._networks)
        return found

    async def close(self) -> None:
        """Close what resolves."""
        await self._inner.close()


def check(host: str, address: str, networks: Iterable[Network]) -> None:
    """Raise ForbiddenAddressError where a host's address is not allowed."""
    if not is_allowed(address, networks):
        raise ForbiddenAddressError(
            f"{host} leads to {address}, which is no public address: if it is meant to, name its network in "
            "MCP_SIDECAR_ISSUER_NETWORKS"
        )
