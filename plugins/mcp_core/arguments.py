"""Arguments held to the input schema of their tool: JSON Schema, with every way to make it slow or leave taken away.

A schema is a server's word, approved or not. So nothing outside of it is ever fetched; its expressions are matched by
an engine that takes linear time, which is an argument here; and a check ends after a number of steps.
Source: JSON Schema 2020-12 unless `$schema` names an older draft (2025-11-25 and 2026-07-28, server/tools).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, TypeAlias

from jsonschema import validators
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from mcp_core.inspection import step
from mcp_core.pins.canonical import canonical

LARGEST: Final = 131_072
"""Characters of a schema that is read; honest ones hold a tenth of it."""
STEPS: Final = 300_000
"""Steps of one check: some 3 microseconds each. A step is a keyword, a member of what it holds or is about, or 1024
characters of text below."""

MOST_PATTERNS: Final = 256

Matches: TypeAlias = Callable[[str], bool]
CompilePattern: TypeAlias = Callable[[str], Matches | None]
"""Returns what tells whether an expression (ECMA-262) matches anywhere in a text, in linear time, or None."""

_KNOWN_DRAFTS: Final = frozenset(
    {
        "http://json-schema.org/draft-04/schema",
        "http://json-schema.org/draft-06/schema",
        "http://json-schema.org/draft-07/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2020-12/schema",
    }
)
_UNCOUNTED: Final = frozenset({"unevaluatedItems", "unevaluatedProperties"})
_REFERENCES: Final = ("$dynamicRef", "$recursiveRef", "$ref")
# What a hostile schema can lead the library into, as what it takes for a schema need not be one.
_ASTRAY: Final = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, Unresolvable, ValueError)


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why nothing can be held to a schema: fixed words, nothing of the schema."""

    why: str


class _UnusableError(Exception):
    pass


@dataclass(slots=True)
class _Check:
    """One check in progress. `sizes` holds the characters below each container, by its identity."""

    patterns: Mapping[str, Matches | None]
    sizes: dict[int, int] = field(default_factory=dict)
    left: int = STEPS

    def charge(self, value: Any, instance: Any) -> None:
        self.left -= 1 + (len(value) if isinstance(value, dict | list) else 0)
        if isinstance(instance, dict | list):
            self.left -= len(instance) + self.sizes.get(id(instance), 0) // 1024
        elif isinstance(instance, str):
            self.left -= len(instance) // 1024
        if self.left < 0:
            raise _UnusableError("checking them would take too long")

    def matches(self, pattern: str, text: str) -> bool:
        self.left -= 1 + len(text) // 1024
        matches = self.patterns.get(pattern)
        if matches is None:
            raise _UnusableError("it holds an expression that cannot be matched in linear time")
        return matches(text)


_check: ContextVar[_Check] = ContextVar("check")


class ArgumentSchema:
    """One input schema, ready to be held against arguments. It may be shared."""

    def __init__(self, validator: Any, patterns: Mapping[str, Matches | None]) -> None:
        self._validator = validator
        self._patterns = patterns

    @classmethod
    def of(cls, schema: Any, compile_pattern: CompilePattern) -> ArgumentSchema | Unusable:
        """Return the schema, made ready, or why it cannot be used."""
        if not isinstance(schema, dict) or len(canonical(schema)) > LARGEST:
            return Unusable(f"it is no object of at most {LARGEST} characters")
        draft = schema.get("$schema", "https://json-schema.org/draft/2020-12/schema")
        if not isinstance(draft, str) or draft.removesuffix("#") not in _KNOWN_DRAFTS:
            return Unusable("its $schema names no draft of JSON Schema that is known here")
        schema = {key: value for key, value in schema.items() if key != "$schema"}
        try:
            patterns = _survey(schema)
            stock = validators.validator_for({"$schema": draft})
            stock.check_schema(schema, format_checker=None)
            validator = _bounded(stock)(schema, registry=Registry())
        except _UnusableError as error:
            return Unusable(str(error))
        except SchemaError:
            return Unusable("it is not valid by its draft of JSON Schema")
        except _ASTRAY:
            return Unusable("it cannot be read")
        return cls(validator, {pattern: compile_pattern(pattern) for pattern in patterns})

    def misfit(self, arguments: Any) -> str | Unusable | None:
        """Return where arguments do not fit and by which keyword, without their values; None where they do."""
        check = _Check(self._patterns)
        token = _check.set(check)
        try:
            _measure(arguments, check.sizes)
            error = next(self._validator.iter_errors(arguments), None)
        except _UnusableError as unusable:
            return Unusable(str(unusable))
        except _ASTRAY:
            return Unusable("it leads nowhere, or in circles")
        finally:
            _check.reset(token)
        return None if error is None else _where(error)


