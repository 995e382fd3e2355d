"""Members of objects that are sent, held to be read as they are written: no other spelling of a member is one too.

A schema holds members to what it says by their names, and so do policies. Servers read names more widely: Go and .NET
whatever their case, protocol buffers `user_id` and `userId` alike, forms `a[b]` and `a.b` as members of `a`, and Node
takes `__proto__` for the object behind all objects.

Laws: beside a member that is described, or in its place, none stands that folds to it; in forms and queries no two fold
to one, and no name says where in another member it belongs. What is described is sent exactly as it is described.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from mcp_core.rest.withheld import folded

_IN_PLACE: Final = ("allOf", "anyOf", "oneOf")
_DEFINITIONS: Final = "#/$defs/"
_INSIDE: Final = re.compile(r"[\[\]\x00]")
_FIRST: Final = re.compile(r"[\[.]")

Schemas = tuple[Mapping[str, Any], ...]


class MemberError(ValueError):
    """Members of an argument could be read as others; the message begins with where, and shows no value."""


class Members:
    """Holds one value to the schema of its place in a tool's input schema.

    `is_form` says that names are written into those of a form or a query.
    """

    def __init__(self, root: Mapping[str, Any], *, is_form: bool) -> None:
        self._definitions: Mapping[str, Any] = root.get("$defs", {})
        self._is_form = is_form
        self._known: dict[tuple[int, ...], tuple[dict[str, Schemas], dict[str, str], Schemas, Schemas]] = {}

    def check(self, argument: str, value: Any, schema: Any) -> None:
        """Raise MemberError where a member of a value, at any depth, could be read as another one."""
        waiting: list[tuple[Any, Schemas]] = [(value, tuple(self._in_place([schema])))]
        while waiting:
            one, schemas = waiting.pop()
            if not isinstance(one, dict | list):
                continue
            described, by_fold, others, items = self._described(schemas)
            if isinstance(one, list):
                waiting += [(inner, items) for inner in one]
                continue
            self._check_names(argument, one, described, by_fold)
            waiting += [(inner, described.get(name, others)) for name, inner in one.items()]

    def _check_names(
        self, argument: str, value: Mapping[str, Any], described: Mapping[str, Any], by_fold: Mapping[str, str]
    ) -> None:
        seen: dict[str, str] = {}
        for name, inner in value.items():
            is_described = name in described
            if not is_described and _is_prototype(name, inner):
                raise MemberError(f"{argument} has a member {name[:40]!a}, which is no name of a member; leave it out")
            fold = folded(name)
            first = _FIRST.split(name)[0]
            spelt = {fold} | ({folded(first)} if self._is_form and first else set())
            if not is_described and (meant := next((by_fold[one] for one in spelt if one in by_fold), None)):
                raise MemberError(f"{argument} has a member {name[:40]!a}; write it as it is described: {meant[:40]!a}")
            if not self._is_form:
                continue
            if not is_described and _INSIDE.search(name):
                raise MemberError(f"{argument} has a member {name[:40]!a}, which says a place of its own; nest objects")
            other = seen.setdefault(fold, name)
            if other != name and not (is_described and other in described):
                raise MemberError(f"{argument} has two members that may be read as one, {name[:40]!a}; leave one out")

    def _described(self, schemas: Schemas) -> tuple[dict[str, Schemas], dict[str, str], Schemas, Schemas]:
        """Return the schemas of members by name, the names by what they fold to, and those of others and of items."""
        key = tuple(map(id, schemas))
        if key not in self._known:
            members: dict[str, list[Any]] = {}
            others, items = [], []
            for schema in schemas:
                for name, inner in schema.get("properties", {}).items():
                    members.setdefault(name, []).append(inner)
                others += [schema.get("additionalProperties"), *schema.get("patternProperties", {}).values()]
                items += [schema.get("items"), schema.get("contains"), *schema.get("prefixItems", ())]
            described = {name: tuple(self._in_place(inner)) for name, inner in members.items()}
            self._known[key] = (
                described,
                {folded(name): name for name in described},
                tuple(self._in_place(others)),
                tuple(self._in_place(items)),
            )
        return self._known[key]

    def _in_place(self, schemas: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
        """Yield schemas, and all that hold the same value as one of them, each once."""
        seen: set[int] = set()
        waiting = list(schemas)
        while waiting:
            one = waiting.pop()
            if not isinstance(one, dict) or id(one) in seen:
                continue
            seen.add(id(one))
            yield one
            waiting += [inner for name in _IN_PLACE for inner in one.get(name, ())]
            waiting += [one.get(name) for name in ("if", "then", "else")]
            waiting += one.get("dependentSchemas", {}).values()
            if isinstance(reference := one.get("$ref"), str):
                waiting.append(self._definitions.get(reference.removeprefix(_DEFINITIONS)))


def _is_prototype(name: str, inner: Any) -> bool:
    """Return whether merging a member into an object of JavaScript's could reach the object behind all objects."""
    words = [one for one in re.split(r"[\[\].]+", name.strip()) if one]
    return "__proto__" in words or (
        "constructor" in words and ("prototype" in words or (isinstance(inner, dict) and "prototype" in inner))
    )
