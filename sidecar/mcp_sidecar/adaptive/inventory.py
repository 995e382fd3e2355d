"""All that a virtual server offers one principal: items of its members, under names of its own."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import anyio
import anyio.to_thread

from mcp_core.adaptive.choice import mode_of
from mcp_core.adaptive.naming import Own, names
from mcp_core.claims import Claims
from mcp_core.methods import Kind
from mcp_core.pins.templates import Template
from mcp_core.policy import View
from mcp_core.principal import Principal
from mcp_core.virtual import OWN_TOOLS, BudgetMode, Virtual
from mcp_sidecar.adaptive.warm import REFUSED, MemberList, Warm

THREADS: Final = 2
"""Inventories that are put together at the same time."""
AT_ONCE: Final = 32
"""Members that are asked at the same time for one caller."""
MOST_MADE: Final = 1_000
"""Callers of virtual servers whose inventories are kept."""
MOST_INSTRUCTIONS: Final = 2_000
"""Characters of one member's instructions that are shown: those of all of them stand before a model together."""


@dataclass(frozen=True, slots=True)
class MemberOffer:
    """One item: whose it is, how it is called there, and what is listed of it here."""

    member: str
    name: str
    item: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Inventory:
    """Items by the name, or the URI, under which they are offered. `left_out` says which members are not, and why."""

    tools: Mapping[str, MemberOffer]
    prompts: Mapping[str, MemberOffer]
    resources: Mapping[str, MemberOffer]
    templates: Mapping[str, MemberOffer]
    instructions: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    mode: BudgetMode = BudgetMode.FULL
    """What the list of tools holds."""

    @property
    def listed_tools(self) -> dict[str, Mapping[str, Any]]:
        """Return what is listed of each tool, by name."""
        return {name: one.item for name, one in self.tools.items()}

    def of_uri(self, uri: str) -> str | None:
        """Return the member that has a resource, or whose template stands for it; None where nobody does."""
        offer = self.resources.get(uri)
        if offer is not None:
            return offer.member
        found = (one.member for text, one in self.templates.items() if Template(text).matches(uri))
        return next(found, None)


class Inventories:
    """What was put together of the same lists for the same caller, as long as they are the same."""

    def __init__(self, warm: Warm) -> None:
        self._warm = warm
        self._threads = anyio.CapacityLimiter(THREADS)
        self._made: OrderedDict[tuple[str, Principal, View], tuple[list[MemberList], Virtual, Inventory]] = (
            OrderedDict()
        )

    async def take(self, by: str, claims: Claims, virtual: Virtual, *, since: float | None = None) -> Inventory:
        """Return what there is for whoever asks now; what was asked for before `since` (monotonic) is too old.

        A member that does not answer is left out.
        """
        principal, key = claims.principal, (by, claims.principal, claims.terms.view)
        listed = self._warm.known(by, virtual.members, principal, since)
        if listed is None:
            listed = await _ask(self._warm, by, claims, virtual, since)
        made = self._made.get(key)
        same = made is not None and made[1] == virtual and len(made[0]) == len(listed)
        if made is not None and same and all(one is other for one, other in zip(made[0], listed, strict=True)):
            return made[2]
        # Some thousand items take seconds, which are not the other servers'.
        inventory = await anyio.to_thread.run_sync(_make, listed, virtual, claims.terms.view, limiter=self._threads)
        self._made[key] = (listed, virtual, inventory)
        self._made.move_to_end(key)
        if len(self._made) > MOST_MADE:
            self._made.popitem(last=False)
        return inventory


def _make(listed: Sequence[MemberList], virtual: Virtual, view: View) -> Inventory:
    inventory = merge(listed, virtual, view)
    return replace(inventory, mode=mode_of(inventory.listed_tools, virtual.budget))


async def _ask(warm: Warm, by: str, claims: Claims, virtual: Virtual, since: float | None) -> list[MemberList]:
    found: dict[str, MemberList] = {}
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def ask(member: str) -> None:
        async with limit:
            found[member] = await warm.listed(by, member, claims.principal, since=since)

    async with anyio.create_task_group() as tasks:
        for member in virtual.members:
            tasks.start_soon(ask, member)
    return [found[member] for member in virtual.members]


def merge(listed: Sequence[MemberList], virtual: Virtual, view: View) -> Inventory:
    """Return the items of all members, as far as the virtual server's own policy lets them be seen."""
    tools = _named(listed, "tools", virtual, OWN_TOOLS)
    prompts = _named(listed, "prompts", virtual, ())
    said = [f"{one.member}: {one.instructions[:MOST_INSTRUCTIONS]}" for one in listed if one.instructions]
    return Inventory(
        {name: one for name, one in tools.items() if view.allows(Kind.TOOL, name)},
        {name: one for name, one in prompts.items() if view.allows(Kind.PROMPT, name)},
        {uri: one for uri, one in _by(listed, "resources", "uri").items() if view.allows(Kind.RESOURCE, uri)},
        {
            text: one
            for text, one in _by(listed, "resourceTemplates", "uriTemplate").items()
            if view.allows(Kind.RESOURCE, text)
        },
        "\n\n".join(said),
        {one.member: one.failed for one in listed if one.failed is not None and one.failed != REFUSED},
    )


def _items(listed: Sequence[MemberList], key: str, named: str) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
    for one in listed:
        for item in one.items.get(key, ()):
            if isinstance(item, dict) and isinstance(item.get(named), str):
                yield one.member, item[named], item


def _named(listed: Sequence[MemberList], key: str, virtual: Virtual, reserved: Iterable[str]) -> dict[str, MemberOffer]:
    own: dict[Own, Mapping[str, Any]] = {}
    for member, name, item in _items(listed, key, "name"):
        own.setdefault((member, name), item)
    called = names(own, virtual.prefix, reserved)
    # In the order in which members and their items come.
    place = {item: name for name, item in called.items()}
    return {
        place[one]: MemberOffer(*one, item if one[1] == place[one] else {**item, "name": place[one]})
        for one, item in own.items()
        if one in place
    }


def _by(listed: Sequence[MemberList], key: str, named: str) -> dict[str, MemberOffer]:
    """Return items that cannot be renamed, by URI or template: of two that have the same, the first member's counts."""
    found: dict[str, MemberOffer] = {}
    for member, uri, item in _items(listed, key, named):
        found.setdefault(uri, MemberOffer(member, uri, item))
    return found
