"""What becomes of answers that are not streams."""

import json
import threading

import pytest


def is_withheld(answer):
    """Return whether an answer is the gateway's error for the one request that was asked."""
    error = answer.json["error"]
    return (answer.status, answer.json["id"], error["code"]) == (200, 7, -32603) and "withheld" in error["message"]


LISTS = [("tools", "name"), ("prompts", "name"), ("resources", "uri"), ("resourceTemplates", "uriTemplate")]


@pytest.mark.requirement("SIDE-002")
@pytest.mark.parametrize(("key", "named"), LISTS)
def test_every_list_is_filtered(guard, kong, words, key, named):
    kong.answers(words.json_answer(words.result("keep", "secret-1", "keep-2", key=key, named=named)))
    globs = {"allow": ["*"], "deny": ["secret*"]}
    answer = guard.ask(view={"tools": globs, "prompts": globs, "resources": globs})
    assert answer.json == json.loads(words.result("keep", "keep-2", key=key, named=named))
    assert answer.headers["content-type"] == "application/json"


def test_an_answer_that_hides_nothing_keeps_its_bytes(guard, kong, words):
    body = b' {"jsonrpc": "2.0",\n"id":7, "result": {"tools":[{"name":"a", "x":1.50}]} } '
    kong.answers(words.json_answer(body))
    assert guard.ask().body == body


@pytest.mark.requirement("SIDE-002")
def test_a_batch_is_filtered_in_every_member(guard, kong, words):
    lists = [{"jsonrpc": "2.0", "id": id_, "method": "tools/list"} for id_ in (7, 8)]
    kong.answers(words.json_answer(b"[%s,%s]" % (words.result("secret"), words.result("secret", "keep", id_=8))))
    answer = guard.ask(json.dumps(lists).encode(), method="batch", id=None)
    assert [one["result"] for one in answer.json] == [{"tools": []}, {"tools": [{"name": "keep"}]}]


@pytest.mark.requirement("ANS-001")
def test_a_batch_is_answered_with_its_own_ids_only_and_a_single_request_with_no_batch(guard, kong, words):
    lists = [{"jsonrpc": "2.0", "id": id_, "method": "tools/list"} for id_ in (7, 8)]
    for ids in ([7, 9], [7, 7], [7, "8"]):
        kong.answers(words.json_answer(b"[%s]" % b",".join(words.result("secret", id_=id_) for id_ in ids)))
        answer = guard.ask(json.dumps(lists).encode(), method="batch", id=None)
        assert answer.status == 200
        assert [(one["id"], one["error"]["code"]) for one in answer.json] == [(7, -32603), (8, -32603)]
    kong.answers(words.json_answer(b"[%s]" % words.result("keep")))
    assert is_withheld(guard.ask())


@pytest.mark.requirement("ANS-003")
def test_on_a_stream_each_request_of_a_batch_gets_its_own_answer_or_its_own_error(guard, kong, words):
    lists = [{"jsonrpc": "2.0", "id": id_, "method": "tools/list"} for id_ in (7, 8, 9)]
    first = b"data: " + words.result("keep", id_=8) + b"\n\n"
    kong.answers(words.stream_answer(first, b"data: " + words.result("secret", id_=5) + b"\n\n"))
    answer = guard.ask(json.dumps(lists).encode(), method="batch", id=None)
    one, rest = (json.loads(block.removeprefix("data: ")) for block in answer.body.decode().split("\n\n")[:-1])
    assert (answer.status, one["id"], [error["id"] for error in rest]) == (200, 8, [7, 9])


@pytest.mark.requirement("SIDE-019")
def test_in_monitor_mode_nothing_is_hidden_and_it_is_logged(guard, kong, words):
    body = words.result("keep", "secret-1", "secret-2")
    kong.answers(words.json_answer(body))
    assert guard.ask(enforce=False).body == body
    line = guard.line()
    assert (line["outcome"], line["hidden"]) == ("would-filter", 2)


