"""YAML as nodes that know their line: what a server file may be made of, and nothing that two readers read differently.

No anchors and aliases (a short file can stand for gigabytes), no tags, one document, each key once, keys that are text.
Source: YAML 1.2.2, sections 3.2.2.2, 6.9 and 7.1; the parser is PyYAML's, with libyaml where it was built with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import yaml

MAX_BYTES: Final = 262_144
"""A server file of a hundred lines has some 4,000."""
MAX_DEPTH: Final = 32
EMPTY: Final = "the file is empty; write name and replicas at least"

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER: Final = yaml.SafeLoader("")
_TAG_PREFIX: Final = "tag:yaml.org,2002:"
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value. `kind` is what YAML takes it for: str, int, float, bool, null, timestamp..."""

    text: str
    kind: str
    line: int

    @property
    def whole(self) -> int | None:
        """The whole number that every reader of YAML takes this for, or None."""
        return int(self.text) if self.kind == "int" and len(self.text) < 20 and _DECIMAL.fullmatch(self.text) else None


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and values, in the order written; no key stands twice."""

    entries: tuple[tuple[Scalar, Node], ...]
    line: int

    def find(self, key: str) -> Node | None:
        """Return the value of a key, or None."""
        return next((value for name, value in self.entries if name.text == key), None)


Node: TypeAlias = Scalar | Sequence | Mapping


class NodeError(ValueError):
    """The text is not what a server file is made of. `line` counts from 1."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


def compose(raw: bytes) -> Node:
    """Return the one document of a file.

    Raises:
        NodeError: at the first thing that cannot be read; its text says what to write instead.
    """
    if len(raw) > MAX_BYTES:
        raise NodeError(1, f"the file has more than {MAX_BYTES:,} bytes; write one short file for each server")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise NodeError(line, f"byte {error.start} is not UTF-8; save the file as UTF-8") from None
    try:
        events = _Events(yaml.parse(text, Loader=_LOADER))
        return _document(events)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NodeError(mark.line + 1 if mark else 1, _not_yaml(str(error.problem))) from None
    except yaml.YAMLError as error:
        character = getattr(error, "character", None)
        found = f"the character {chr(character)!a}" if isinstance(character, int) else "a control character"
        position = getattr(error, "position", 0)
        raise NodeError(text[:position].count("\n") + 1, _not_yaml(f"{found} may not stand in it")) from None


def _not_yaml(problem: str) -> str:
    return f"not YAML: {problem}; mend the line, or write the value in quotes"


class _Events:
    """The parser's events, one after the other."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events

    def take(self) -> Any:
        return next(self._events)


def _document(events: _Events) -> Node:
    events.take()  # the stream's start
    event = events.take()
    if isinstance(event, yaml.StreamEndEvent):
        raise NodeError(1, EMPTY)
    node = _node(events, events.take(), 0)
    events.take()  # the document's end
    event = events.take()
    if not isinstance(event, yaml.StreamEndEvent):
        raise NodeError(event.start_mark.line + 1, "a second document begins here; write one file for each server")
    return node


def _node(events: _Events, event: Any, depth: int) -> Node:
    line = event.start_mark.line + 1
    if isinstance(event, yaml.AliasEvent):
        raise NodeError(line, f"found the alias *{event.anchor}; write out what it stands for")
    if event.anchor is not None:
        raise NodeError(line, f"found the anchor &{event.anchor}; remove it, and write out where it is used")
    if event.tag is not None:
        raise NodeError(line, f"found the tag {shown_tag(event.tag)}; remove it")
    if depth > MAX_DEPTH:
        raise NodeError(line, f"found more than {MAX_DEPTH} levels of lists and mappings; write fewer")
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(event.value, _kind(event), line)
    if isinstance(event, yaml.SequenceStartEvent):
        return Sequence(tuple(_items(events, depth)), line)
    return Mapping(tuple(_entries(events, depth)), line)


def shown_tag(tag: str) -> str:
    """Return a tag as it was written, or nearly so."""
    return ascii(tag.replace(_TAG_PREFIX, "!!"))


def _kind(event: Any) -> str:
    if not event.implicit[0]:  # in quotes, or a block
        return "str"
    tag = _RESOLVER.resolve(yaml.ScalarNode, event.value, (True, False))  # type: ignore[no-untyped-call]  # PyYAML's
    return str(tag).removeprefix(_TAG_PREFIX)


def _items(events: _Events, depth: int) -> Iterator[Node]:
    while not isinstance(event := events.take(), yaml.SequenceEndEvent):
        yield _node(events, event, depth + 1)


def _entries(events: _Events, depth: int) -> Iterator[tuple[Scalar, Node]]:
    seen: dict[str, int] = {}
    while not isinstance(event := events.take(), yaml.MappingEndEvent):
        key = _node(events, event, depth + 1)
        if not isinstance(key, Scalar):
            raise NodeError(key.line, "found a list or a mapping for a key; write a name and a colon")
        if key.text in seen:
            raise NodeError(key.line, f"{key.text!a} was written in line {seen[key.text]} already; keep one")
        seen[key.text] = key.line
        yield key, _node(events, events.take(), depth + 1)
