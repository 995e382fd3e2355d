"""What is searched: one item of a server, by the texts that say what it is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from mcp_core.scan import ItemKind

ItemKey: TypeAlias = tuple[str, ItemKind, str]
"""Server, list and name: what tells one item from all others."""

LONGEST_NAME: Final = 512
LONGEST_TEXT: Final = 4_000
"""Characters of one text that are read: what an item is for stands at its beginning."""
MOST_PARAMETERS: Final = 200
_DEEPEST: Final = 5
_MOST_CHOICES: Final = 30
"""Values of one `enum` that are read."""


@dataclass(frozen=True, slots=True)
class SearchItem:
    """One item of a server. `parameters` are pairs of name and description; `usage` is text that a person approved."""

    server: str
    kind: ItemKind
    name: str
    title: str = ""
    description: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    usage: str = ""

    @property
    def key(self) -> ItemKey:
        """Return what tells it from all others."""
        return self.server, self.kind, self.name


def search_item(server: str, kind: ItemKind, name: str, content: Mapping[str, Any], usage: str = "") -> SearchItem:
    """Return an item as a server lists it (MCP's Tool, Prompt, Resource, ResourceTemplate), within bounds.

    Whatever has another type than MCP gives it is left out: servers write it.
    """
    return SearchItem(
        server,
        kind,
        name,
        title=_text(content.get("title")),
        description=_text(content.get("description")),
        parameters=tuple(_first(_parameters(content), MOST_PARAMETERS)),
        usage=usage[:LONGEST_TEXT],
    )


def _text(value: Any, longest: int = LONGEST_TEXT) -> str:
    return value[:longest] if isinstance(value, str) else ""


def _first(pairs: Iterator[tuple[str, str]], most: int) -> Iterator[tuple[str, str]]:
    for _, pair in zip(range(most), pairs, strict=False):
        yield pair


def _parameters(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the arguments of a prompt, and the properties of a tool's input schema."""
    arguments = content.get("arguments")
    for argument in arguments if isinstance(arguments, list) else ():
        if isinstance(argument, Mapping):
            yield _text(argument.get("name"), LONGEST_NAME), _text(argument.get("description"))
    yield from _properties(content.get("inputSchema"), _DEEPEST)


def _properties(schema: Any, deepest: int) -> Iterator[tuple[str, str]]:
    """Yield the properties of a JSON schema and of what they hold. `$ref` is not followed."""
    if not isinstance(schema, Mapping) or not deepest:
        return
    properties = schema.get("properties")
    for name, one in properties.items() if isinstance(properties, Mapping) else ():
        if isinstance(name, str):
            yield name[:LONGEST_NAME], _describes(one)
            yield from _properties(one, deepest - 1)
    yield from _properties(schema.get("items"), deepest - 1)


def _describes(schema: Any) -> str:
    """Return what a property says of itself: its description, and the words that it may be."""
    if not isinstance(schema, Mapping):
        return ""
    choices = schema.get("enum")
    words = (
        [choice for choice in choices[:_MOST_CHOICES] if isinstance(choice, str)] if isinstance(choices, list) else []
    )
    return _text(" ".join([_text(schema.get("description")), *words]))
