"""Whether a tool says that calling it twice does no harm: by what is approved of it, never by what it says now."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from mcp_core.repeat import says_repeatable
from mcp_core.scan import ItemKind
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.values import ItemId
from mcp_sidecar.surface.surfaces import Surfaces

FRESH_SECONDS: Final = 5.0
"""How long an answer of the store holds while nothing was decided or seen."""
MOST: Final = 2_000
"""Tools whose hints are kept."""


class Hints:
    """The hints of approved tools. Without a store nobody approved any, and no tool has one."""

    def __init__(self, surfaces: Surfaces | None) -> None:
        self._surfaces = surfaces
        self._known: OrderedDict[tuple[str, str], tuple[int, float, bool]] = OrderedDict()

    async def allow(self, server: str, tool: str) -> bool:
        """Return whether every version of a tool that is open says so. Where that cannot be known it does not."""
        surfaces = self._surfaces
        if surfaces is None:
            return False
        generation, known = surfaces.generation, self._known.get((server, tool))
        if known is not None and known[0] == generation and time.monotonic() < known[1]:
            return known[2]
        try:
            items = await surfaces.ask(lambda store: store.approved(ItemId(server, ItemKind.TOOL, tool)))
        except StoreError:
            return False
        allowed = bool(items) and all(
            says_repeatable(_annotations(item)) and surfaces.shown(server, ItemKind.TOOL, tool, digest)
            for digest, item in items.items()
        )
        if items:  # names that nobody knows are not kept
            self._known[server, tool] = generation, time.monotonic() + FRESH_SECONDS, allowed
            self._known.move_to_end((server, tool))
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        return allowed


def _annotations(item: Mapping[str, Any]) -> Mapping[str, Any]:
    annotations = item.get("annotations")
    return annotations if isinstance(annotations, dict) else {}
