"""What a client and an upstream see. Every case runs on the devkit and, where it is installed, on a real Kong."""

import json

import pytest

pytestmark = pytest.mark.requirement("KIT-001")

FORGED = {
    "X-Consumer-ID": "root",
    "X-Consumer-Username": "root",
    "X-Consumer-Custom-ID": "root",
    "X-Credential-Identifier": "root",
    "X-Consumer-Groups": "admins",
    "X-Anonymous-Consumer": "true",
}


def steps(answer):
    assert answer.status == 200, answer.body
    return json.loads(answer.upstream("x-steps")[0])


@pytest.mark.parametrize(
    ("method", "host", "path", "sent"),
    [
        ("GET", "x.test", "/api/v1/things", "/api/v1/things"),
        ("GET", "x.test", "/api/v2/things", "/v2/things"),
        ("GET", "x.test", "/api", "/"),
        ("GET", "x.test", "/apix", "/x"),
        ("PUT", "x.test", "/api/v2", "/api/v2"),
        ("GET", "x.test", "/re/12", "/re/12"),
        ("GET", "x.test", "/re/nothing", "/re/nothing"),
        ("GET", "x.test", "//api//v1/./things", "/api/v1/things"),
        ("GET", "x.test", "/other/../api/v1/x", "/api/v1/x"),
        ("GET", "x.test", "/%61pi/v1/%7Ex%2Fy%20z", "/api/v1/~x%2Fy%20z"),
        ("GET", "x.test", "/api/v1/a//b/", "/api/v1/a/b/"),
        ("GET", "x.test", "/api/v1/x?", "/api/v1/x?"),
        ("GET", "x.test", "/api/v1/x?a=%41&b", "/api/v1/x?a=%41&b"),
        ("GET", "x.test:8000", "/api/v1/x", "/api/v1/x"),
        ("GET", "based.test", "/in/a", "/base/a"),
        ("GET", "based.test", "/in", "/base"),
        ("GET", "based.test", "/in/", "/base/"),
        ("GET", "based-keep.test", "/in/a", "/base/in/a"),
        ("GET", "slashed.test", "/in/a", "/base/a"),
        ("GET", "slashed.test", "/in/", "/base/"),
        ("GET", "slashed-keep.test", "/in/a", "/base/in/a"),
        ("GET", "else.test", "/nohost/1", "/nohost/1"),
    ],
)
def test_a_request_reaches_the_upstream_under_the_path_that_kong_gives_it(gateway, method, host, path, sent):
    answer = gateway.ask(path, method, host)
    assert (answer.status, answer.json["path"], answer.json["method"]) == (200, sent, method)


def test_a_request_without_a_route_gets_kongs_404(gateway):
    answer = gateway.ask("/x", host="unknown.test")
    assert answer.status == 404
    assert answer.json["message"] == "no Route matched with those values"
    assert answer.json["request_id"] == answer.headers["X-Kong-Request-Id"]
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Server"] == "kong/3.9.3"


def test_kong_tells_the_upstream_where_the_request_came_from(gateway):
    seen = gateway.ask(
        "/api/v2/x?q=1",
        headers={
            "X-Forwarded-For": "9.9.9.9",
            "X-Forwarded-Host": "evil",
            "Via": "1.1 before",
            "X-Real-IP": "9.9.9.9",
            "X-Forwarded-Prefix": "/evil",
            "X-Kong-Request-Id": "forged",
        },
    )
    assert seen.upstream("host") == [f"127.0.0.1:{seen.upstream('host')[0].rpartition(':')[2]}"]
    assert seen.upstream("x-forwarded-for") == ["9.9.9.9, 127.0.0.1"]
    assert seen.upstream("x-forwarded-host") == ["x.test"]
    assert seen.upstream("x-forwarded-proto") == ["http"]
    assert seen.upstream("x-forwarded-port") == [str(gateway.port)]
    assert seen.upstream("x-forwarded-path") == ["/api/v2/x"]
    assert seen.upstream("x-forwarded-prefix") == ["/api"]
    assert seen.upstream("x-real-ip") == ["127.0.0.1"]
    assert seen.upstream("via") == ["1.1 before, 1.1 kong/3.9.3"]
    assert seen.upstream("x-kong-request-id") == [seen.headers["X-Kong-Request-Id"]]


