"""What a virtual server says itself, of an inventory, and which member is asked for all else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Final

from mcp_core import methods
from mcp_core.adaptive.choice import fitting
from mcp_core.claims import Claims
from mcp_core.methods import Era, Kind
from mcp_core.outcome import INVALID_PARAMS, METHOD_NOT_FOUND, RESOURCE_NOT_FOUND, UNAVAILABLE, Reject, params_status
from mcp_core.params import repeating
from mcp_core.reasons import Reason
from mcp_core.virtual import DESCRIBE, FIND, OWN_TOOLS, BudgetMode, Virtual
from mcp_sidecar.adaptive import own_tools
from mcp_sidecar.adaptive.finding import MemberFinder, describe, misfit
from mcp_sidecar.adaptive.inventory import Inventory, MemberOffer

PAGE: Final = 500
"""Items of one page of a list."""
LEFT_OUT: Final = "kong-mcp/leftOut"
"""The key of a list's `_meta` that names members that are not in it, each with a word for why."""
_SHOWN: Final = 256
_CAPABILITIES: Final = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "completions": {},
    "logging": {},
}


@dataclass(frozen=True, slots=True)
class Route:
    """Which member is asked, with which params; `used` is the tool that is called, by its name here.

    `repeated` are the headers Mcp-Param-* of what is asked where the agent's own say nothing of it; `schema` is the
    input schema that asks for them.
    """

    member: str
    params: Mapping[str, Any]
    used: str | None = None
    repeated: Mapping[str, str] | None = None
    schema: Any = None


def server_info(name: str) -> dict[str, str]:
    """Return what a virtual server of this name says that it is (Implementation)."""
    return {"name": name, "version": version("kong-mcp")}