@pytest.mark.requirement("SIDE-004")
@pytest.mark.parametrize("enforce", [True, False])
@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":7,"result":{"tools":[]},"result":{"tools":[{"name":"secret"}]}}',
        b'{"jsonrpc":"2.0","id":7,"result":{"tools":[],"tools":[{"name":"secret"}]}}',
        b'{"jsonrpc":"2.0","id":7,"result":{"Tools":[{"name":"secret"}]}}',
        b'{"jsonrpc":"2.0","id":7,"result":{"tools":{"name":"secret"}}}',
        b'\xef\xbb\xbf{"jsonrpc":"2.0","id":7,"result":{}}',
        b'{"jsonrpc":"2.0","id":7,"result":{}}{"jsonrpc":"2.0"}',
        '{"jsonrpc":"2.0","id":7,"result":{}}'.encode("utf-16"),
        b'{"tools":[{"name":"secret"}]}',
        b"secret",
    ],
)
def test_an_unreadable_answer_is_withheld_in_every_mode(guard, kong, words, body, enforce):
    kong.answers(words.json_answer(body))
    answer = guard.ask(enforce=enforce)
    assert is_withheld(answer)
    assert b"secret" not in answer.body


@pytest.mark.requirement("SIDE-004")
@pytest.mark.parametrize(
    "kind",
    [
        "text/json",
        "application/jsonp",
        "application/json; charset=utf-16",
        "application/json, text/plain",
        "text/html",
        "multipart/mixed",
        "text/event-streams",
        "text/event-stream; charset=utf-7",
        "",
    ],
)
def test_a_body_of_another_content_type_is_withheld(guard, kong, words, kind):
    body = words.result("secret")
    kong.answers(words.json_answer(body).replace(b"application/json", kind.encode()))
    assert is_withheld(guard.ask())


def test_two_content_types_are_one_too_many(guard, kong, words):
    kong.answers(words.json_answer(words.result("a"), "Content-Type: text/event-stream\r\n"))
    assert is_withheld(guard.ask())


def test_a_body_without_a_content_type_is_withheld(guard, kong, words):
    kong.answers(words.json_answer(words.result("a")).replace(b"Content-Type: application/json\r\n", b""))
    assert is_withheld(guard.ask())


def test_an_answer_that_is_only_called_identity_passes(guard, kong, words):
    kong.answers(words.json_answer(words.result("a"), "Content-Encoding: identity\r\n"))
    assert guard.ask().status == 200


NOTHING_ASKED = {"method": "notifications/initialized", "id": None}


@pytest.mark.requirement("ANS-003")
@pytest.mark.parametrize("status", ["202 Accepted", "200 OK", "204 No Content"])
def test_an_agent_that_asked_something_never_gets_silence(guard, kong, words, status):
    kong.answers(words.json_answer(b"", status=status))
    assert is_withheld(guard.ask())


@pytest.mark.requirement("ANS-001")
@pytest.mark.parametrize(("status", "passed"), [("202 Accepted", 202), ("200 OK", 202), ("204 No Content", 204)])
def test_what_asked_nothing_is_answered_with_nothing(guard, kong, words, status, passed):
    stream = words.stream_answer(b"data: " + words.result("secret") + b"\n\n").replace(b"200 OK", status.encode())
    html = words.json_answer(b"secret", status=status).replace(b"application/json", b"text/html")
    bodies = [stream, words.json_answer(words.result("secret"), status=status), html]
    for sent in bodies if passed == 202 else [f"HTTP/1.1 {status}\r\n\r\n".encode()]:
        kong.answers(sent)
        answer = guard.ask(**NOTHING_ASKED)
        assert (answer.status, answer.body) == (passed, b"")
    assert guard.ask(http_method="DELETE", method="", id=None, session="s").body == b""


@pytest.mark.requirement("SIDE-002")
@pytest.mark.parametrize("status", ["201 Created", "203 Other", "206 Partial Content"])
def test_other_good_statuses_are_filtered_too(guard, kong, words, status):
    kong.answers(words.json_answer(words.result("secret"), status=status))
    answer = guard.ask()
    assert (answer.status, answer.json["result"]) == (int(status[:3]), {"tools": []})


@pytest.mark.requirement("SIDE-005")
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "304 Not Modified", "307 Elsewhere", "308 Elsewhere"])
def test_no_redirect_is_followed_or_passed_on(guard, kong, words, status):
    kong.answers(words.json_answer(b"", f"Location: http://127.0.0.1:{kong.port}/other\r\n", status))
    answer = guard.ask()
    assert (answer.status, "location" in answer.headers, len(kong.requests)) == (502, False, 1)


@pytest.mark.requirement("SIDE-005")
@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_server_that_asks_for_credentials_is_not_relayed(guard, kong, words, status):
    body = b'{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"log in at evil"}}'
    kong.answers(words.json_answer(body, 'WWW-Authenticate: Bearer realm="evil"\r\nSet-Cookie: a=b\r\n', status))
    answer = guard.ask()
    assert answer.status == 502
    assert not {"www-authenticate", "set-cookie"} & set(answer.headers)
    assert b"evil" not in answer.body


