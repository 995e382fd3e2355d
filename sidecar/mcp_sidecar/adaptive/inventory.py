"""All that a virtual server offers one principal: items of its members, under names of its own."""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread

from mcp_core.adaptive.choice import costs_of, mode_of
from mcp_core.adaptive.naming import Own, names
from mcp_core.claims import Claims
from mcp_core.methods import Kind
from mcp_core.pins.templates import Template
from mcp_core.policy import View
from mcp_core.principal import Principal
from mcp_core.virtual import OWN_TOOLS, BudgetMode, Virtual
from mcp_sidecar.adaptive.warm import IDLE_SECONDS, MOST_BYTES, NAMED_BY, REFUSED, MemberList, Warm

_T = TypeVar("_T")

THREADS: Final = 2
"""Inventories that are put together at the same time."""
AT_ONCE: Final = 32
"""Members that are asked at the same time for one caller."""
MOST_MADE: Final = 1_000
"""Callers of virtual servers whose inventories are kept."""
MOST_INSTRUCTIONS: Final = 2_000
"""Characters of one member's instructions that are shown: those of all of them stand before a model together."""


MOST_TEMPLATES: Final = 500
"""Templates of one member that are offered: a URI that nobody lists is held against all of them."""


@dataclass(frozen=True, slots=True)
class MemberOffer:
    """One item: whose it is, how it is called there, and what is listed of it here."""

    member: str
    name: str
    item: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Inventory:
    """Items by the name, or the URI, under which they are offered. `left_out` says which members are not, and why.

    Of these, `away` says what they had: by the key of a list, name or URI -> member. Nobody else gets these names, for
    they would be called by who means the member that is away. `unheard` are those of which nobody here knows what they
    have. It is equal to itself alone.
    """

    tools: Mapping[str, MemberOffer]
    prompts: Mapping[str, MemberOffer]
    resources: Mapping[str, MemberOffer]
    templates: Mapping[str, MemberOffer]
    instructions: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    away: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unheard: Sequence[str] = ()
    mode: BudgetMode = BudgetMode.FULL
    """What the list of tools holds."""
    costs: Mapping[str, int] = field(default_factory=dict)
    """Tokens of each tool, where a list is chosen by them."""
    digests: Mapping[str, bytes] = field(default_factory=dict)
    """Digest of each list that may be said to have changed: tools, prompts, resources."""
    _stand: Sequence[tuple[Template, str]] = field(init=False)
    """Templates as they were read, and whose they are: those that begin with the longest text of their own first."""

    def __post_init__(self) -> None:
        away = self.away.get("resourceTemplates", {})
        whose = {**{text: offer.member for text, offer in self.templates.items()}, **away}
        texts = sorted(whose, key=lambda text: -len(text.partition("{")[0]))
        stand = tuple((Template(text), whose[text]) for text in texts)
        object.__setattr__(self, "_stand", stand)

    @property
    def listed_tools(self) -> dict[str, Mapping[str, Any]]:
        """Return what is listed of each tool, by name."""
        return {name: offer.item for name, offer in self.tools.items()}

    def has_tool(self, member: str, name: str) -> bool:
        """Return whether a member has a tool here, by its own name there, under whatever name it is offered."""
        return any(offer.member == member and offer.name == name for offer in self.tools.values())

    def of_uri(self, uri: str) -> str | None:
        """Return the member that has a resource, or whose template stands for it; None where nobody does.

        Of several templates the one counts that begins with the longest text of its own: one that stands for
        everything takes nothing from the others. Of equals it is the first member's. It may be one that is left out.
        """
        offer = self.resources.get(uri)
        if offer is not None:
            return offer.member
        if (away := self.away.get("resources", {}).get(uri)) is not None:
            return away
        return next((member for template, member in self._stand if template.matches(uri)), None)

    def by_member(self, uris: Iterable[str]) -> dict[str, list[str]]:
        """Return the URIs of each member that has some. It may take long: call it in a thread."""
        found: dict[str, list[str]] = {}
        for uri in uris:
            member = self.of_uri(uri)
            if member is not None and member not in self.left_out:
                found.setdefault(member, []).append(uri)
        return found


