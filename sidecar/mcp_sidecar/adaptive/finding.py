"""What find_tools, describe_tool and call_tool say, over the inventory of whoever asks and nothing else."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack
from weakref import ReferenceType, WeakKeyDictionary, ref

from mcp_core.arguments import ArgumentSchema, Unusable
from mcp_core.principal import Principal
from mcp_core.scan import ItemKind
from mcp_core.virtual import CALL, DESCRIBE
from mcp_sidecar.adaptive.caller_turns import CallerTurns
from mcp_sidecar.adaptive.inventory import Inventory
from mcp_sidecar.adaptive.own_tools import MOST_FOUND
from mcp_sidecar.lane.patterns import compile_pattern
from mcp_sidecar.search.embedding import Embedder
from mcp_sidecar.search.index import Index, Prepared, prepare
from mcp_sidecar.search.items import SearchItem, search_item
from mcp_sidecar.search.models import quick_embedder

SHORT: Final = 300
"""Characters of a description that find_tools shows."""
LONGEST_SCHEMA: Final = 4_000
"""Characters of a schema that stand in an error."""
MOST_INDEXES: Final = 32
MOST_INDEXED: Final = 20_000
"""Items of all indexes together but the last one's: each takes some 12 KB."""
_MOST_PREPARED: Final = 20_000


_Args = TypeVarTuple("_Args")
_Result = TypeVar("_Result")


class MemberFinder:
    """Finds tools. What was made ready of a tool is shared by all who may see it; each has an index of its own."""

    def __init__(self, embedder: Callable[[], Embedder | None] = quick_embedder) -> None:
        """`embedder` returns the model of the search, None for words alone. It is called in a thread."""
        self._embedder = embedder
        self._prepared: OrderedDict[SearchItem, Prepared] = OrderedDict()
        self._indexes: OrderedDict[tuple[SearchItem, ...], Index] = OrderedDict()
        self._known: WeakKeyDictionary[Inventory, ReferenceType[Index]] = WeakKeyDictionary()
        # What is kept here is for one thread.
        self._finds = CallerTurns(1)
        self._others = CallerTurns(4)

    async def apart(self, caller: Principal, work: Callable[[Unpack[_Args]], _Result], *of: *_Args) -> _Result:
        """Do work in a thread that may take long: the event loop is every server's."""
        return await self._others.run(caller.seal_key, work, *of)

    async def find(self, caller: Principal, inventory: Inventory, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of find_tools."""
        query, limit = arguments.get("query"), arguments.get("limit", 5)
        if not isinstance(query, str):
            return failed("query is a string: what you want to do, in a few words.")
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST_FOUND:
            return failed(f"limit is a whole number from 1 to {MOST_FOUND}.")
        return await self._finds.run(caller.seal_key, self._find, inventory, query, limit)

    def _find(self, inventory: Inventory, query: str, limit: int) -> dict[str, Any]:
        found = self._index_of(inventory).find(query, limit, lambda _key: True)
        listed = [{"name": one.key[2], "description": _short(inventory.tools[one.key[2]].item)} for one in found.items]
        said: dict[str, Any] = {"tools": listed}
        if found.fallback and listed:
            said["note"] = "Nothing fits these words: these are the first of all tools. Try other words."
        said["next"] = f"Read one with {DESCRIBE}, call it with {CALL}."
        return text(json.dumps(said, ensure_ascii=False))

    def _index_of(self, inventory: Inventory) -> Index:
        """Return the index of an inventory, whose texts are read once."""
        known = self._known.get(inventory)
        index = None if known is None else known()
        if index is None:
            tools = inventory.tools.items()
            index = self._index(
                tuple(search_item(offer.member, ItemKind.TOOL, name, offer.item) for name, offer in tools)
            )
            self._known[inventory] = ref(index)
        return index

    def _index(self, items: tuple[SearchItem, ...]) -> Index:
        known = self._indexes.get(items)
        if known is None:
            new, embedder = [one for one in items if one not in self._prepared], self._embedder()
            self._prepared.update((one.item, one) for one in prepare(new, embedder))
            known = self._indexes[items] = Index([self._prepared[one] for one in items], embedder)
            while len(self._indexes) > 1 and (len(self._indexes) > MOST_INDEXES or self._indexed() > MOST_INDEXED):
                self._indexes.popitem(last=False)
            while len(self._prepared) > max(_MOST_PREPARED, len(items)):
                self._prepared.popitem(last=False)
        self._indexes.move_to_end(items)
        return known

    def _indexed(self) -> int:
        return sum(len(items) for items in self._indexes)


def describe(inventory: Inventory, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of describe_tool: the tool as a full list has it."""
    name = arguments.get("name")
    offer = inventory.tools.get(name) if isinstance(name, str) else None
    if offer is None:
        away = inventory.away.get("tools", {}).get(str(name))
        gone = "" if away is None else f" now: the server {away}, which has it, does not answer"
        return failed(f"Unknown tool{gone}: {str(name)[:256]}")
    return text(json.dumps(offer.item, ensure_ascii=False))


def misfit(item: Mapping[str, Any], arguments: Any) -> dict[str, Any] | None:
    """Return the result that says how arguments must be mended, None where they fit or nobody can tell."""
    if isinstance(arguments, str):
        return failed("arguments is a string. Send the object itself, not its JSON as text.")
    if not isinstance(arguments, dict):
        return failed("arguments is an object.")
    schema = ArgumentSchema.of(item.get("inputSchema"), compile_pattern)
    wrong = None if isinstance(schema, Unusable) else schema.misfit(arguments)
    if wrong is None or isinstance(wrong, Unusable):
        return None
    shown = json.dumps(item.get("inputSchema"), ensure_ascii=False)
    shown = shown if len(shown) <= LONGEST_SCHEMA else f"read it with {DESCRIBE}"
    return failed(f"The arguments do not fit at {wrong}; the tool was not called. Its input schema: {shown}")


def output_fits(item: Mapping[str, Any]) -> Callable[[Any], bool] | None:
    """Return what tells whether structured content is as a tool's output schema has it, None where it has none.

    Where nobody can tell, nothing is.
    """
    said = item.get("outputSchema")
    if not isinstance(said, dict):
        return None

    def fits(data: Any) -> bool:
        schema = ArgumentSchema.of(said, compile_pattern)
        return not isinstance(schema, Unusable) and schema.misfit(data) is None

    return fits


def text(said: str) -> dict[str, Any]:
    """Return a tool's result that is a text."""
    return {"content": [{"type": "text", "text": said}]}


def failed(said: str) -> dict[str, Any]:
    """Return a tool's result that says what went wrong, so that the model can mend it."""
    return {**text(said), "isError": True}


def _short(item: Mapping[str, Any]) -> str:
    said = item.get("description") or item.get("title") or ""
    said = said if isinstance(said, str) else ""
    return said if len(said) <= SHORT else said[: SHORT - 3] + "..."
