"""OpenAPI descriptions of the tests, and what becomes of them."""

from mcp_core.arguments import ArgumentSchema
from mcp_core.rest.document import ApiDocument
from mcp_core.rest.operations import tools_of
from mcp_sidecar.lane.patterns import compile_pattern

OK = {"200": {"description": "good"}}


def operation(id_=None, **more):
    return {"responses": OK, **({"operationId": id_} if id_ else {}), **more}


def description(paths, **more):
    return {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths, **more}


def parameter(name, where="query", **more):
    return {"name": name, "in": where, "schema": {"type": "string"}, **more}


def found(paths, chosen=(), others=None, headers=(), **more):
    return tools_of(ApiDocument(description(paths, **more), others), chosen, headers)


def only(paths, **more):
    result = found(paths, **more)
    assert not result.left_out, result.left_out
    (tool,) = result.tools
    return tool


def schema_of(schema, **more):
    """Return the input schema of a tool whose body has this schema."""
    content = {"application/json": {"schema": schema}}
    return only({"/a": {"post": operation("a", requestBody={"content": content})}}, **more).item["inputSchema"]


def misfit(schema, arguments):
    ready = ArgumentSchema.of(schema, compile_pattern)
    assert isinstance(ready, ArgumentSchema), ready
    return ready.misfit(arguments)