class Local:
    """One virtual server as one caller has it."""

    def __init__(self, name: str, claims: Claims, virtual: Virtual, finder: MemberFinder, inventory: Inventory) -> None:
        self._name = name
        self._claims = claims
        self._virtual = virtual
        self._finder = finder
        self.inventory = inventory

    def introduction(self) -> dict[str, Any]:
        """Return what the virtual server says of itself."""
        said: dict[str, Any] = {
            "capabilities": _CAPABILITIES,
            "serverInfo": server_info(self._name),
        }
        if self.inventory.instructions:
            said["instructions"] = self.inventory.instructions
        return said

    def page(self, key: str, cursor: Any, used: Mapping[str, int]) -> dict[str, Any] | Reject:
        """Return one page of a list, by the key of its result."""
        items = self._tools(used) if key == "tools" else self._listed(key)
        start = 0
        if cursor is not None:
            at = cursor[1:] if isinstance(cursor, str) and cursor[:1] == "n" else ""
            start = int(at) if at.isascii() and at.isdigit() and len(at) < 8 else -1
            if not 0 < start < len(items):
                return self._bad("The cursor is none of this list: begin it anew.", Reason.LISTEN)
        page: dict[str, Any] = {key: items[start : start + PAGE]}
        if start + PAGE < len(items):
            page["nextCursor"] = f"n{start + PAGE}"
        if self.inventory.left_out:
            page["_meta"] = {LEFT_OUT: dict(self.inventory.left_out)}
        return page

    def _listed(self, key: str) -> list[Mapping[str, Any]]:
        inventory = self.inventory
        lists = {
            "prompts": inventory.prompts,
            "resources": inventory.resources,
            "resourceTemplates": inventory.templates,
        }
        return [offer.item for offer in lists[key].values()]

    def _tools(self, used: Mapping[str, int]) -> list[Mapping[str, Any]]:
        items, budget, mode = self.inventory.listed_tools, self._virtual.budget, self.inventory.mode
        if mode is BudgetMode.SEARCH and budget is not None:
            pinned = [items[name] for name in budget.pinned if name in items]
            return [*own_tools.tools(self._members()), *pinned]
        if mode is BudgetMode.FILTERED and budget is not None:
            return [items[name] for name in fitting(self.inventory.costs, budget, used)]
        return list(items.values())

    def _members(self) -> list[str]:
        """Return the members of which the caller has tools: no other is named."""
        there = {tool.member for tool in self.inventory.tools.values()}
        return [member for member in self._virtual.members if member in there]

    async def route(self, method: str, params: Mapping[str, Any]) -> Route | dict[str, Any] | Reject:
        """Return the member that is asked, a result that needs none, or the refusal of what there is not."""
        name, uri = params.get("name"), params.get("uri")
        if method == methods.CALL:
            return await self._call(str(name), params)
        if method == methods.GET_PROMPT:
            offer = self.inventory.prompts.get(str(name))
            return self._renamed(offer, params, None) if offer else self._missing(Kind.PROMPT, str(name))
        if method in (methods.READ_RESOURCE, methods.SUBSCRIBE, methods.UNSUBSCRIBE):
            member = self.inventory.of_uri(str(uri))
            there = member is not None and member not in self.inventory.left_out
            return Route(str(member), params) if there else self._missing(Kind.RESOURCE, str(uri), member)
        if method == methods.COMPLETE:
            return self._complete(params)
        status = 404 if self._claims.question.era is Era.MODERN else 200
        return Reject(METHOD_NOT_FOUND, "Method not found", Reason.DENIED_METHOD, status=status)

    async def _call(self, name: str, params: Mapping[str, Any]) -> Route | dict[str, Any] | Reject:
        arguments = params.get("arguments")
        arguments = {} if arguments is None else arguments
        if self.inventory.mode is not BudgetMode.FULL and name in OWN_TOOLS:
            if not isinstance(arguments, dict):
                return self._bad("params.arguments is an object.", Reason.ARGUMENTS)
            if name == FIND:
                return await self._finder.find(self._claims.principal, self.inventory, arguments)
            if name == DESCRIBE:
                return describe(self.inventory, arguments)
            name = str(arguments.get("name"))
            inner = arguments.get("arguments", {})
            offer = self.inventory.tools.get(name)
            if offer is None:
                return self._missing(Kind.TOOL, name)
            # What a schema and its arguments may cost is for no event loop.
            wrong = await self._finder.apart(self._claims.principal, misfit, offer.item, inner)
            if wrong is not None:
                return wrong
            route = self._renamed(offer, {**params, "arguments": inner}, name)
            return replace(route, repeated=repeating(offer.item.get("inputSchema"), inner))
        offer = self.inventory.tools.get(name)
        if offer is None:
            return self._missing(Kind.TOOL, name)
        route = self._renamed(offer, params, name)
        if self._claims.question.era is Era.MODERN:
            return route
        return replace(route, repeated=repeating(offer.item.get("inputSchema"), arguments))

    def _complete(self, params: Mapping[str, Any]) -> Route | Reject:
        ref = params.get("ref")
        ref = ref if isinstance(ref, dict) else {}
        if ref.get("type") == "ref/prompt":
            offer = self.inventory.prompts.get(str(ref.get("name")))
            if offer is None:
                return self._missing(Kind.PROMPT, str(ref.get("name")))
            return Route(offer.member, {**params, "ref": {**ref, "name": offer.name}})
        uri = str(ref.get("uri"))
        offer = self.inventory.templates.get(uri) or self.inventory.resources.get(uri)
        away = self.inventory.away.get("resourceTemplates", {}).get(uri)
        return Route(offer.member, params) if offer else self._missing(Kind.RESOURCE, uri, away)

    def _renamed(self, offer: MemberOffer, params: Mapping[str, Any], used: str | None) -> Route:
        return Route(offer.member, {**params, "name": offer.name}, used, schema=offer.item.get("inputSchema"))

    def _missing(self, kind: Kind, name: str, member: str | None = None) -> Reject:
        """Return the refusal of what nobody here has now: unknown, or of a member that is away."""
        inventory = self.inventory
        away = member or inventory.away.get(kind.value, {}).get(name)
        if away is not None:
            return unavailable(away, inventory.left_out.get(away, ""))
        if inventory.unheard:
            return unheard(kind, name, inventory.unheard)
        return unknown_item(self._claims.question.era, kind, name)

    def _bad(self, text: str, reason: Reason) -> Reject:
        return Reject(INVALID_PARAMS, text, reason, status=params_status(self._claims.question.era))


def unavailable(member: str, outcome: str) -> Reject:
    """Return the refusal of what a member would have to answer that does not."""
    text = f"The server {member} behind this one does not answer now. The others do; try again later."
    return Reject(UNAVAILABLE, text, Reason.MEMBER_UNAVAILABLE, status=503, detail=outcome)


def unheard(kind: Kind, name: str, members: Sequence[str]) -> Reject:
    """Return the refusal of what no member has that answers, where it may be of those that never did."""
    what, named = kind.value.removesuffix("s"), ", ".join(members)
    text = (
        f"No server behind this one that answers now has the {what} {name[:_SHOWN]}. It may be of these, which do not "
        f"answer: {named}. Try again later."
    )
    return Reject(UNAVAILABLE, text, Reason.MEMBER_UNAVAILABLE, status=503, detail="unheard", name=name[:_SHOWN])


def unknown_item(era: Era, kind: Kind, name: str) -> Reject:
    """Return the refusal of what is not there, as a guard words it for what the policy hides."""
    shown = name[:_SHOWN]
    if kind is Kind.RESOURCE and era is Era.LEGACY:
        return Reject(RESOURCE_NOT_FOUND, "Resource not found", Reason.DENIED_ITEM, data={"uri": shown}, name=shown)
    text = f"Unknown {kind.value.removesuffix('s')}: {shown}"
    data = {"uri": shown} if kind is Kind.RESOURCE else None
    return Reject(INVALID_PARAMS, text, Reason.DENIED_ITEM, status=params_status(era), data=data, name=shown)
