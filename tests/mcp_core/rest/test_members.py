"""Members of objects: none is read as another one, whatever the server folds."""

import json

import pytest

from mcp_core import jsonrpc
from mcp_core.rest.request import ArgumentError, request_of
from servers.openapi import misfit, only, operation, parameter

USER = {
    "type": "object",
    "properties": {
        "role": {"enum": ["user"]},
        "user_id": {"type": "string"},
        "Set": {"type": "string"},
        "set": {"type": "string"},
        "a.b": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "friends": {"type": "array", "items": {"$ref": "#/components/schemas/user"}},
    },
}
FORM = "application/x-www-form-urlencoded"


def body_of(value, media="application/json", schema=None):
    """Return what is sent for a value that fits the schema, or raise ArgumentError."""
    content = {media: {"schema": schema or {"$ref": "#/components/schemas/user"}}}
    node = operation("a", requestBody={"content": content})
    tool = only({"/a": {"post": node}}, components={"schemas": {"user": USER, "any": {}}})
    assert misfit(tool.item["inputSchema"], {"body": value}) is None
    return request_of(tool, {"body": value}).body


@pytest.mark.requirement("REST-026")
@pytest.mark.parametrize("media", ["application/json", FORM])
@pytest.mark.parametrize(
    "value",
    [
        {"Role": "admin"},
        {"role": "user", "ROLE": "admin"},
        {"\uff52ole": "admin"},
        {"ro_le": "admin"},
        {"userId": "1", "user_id": "2"},
        {"SET": "x"},
        {"role\x00": "admin"},
        {"friends": [{"role": "user"}, {"Role": "admin"}]},
        {"__proto__": {"role": "admin"}},
        {"labels": {"a": "b"}, "x": {"y": {"__proto__": {}}}},
        {"constructor": {"prototype": {"role": "admin"}}},
    ],
)
def test_no_member_is_read_as_one_that_is_described(media, value):
    with pytest.raises(ArgumentError, match=r"\Abody has a member '[^']*', ?(which|; write)|; write it as it is"):
        body_of(value, media)


@pytest.mark.requirement("REST-026")
@pytest.mark.parametrize(
    "value",
    [
        {"role[]": "admin"},
        {"role.x": "admin"},
        {"friends[0][role]": "admin"},
        {"x[role]": "1"},
        {"x][y": "1"},
        {"labels": {"a][b": "1"}},
        {"x": "1", "X": "2"},
        {"labels": {"a b": "1", "a_b": "2"}},
        {"x[__proto__][role]": "admin"},
        {"constructor[prototype][role]": "admin"},
    ],
)
def test_no_member_of_a_form_says_a_place_of_its_own_or_is_there_twice(value):
    with pytest.raises(ArgumentError, match=r"\Abody has (a member|two members)"):
        body_of(value, FORM)


@pytest.mark.requirement("REST-026")
@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [{"$ref": "#/components/schemas/user"}, {"properties": {"x": {}}}]},
        {"oneOf": [{"$ref": "#/components/schemas/user"}, {"type": "null"}]},
        {"anyOf": [{"allOf": [{"$ref": "#/components/schemas/user"}]}]},
        {"type": "array", "prefixItems": [{"$ref": "#/components/schemas/user"}]},
        {"additionalProperties": {"$ref": "#/components/schemas/user"}},
    ],
)
def test_members_are_found_wherever_a_schema_describes_them(schema):
    value = {"Role": "admin"}
    value = [value] if "prefixItems" in schema else {"x": value} if "additionalProperties" in schema else value
    with pytest.raises(ArgumentError, match="write it as it is described: 'role'"):
        body_of(value, schema=schema)


@pytest.mark.requirement("REST-026")
@pytest.mark.parametrize("media", ["application/json", FORM])
@pytest.mark.parametrize(
    "value",
    [
        {"role": "user", "user_id": "1", "friends": [{"role": "user"}]},
        {"Set": "a", "set": "b"},
        {"a.b": "c"},
        {"labels": {"app": "x", "constructor": "ferrari", "role": "y", "ä": "z", "_": "", "$": ""}},
        {"constructor": "ferrari"},
        {"more": {"Role": "of another place"}},
    ],
)
def test_what_is_described_and_what_is_nothing_else_is_sent(media, value):
    assert body_of(value, media)


@pytest.mark.requirement("REST-026")
def test_names_of_a_free_map_are_sent_as_they_are():
    value = {"labels": {"App": "1", "app": "2", "a[b]": "3", "a.b": "4"}}
    assert json.loads(body_of(value)) == value


@pytest.mark.requirement("REST-026")
def test_no_member_stands_twice_in_what_an_agent_sends():
    twice = b'{"jsonrpc": "2.0", "id": 1, "method": "m", "params": {"body": {"role": "user", "role": "admin"}}}'
    with pytest.raises(jsonrpc.NotStrictError):
        jsonrpc.load(twice, jsonrpc.Limits())


@pytest.mark.requirement("REST-026")
@pytest.mark.parametrize(
    ("more", "value"),
    [
        ({"style": "deepObject"}, {"Role": "admin"}),
        ({"style": "deepObject"}, {"x][role": "admin"}),
        ({"style": "deepObject"}, {"api_key": "mine"}),
        ({"style": "deepObject"}, {"role": "user", "o": {"__proto__": {"a": "b"}}}),
        ({}, {"Role": "admin"}),
        ({}, {"x": "1", "X": "2"}),
        ({"explode": False}, {"x": "1,role,admin"}),
        ({"explode": False}, {"x,role": "admin"}),
        ({"explode": False, "style": "pipeDelimited"}, {"x": "1|role|admin"}),
        ({"in": "header"}, {"x": "1,role,admin"}),
        ({"in": "header", "explode": True}, {"x": "1,role=admin"}),
        ({"in": "path", "required": True}, {"x": "1,role,admin"}),
    ],
)
def test_no_member_of_a_parameter_is_read_as_another(more, value):
    schema = {"type": "object", "properties": {"role": {"enum": ["user"]}}}
    parameters = [parameter("q", schema=schema) | more, parameter("q[api_key]", schema={})]
    path = "/a/{q}" if more.get("in") == "path" else "/a"
    tool = only({path: {"get": operation("a", parameters=parameters)}})
    assert misfit(tool.item["inputSchema"], {"q": value}) is None
    with pytest.raises(ArgumentError, match=r"\Aq "):
        request_of(tool, {"q": value})
