"""A REST API as an MCP server, over real sockets: what reaches the API, and what an agent is told."""

import asyncio
import base64
import ipaddress
import json

import pytest
import structlog

from mcp_core import jsonrpc
from mcp_core.rest.server import RestServer
from mcp_sidecar.lane.patterns import compile_pattern
from mcp_sidecar.rest.api import AGAIN_SECONDS, MOST_ANSWER, RestApi
from servers.rest_api import PETS, rest_api

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


def request(method, id_=1, **params):
    return jsonrpc.Request(id_, method, params)


def call(tool, **arguments):
    return request("tools/call", name=tool, arguments=arguments)


def described(tmp_path, document=PETS):
    file = tmp_path / "pets.json"
    file.write_text(json.dumps(document))
    return str(file)


def ask(server, *requests, networks=(), now=None, between=None):
    """Return the answers to requests, one after the other, of one API; `between` is done after each."""

    async def run():
        api = RestApi(server, compile_pattern, networks, **({"now": now} if now else {}))
        answers = []
        try:
            for one in requests:
                answers.append(await api.answer(one))
                if between is not None:
                    between()
        finally:
            await api.close()
        return answers

    return asyncio.run(run())


def text(answer):
    return answer["result"]["content"][0]["text"]


@pytest.mark.requirement("REST-013")
def test_an_agent_is_shown_the_chosen_operations_and_calls_them(tmp_path):
    with rest_api() as api:
        server = RestServer("pets", described(tmp_path), api.url + "/v1/", operations=("tag:pets",))
        hello, listed, got, put, hidden = ask(
            server,
            request("initialize", protocolVersion="2025-06-18"),
            request("tools/list"),
            call("getPet", id="ä 1"),
            call("putPet", id="1", body={"name": "x", "mother": {"name": "y"}}, dry=True, **{"X-Trace": "t"}),
            call("deletePet", id="1"),
        )
    assert hello["result"]["protocolVersion"] == "2025-06-18"
    assert hello["result"]["serverInfo"] == {"name": "pets", "version": "2.1.0"}
    assert [tool["name"] for tool in listed["result"]["tools"]] == ["getPet", "putPet"]
    assert text(got) == '{"at": "/v1/pets/%C3%A4%201"}'
    assert "isError" not in put["result"]
    assert hidden["error"]["code"] == -32602
    (_, path, _, _), (method, other, headers, body) = api.asked
    assert (path, method, other) == ("/v1/pets/%C3%A4%201", "PUT", "/v1/pets/1?dry=true")
    assert json.loads(body) == {"name": "x", "mother": {"name": "y"}}
    assert (headers["x-trace"], headers["content-type"]) == ("t", "application/json")


@pytest.mark.requirement("REST-013")
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"id": "../admin", "body": {"name": "x"}},
        {"id": "1", "body": {}},
        {"id": "1", "body": {"name": "x"}, "other": 1},
        {"id": "1", "body": '{"name": "x"}'},
        {"id": "1", "body": {"name": "x"}, "Authorization": "Bearer mine"},
        {"id": "1", "body": {"name": "x"}, "X-Trace": "a\r\nX-Consumer-Username: b"},
    ],
)
def test_arguments_that_do_not_fit_are_told_of_and_nothing_is_sent(tmp_path, arguments):
    with rest_api() as api:
        (answer,) = ask(RestServer("pets", described(tmp_path), api.url), call("putPet", **arguments))
    assert answer["result"]["isError"] is True
    assert "mine" not in text(answer)
    assert api.asked == []


def with_body(tmp_path, schema):
    content = {"application/json": {"schema": schema}}
    node = {"operationId": "a", "requestBody": {"content": content}, "responses": {}}
    return described(tmp_path, {**PETS, "paths": {"/a": {"post": node}}})


@pytest.mark.requirement("REST-013")
def test_an_expression_that_takes_no_linear_time_lets_nothing_else_through(tmp_path):
    schema = {"properties": {"a": {"pattern": "^(?=x)(a+)+$"}, "b": {"type": "integer"}}}
    with rest_api() as api:
        server = RestServer("pets", with_body(tmp_path, schema), api.url)
        good, bad = ask(server, call("a", body={"a": "y", "b": 1}), call("a", body={"a": "y", "b": "x"}))
    assert "isError" not in good["result"]
    assert "arguments.body.b (type)" in text(bad)
    assert len(api.asked) == 1


