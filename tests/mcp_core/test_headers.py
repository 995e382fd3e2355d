from __future__ import annotations

import json

import pytest
from core_cases import JSON, MODERN, PLAIN, legacy
from hypothesis import example, given
from hypothesis import strategies as st
from mcp.shared.inbound import decode_header_value, encode_header_value

from mcp_core import decide, methods, policy
from mcp_core import headers as http
from mcp_core.jsonrpc import Limits
from mcp_core.outcome import Reject

# sentence -> headers, code, status
REFUSED = {
    "the version twice": ({"mcp-protocol-version": ["2025-11-25", "2025-11-25"]}, -32020, 400),
    "the name twice": ({"mcp-name": ["open", "shut"]}, -32020, 400),
    "a parameter header twice": ({"mcp-param-region": ["a", "a"]}, -32020, 400),
    "the session twice": ({"mcp-session-id": ["a", "b"]}, -32020, 400),
    "the content type twice": ({"content-type": ["application/json", "text/plain"]}, -32020, 400),
    "the length twice": ({"content-length": ["3", "4"]}, -32020, 400),
    "the origin twice": ({"origin": ["https://a.example", "https://a.example"]}, -32020, 400),
    "the consumer twice": ({"x-consumer-id": ["a", "b"]}, -32020, 400),
    "the gateway's context": ({"mcp-gateway-context": "x"}, -32600, 400),
    "the affinity": ({"mcp-affinity": "x"}, -32600, 400),
    "the target": ({"mcp-gateway-target": "x"}, -32600, 400),
    "a method override": ({"x-http-method-override": "DELETE"}, -32600, 400),
    "another method override": ({"x-http-method": "GET"}, -32600, 400),
    "a third method override": ({"x-method-override": "GET"}, -32600, 400),
    "another path": ({"x-original-url": "/admin"}, -32600, 400),
    "a path rewritten": ({"x-rewrite-url": "/admin"}, -32600, 400),
    "another path with underscores": ({"x_original_url": "/admin"}, -32600, 400),
    "a path rewritten, with one underscore": ({"x-rewrite_url": "/admin"}, -32600, 400),
    "the affinity with an underscore": ({"mcp_affinity": "x"}, -32600, 400),
    "the name with an underscore": ({"mcp_name": "shut"}, -32600, 400),
    "the version with one underscore": ({"mcp-protocol_version": "2025-11-25"}, -32600, 400),
    "the consumer with underscores": ({"x_consumer_id": "admin"}, -32600, 400),
    "the origin's method override with underscores": ({"x_http_method_override": "GET"}, -32600, 400),
    "the length with an underscore": ({"content_length": "3"}, -32600, 400),
    "a header taken off": ({"connection": "close, Content-Length"}, -32600, 400),
    "an identity taken off": ({"connection": "x-consumer-id"}, -32600, 400),
    "a header taken off by a second line": ({"connection": ["close", "mcp-name"]}, -32600, 400),
    "a WebSocket": ({"connection": "Upgrade", "upgrade": "WebSocket"}, -32600, 400),
    "any other protocol": ({"connection": "Upgrade", "upgrade": "foo"}, -32600, 400),
    "HTTP/2 by upgrade": (
        {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "x"},
        -32600,
        400,
    ),
    "an upgrade that nothing names": ({"upgrade": "foo"}, -32600, 400),
    "an upgrade to nothing": ({"upgrade": ""}, -32600, 400),
    "an upgrade among others": ({"connection": "keep-alive, uPgRaDe"}, -32600, 400),
    "an upgrade in a second line": ({"connection": ["keep-alive", "upgrade"]}, -32600, 400),
    "upgrades in two lines": ({"upgrade": ["a", "b"]}, -32600, 400),
    "the settings of HTTP/2": ({"connection": "http2-settings"}, -32600, 400),
    "both framings": ({"content-length": "3", "transfer-encoding": "chunked"}, -32600, 400),
    "an origin": ({"origin": "https://evil.example"}, -32003, 403),
    "the origin null": ({"origin": "null"}, -32003, 403),
    "an empty origin": ({"origin": ""}, -32003, 403),
    "a hundred headers": ({f"x-{number}": "" for number in range(100)}, -32600, 431),
    "a hundred header lines": ({f"x-{number}": "" for number in range(90)} | {"y": ["z"] * 10}, -32600, 431),
}


