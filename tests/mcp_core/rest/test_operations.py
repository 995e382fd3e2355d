"""Descriptions as tools: which arguments, and what is left out with a reason."""

import contextlib
import json

import pytest

from mcp_core.rest import document
from mcp_core.rest.document import ApiDocument, OpenApiError
from mcp_core.rest.operations import tools_of
from mcp_core.rest.schemas import MOST_CHARACTERS
from servers.openapi import found, misfit, only, operation, parameter, schema_of
from servers.rest_api import PETS


@pytest.mark.requirement("REST-001")
@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "found no mapping"),
        ({"swagger": "2.0", "paths": {}}, "found Swagger 2"),
        ({"openapi": "4.0", "paths": {}}, "found no `openapi: 3"),
        ({"openapi": 3.0, "paths": {}}, "found no `openapi: 3"),
        ({"openapi": "3.1.0"}, "no paths"),
    ],
)
def test_what_is_no_description_is_refused_with_what_would_do(document, said):
    with pytest.raises(OpenApiError, match=said):
        ApiDocument(document)


@pytest.mark.requirement("REST-003")
def test_operations_are_chosen_by_id_or_tag_and_a_word_that_chooses_none_is_told():
    paths = {
        "/a": {"get": operation("getPet", tags=["pets"]), "post": operation("makePet", tags=["pets", "write"])},
        "/b": {"get": operation("getOrder", tags=["orders"])},
    }
    assert [tool.name for tool in found(paths, ["tag:pets"]).tools] == ["getPet", "makePet"]
    assert [tool.name for tool in found(paths, ["get*", "tag:wr*"]).tools] == ["getPet", "makePet", "getOrder"]
    result = found(paths, ["getpet", "tag:Pets", "getOrder"])
    assert [tool.name for tool in result.tools] == ["getOrder"]
    assert result.unmatched == ("getpet", "tag:Pets")


@pytest.mark.requirement("REST-004")
@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ([{"$ref": "#/components/parameters/a"}], "in a circle"),
        ([{"$ref": "https://example.com/x.json#/p"}], "`references` does not name"),
        ([{"$ref": "other.yaml#/p"}], "`references` does not name"),
        ([{"$ref": "#/components/parameters/none"}], "which is not there"),
        ([parameter("a", schema={"$ref": "file:///etc/passwd"})], "`references` does not name"),
        ([7], "where a mapping belongs"),
    ],
)
def test_a_reference_that_leads_nowhere_or_where_it_may_not_takes_its_operation_and_no_other(parameters, said):
    paths = {"/a": {"get": operation("bad", parameters=parameters)}, "/b": {"get": operation("good")}}
    components = {
        "parameters": {"a": {"$ref": "#/components/parameters/b"}, "b": {"$ref": "#/components/parameters/a"}}
    }
    result = found(paths, components=components)
    assert [tool.name for tool in result.tools] == ["good"]
    assert result.left_out[0].name == "bad"
    assert said in result.left_out[0].why


@pytest.mark.requirement("REST-004")
def test_a_named_document_may_be_referred_to_and_its_own_references_stay_in_it():
    other = {"p": parameter("a", schema={"$ref": "#/s"}), "s": {"type": "integer"}}
    tool = only({"/a": {"get": operation("a", parameters=[{"$ref": "o.yaml#/p"}])}}, others={"o.yaml": other})
    assert misfit(tool.item["inputSchema"], {"a": 1}) is None
    assert misfit(tool.item["inputSchema"], {"a": "x"}) == "arguments.a (type)"


@pytest.mark.requirement("REST-005")
def test_a_schema_that_contains_itself_is_written_once():
    tree = {"type": "object", "properties": {"inner": {"$ref": "#/components/schemas/tree"}, "n": {"type": "integer"}}}
    schema = schema_of({"$ref": "#/components/schemas/tree"}, components={"schemas": {"tree": tree}})
    assert list(schema["$defs"]) == ["tree"]
    assert misfit(schema, {"body": {"inner": {"inner": {"n": 1}}}}) is None
    assert misfit(schema, {"body": {"inner": {"inner": {"n": "1"}}}}) == "arguments.body.inner.inner.n (type)"