@pytest.mark.requirement("REST-013")
def test_arguments_that_take_too_long_to_check_are_not_sent(tmp_path):
    item = {"type": "object", "anyOf": [{"required": [f"a{at}"]} for at in range(100)]}
    schema = {"type": "object", "properties": {"many": {"items": item}, "role": {"enum": ["user"]}}}
    with rest_api() as api:
        server = RestServer("pets", with_body(tmp_path, schema), api.url)
        (told,) = ask(server, call("a", body={"many": [{"a99": 1}] * 5_000, "role": "admin"}))
    assert "would take too long; send less" in text(told)
    assert api.asked == []


@pytest.mark.requirement("REST-013")
@pytest.mark.parametrize("odd", [{"$ref": "http://h/x"}, {"$schema": "x"}, {"unevaluatedItems": 1}])
def test_no_plain_value_of_a_schema_lets_arguments_through(tmp_path, odd):
    patterns = {f"p{at}": {"pattern": f"^{at}"} for at in range(300)}
    schema = {"properties": {"a": {"default": odd}, "b": {"type": "integer"}, **patterns}}
    with rest_api() as api:
        (told,) = ask(RestServer("pets", with_body(tmp_path, schema), api.url), call("a", body={"b": "x"}))
    assert "arguments.body.b (type)" in text(told)
    assert api.asked == []


@pytest.mark.requirement("REST-014")
def test_every_call_brings_what_the_operator_gave_and_nothing_that_the_api_set(tmp_path):
    with rest_api(**{"/pets/1": (200, {"Set-Cookie": "session=adas"}, b"{}")}) as api:
        server = RestServer("pets", described(tmp_path), api.url, {"apikey": "of-the-gateway"})
        ask(server, call("getPet", id="1"), call("getPet", id="2"))
    first, second = (headers for _, _, headers, _ in api.asked)
    assert first["apikey"] == second["apikey"] == "of-the-gateway"
    assert "cookie" not in second
    assert "of-the-gateway" not in repr(server)


@pytest.mark.requirement("REST-025")
def test_a_key_of_the_gateway_that_the_api_says_back_reaches_neither_agent_nor_log(tmp_path):
    key = "Bearer s3cr3t/of+the_gateway"
    said = {
        "/pets/1": (200, {}, json.dumps({"headers": {"Authorization": key}, "of": "pets"}).encode()),
        "/pets/2": (401, {"Content-Type": "text/plain"}, b"bad " + base64.b64encode(b"t:" + key.encode())),
        "/pets/3": (200, {"Content-Type": f"x/{key[7:]}"}, b"x"),
        "/pets/4": (302, {"Location": f"/?key={key}"}, b""),
        "/pets/5": (200, {"Content-Encoding": key[7:]}, b"x"),
        "/pets/6": (200, {"Content-Type": "image/png"}, b"\x89PNG " + key.encode()),
        "/pets/7": ("never", {}, b""),
    }
    with rest_api(**said) as api, structlog.testing.capture_logs() as lines:
        server = RestServer("pets", described(tmp_path), api.url, {"Authorization": key}, seconds=1, secrets=(key,))
        told = ask(server, *(call("getPet", id=one[6:]) for one in said))
    assert api.asked[0][2]["authorization"] == key
    assert json.loads(text(told[0])) == {"headers": {"Authorization": "REDACTED"}, "of": "pets"}
    assert lines
    for shown in (*told, lines, repr(server)):
        assert not any(part in str(shown) for part in ("s3cr3t", "czNjcjN0", "MzY3IzdC", "zM2NyM3Q"))