@pytest.mark.requirement("HTTP-001")
@pytest.mark.requirement("HTTP-002")
@pytest.mark.requirement("HTTP-003")
@pytest.mark.requirement("HTTP-004")
@pytest.mark.requirement("HTTP-005")
@pytest.mark.requirement("HTTP-006")
@pytest.mark.requirement("HTTP-009")
@pytest.mark.requirement("HTTP-012")
@pytest.mark.requirement("HTTP-041")
@pytest.mark.parametrize(("headers", "code", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_headers_that_two_readers_could_read_differently_are_refused(headers, code, status):
    refusal = http.check(JSON | headers)
    assert isinstance(refusal, Reject)
    assert (refusal.code, refusal.http_status()) == (code, status)
    assert "id" not in json.loads(refusal.body())


@pytest.mark.requirement("HTTP-012")
@pytest.mark.parametrize("connection", ["keep-alive", "Close", "", "TE, close"])
def test_connection_may_say_what_clients_say(connection):
    assert http.check(JSON | {"connection": connection}) is None


@pytest.mark.requirement("HTTP-001")
@pytest.mark.parametrize("name", sorted(methods.SINGLE_HEADERS))
def test_no_deciding_header_may_come_twice(name):
    assert isinstance(http.check({name: ["1", "1"]}), Reject)


@pytest.mark.requirement("HTTP-003")
@pytest.mark.parametrize("name", sorted(methods.OVERRIDE_HEADERS))
def test_no_header_makes_another_request_of_a_request(name):
    refusal = http.check(JSON | {name: ""})
    assert isinstance(refusal, Reject)
    assert name in refusal.body().decode()


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(legacy(), id="a legacy client's"),
        pytest.param({"accept": ["application/json", "text/event-stream"]}, id="accept in two lines"),
        pytest.param({"api_key": "k", "x_request_id": "1"}, id="underscores elsewhere"),
        pytest.param({"transfer-encoding": "chunked"}, id="chunked"),
        pytest.param({"content-length": "3"}, id="a length"),
        pytest.param({"mcp-param-region": "eu", "x-consumer-id": "c"}, id="parameter headers and Kong's"),
        pytest.param({f"x-{number}": "" for number in range(99)}, id="ninety-nine headers"),
        pytest.param({"origin": "https://a.example"}, id="an origin that is allowed"),
    ],
)
def test_ordinary_headers_pass(headers):
    assert http.check(headers, origins=("https://a.example",)) is None


@pytest.mark.requirement("HTTP-009")
@pytest.mark.parametrize(
    "origin", ["https://A.example", "https://a.example:443", "https://a.example.evil", "http://a.example"]
)
def test_origins_are_compared_exactly(origin):
    assert isinstance(http.check({"origin": origin}, origins=("https://a.example",)), Reject)
    assert http.check({"origin": origin}, origins=("*",)) is None


JSON_TYPES = [
    "application/json",
    "Application/JSON",
    "application/json; charset=utf-8",
    'application/json;charset="UTF-8"',
]
OTHER_TYPES = [
    *(
        "",
        "text/plain",
        "text/json",
        "application/jsonp",
        "application/json5",
        "application/x-ndjson",
        "application/json-rpc",
    ),
    *(
        "application/problem+json",
        "application/json, text/plain",
        "application/json; charset=utf-16",
        "application/json;",
    ),
    *(
        'application/json; charset="utf-8',
        "application/json; charset=utf-8; x=y",
        "application/j\u017fon",
        " application/json",
    ),
    *("multipart/form-data; boundary=application/json", "application/json\0", "application/json\n"),
]


@pytest.mark.requirement("HTTP-007")
@pytest.mark.parametrize("media_type", JSON_TYPES)
def test_json_in_utf_8_passes(media_type):
    assert http.check_body_headers({"content-type": media_type}) is None


@pytest.mark.requirement("HTTP-007")
@pytest.mark.parametrize("media_type", OTHER_TYPES)
def test_other_media_types_and_near_misses_are_415(media_type):
    refusal = http.check_body_headers({"content-type": media_type})
    assert isinstance(refusal, Reject)
    assert refusal.http_status() == 415


@pytest.mark.requirement("HTTP-007")
def test_a_body_without_a_media_type_is_415():
    refusal = http.check_body_headers({})
    assert isinstance(refusal, Reject)
    assert refusal.http_status() == 415


@pytest.mark.requirement("HTTP-008")
@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd", "identity, gzip", "x", ""])
def test_a_content_coding_is_415(coding):
    refusal = http.check_body_headers(JSON | {"content-encoding": coding})
    assert isinstance(refusal, Reject)
    assert refusal.http_status() == 415


@pytest.mark.requirement("HTTP-008")
def test_the_identity_coding_passes():
    assert http.check_body_headers(JSON | {"content-encoding": "Identity"}) is None


@pytest.mark.requirement("HTTP-010")
@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("=?base64?literal?=")
@example("=?base64?=")
@example(" padded ")
@example("Hello, \u4e16\u754c")
@example("line1\nline2")
def test_any_value_survives_its_encoding_here_and_in_the_sdk(value):
    encoded = http.encode_value(value)
    assert encoded.isascii()
    assert encoded.isprintable()
    assert http.decode_value(encoded) == value == decode_header_value(encoded)
    if value != "=?base64?=":  # which marks share a character, so that readers differ
        assert encoded == encode_header_value(value)