@dataclass(slots=True)
class _Made:
    """What was put together for one caller, of which lists; nothing yet where `inventory` is None."""

    lock: anyio.Lock = field(default_factory=partial(anyio.Lock, fast_acquire=True))
    listed: Sequence[MemberList] = ()
    virtual: Virtual | None = None
    inventory: Inventory | None = None
    size: int = 0
    wanted: float = 0.0
    gone: bool = False

    def known(self, listed: Sequence[MemberList], virtual: Virtual) -> Inventory | None:
        """Return what was put together of exactly these lists."""
        same = self.virtual == virtual and len(self.listed) == len(listed)
        same = same and all(member_list is other for member_list, other in zip(self.listed, listed, strict=True))
        return self.inventory if same else None


class Inventories:
    """What was put together of the same lists for the same caller, as long as they are the same."""

    def __init__(self, warm: Warm) -> None:
        self._warm = warm
        self._threads = anyio.CapacityLimiter(THREADS)
        self._made: OrderedDict[tuple[str, Principal, View], _Made] = OrderedDict()
        self._size = 0

    async def take(
        self, by: str, claims: Claims, virtual: Virtual, *, since: float | None = None, patient: bool = False
    ) -> Inventory:
        """Return what there is for whoever asks now; what was asked for before `since` (monotonic) is too old.

        A member that does not answer is left out; with `patient` it is not asked again once it failed.
        """
        principal, key = claims.principal, (by, claims.principal, claims.terms.view)
        listed = self._warm.known(by, virtual.members, principal, since, patient=patient)
        if listed is None:
            listed = await _ask(self._warm, by, claims, virtual, since, patient=patient)
        made = self._of(key)
        # One at a time for each caller: all that wait want the same.
        async with made.lock:
            if (known := made.known(listed, virtual)) is not None:
                return known
            # Some thousand items take seconds, which are not the other servers'.
            made.inventory = inventory = await anyio.to_thread.run_sync(
                _make, listed, virtual, claims.terms.view, limiter=self._threads
            )
            made.listed, made.virtual = listed, virtual
            size = sum(member_list.size for member_list in listed)
            if not made.gone:
                self._size += size - made.size
            made.size = size
            return inventory

    def _of(self, key: tuple[str, Principal, View]) -> _Made:
        """Return what was put together for a caller, and forget what is too much, or too old, of the others'."""
        made, now = self._made.get(key), time.monotonic()
        if made is None:
            made = self._made[key] = _Made()
        made.wanted = now
        self._made.move_to_end(key)
        while len(self._made) > 1:
            oldest = next(iter(self._made.values()))
            if len(self._made) <= MOST_MADE and self._size <= MOST_BYTES and oldest.wanted > now - IDLE_SECONDS:
                break
            self._made.popitem(last=False)
            self._size -= oldest.size
            oldest.gone = True
        return made


def _make(listed: Sequence[MemberList], virtual: Virtual, view: View) -> Inventory:
    inventory = merge(listed, virtual, view)
    items, budget = inventory.listed_tools, virtual.budget
    mode, costs = mode_of(items, budget), costs_of(items, budget)
    return replace(inventory, mode=mode, costs=costs, digests=_digests(inventory))


def _digests(inventory: Inventory) -> dict[str, bytes]:
    lists = {
        "tools": [tool.item for tool in inventory.tools.values()],
        "prompts": [prompt.item for prompt in inventory.prompts.values()],
        "resources": [offer.item for offer in (*inventory.resources.values(), *inventory.templates.values())],
    }
    return {name: hashlib.sha256(json.dumps(items).encode()).digest() for name, items in lists.items()}