def test_a_forged_prefix_header_does_not_reach_a_route_that_strips_nothing(gateway):
    assert gateway.ask("/api/v1/x", headers={"X-Forwarded-Prefix": "/evil"}).upstream("x-forwarded-prefix") == []


def test_hop_by_hop_headers_stay_on_their_hop(gateway):
    answer = gateway.ask(
        headers={
            "Connection": "X-Secret, keep-alive",
            "X-Secret": "1",
            "TE": "trailers, gzip",
            "Proxy": "x",
            "Keep-Alive": "5",
        }
    )
    for name in ("x-secret", "proxy", "keep-alive"):
        assert answer.upstream(name) == []
    assert answer.upstream("te") == ["trailers"]
    assert answer.upstream("connection") == ["keep-alive"]
    assert "X-Hop" not in answer.headers
    assert answer.headers["Via"] == "1.1 kong/3.9.3"
    assert answer.headers["Server"] == "tiny"
    assert {"X-Kong-Upstream-Latency", "X-Kong-Proxy-Latency"} <= set(answer.headers)


def test_header_names_with_odd_characters_are_dropped_and_repeated_and_empty_ones_kept(gateway):
    answer = gateway.ask(headers=[("X-Two", "a"), ("x-two", "b"), ("X.Dot", "c"), ("x_under", "d"), ("X-Empty", "")])
    assert answer.upstream("x-two") == ["a", "b"]
    assert answer.upstream("x.dot") == []
    assert answer.upstream("x_under") == ["d"]
    assert answer.upstream("x-empty") == [""]


def test_a_head_request_has_no_body(gateway):
    answer = gateway.ask(method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0


@pytest.mark.requirement("KIT-002")
def test_key_auth_names_the_consumer_and_drops_what_the_client_forged(gateway):
    answer = gateway.ask(host="keyed.test", headers={**FORGED, "apikey": "bob-key"})
    assert answer.status == 200
    assert answer.upstream("x-consumer-username") == ["bob"]
    assert len(answer.upstream("x-consumer-id")[0]) == 36
    assert len(answer.upstream("x-credential-identifier")[0]) == 36
    assert (
        answer.upstream("x-consumer-custom-id")
        == answer.upstream("x-anonymous-consumer")
        == answer.upstream("apikey")
        == []
    )


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ([], "No API key found in request"),
        ([("apikey", "wrong")], "Unauthorized"),
        ([("apikey", "ann-key"), ("apikey", "bob-key")], "Duplicate API key found"),
    ],
)
def test_key_auth_refuses(gateway, headers, message):
    answer = gateway.ask(host="keyed.test", headers=headers)
    assert (answer.status, answer.json["message"], answer.headers["WWW-Authenticate"]) == (401, message, "Key")


def test_a_plugin_reads_the_request(gateway):
    asked = "/p//q?a=1&a=2&flag&b=%20x"
    found = steps(gateway.ask(asked, "POST", host="request.test", body=b"x", headers={"X-One": "1"}))
    line = f"POST {asked} HTTP/1.1"
    # A header is found by the name of nginx's variable only: with underscores.
    assert found == ["POST", "/p/q", asked.partition("?")[2], "127.0.0.1", line, "1", "", ""]


def test_a_plugin_reads_repeated_headers_as_a_list(gateway):
    found = steps(gateway.ask(host="headers.test", headers=[("X-One", "1"), ("X-ONE", "2"), ("X-Latin", "caf\u00e9")]))[
        0
    ]
    assert found["x-one"] == ["1", "2"]
    assert found["x-latin"] == "caf\udce9"


def test_get_headers_is_cut_at_its_limit_and_needs_one(gateway):
    assert len(steps(gateway.ask(host="few-headers.test", headers={"A": "1", "B": "2"}))[0]) == 2
    assert gateway.ask(host="no-max.test").status == 500


def test_a_small_body_comes_in_memory_and_a_large_one_in_a_file(gateway):
    small = steps(gateway.ask("/", "POST", "body.test", body=b"x" * 2000))[0]
    assert small == {"content": "x" * 2000}
    answer = gateway.ask("/", "POST", "body.test", body=b"x" * 20000)
    large = steps(answer)[0]
    assert large["file_size"] == answer.json["size"] == 20000
    assert large["body_filepath"].startswith(str(gateway.folder))