@pytest.mark.requirement("HTTP-010")
@given(st.text() | st.from_regex(r"=\?base64\?[A-Za-z0-9+/=_-]{0,12}\?=", fullmatch=True))
@example("=?base64?YQ?=")
@example("=?base64?YR==?=")
@example("=?base64?\xff?=")
@example("=?base64?/w==?=")
@example("=?base64?YQ==YQ==?=")
@example("=?base64?=")
def test_what_is_decoded_is_what_the_sdk_decodes_or_nothing(value):
    decoded = http.decode_value(value)
    assert decoded is None or decoded == decode_header_value(value)


@pytest.mark.requirement("HTTP-010")
@pytest.mark.parametrize(
    "value", ["=?base64?YQ?=", "=?base64?YR==?=", "=?base64?\xff?=", "=?base64?=", "caf\xe9", "a\tb"]
)
def test_malformed_and_ambiguous_values_match_nothing(value):
    assert http.decode_value(value) is None
    assert isinstance(http.agree({"mcp-name": value}, "mcp-name", value, required=True), Reject)


@pytest.mark.requirement("HTTP-011")
@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "HEAD", "TRACE", "get", ""])
def test_other_http_methods_are_405(method):
    refusal = decide.decide_stream(method, legacy(), lambda _token: None)
    assert isinstance(refusal, Reject)
    assert (refusal.http_status(), refusal.headers) == (405, {"Allow": "POST, GET, DELETE"})


@pytest.mark.requirement("HTTP-011")
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_the_modern_era_has_no_streams(method):
    refusal = decide.decide_stream(method, {"mcp-protocol-version": MODERN}, lambda _token: None)
    assert isinstance(refusal, Reject)
    assert (refusal.http_status(), refusal.headers) == (405, {"Allow": "POST"})


@pytest.mark.requirement("HTTP-011")
@pytest.mark.requirement("POL-011")
def test_a_stream_is_inspected_and_the_end_of_a_session_is_not_where_answers_are_held():
    opened = decide.decide_stream("GET", {}, lambda _token: None, held=True)
    ended = decide.decide_stream("DELETE", legacy("2025-03-26"), lambda _token: None, held=True)
    inspected = decide.decide_stream("DELETE", legacy("2025-03-26"), lambda _token: None)
    assert inspected.lane == methods.Lane.INSPECT
    assert isinstance(opened, decide.Admitted)
    assert isinstance(ended, decide.Admitted)
    assert (opened.lane, opened.version) == (methods.Lane.INSPECT, "2025-03-26")
    assert ended.lane == methods.Lane.CALL


@pytest.mark.requirement("HTTP-011")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-length": "2"}, 400),
        ({"transfer-encoding": "chunked"}, 400),
        ({"mcp-method": "tools/list"}, 400),
        ({"mcp-name": "open"}, 400),
        ({"mcp-session-id": "another's"}, 404),
        ({"mcp-protocol-version": "2099-01-01"}, 400),
    ],
)
def test_a_stream_with_a_body_a_method_or_a_foreign_session_is_refused(headers, status):
    refusal = decide.decide_stream("GET", headers, lambda _token: None)
    assert isinstance(refusal, Reject)
    assert refusal.http_status() == status


@pytest.mark.requirement("HTTP-007")
def test_a_wrong_media_type_is_refused_before_anything_is_parsed():
    guard = decide.GuardTerms(policy.Policy.from_config({}), limits=Limits(body=1))
    refusal = decide.decide_post(guard, decide.Caller(policy.View({})), {}, PLAIN)
    assert isinstance(refusal, Reject)
    assert refusal.http_status() == 415


@pytest.mark.requirement("HTTP-013")
@pytest.mark.parametrize("host", ["gateway.example", "GATEWAY.example", "gateway.example:8443", "[::1]:80", "[::1]"])
def test_a_host_that_the_guard_names_may_pass_at_any_port(host):
    assert http.check({"host": host}, hosts=("gateway.example", "[::1]")) is None


@pytest.mark.requirement("HTTP-013")
@pytest.mark.parametrize(
    "sent", [{}, *({"host": host} for host in ("", "attacker.example", "gateway.example.", "gateway.example@x", ":80"))]
)
def test_any_other_host_is_forbidden_where_hosts_are_named(sent):
    refusal = http.check(sent, hosts=("gateway.example",))
    assert isinstance(refusal, Reject)
    assert refusal.http_status() == 403
    assert http.check(sent) is None


@pytest.mark.requirement("HTTP-013")
def test_a_host_that_is_named_with_a_port_passes_at_that_port_alone():
    assert http.check({"host": "gateway:8000"}, hosts=("gateway:8000",)) is None
    assert http.check({"host": "gateway"}, hosts=("gateway:8000",)) is not None
