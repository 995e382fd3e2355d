"""The approved input schemas of tools, made ready to be held against arguments."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

import anyio.to_thread

from mcp_core.arguments import ArgumentSchema, Unusable
from mcp_core.scan import ItemKind
from mcp_sidecar.lane.patterns import compile_pattern
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.values import ItemId
from mcp_sidecar.surface.surfaces import Surfaces

Usable: TypeAlias = ArgumentSchema | Unusable

_K = TypeVar("_K")
_V = TypeVar("_V")

FRESH_SECONDS: Final = 60.0
"""How long an answer of the store holds where nothing was decided: which versions are in use changes by time alone."""
MOST: Final = 2_000
"""Tools, and schemas, that are kept ready."""


@dataclass(frozen=True, slots=True)
class _Known:
    generation: int
    until: float
    schemas: tuple[Usable, ...]


def _keep(kept: OrderedDict[_K, _V], key: _K, value: _V) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > MOST:
        kept.popitem(last=False)


class Schemas:
    """What arguments are held to. Without a store no tool has a schema."""

    def __init__(self, surfaces: Surfaces | None) -> None:
        self._surfaces = surfaces
        self._tools: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._ready: OrderedDict[str, Usable] = OrderedDict()
        self._thread = anyio.CapacityLimiter(1)

    async def of(self, server: str, tool: str) -> Sequence[Usable]:
        """Return the schemas of the versions of a tool that are approved and in use; the one seen last comes first."""
        surfaces = self._surfaces
        if surfaces is None:
            return ()
        known = self._tools.get((server, tool))
        if known is not None and known.generation == surfaces.generation and time.monotonic() < known.until:
            return known.schemas
        generation = surfaces.generation
        try:
            items = await surfaces.ask(lambda store: store.approved(ItemId(server, ItemKind.TOOL, tool)))
        except StoreError:
            # What was approved stays so while the store cannot be asked.
            return () if known is None else known.schemas
        schemas = [await self._make(digest, item.get("inputSchema")) for digest, item in items.items()]
        # Names that nobody knows are not kept: agents could fill the memory with them.
        if schemas:
            fresh = _Known(generation, time.monotonic() + FRESH_SECONDS, tuple(schemas))
            _keep(self._tools, (server, tool), fresh)
        return schemas

    async def _make(self, digest: str, schema: object) -> Usable:
        ready = self._ready.get(digest)
        if ready is None:
            # A large schema takes a third of a second.
            ready = await anyio.to_thread.run_sync(ArgumentSchema.of, schema, compile_pattern, limiter=self._thread)
            _keep(self._ready, digest, ready)
        return ready