def test_a_chunked_body_is_read_whole_and_sent_with_its_length(gateway):
    connection_text = gateway.raw(
        b"POST / HTTP/1.1\r\nHost: body.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n"
    )
    answer = json.loads(connection_text.partition(b"\r\n\r\n")[2])
    assert answer["body"] == "abcde"
    assert ["Content-Length", "5"] in answer["headers"]


@pytest.mark.requirement("KIT-006")
def test_a_plugin_changes_what_goes_upstream(gateway):
    headers = [("X-Gone", "1"), ("X-Gone", "2"), ("X-Many", "1")]
    answer = gateway.ask("/p?old=1", "POST", "change.test", body=b"original", headers=headers)
    assert (answer.json["path"], answer.json["body"]) == ("/moved/to%20here?new=1", "changed")
    assert answer.upstream("x-set") == ["one"]
    assert answer.upstream("x-number") == ["7"]
    assert answer.upstream("x-gone") == []
    assert answer.upstream("x-many") == ["a", "b"]


def test_a_plugin_ends_the_request(gateway, upstream):
    before = len(upstream.seen)
    answer = gateway.ask(host="exit.test")
    assert (answer.status, answer.body, answer.headers["X-Why"]) == (403, b'{"no":1}', "because")
    assert "X-Kong-Response-Latency" in answer.headers
    assert len(upstream.seen) == before


def test_plugins_share_values_but_lose_false(gateway):
    assert steps(gateway.ask(host="shared-odd.test"))[1] is None
    answer = gateway.ask(host="shared.test")
    assert steps(answer) == [{"deep": [1.0, "x"]}, None]


@pytest.mark.requirement("KIT-003")
@pytest.mark.parametrize("host", ["unknown-method", "bad-argument", "garbled"])
def test_a_failing_plugin_ends_the_request_with_500(gateway, upstream, host):
    before = len(upstream.seen)
    answer = gateway.ask(host=f"{host}.test", timeout=10)
    assert (answer.status, answer.json["message"]) == (500, "An unexpected error occurred")
    assert len(upstream.seen) == before


def test_a_closed_connection_makes_the_instance_start_anew(gateway):
    assert gateway.ask(host="slow-close.test").status == 200


def test_a_plugin_sees_route_and_consumer(gateway):
    route, consumer = steps(gateway.ask(host="entities.test", headers={"apikey": "ann-key"}))
    assert (route["name"], route["hosts"], route["paths"]) == ("entities", ["entities.test"], [])
    assert (consumer["username"], consumer["custom_id"], consumer["tags"]) == ("ann", "a-1", ["group:a"])
    assert steps(gateway.ask(host="loaded.test"))[0]["id"] == consumer["id"]


def test_nobody_is_an_empty_consumer(gateway):
    assert steps(gateway.ask(host="nobody.test"))[0]["id"] == ""


def test_vault_references_do_no_harm(gateway):
    assert gateway.ask(host="vault.test").status == 200


@pytest.mark.requirement("KIT-005")
def test_an_upstream_without_targets_is_closed_and_set_upstream_opens_it(gateway):
    answer = gateway.ask(host="closed.test")
    assert (answer.status, answer.json["message"]) == (503, "failure to get a peer from the ring-balancer")
    assert steps(gateway.ask(host="opened.test")) == [True]
    assert gateway.ask(host="misopened.test").status == 503
    assert gateway.ask(host="ip-opened.test").status == 500  # only services whose host is a name can be moved


def test_a_dead_service_is_a_502_and_a_slow_one_a_504(gateway):
    answer = gateway.ask(host="dead.test", headers={"Accept": "application/json"})
    assert (answer.status, answer.json["message"]) == (502, "An invalid response was received from the upstream server")
    answer = gateway.ask("/hang", host="hanging.test", headers={"Accept": "application/json"})
    assert (answer.status, answer.json["message"]) == (504, "The upstream server is timing out")
    assert gateway.ask("/slam", host="hanging.test").status == 502


def test_upstream_statuses_pass_through(gateway):
    for status in (204, 304, 404, 500, 503):
        assert gateway.ask(f"/status/{status}").status == status
