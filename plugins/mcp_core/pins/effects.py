"""What a call may reach: labels of a tool, as its annotations or a reviewer say, for reviewers and for flow rules.

Sources: ToolAnnotations in schema.ts of each revision from 2025-03-26, with the defaults that it gives to what a server
leaves unsaid: not read-only, destructive, open to the world. A server's word about itself is a hint; a reviewer's
stands in its place and is kept with the decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mcp_core.scan import ItemKind


class Effect(StrEnum):
    """One thing that the use of an item may do."""

    READS = "reads"
    """It brings text of the server before the model."""
    WRITES = "writes"
    """It changes something at the server."""
    DESTROYS = "destroys"
    """What it changes may be lost."""
    OUTSIDE = "outside"
    """It reaches beyond the server: the network, other people."""


@dataclass(frozen=True, slots=True)
class Effects:
    """The labels of an item. `said` is who they come from: "server", "reviewer", or "nobody" for MCP's defaults."""

    labels: frozenset[Effect]
    said: str

    def text(self) -> str:
        """Return the labels in their order, with a question mark where nobody said them."""
        return "+".join(effect for effect in Effect if effect in self.labels) + ("?" if self.said == "nobody" else "")


def effects_of(kind: ItemKind, item: Mapping[str, Any]) -> Effects:
    """Return what an item says of itself. What is no tool is only read."""
    if kind is not ItemKind.TOOL:
        return Effects(frozenset({Effect.READS}), "server")
    annotations = item.get("annotations")
    hints = annotations if isinstance(annotations, Mapping) else {}
    labels = {Effect.READS}
    if hints.get("readOnlyHint") is not True:
        labels.add(Effect.WRITES)
        if hints.get("destructiveHint") is not False:
            labels.add(Effect.DESTROYS)
    if hints.get("openWorldHint") is not False:
        labels.add(Effect.OUTSIDE)
    said = isinstance(hints.get("readOnlyHint"), bool)
    return Effects(frozenset(labels), "server" if said else "nobody")


def reviewed(labels: Iterable[str]) -> Effects:
    """Return what a reviewer said. Raises ValueError for a word that is no label."""
    return Effects(frozenset(map(Effect, labels)), "reviewer")