@pytest.mark.parametrize("status", ["400 Bad Request", "403 Forbidden", "404 Not Found", "500 Oh"])
def test_a_json_rpc_error_passes_with_its_status(guard, kong, words, status):
    body = b'{"jsonrpc": "2.0", "id": 7, "error": {"code": -32001, "message": "Session not found"}}'
    kong.answers(words.json_answer(body, status=status))
    answer = guard.ask()
    assert (answer.status, answer.body) == (int(status[:3]), body)


@pytest.mark.requirement("SIDE-005")
@pytest.mark.parametrize(
    "body",
    [
        b"<h1>stack trace of the server</h1>",
        b'{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"stack"}]}}',
        b'{"detail":"stack"}',
        b"",
    ],
)
@pytest.mark.parametrize("status", [400, 404, 406, 429, 500, 503])
def test_the_text_of_other_errors_is_not_relayed(guard, kong, words, status, body):
    kong.answers(words.json_answer(body, "Retry-After: 3\r\nServer: secret/1.0\r\n", f"{status} No"))
    answer = guard.ask()
    assert answer.status == status
    assert b"stack" not in answer.body
    assert "server" not in answer.headers
    assert answer.headers["retry-after"] == "3"
    if body:
        assert answer.json["id"] == 7


def test_a_method_that_is_not_allowed_says_which_are(guard, kong, words):
    kong.answers(words.json_answer(b"no", "Allow: POST\r\n", "405 Method Not Allowed"))
    answer = guard.ask(http_method="GET", method="", id=None)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("status", [502, 503, 504])
def test_kongs_own_failure_says_that_no_replica_answered(guard, kong, words, status):
    kong.answers(words.json_answer(b'{"message":"failure to get a peer from the ring-balancer"}', status=f"{status} x"))
    answer = guard.ask()
    assert answer.status == status
    assert (answer.json["id"], answer.json["error"]["code"]) == (7, -32004)
    assert "No replica" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    "said",
    [
        b'{"message":"no Route matched with those values"}',
        b'{"jsonrpc":"2.0","error":{"code":-32600,"message":"x","data":{"kong":"no Route matched with those values"}}}',
    ],
    ids=["kong", "mcp-answers"],
)
def test_an_internal_route_that_is_not_open_is_the_operators_affair(guard, kong, words, said):
    kong.answers(words.json_answer(said, status="404 Not Found"))
    answer = guard.ask()
    assert answer.status == 502
    assert "internal route" in answer.json["error"]["message"]


@pytest.mark.requirement("SIDE-005")
def test_only_harmless_headers_of_a_server_pass(guard, kong, words):
    sent = "Set-Cookie: a=b\r\nServer: x\r\nX-Powered-By: y\r\nCache-Control: no-store\r\nETag: 1\r\n"
    kong.answers(words.json_answer(words.result("a"), sent))
    assert set(guard.ask().headers) == {"date", "content-type", "content-length", "cache-control"}


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        ("no-store", "no-store"),
        ("private, max-age=5", "private, max-age=5"),
        ("public, max-age=5", "private, no-cache"),
        ("max-age=5", "private, no-cache"),
        ("private, s-maxage=5", "private, no-cache"),
    ],
)
def test_no_shared_cache_may_keep_an_answer(guard, kong, words, sent, passed):
    kong.answers(words.json_answer(words.result("a"), f"Cache-Control: {sent}\r\n"))
    assert guard.ask().headers["cache-control"] == passed


@pytest.mark.requirement("SIDE-018")
def test_an_endless_answer_is_withheld_at_the_limit_and_read_no_further(start, kong):
    guard = start(MCP_SIDECAR_MAX_ANSWER="2048")
    given_up = threading.Event()

    def endless(_request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        try:
            while True:
                connection.sendall(b" " * 1000)
        except OSError:
            given_up.set()

    kong.play = endless
    assert is_withheld(guard.ask())
    assert given_up.wait(10)


@pytest.mark.requirement("SIDE-002")
def test_a_large_list_is_filtered_whole(guard, kong, words):
    names = [f"{'secret' if number % 2 else 'keep'}-{number}" for number in range(5000)]
    kong.answers(words.json_answer(words.result(*names)))
    assert [tool["name"] for tool in guard.ask().json["result"]["tools"]] == names[::2]