async def _ask(
    warm: Warm, by: str, claims: Claims, virtual: Virtual, since: float | None, *, patient: bool
) -> list[MemberList]:
    found: dict[str, MemberList] = {}
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def ask(member: str) -> None:
        async with limit:
            found[member] = await warm.listed(by, member, claims.principal, since=since, patient=patient)

    async with anyio.create_task_group() as tasks:
        for member in virtual.members:
            tasks.start_soon(ask, member)
    return [found[member] for member in virtual.members]


def merge(listed: Sequence[MemberList], virtual: Virtual, view: View) -> Inventory:
    """Return the items of all members, as far as the virtual server's own policy lets them be seen."""
    tools, tools_away = _named(listed, "tools", virtual, OWN_TOOLS)
    prompts, prompts_away = _named(listed, "prompts", virtual, ())
    resources, resources_away = _by(listed, "resources")
    templates, templates_away = _by(listed, "resourceTemplates", MOST_TEMPLATES)
    said = [
        f"{member_list.member}: {member_list.instructions[:MOST_INSTRUCTIONS]}"
        for member_list in listed
        if member_list.instructions
    ]
    failed = {
        member_list.member: member_list
        for member_list in listed
        if member_list.failed is not None and member_list.failed != REFUSED
    }
    away = {
        "tools": _seen(tools_away, Kind.TOOL, view),
        "prompts": _seen(prompts_away, Kind.PROMPT, view),
        "resources": _seen(resources_away, Kind.RESOURCE, view),
        "resourceTemplates": _seen(templates_away, Kind.RESOURCE, view),
    }
    return Inventory(
        _seen(tools, Kind.TOOL, view),
        _seen(prompts, Kind.PROMPT, view),
        _seen(resources, Kind.RESOURCE, view),
        _seen(templates, Kind.RESOURCE, view),
        "\n\n".join(said),
        {member: one.failed or "" for member, one in failed.items()},
        away,
        tuple(member for member, one in failed.items() if one.had is None),
    )


def _seen(named: Mapping[str, _T], kind: Kind, view: View) -> dict[str, _T]:
    return {name: one for name, one in named.items() if view.allows(kind, name)}


def _items(
    listed: Sequence[MemberList], key: str, most: int | None = None
) -> Iterable[tuple[str, str, Mapping[str, Any] | None]]:
    """Yield member, name and item of all that members list, without an item what one that failed had."""
    named = NAMED_BY[key]
    for member_list in listed:
        for name in (member_list.had or {}).get(key, ())[:most]:
            yield member_list.member, name, None
        for item in member_list.items.get(key, [])[:most]:
            if isinstance(item, dict) and isinstance(item.get(named), str):
                yield member_list.member, item[named], item


def _named(
    listed: Sequence[MemberList], key: str, virtual: Virtual, reserved: Iterable[str]
) -> tuple[dict[str, MemberOffer], dict[str, str]]:
    """Return what is offered by its name here, and of members that are away whose each name is."""
    own: dict[Own, Mapping[str, Any] | None] = {}
    for member, name, item in _items(listed, key):
        own.setdefault((member, name), item)
    called = names(own, virtual.prefix, reserved)
    # In the order in which members and their items come.
    place = {item: name for name, item in called.items()}
    offers, away = dict[str, MemberOffer](), dict[str, str]()
    for one, item in own.items():
        if one not in place:
            continue
        if item is None:
            away[place[one]] = one[0]
        else:
            offers[place[one]] = MemberOffer(*one, item if one[1] == place[one] else {**item, "name": place[one]})
    return offers, away


def _by(
    listed: Sequence[MemberList], key: str, most: int | None = None
) -> tuple[dict[str, MemberOffer], dict[str, str]]:
    """Return items that cannot be renamed, by URI or template: of two that have the same, the first member's counts.

    `most` is how many of each member count. The second is as `_named` has it.
    """
    offers, away = dict[str, MemberOffer](), dict[str, str]()
    for member, uri, item in _items(listed, key, most):
        if uri in offers or uri in away:
            continue
        if item is None:
            away[uri] = member
        else:
            offers[uri] = MemberOffer(member, uri, item)
    return offers, away
