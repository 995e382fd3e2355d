"""Arguments as an HTTP request: where each goes, and that no value chooses another operation."""

import json
from dataclasses import replace

import pytest

from mcp_core.rest.document import ApiDocument
from mcp_core.rest.operations import tools_of
from mcp_core.rest.request import ArgumentError, request_of
from mcp_core.rest.result import failed, result_of
from mcp_core.rest.tools import ParameterPlace
from mcp_core.rest.withheld import folded


def tool_of(path="/a", method="get", parameters=(), body=None, **components):
    node = {"operationId": "a", "parameters": list(parameters), "responses": {}}
    if body:
        node["requestBody"] = {"content": {body: {"schema": {}}}}
    document = {"openapi": "3.1.0", "paths": {path: {method: node}}, "components": components}
    (tool,) = tools_of(ApiDocument(document)).tools
    return tool


def parameter(name, where="query", **more):
    return {"name": name, "in": where, "required": where == "path", "schema": {}, **more}


@pytest.mark.requirement("REST-010")
@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            ".",
            "..",
            "a/b",
            "..%2fadmin",
            "a\\b",
            "%2e%2e",
            "%252e%252e",
            "a%2Fb",
            "a%25252Fb",
            "..;x",
            "a\nb",
            "a\x00b",
        ),
        *("%5c", "\u2028", [], ["a", "..", "/"], "%2525252525252525252525252525252e", "%c0%ae%c0%ae", "%ff"),
        *("\uff0e\uff0e", "a\uff0fb", "\u2025", "\uff0e%2e", "%ef%bc%8f", "a%u002fb", "\ufe52.", "a\uff3cb"),
    ],
)
def test_no_value_in_a_path_names_another_operation(value):
    with pytest.raises(ArgumentError, match=r"\Aid |place of the API"):
        request_of(tool_of("/pets/{id}/x", parameters=[parameter("id", "path")]), {"id": value})


@pytest.mark.requirement("REST-010")
def test_values_side_by_side_make_no_segment_that_neither_is():
    tool = tool_of("/pets/{a}{b}", parameters=[parameter("a", "path"), parameter("b", "path")])
    assert request_of(tool, {"a": "x", "b": "y"}).target == "/pets/xy"
    for end in ("e", "f", "F", "5c"):
        with pytest.raises(ArgumentError, match=r"place of the API|stands in the path|encoded"):
            request_of(tool, {"a": "%2" if end != "5c" else "%", "b": end})


@pytest.mark.requirement("REST-010")
@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("ä b", "/p/%C3%A4%20b"),
        ("a?x=1#f", "/p/a%3Fx%3D1%23f"),
        (7, "/p/7"),
        (True, "/p/true"),
        (["a", "b"], "/p/a%2Cb"),
        ("50%", "/p/50%25"),
    ],
)
def test_what_stands_in_a_path_is_encoded_whole(value, target):
    assert request_of(tool_of("/p/{id}", parameters=[parameter("id", "path")]), {"id": value}).target == target


@pytest.mark.requirement("REST-011")
@pytest.mark.parametrize(
    ("more", "value", "query"),
    [
        ({}, "a&b=c", "q=a%26b%3Dc"),
        ({}, ["a", 1, True], "q=a&q=1&q=true"),
        ({}, [], ""),
        ({"explode": False}, ["a", "b"], "q=a,b"),
        ({"style": "pipeDelimited", "explode": False}, ["a", "b"], "q=a%7Cb"),
        ({"style": "spaceDelimited", "explode": False}, ["a", "b"], "q=a%20b"),
        ({}, {"x": 1, "y": "z"}, "x=1&y=z"),
        ({"explode": False}, {"x": 1, "y": "z"}, "q=x,1,y,z"),
        ({"style": "deepObject"}, {"x": {"y": 1}, "z": ["a"]}, "q%5Bx%5D%5By%5D=1&q%5Bz%5D%5B%5D=a"),
        ({"schema": None, "content": {"application/json": {}}}, {"x": [1]}, "q=%7B%22x%22%3A%5B1%5D%7D"),
        ({}, None, ""),
    ],
)
def test_queries_are_written_in_the_styles_of_openapi(more, value, query):
    target = request_of(tool_of(parameters=[parameter("q", **more)]), {"q": value}).target
    assert target == (f"/a?{query}" if query else "/a")


@pytest.mark.requirement("REST-006")
@pytest.mark.parametrize(
    "key",
    [
        *("api_key", "API_KEY", "other", "access_token"),
        *("other[]", "other[0]", "api_key[x", "api.key", "api key", " other", "api[key", "access.token[]"),
        *(
            "OTHER",
            "Other[]",
            "other.x",
            "\uff4fther",
            "api-key",
            "apiKey",
            "acces\u017ftoken",
            "other\x00",
            "OTHER.x[y]",
        ),
    ],
)
def test_no_member_of_an_object_is_a_parameter_of_its_own_or_a_credential(key):
    scheme = {"k": {"type": "apiKey", "in": "query", "name": "api_key"}}
    tool = tool_of(parameters=[parameter("q"), parameter("other")], securitySchemes=scheme)
    with pytest.raises(ArgumentError, match="a parameter of its own"):
        request_of(tool, {"q": {key: "x"}})


