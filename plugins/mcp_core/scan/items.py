"""The strings of a surface item, each with the path of its field.

Everything that a server can put before a model is read: names, titles, descriptions, schemas at any depth with their
keys, defaults, examples and comments, annotations, icons and `_meta`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias

from mcp_core.scan.excerpt import escaped

Item: TypeAlias = Mapping[str, Any]


class ItemKind(StrEnum):
    """The lists of a surface, by the key of the result that carries them; the server's instructions; a result."""

    TOOL = "tools"
    PROMPT = "prompts"
    RESOURCE = "resources"
    TEMPLATE = "resourceTemplates"
    SKILL = "skills"
    """The entry of a skill: its front matter, and its files with their digests."""
    FILE = "contents"
    """What reading a skill's file or an app's page gives."""
    INSTRUCTIONS = "instructions"
    RESULT = "result"


KIND_WORDS: Final = {
    ItemKind.TOOL: "tool",
    ItemKind.PROMPT: "prompt",
    ItemKind.RESOURCE: "resource",
    ItemKind.TEMPLATE: "template",
    ItemKind.SKILL: "skill",
    ItemKind.FILE: "file",
    ItemKind.INSTRUCTIONS: "instructions",
}
"""How people say what an item is, in a command as in what they are told. A result is no item that is kept."""

NAMED_BY: Final = {
    ItemKind.TOOL: "name",
    ItemKind.PROMPT: "name",
    ItemKind.RESOURCE: "uri",
    ItemKind.TEMPLATE: "uriTemplate",
    ItemKind.SKILL: "uri",
    ItemKind.FILE: "uri",
}
"""Kind -> the field that identifies an item of a list."""


class TextRole(StrEnum):
    """What a string is to the item: prose is read as it stands, names are first taken apart into words."""

    PROSE = "prose"
    NAME = "name"


Path: TypeAlias = "tuple[Path, str | int] | None"
"""The way to a field, innermost step first: most paths are never printed, so none is written out before it is."""


class TextField(NamedTuple):
    """One string of an item. `key` is the member it stands under, or is the name of."""

    path: Path
    text: str
    role: TextRole
    key: str


def name_of(kind: ItemKind, item: Item) -> str:
    """Return what identifies the item: its name, URI or template; empty where it has none that is text."""
    value = item.get(NAMED_BY.get(kind, "name"), "")
    return value if isinstance(value, str) else ""


def path_text(kind: ItemKind, name: str, path: Path) -> str:
    """Return the path as operators read it: `tools["x"].inputSchema.properties.path.description`."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        if isinstance(step, int):
            steps.append(f"[{step}]")
        elif step.isascii() and step.isidentifier() and len(step) <= _STEP:
            steps.append(f".{step}")
        else:
            steps.append(f"[{_quoted(step)}]")
    return (
        kind.value if kind in (ItemKind.INSTRUCTIONS, ItemKind.RESULT) else f"{kind.value}[{_quoted(name)}]"
    ) + "".join(steps[::-1])


_STEP: Final = 60
_PLAIN_KEYS: Final = frozenset({"type", "format", "$schema", "mimeType", "method"})
_KEYWORDS: Final = frozenset(
    """$comment $defs $id $ref $schema additionalProperties allOf annotations anyOf arguments const contentEncoding
    contentMediaType default definitions dependentRequired deprecated description destructiveHint else enum examples
    exclusiveMaximum exclusiveMinimum execution format icons idempotentHint if inputSchema items maxItems maxLength
    maxProperties maximum meta mimeType minItems minLength minProperties minimum multipleOf name not nullable oneOf
    openWorldHint outputSchema pattern patternProperties prefixItems properties propertyNames readOnlyHint required
    size sizes src taskSupport then title type uniqueItems uri uriTemplate writeOnly readOnly _meta""".split()  # noqa: SIM905 - a list of words reads better than a column of them
)
_NAME_KEYS: Final = frozenset({"name", "uri", "uriTemplate", "$ref", "$id", "src", "required"})


def _quoted(text: str) -> str:
    return (
        json.dumps(text if len(text) <= _STEP else text[: _STEP - 3] + "...")
        if text.isascii()
        else f'"{escaped(text[:_STEP])}"'
    )


def fields(item: Any) -> list[TextField]:
    """Return every string of an item in the order in which a reader of its JSON meets them, keys before values."""
    found: list[TextField] = []
    stack: list[tuple[Path, str, Any]] = [(None, "", item)]
    while stack:
        path, key, value = stack.pop()
        members: Iterable[tuple[str | int, Any]]
        if isinstance(value, str):
            _take(found, path, key, value)
            continue
        if isinstance(value, dict) or isinstance(value, Mapping):  # noqa: SIM101 - the first is the faster one
            found += [TextField((path, name), name, TextRole.NAME, name) for name in value if name not in _KEYWORDS]
            members = value.items()
        elif isinstance(value, list | tuple):
            members = enumerate(value)
        else:
            continue
        later: list[tuple[Path, str, Any]] = []
        for step, one in members:
            kind = type(one)
            if kind in _SILENT:
                continue
            under = step if isinstance(step, str) else key
            if kind is str and not later:  # nothing comes before it
                _take(found, (path, step), under, one)
            else:
                later.append(((path, step), under, one))
        stack += reversed(later)
    return found


def _take(found: list[TextField], path: Path, key: str, text: str) -> None:
    """Add a string of an item to what was found, unless it is a plain word where such a word must stand."""
    if text and not (key in _PLAIN_KEYS and len(text) < 30 and text.isascii() and text.isalpha()):
        found.append(TextField(path, text, TextRole.NAME if key in _NAME_KEYS else TextRole.PROSE, key))


_SILENT: Final = frozenset({bool, int, float, type(None)})
"""Types of what holds no string: asking whether they are mappings costs more than all the rest."""