@pytest.mark.requirement("REST-015")
def test_answers_that_are_none_are_told_of(tmp_path):
    answers = {
        "/pets/moved": (302, {"Location": "/pets/secret"}, b""),
        "/pets/long": (200, {}, b"x" * (MOST_ANSWER + 1)),
        "/pets/packed": (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b"),
        "/pets/none": (404, {}, b'{"error": "no such pet"}'),
    }
    with rest_api(**answers) as api:
        told = ask(RestServer("pets", described(tmp_path), api.url), *(call("getPet", id=one[6:]) for one in answers))
    expected = (
        "not followed",
        "longer than 4 MiB",
        "Content-Encoding",
        "404 Not Found:\n" + '{"error": "no such pet"}',
    )
    for answer, words in zip(told, expected, strict=True):
        assert answer["result"]["isError"] is True
        assert words in text(answer)
    assert len(api.asked) == 4


@pytest.mark.requirement("REST-015")
def test_an_api_that_is_away_or_silent_is_told_of(tmp_path):
    with rest_api(**{"/pets/1": ("never", {}, b"{}")}) as api:
        (silent,) = ask(RestServer("pets", described(tmp_path), api.url, seconds=1), call("getPet", id="1"))
    (away,) = ask(RestServer("pets", described(tmp_path), api.url), call("getPet", id="1"))
    assert text(silent) == "The API did not answer within 1 seconds."
    assert text(away) == "The API cannot be reached."
    assert silent["result"]["isError"] is away["result"]["isError"] is True


@pytest.mark.requirement("REST-016")
def test_a_description_that_is_not_there_is_looked_for_again_after_a_while(tmp_path):
    file, clock = tmp_path / "pets.json", [0.0]

    def later():
        described(tmp_path)
        clock[0] += AGAIN_SECONDS / 2 + 0.1

    server = RestServer("pets", str(file), "http://127.0.0.1:1")
    first, second, third = ask(server, *[request("initialize")] * 3, now=lambda: clock[0], between=later)
    assert first["error"]["message"] == "pets: its OpenAPI description cannot be used now."
    assert "error" in second
    assert "result" in third


@pytest.mark.requirement("REST-017")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_a_description_inside_the_network_is_fetched_only_where_that_is_allowed(host):
    with rest_api(**{"/pets.json": (200, {}, json.dumps(PETS).encode())}) as api:
        url = f"http://{host}:{api.server_address[1]}/pets.json"
        (refused,) = ask(RestServer("pets", url, api.url), request("tools/list"))
        assert "error" in refused
        assert api.asked == []
        if host == "127.0.0.1":
            (listed,) = ask(RestServer("pets", url, api.url), request("tools/list"), networks=LOOPBACK)
            assert len(listed["result"]["tools"]) == 3


@pytest.mark.requirement("REST-017")
@pytest.mark.parametrize(
    "answer",
    [
        (302, {"Location": "/pets.json"}, b""),
        (404, {}, json.dumps(PETS).encode()),
        (200, {}, b"<html>"),
        (200, {}, b'{"openapi": "3.0.3", "openapi": "3.0.3", "paths": {}}'),
    ],
)
def test_what_a_url_gives_that_is_no_description_is_none(answer):
    with rest_api(**{"/d": answer, "/pets.json": (200, {}, json.dumps(PETS).encode())}) as api:
        (told,) = ask(RestServer("pets", api.url + "/d", api.url), request("tools/list"), networks=LOOPBACK)
    assert "error" in told
    assert [path for _, path, _, _ in api.asked] == ["/d"]


@pytest.mark.requirement("REST-004")
def test_another_document_is_fetched_only_where_it_is_named(tmp_path):
    with rest_api(**{"/common.json": (200, {}, b'{"Pet": {"type": "integer"}}')}) as api:
        where = api.url + "/common.json"
        schemas = {"Pet": {"$ref": where + "#/Pet"}}
        file = described(tmp_path, {**PETS, "components": {"schemas": schemas}})
        (listed,) = ask(RestServer("pets", file, api.url), request("tools/list"), networks=LOOPBACK)
        assert [tool["name"] for tool in listed["result"]["tools"]] == ["getPet", "deletePet"]
        assert api.asked == []
        named = RestServer("pets", file, api.url, references=(where,))
        (listed,) = ask(named, request("tools/list"), networks=LOOPBACK)
        assert len(listed["result"]["tools"]) == 3
        (told,) = ask(named, request("tools/list"))
        assert "error" in told
    assert len(api.asked) == 1


@pytest.mark.requirement("REST-018")
def test_stateless_requests_are_answered_as_their_era_wants_it(tmp_path):
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    with rest_api() as api:
        server = RestServer("pets", described(tmp_path), api.url)
        found, listed, called, hello, other = ask(
            server,
            request("server/discover", _meta=meta),
            request("tools/list", _meta=meta),
            request("tools/call", _meta=meta, name="getPet", arguments={"id": "1"}),
            request("initialize", _meta=meta),
            request("tools/list", _meta={"io.modelcontextprotocol/protocolVersion": "2027-01-01"}),
        )
    assert "2026-07-28" in found["result"]["supportedVersions"]
    assert (listed["result"]["ttlMs"], listed["result"]["cacheScope"]) == (0, "private")
    assert {one["result"]["resultType"] for one in (found, listed, called)} == {"complete"}
    assert "ttlMs" not in called["result"]
    assert hello["error"]["code"] == -32601
    assert (other["error"]["code"], other["error"]["data"]["requested"]) == (-32022, "2027-01-01")


@pytest.mark.requirement("REST-013")
@pytest.mark.parametrize(
    "method", ["server/discover", "prompts/list", "resources/read", "logging/setLevel", "completion/complete"]
)
def test_there_are_tools_and_nothing_else(tmp_path, method):
    (answer,) = ask(RestServer("pets", described(tmp_path), "http://127.0.0.1:1"), request(method))
    assert answer["error"]["code"] == -32601
