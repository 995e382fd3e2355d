"""A network as the value of an option of the command line."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mcp_sidecar.auth.addresses import Network


class NetworkType(click.ParamType["Network"]):
    """10.0.0.0/8, say; a network with bits of a host in it is none."""

    name = "CIDR"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Network:
        """Return the network that a text names."""
        try:
            return ipaddress.ip_network(value, strict=True)
        except ValueError as error:
            self.fail(f"{error}; write a network, 10.0.0.0/8 say", param, ctx)