def _where(error: ValidationError) -> str:
    path = "arguments"
    for key in error.absolute_path:
        path = step(path, key)
    keyword = error.validator or error.schema_path[-1]
    if keyword == "required" and isinstance(error.instance, dict):
        missing = next((name for name in error.validator_value if name not in error.instance), "")
        path = step(path, missing)
    return f"{path} ({keyword})"


def _measure(value: Any, sizes: dict[int, int]) -> int:
    """Return the characters of a value, about, and note them for every container in it."""
    if isinstance(value, str):
        return len(value) + 2
    if isinstance(value, dict):
        size = sum(len(key) + 4 + _measure(inner, sizes) for key, inner in value.items())
    elif isinstance(value, list):
        size = sum(2 + _measure(inner, sizes) for inner in value)
    else:
        return 8
    sizes[id(value)] = size
    return size


def _survey(schema: Any) -> set[str]:
    """Return every expression of a schema. Raises _UnusableError for what leads out of it or around its bounds."""
    patterns: set[str] = set()
    stack = [schema]
    while stack:
        one = stack.pop()
        if isinstance(one, list):
            stack.extend(one)
        if not isinstance(one, dict):
            continue
        stack.extend(one.values())
        if isinstance(one.get("$schema"), str):
            raise _UnusableError("it names a draft of JSON Schema for a part of it")
        if not one.keys().isdisjoint(_UNCOUNTED):
            raise _UnusableError("it says what is unevaluated, which cannot be counted in steps")
        if any(isinstance(ref := one.get(key), str) and not ref.startswith("#") for key in _REFERENCES):
            raise _UnusableError("it refers to another document")
        within = one.get("patternProperties")
        if isinstance(within, dict):
            patterns.update(within)
        if isinstance(one.get("pattern"), str):
            patterns.add(one["pattern"])
    if len(patterns) > MOST_PATTERNS:
        raise _UnusableError(f"it holds more than {MOST_PATTERNS} expressions")
    return patterns


@cache
def _bounded(stock: Any) -> Any:
    """Return a draft's validator in which every keyword counts its steps."""
    own = {name: keyword for name, keyword in _OWN.items() if name in stock.VALIDATORS}
    return validators.extend(stock, {name: _counted(one) for name, one in {**stock.VALIDATORS, **own}.items()})


def _counted(keyword: Callable[..., Any]) -> Callable[..., Any]:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        _check.get().charge(value, instance)
        return keyword(validator, value, instance, schema)

    return counted


def _pattern(_validator: Any, pattern: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _check.get().matches(pattern, instance):
        yield ValidationError("pattern")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for pattern, inner in patterns.items():
            for key, value in instance.items():
                if _check.get().matches(pattern, key):
                    yield from validator.descend(value, inner, path=key, schema_path=pattern)


def _additional(validator: Any, inner: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        for key, value in instance.items():
            if key in known or any(_check.get().matches(pattern, key) for pattern in patterns):
                continue
            if inner is False:
                yield ValidationError("additionalProperties", path=(key,))
            else:
                yield from validator.descend(value, inner, path=key)


def _unique(_validator: Any, wanted: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if wanted and isinstance(instance, list) and len({canonical(one) for one in instance}) != len(instance):
        yield ValidationError("uniqueItems")


_OWN: Final[dict[str, Callable[..., Any]]] = {
    "additionalProperties": _additional,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "uniqueItems": _unique,
}