@pytest.mark.requirement("REST-005")
@pytest.mark.parametrize(
    "schemas",
    [
        {"a": {"$ref": "#/components/schemas/a"}},
        {"a": {"$ref": "#/components/schemas/b"}, "b": {"$ref": "#/components/schemas/a"}},
        {
            "a": {"allOf": [{"$ref": "#/components/schemas/b"}]},
            "b": {"oneOf": [{"not": {"$ref": "#/components/schemas/a"}}]},
        },
    ],
)
def test_a_schema_that_is_itself_takes_anything(schemas):
    schema = schema_of({"$ref": "#/components/schemas/a"}, components={"schemas": schemas})
    assert misfit(schema, {"body": {"x": 1}}) is None
    assert misfit(schema, {"x": 1}) == "arguments.x (additionalProperties)"


@pytest.mark.requirement("REST-005")
def test_schemas_have_a_bounded_size_and_what_is_near_is_kept():
    schemas = {
        f"s{at}": {
            "type": "object",
            "properties": {f"p{one}": {"type": "string", "description": "x" * 100} for one in range(50)}
            | {"next": {"$ref": f"#/components/schemas/s{at + 1}"}},
        }
        for at in range(50)
    } | {"s50": {"type": "integer"}}
    schema = schema_of({"$ref": "#/components/schemas/s0"}, components={"schemas": schemas})
    assert len(json.dumps(schema)) < MOST_CHARACTERS + 2_000
    assert misfit(schema, {"body": {"next": {"p1": 7}}}) == "arguments.body.next.p1 (type)"
    wide = {"properties": {f"p{at}": {"type": "string", "description": "x" * 300} for at in range(1_000)}}
    result = found({"/a": {"post": operation("a", requestBody={"content": {"application/json": {"schema": wide}}})}})
    assert "take more than" in result.left_out[0].why


@pytest.mark.requirement("REST-005")
def test_what_openapi_writes_in_its_own_way_means_the_same_as_json_schema():
    schema = schema_of(
        {
            "type": "object",
            "required": ["id", "n"],
            "properties": {
                "id": {"type": "string", "readOnly": True},
                "n": {"type": "integer", "minimum": 1, "exclusiveMinimum": True, "example": 2, "xml": {}},
                "s": {"type": "string", "nullable": True, "enum": ["a"]},
                "o": {"nullable": True, "allOf": [{"type": "object"}]},
                "junk": {"type": "text", "required": True, "minLength": "1", "pattern": 7},
            },
        }
    )
    assert misfit(schema, {"body": {"n": 2, "s": None, "o": None, "junk": [1]}}) is None
    assert misfit(schema, {"body": {"n": 1}}) == "arguments.body.n (exclusiveMinimum)"
    assert misfit(schema, {"body": {"id": "x"}}) == "arguments.body.n (required)"
    assert "id" not in schema["properties"]["body"]["properties"]


@pytest.mark.requirement("REST-007")
def test_names_of_arguments_are_plain_and_tell_the_same_name_in_two_places_apart():
    parameters = [
        parameter("id", "path", required=True),
        parameter("id"),
        parameter("body"),
        parameter("filter[a]"),
        parameter("filter(a)"),
        parameter("x" * 100),
    ]
    body = {"content": {"application/json": {}}, "required": True}
    tool = only({"/a/{id}": {"post": operation("a", parameters=parameters, requestBody=body)}})
    names = list(tool.item["inputSchema"]["properties"])
    assert names[:3] == ["id", "id_in_query", "body_in_query"]
    assert names[-1] == "body"
    assert len(set(names)) == 7
    assert all(len(name) <= 64 and name.replace("_", "").replace(".", "").isalnum() for name in names)


@pytest.mark.requirement("REST-007")
def test_what_an_operation_says_of_a_parameter_counts_before_what_its_path_says():
    paths = {
        "/a": {
            "parameters": [parameter("q", schema={"type": "integer"}), parameter("r")],
            "get": operation("a", parameters=[parameter("q", required=True)]),
        }
    }
    schema = only(paths).item["inputSchema"]
    assert schema["properties"]["q"] == {"type": "string"}
    assert (list(schema["properties"]), schema["required"]) == (["q", "r"], ["q"])


