"""One request as the guard holds it while it decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mcp_core import headers as http
from mcp_core.principal import Principal
from mcp_kong.answers import Knows
from mcp_kong.pdk import Kong


class WhoAsks:
    """Who calls: worked out when it is first asked for. `known` is None until then."""

    __slots__ = ("_find", "known")

    def __init__(self, find: Callable[[], Principal], known: Principal | None = None) -> None:
        self._find = find
        self.known = known

    def __call__(self) -> Principal:
        """Return the principal."""
        if self.known is None:
            self.known = self._find()
        return self.known


@dataclass(frozen=True, slots=True)
class Incoming:
    """One request as it came in. Kong is asked for the principal only where something depends on it, and once.

    `knows` is what mcp-answers can do for it.
    """

    kong: Kong
    http_method: str
    headers: http.Headers
    body: bytes
    principal: WhoAsks
    knows: Knows = Knows.NOTHING
