"""Which tools one list holds: all, as many as fit, or the three that find the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mcp_core.token_count import tokens
from mcp_core.virtual import BudgetMode, ListBudget


def mode_of(items: Mapping[str, Mapping[str, Any]], budget: ListBudget | None) -> BudgetMode:
    """Return what a list of these tools, by name, holds: full, filtered or search."""
    if budget is None:
        return BudgetMode.FULL
    if budget.mode is not BudgetMode.AUTO:
        return budget.mode
    return BudgetMode.FULL if _fits(items.values(), budget.tokens) else BudgetMode.SEARCH


def _fits(items: Iterable[Mapping[str, Any]], most: int) -> bool:
    """Return whether a list of these takes no more than so many tokens; no more are counted than it takes to tell."""
    left = most
    for item in items:
        left -= tokens([item])
        if left < 0:
            return False
    return True


def costs_of(items: Mapping[str, Mapping[str, Any]], budget: ListBudget | None) -> dict[str, int]:
    """Return the tokens of each tool, by name; none where no list is chosen by them. Every tool is read for it."""
    if budget is None or budget.mode is not BudgetMode.FILTERED:
        return {}
    return {name: tokens([item]) for name, item in items.items()}


def fitting(costs: Mapping[str, int], budget: ListBudget, used: Mapping[str, int]) -> list[str]:
    """Return the names of the tools that fit a budget, in the order of the list. `costs` holds the tokens of each.

    The pinned ones come first, then those that were called most, then the others as they stand; one that is too long
    is passed over.
    """
    place = {name: at for at, name in enumerate(costs)}
    pinned = {name: at for at, name in enumerate(budget.pinned)}

    def rank(name: str) -> tuple[int, int, int]:
        return pinned.get(name, len(pinned)), -used.get(name, 0), place[name]

    left, kept = budget.tokens, []
    for name in sorted(costs, key=rank):
        if costs[name] <= left:
            left -= costs[name]
            kept.append(name)
    return sorted(kept, key=place.__getitem__)
