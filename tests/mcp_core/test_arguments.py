"""Arguments against schemas: what fits, where it does not, and schemas that would hang, crash or call home."""

from __future__ import annotations

import re
import socket

import pytest

from mcp_core.arguments import LARGEST, ArgumentSchema, Unusable
from mcp_core.jsonrpc import load

DRAFT_7 = "http://json-schema.org/draft-07/schema#"


def compile_pattern(pattern):
    """Stand in for the engine of linear time; it takes no look-arounds."""
    return None if "(?" in pattern else lambda text: re.search(pattern, text) is not None


def schema(**members):
    return ArgumentSchema.of({"type": "object", **members}, compile_pattern)


def misfit(arguments, **members):
    return schema(**members).misfit(arguments)


FITS = [
    ({"properties": {"city": {"type": "string"}}, "required": ["city"]}, {"city": "Ulm"}),
    ({"properties": {"n": {"type": "integer", "maximum": 5}}}, {"n": 5, "other": [None]}),
    ({"$defs": {"a": {"enum": ["x"]}}, "properties": {"a": {"$ref": "#/$defs/a"}}}, {"a": "x"}),
    ({"properties": {"t": {"$ref": "#"}}}, {"t": {"t": {"t": {}}}}),
    ({"$schema": DRAFT_7, "definitions": {"a": {"const": 1}}, "properties": {"a": {"$ref": "#/definitions/a"}}}, {}),
    ({"$schema": DRAFT_7, "properties": {"a": {"items": [{"type": "string"}], "additionalItems": True}}}, {"a": ["x"]}),
    ({"properties": {"a": {"format": "date", "x-mcp-header": "A"}}}, {"a": "no date"}),
    ({"properties": {"a": {"pattern": "^[a-z]+$"}}}, {"a": "abc"}),
    ({"patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": False}, {"x-a": 1}),
    ({"properties": {"a": {"uniqueItems": True}}}, {"a": [1, True, "1", [1], {"a": 1}]}),
    ({"properties": {"a": {"pattern": "(?=x)"}}}, {"b": "not there"}),
]
MISFITS = [
    ({"required": ["city"]}, {}, "arguments.city (required)"),
    ({"properties": {"city": {"type": "string"}}}, {"city": 5}, "arguments.city (type)"),
    ({"properties": {"a": {"items": {"required": ["b"]}}}}, {"a": [{"b": 1}, {}]}, "arguments.a[1].b (required)"),
    ({"additionalProperties": False}, {"x y": 1}, "arguments['x y'] (additionalProperties)"),
    ({"patternProperties": {"^x": {"type": "integer"}}}, {"xa": "1"}, "arguments.xa (type)"),
    ({"properties": {"a": {"pattern": "^a$"}}}, {"a": "b"}, "arguments.a (pattern)"),
    ({"properties": {"a": {"uniqueItems": True}}}, {"a": [1, 1.0]}, "arguments.a (uniqueItems)"),
    ({"properties": {"a": False}}, {"a": 1}, "arguments (properties)"),
    ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {}, "arguments (anyOf)"),
    ({}, ["a list"], "arguments (type)"),
    ({"$schema": DRAFT_7, "properties": {"a": {"const": 1}}}, {"a": 2}, "arguments.a (const)"),
]  # fmt: skip


@pytest.mark.requirement("ARG-001")
@pytest.mark.parametrize(("members", "arguments"), FITS)
def test_arguments_that_fit_pass(members, arguments):
    assert misfit(arguments, **members) is None


@pytest.mark.requirement("ARG-001")
@pytest.mark.parametrize(("members", "arguments", "where"), MISFITS)
def test_what_does_not_fit_is_named_by_its_path_and_keyword(members, arguments, where):
    assert misfit(arguments, **members) == where


@pytest.mark.requirement("ARG-001")
def test_no_value_is_repeated_and_long_keys_are_cut():
    told = misfit({"a" * 500: {"b" * 500: "hunter2"}}, additionalProperties={"additionalProperties": {"type": "null"}})
    assert told == f"arguments.{'a' * 64}.{'b' * 64} (type)"


UNUSABLE = [
    ({"$ref": "http://127.0.0.1/x"}, "it refers to another document"),
    ({"properties": {"a": {"$ref": "other.json#/a"}}}, "it refers to another document"),
    ({"properties": {"a": {"$dynamicRef": "file:///etc/passwd"}}}, "it refers to another document"),
    ({"properties": {"a": {"$schema": DRAFT_7}}}, "it names a draft of JSON Schema for a part of it"),
    ({"$schema": "urn:other"}, "its $schema names no draft of JSON Schema that is known here"),
    ({"$schema": 7}, "its $schema names no draft of JSON Schema that is known here"),
    ({"properties": 7}, "it is not valid by its draft of JSON Schema"),
    ({"unevaluatedProperties": False}, "it says what is unevaluated, which cannot be counted in steps"),
    ({"description": "x" * LARGEST}, f"it is no object of at most {LARGEST} characters"),
    ({"properties": {str(n): {"pattern": str(n)} for n in range(300)}}, "it holds more than 256 expressions"),
]  # fmt: skip


@pytest.mark.requirement("ARG-003")
@pytest.mark.parametrize(("members", "why"), UNUSABLE)
def test_a_schema_that_leaves_its_bounds_is_not_used(members, why, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("it asked for another machine"))
    assert schema(**members) == Unusable(why)
    assert ArgumentSchema.of([], compile_pattern) == Unusable(f"it is no object of at most {LARGEST} characters")


CIRCLES = "it leads nowhere, or in circles"
TOO_LONG = "checking them would take too long"
DOUBLING = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(60)} | {"d60": {}}
HOSTILE = [
    ({"$ref": "#"}, {}, CIRCLES),
    ({"$id": "http://[", "$ref": "#/x"}, {}, CIRCLES),
    ({"$ref": "#/$defs/none"}, {}, CIRCLES),
    ({"properties": {"a": {"$ref": "#/required"}}, "required": ["a"]}, {"a": 1}, CIRCLES),
    ({"properties": {"a": {"$ref": "#/maxProperties/x"}}, "maxProperties": 9}, {"a": 1}, CIRCLES),
    ({"$defs": DOUBLING, "$ref": "#/$defs/d0"}, {}, TOO_LONG),
    ({"anyOf": [{"type": "string"}] * 2000}, {"a": "x" * 1_000_000}, TOO_LONG),
    ({"properties": {"a": {"allOf": [{"items": {"minimum": 0}}] * 50}}}, {"a": [1] * 100_000}, TOO_LONG),
    (
        {"properties": {"a": {"pattern": "(?=x)"}}},
        {"a": "s"},
        "it holds an expression that cannot be matched in linear time",
    ),
]


@pytest.mark.requirement("ARG-003")
@pytest.mark.parametrize(("members", "arguments", "why"), HOSTILE, ids=range(len(HOSTILE)))
def test_a_check_ends_whatever_a_schema_says(members, arguments, why):
    ready = schema(**members)
    assert ready.misfit(arguments) == Unusable(why)


@pytest.mark.requirement("ARG-003")
def test_arguments_of_a_hundred_thousand_values_can_still_be_checked():
    value = load(b'{"rows":[' + b",".join([b'"abcdef"'] * 60_000) + b"]}")
    assert misfit(value, properties={"rows": {"items": {"type": "string"}}}) is None