@pytest.mark.requirement("REST-022")
@pytest.mark.parametrize("name", ["X_Forwarded_For", "X-Own", "x_own", "Host"])
def test_a_tool_that_has_a_withheld_parameter_all_the_same_is_not_called_with_it(name):
    tool = tool_of(parameters=[parameter("X-Trace", "header")])
    own = replace(tool.parameters[0], name=name)
    withheld = frozenset({(ParameterPlace.HEADER, folded("X-Own"))})
    with pytest.raises(ArgumentError, match="X-Trace is set by the gateway"):
        request_of(replace(tool, parameters=(own,), withheld=withheld), {"X-Trace": "x"})


@pytest.mark.requirement("REST-022")
@pytest.mark.parametrize("name", ["api_key", "API-Key", "api_key.x", "apikey"])
def test_no_member_of_a_form_is_a_key_that_servers_would_read_there_too(name):
    scheme = {"k": {"type": "apiKey", "in": "query", "name": "api_key"}}
    form = tool_of(method="post", body="application/x-www-form-urlencoded", securitySchemes=scheme)
    with pytest.raises(ArgumentError, match="set by the gateway"):
        request_of(form, {"body": {"a": "b", name: "mine"}})


@pytest.mark.requirement("REST-011")
def test_headers_and_cookies_hold_one_line_of_ascii():
    tool = tool_of(
        parameters=[parameter("X-Trace", "header"), parameter("theme", "cookie"), parameter("lang", "cookie")]
    )
    made = dict(request_of(tool, {"X-Trace": [1, "a"], "theme": "a; b=c\r\n", "lang": "de"}).headers)
    assert made["X-Trace"] == "1,a"
    assert made["Cookie"] == "theme=a%3B%20b%3Dc%0D%0A; lang=de"
    for value in ("a\r\nX-Api-Key: b", "a\nb", "ä", "\x00"):
        with pytest.raises(ArgumentError, match="printable ASCII"):
            request_of(tool, {"X-Trace": value})


@pytest.mark.requirement("REST-010")
def test_what_a_description_writes_in_a_path_is_no_query():
    tool = tool_of("/a b/x?y=1&{id}#z", parameters=[parameter("id", "path")])
    assert request_of(tool, {"id": "1"}).target == "/a%20b/x%3Fy=1&1%23z"


@pytest.mark.requirement("REST-011")
def test_bodies_are_json_or_forms():
    made = request_of(tool_of(method="post", body="application/json; charset=utf-8"), {"body": {"ä": [1, None]}})
    assert json.loads(made.body) == {"ä": [1, None]}
    assert dict(made.headers)["Content-Type"] == "application/json"
    form = tool_of(method="post", body="application/x-www-form-urlencoded")
    assert request_of(form, {"body": {"a": {"b": 1}, "c": ["x", "y&"]}}).body == b"a%5Bb%5D=1&c=x&c=y%26"
    with pytest.raises(ArgumentError, match="give an object"):
        request_of(form, {"body": "x"})
    assert request_of(form, {}).body is None


@pytest.mark.requirement("REST-011")
def test_a_url_that_servers_would_not_read_is_not_sent():
    with pytest.raises(ArgumentError, match="too long"):
        request_of(tool_of(parameters=[parameter("q")]), {"q": "x" * 20_000})


@pytest.mark.requirement("REST-012")
@pytest.mark.parametrize(
    ("status", "media", "body", "said"),
    [
        (404, "application/problem+json", b'{"title":"no pet"}', 'HTTP 404 Not Found:\n{"title":"no pet"}'),
        (302, "", b"", "points to another place, which is not followed"),
        (500, "application/zip", b"\x00", "HTTP 500 Internal Server Error."),
        (599, "text/plain", b"x" * 10_000, "(10,000 characters)"),
    ],
)
def test_what_went_wrong_is_a_result_that_says_so(status, media, body, said):
    result = result_of(status, media, body)
    assert result["isError"] is True
    assert said in result["content"][0]["text"]
    assert len(result["content"][0]["text"]) < 5_000


@pytest.mark.requirement("REST-012")
@pytest.mark.parametrize(
    ("wait", "said"), [("30", "HTTP 429 Too Many Requests. Call again in 30 seconds."), ("x y", "Requests.")]
)
def test_an_error_says_when_to_call_again(wait, said):
    assert result_of(429, "", b"", wait)["content"][0]["text"].endswith(said)


@pytest.mark.requirement("REST-012")
def test_what_went_well_is_shown_as_what_it_is():
    assert result_of(200, "application/json", b'{"a": 1}') == {"content": [{"type": "text", "text": '{"a": 1}'}]}
    assert result_of(204, "", b"")["content"][0]["text"] == "HTTP 204 No Content"
    assert result_of(200, "image/png", b"\x89")["content"][0] == {
        "type": "image",
        "data": "iQ==",
        "mimeType": "image/png",
    }
    assert "2 bytes of application/zip" in result_of(200, "application/zip", b"PK")["content"][0]["text"]
    assert failed("x")["isError"] is True


@pytest.mark.requirement("REST-012")
@pytest.mark.parametrize(
    ("media", "body"),
    [
        ("text/plain", "schön".encode()),
        ("text/plain; charset=UTF-8", "schön".encode()),
        ('application/json; charset="iso-8859-1"', "schön".encode("latin-1")),
        ("text/csv;header=present;Charset=windows-1252", "schön".encode("cp1252")),
        ("text/plain; charset=utf-16", "schön".encode("utf-16")),
        ("text/plain; charset=zip", "schön".encode()),
    ],
)
def test_texts_are_read_by_their_charset(media, body):
    assert result_of(200, media, body)["content"][0]["text"] == "schön"
