"""Descriptions that are made to be dear: what is said once and meant many times takes bounded work."""

import contextlib
import json

import pytest

from mcp_core.arguments import LARGEST, ArgumentSchema
from mcp_core.rest.document import OpenApiError
from mcp_sidecar.lane.patterns import compile_pattern
from servers.openapi import found, misfit, operation, parameter, schema_of

ENDS = pytest.mark.timeout(100)
"""Each of the descriptions below takes seconds at most, and without bounds many minutes."""

MANY = 900
MiB = 1024 * 1024


def body(schema):
    return {"content": {"application/json": {"schema": schema}}}


def in_every_operation(schema):
    """Return a description in which each operation has one long schema."""
    node = {"$ref": "#/components/schemas/long"}
    paths = {f"/a{at}": {"post": operation(f"a{at}", requestBody=body(node))} for at in range(MANY)}
    return {"paths": paths, "components": {"schemas": {"long": schema}}}


def at_every_path(node, count=20_000):
    """Return a description whose paths are all one and the same item."""
    return {"paths": {f"/a{at}": {"$ref": "#/components/x"} for at in range(count)}, "components": {"x": {"get": node}}}


def of_parameters(parameters):
    return {"paths": {f"/a{at}": {"get": operation(f"a{at}", parameters=parameters)} for at in range(MANY)}}


COSTLY = {
    "an enum of a million": lambda: in_every_operation({"enum": list(range(MiB))}),
    "a default of many MiB": lambda: in_every_operation({"default": ["x" * MiB] * 20}),
    "a million required": lambda: in_every_operation({"required": [f"a{at}" for at in range(MiB)]}),
    "a million hidden members": lambda: in_every_operation(
        {"properties": {f"a{at}": {"readOnly": True} for at in range(300_000)}}
    ),
    "names of many MiB": lambda: in_every_operation({"properties": {"x" * MiB * 10: {}, "y" * MiB * 10: {}}}),
    "a description that begins with blanks": lambda: in_every_operation(
        {"anyOf": [{"description": " " + "x" * MiB * 10}] * 2_000}
    ),
    "members that are long chains": lambda: in_every_operation(
        {"properties": {f"a{at}": {"$ref": "#/components/schemas/long/x" + "/x" * 100} for at in range(20_000)}}
    ),
    "a reference of many MiB": lambda: in_every_operation(
        {"properties": {f"a{at}": {"$ref": "#/components/" + "%41" * MiB} for at in range(20)}}
    ),
    "many definitions": lambda: {
        **in_every_operation({"anyOf": [{"$ref": f"#/components/schemas/s{at}"} for at in range(30_000)]}),
        "components": {
            "schemas": {f"s{at}": {"type": "string"} for at in range(30_000)}
            | {"long": {"anyOf": [{"$ref": f"#/components/schemas/s{at}"} for at in range(30_000)]}}
        },
    },
    "a million tags": lambda: at_every_path(operation("a", tags=["x"] * MiB)),
    "a million servers": lambda: {**at_every_path(operation("a", servers=[{"url": "/"}] * MiB)), "chosen": ["a0"]},
    "an id of many MiB": lambda: at_every_path(operation("\u00e9" * MiB)),
    "parameters of one name": lambda: of_parameters([parameter("x" * 60 + str(at)) for at in range(20_000)]),
    "the name of a parameter": lambda: of_parameters([parameter("\ufb00" * MiB)]),
    "a million kinds of body": lambda: {
        "paths": {
            f"/a{at}": {"post": operation(f"a{at}", requestBody={"$ref": "#/components/b"})} for at in range(MANY)
        },
        "components": {"b": {"content": {f"image/{at}": {} for at in range(300_000)}}},
    },
    "a path of many MiB": lambda: {"paths": {"/" + "%25" * MiB * 10: {"get": operation("a")}}},
}


@ENDS
@pytest.mark.requirement("REST-024")
@pytest.mark.parametrize("costly", COSTLY.values(), ids=COSTLY)
def test_what_is_said_once_and_meant_many_times_takes_bounded_work(costly):
    description = costly()
    with contextlib.suppress(OpenApiError):
        for tool in found(**description).tools:
            assert len(json.dumps(tool.item)) < LARGEST


@pytest.mark.requirement("REST-024")
def test_a_schema_that_refers_to_very_many_is_still_read_and_held_to():
    schemas = {f"s{at}": {"type": "object", "properties": {"a": {"const": at}}} for at in range(2_000)}
    refs = [{"$ref": f"#/components/schemas/s{at}"} for at in range(2_000)]
    long = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}, "of": {"anyOf": refs}}}
    schema = schema_of({"$ref": "#/components/schemas/long"}, components={"schemas": schemas | {"long": long}})
    assert misfit(schema, {"body": {}}) == "arguments.body.n (required)"


@pytest.mark.requirement("REST-024")
def test_an_enum_that_is_too_long_to_be_shown_is_for_the_api_to_check_and_takes_nothing_else_with_it():
    long = {"type": "string", "enum": [f"value{at}" for at in range(20_000)]}
    schema = schema_of({"type": "object", "properties": {"a": long, "b": {"type": "integer"}}})
    assert misfit(schema, {"body": {"a": "value7"}}) is None
    assert misfit(schema, {"body": {"b": "x"}}) == "arguments.body.b (type)"


@ENDS
@pytest.mark.requirement("REST-024")
@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)*b$", "(.*)*x", "(a?){500}a{500}$"])
def test_an_expression_of_a_description_takes_linear_time(pattern):
    schema = schema_of({"type": "string", "pattern": pattern})
    assert misfit(schema, {"body": "a" * 100_000 + "!"}) in {None, "arguments.body (pattern)"}
    assert isinstance(ArgumentSchema.of(schema, compile_pattern), ArgumentSchema)