@pytest.mark.requirement("REST-008")
@pytest.mark.parametrize(
    ("path", "node", "said"),
    [
        ("/a", {"requestBody": {"required": True, "content": {"multipart/form-data": {}}}}, "multipart/form-data"),
        ("/a/{id}", {}, "{id} in its path"),
        ("/a", {"parameters": [parameter("a", "body")]}, "no place of OpenAPI 3"),
        ("/a/{b}", {"parameters": [parameter("b", "path", style="matrix")]}, "style 'matrix'"),
        ("/a", {"servers": [{"url": "https://elsewhere.example.com"}]}, "servers of its own"),
        ("/a", {"parameters": [parameter("a b", "header", required=True)]}, "none of a header"),
        ("/../other-api/a", {}, "another place than it says"),
        ("/a/%252e%252e/b", {}, "another place than it says"),
        ("/a/..%2fb", {}, "another place than it says"),
        ("/a/{b", {}, "a brace"),
    ],
)
def test_what_cannot_be_called_as_it_is_described_is_left_out_with_the_reason(path, node, said):
    paths = {path: {"post": operation("bad", **node)}, "/b": {"get": operation("good")}}
    result = found(paths, servers=[{"url": "https://api.example.com"}])
    assert [tool.name for tool in result.tools] == ["good"]
    assert said in result.left_out[0].why


@pytest.mark.requirement("REST-001")
@pytest.mark.parametrize(
    "junk", [None, 7, 1e999, "x", True, [], {}, [{}], [[7]], {"$ref": 7}, {"$ref": "#/paths"}, {"a": {}}]
)
def test_junk_anywhere_in_a_description_takes_no_more_than_what_holds_it(junk):
    schemes = {"a": {"type": "apiKey", "in": "query", "name": "key"}}
    whole = {**PETS, "components": {**PETS["components"], "securitySchemes": schemes}}

    def spoiled(node):
        """Yield copies of a node, each with junk in another place."""
        for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            for inner in (junk, *spoiled(node[key])):
                copy = dict(node) if isinstance(node, dict) else list(node)
                copy[key] = inner
                yield copy

    read = 0
    for one in spoiled(whole):
        with contextlib.suppress(OpenApiError):
            json.dumps([tool.item for tool in tools_of(ApiDocument(one)).tools], allow_nan=False)
            read += 1
    assert read > 50


@pytest.mark.requirement("REST-008")
def test_too_many_operations_want_a_choice():
    paths = {f"/a{at}": {"get": operation(f"get{at}", tags=["a"] if at < 10 else ["b"])} for at in range(1_001)}
    with pytest.raises(OpenApiError, match="write `operations`"):
        found(paths)
    assert len(found(paths, ["tag:a"]).tools) == 10


@pytest.mark.requirement("REST-008")
def test_the_same_long_schema_in_every_operation_takes_bounded_work(monkeypatch):
    monkeypatch.setattr(document, "MOST_STEPS", 3_000)
    big = {"properties": {f"p{at}": {"type": "string"} for at in range(100)}}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/big"}}}}
    paths = {f"/a{at}": {"post": operation(f"a{at}", requestBody=body)} for at in range(10)}
    with pytest.raises(OpenApiError, match="more than 3,000 steps to read; write `operations`"):
        found(paths, components={"schemas": {"big": big}})
    assert len(found(paths, ["a1"], components={"schemas": {"big": big}}).tools) == 1


@pytest.mark.requirement("REST-009")
def test_tools_say_what_the_methods_mean():
    paths = {
        "/a": {method: operation(method, summary="S", description="D") for method in ("get", "put", "post", "delete")}
    }
    hints = {tool.name: tool.item["annotations"] for tool in found(paths).tools}
    assert [name for name, one in hints.items() if one["readOnlyHint"]] == ["get"]
    assert [name for name, one in hints.items() if one.get("idempotentHint")] == ["put", "delete"]
    assert found(paths).tools[0].item["description"] == "S\n\nD"
