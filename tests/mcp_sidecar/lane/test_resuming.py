"""A session that its server has lost is opened again with the agent's own initialize, where the policy allows it."""

import contextlib
import json
import secrets
import threading

import pytest

PARAMS = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"roots": {}},
    "clientInfo": {"name": "ann's", "version": "1"},
}
HELLO = json.dumps(PARAMS, separators=(",", ":"))
OPENS = json.dumps(
    {"jsonrpc": "2.0", "id": 7, "method": "initialize", "params": {**PARAMS, "_meta": {"progressToken": 1}}}
).encode()
CAPABILITIES = {"tools": {"listChanged": True}, "prompts": {}, "resources": {"listChanged": True, "subscribe": True}}
NOT_FOUND = '{"jsonrpc":"2.0","id":null,"error":{"code":%d,"message":"%s"}}'
GET = {"http_method": "GET", "method": "", "id": None}


class Replicas:
    """A server of which each replica knows its own sessions: `opened` ones, of which `known` are not lost."""

    def __init__(self, kong, words, lost=(404, -32600, "Session not found")):
        self.known, self.opened, self.hellos, self.lost = set(), 0, [], lost
        self.first = f"up-{secrets.token_hex(4)}"
        self.session = {"session": self.first, "hello": HELLO, "resumes": True}
        self.version, self.seen, self.refuses = "2025-06-18", [], ()
        self.breaks = threading.Event()
        """Set, it breaks the streams of the first session."""
        self.over = threading.Event()
        self._words = words
        kong.play = self.play

    def play(self, request, connection):
        message = json.loads(request.body or b"{}")
        session = request.headers.get("mcp-session-id", [None])[0]
        method = message.get("method", request.method)
        self.seen.append((method, session))
        if method == "initialize":
            self.hellos.append((message["params"], request))
            connection.sendall(self._open(message))
            return
        status, code, text = self.lost
        if session not in self.known or method in self.refuses:
            body = (NOT_FOUND % (code, text)).encode()
            connection.sendall(self._words.json_answer(body, status=f"{status} x"))
        elif method == "GET":
            told = b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"%s"}}\n\n'
            connection.sendall(self._words.stream_answer(told % session.encode(), end=False))
            (self.breaks if session == self.first else self.over).wait(60)
        elif method in ("tools/list", "tools/call", "resources/subscribe"):
            result = {"tools": [{"name": session}]} if method == "tools/list" else {"content": []}
            result = {} if method == "resources/subscribe" else result
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
            connection.sendall(self._words.json_answer(json.dumps(answer).encode()))
        else:
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def _open(self, message):
        self.opened += 1
        self.known.add(f"new-{self.opened}")
        result = {"protocolVersion": self.version, "capabilities": CAPABILITIES, "serverInfo": {"name": "x"}}
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        return self._words.json_answer(json.dumps(answer).encode(), f"Mcp-Session-Id: new-{self.opened}\r\n")


@pytest.fixture
def replicas(kong, words):
    replicas = Replicas(kong, words)
    yield replicas
    replicas.breaks.set()
    replicas.over.set()


@pytest.mark.requirement("LIVE-101")
@pytest.mark.usefixtures("replicas")
def test_the_initialize_is_sealed_into_the_session_where_the_policy_says_so(guard, opened):
    kept = opened(guard.ask(OPENS, method="initialize", resumes=True).headers["mcp-session-id"])
    assert json.loads(kept.hello) == PARAMS
    assert opened(guard.ask(OPENS, method="initialize").headers["mcp-session-id"]).hello is None


@pytest.mark.requirement("LIVE-101")
@pytest.mark.usefixtures("replicas")
def test_an_initialize_that_is_too_long_for_a_header_is_not_recorded(guard, opened):
    params = {**PARAMS, "capabilities": {"experimental": {"x": "y" * 2048}}}
    body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "initialize", "params": params}).encode()
    assert opened(guard.ask(body, method="initialize", resumes=True).headers["mcp-session-id"]).hello is None


@pytest.mark.requirement("LIVE-102")
@pytest.mark.parametrize(
    ("lost", "method"),
    [
        ((404, -32600, "Session not found"), "tools/list"),
        ((404, -32600, "Session not found"), "tools/call"),
        ((404, -32001, "Session has been terminated"), "tools/list"),
        ((404, -32001, "Session has been terminated"), "tools/call"),
        ((400, -32000, "Bad Request: No valid session ID provided"), "tools/list"),
        ((400, -32000, "Bad Request: Server not initialized"), "tools/list"),
    ],
)
def test_a_lost_session_is_opened_again_and_what_was_asked_is_asked_there_once(guard, replicas, words, lost, method):
    replicas.lost = lost
    body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": {"name": "x"}}).encode()
    headers = {"x-own": "1", "mcp-protocol-version": "2025-06-18", "last-event-id": "3"}
    for _ in range(2):
        answer = guard.ask(body, method=method, headers=headers, **replicas.session)
        assert (answer.status, "result" in answer.json) == (200, True)
    assert replicas.seen == [
        (method, replicas.first),
        ("initialize", None),
        ("notifications/initialized", "new-1"),
        (method, "new-1"),
        (method, "new-1"),
    ]
    ((params, sent),) = replicas.hellos
    assert params == PARAMS
    assert (sent.headers["x-own"], "last-event-id" in sent.headers) == (["1"], False)
    counted = guard.sidecar.get("/metrics", {"Authorization": f"Bearer {words.metrics_token}"}).body.decode()
    assert 'mcp_sidecar_sessions_resumed_total{outcome="resumed",server="files"}' in counted


@pytest.mark.requirement("LIVE-102")
@pytest.mark.parametrize("going", [b"", b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"])
@pytest.mark.parametrize(("times", "status"), [(2, 200), (9, 404)])
def test_where_the_next_replica_goes_too_another_one_is_asked(guard, replicas, kong, going, times, status):
    played, left = kong.play, [going] * times

    def play(request, connection):
        if b"initialize" in request.body and left:
            return connection.sendall(left.pop())
        return played(request, connection)

    kong.play = play
    assert guard.ask(**replicas.session).status == status
    assert 0 < times - len(left) < 9


@pytest.mark.requirement("LIVE-102")
def test_without_the_policy_or_the_record_agents_hear_404_as_ever(guard, replicas):
    assert guard.ask(session=replicas.first).status == 404
    assert replicas.seen == [("tools/list", replicas.first)]


@pytest.mark.requirement("LIVE-102")
@pytest.mark.parametrize(
    "said",
    [
        (400, -32602, "session_id is missing"),
        (400, -32000, "No"),
        (400, -32000, "payment session expired"),
        (400, -32000, "the session not found was yours"),
        (500, -32000, "no session"),
        (403, -32000, "session"),
    ],
)
def test_what_says_something_else_loses_no_session(guard, replicas, said):
    replicas.lost = said
    guard.ask(**replicas.session)
    assert replicas.seen == [("tools/list", replicas.first)]


CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x"}}'
NO_SESSION = (400, -32000, "Bad Request: No valid session ID provided")


@pytest.mark.requirement("LIVE-301")
def test_a_call_that_400_answers_finds_its_session_open_and_is_not_repeated(guard, replicas):
    replicas.lost = NO_SESSION
    assert guard.ask(CALL, method="tools/call", **replicas.session).status == 400
    assert guard.ask(CALL, method="tools/call", **replicas.session).status == 200
    assert [one for one in replicas.seen if one[0] == "tools/call"] == [
        ("tools/call", replicas.first),
        ("tools/call", "new-1"),
    ]


@pytest.mark.requirement("LIVE-301")
@pytest.mark.parametrize("method", ["tools/call", "tools/list"])
def test_where_every_answer_is_that_400_no_more_sessions_are_opened(guard, replicas, method):
    replicas.lost, replicas.refuses = NO_SESSION, (method,)
    body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": {"name": "x"}}).encode()
    for _ in range(6):
        assert guard.ask(body, method=method, **replicas.session).status == 400
    assert replicas.opened <= 4


@pytest.mark.requirement("LIVE-102")
def test_a_method_that_nobody_knows_and_the_end_of_a_session_may_be_404(guard, replicas):
    for asked in ({"method": "custom/x"}, {"http_method": "DELETE", "method": "", "id": None}):
        assert guard.ask(**replicas.session, **asked).status == 404
    assert replicas.opened == 0


@pytest.mark.requirement("LIVE-103")
def test_nobody_else_gets_the_session_that_was_opened_again(guard, replicas):
    guard.ask(**replicas.session)
    guard.ask(**replicas.session, principal="bob")
    asked = [session for method, session in replicas.seen if method == "tools/list"]
    assert asked == [replicas.first, "new-1", replicas.first, "new-2"]


@pytest.mark.requirement("LIVE-104")
def test_requests_that_find_it_lost_together_open_it_once(guard, replicas):
    answers = []
    asking = [
        threading.Thread(target=lambda: answers.append(guard.ask(**replicas.session).json["result"])) for _ in range(8)
    ]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    assert answers == [{"tools": [{"name": "new-1"}]}] * 8
    assert replicas.opened == 1


@pytest.mark.requirement("LIVE-104")
def test_where_404_means_something_else_the_session_stays_where_it_was(guard, replicas):
    replicas.known.add(replicas.first)
    replicas.refuses = ("tools/call",)
    call = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x"}}'
    for _ in range(2):
        assert guard.ask(call, method="tools/call", **replicas.session).status == 404
    opened = replicas.opened
    assert guard.ask(call, method="tools/call", **replicas.session).status == 404
    assert replicas.opened == opened <= 4
    assert guard.ask(**replicas.session).json["result"] == {"tools": [{"name": replicas.first}]}


@pytest.mark.requirement("LIVE-104")
@pytest.mark.parametrize("version", ["2025-06-18", "2025-03-26"])
def test_a_server_that_now_speaks_another_version_resumes_nothing(guard, replicas, version):
    replicas.version = version
    status = guard.ask(headers={"mcp-protocol-version": "2025-06-18"}, **replicas.session).status
    assert status == (200 if version == "2025-06-18" else 404)


@pytest.mark.requirement("LIVE-102")
def test_a_call_whose_connection_breaks_is_not_asked_again_in_another_session(guard, replicas, kong):
    played = kong.play
    kong.play = lambda request, connection: played(request, connection) if b"initialize" in request.body else None
    call = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x"}}'
    answer = guard.ask(call, method="tools/call", **replicas.session)
    assert (answer.status, answer.json["error"]["data"]) == (502, {"mayHaveRun": True})
    assert len(kong.requests) == 1


@pytest.mark.requirement("LIVE-105")
def test_a_listener_stays_hears_that_lists_may_have_changed_and_what_it_may_see_is_subscribed_to_again(
    guard, replicas, kong
):
    view = {"tools": {"allow": ["*"]}, "resources": {"allow": ["note://*"]}}
    replicas.known.add(replicas.first)
    for uri in ("note://a", "gone://b"):
        body = {"jsonrpc": "2.0", "id": 7, "method": "resources/subscribe", "params": {"uri": uri}}
        guard.ask(json.dumps(body).encode(), method="resources/subscribe", **replicas.session)
    with contextlib.closing(guard.open(**GET, **replicas.session, view=view)) as connection:
        stream = connection.getresponse()
        assert replicas.first in event(stream)
        replicas.known.discard(replicas.first)
        replicas.breaks.set()
        told = [json.loads(event(stream))["method"] for _ in range(2)]
        assert told == ["notifications/tools/list_changed", "notifications/resources/list_changed"]
        assert "new-1" in event(stream)
    subscribed = [
        (request.headers["mcp-session-id"][0], json.loads(request.body)["params"]["uri"])
        for request in kong.requests
        if b"resources/subscribe" in request.body
    ]
    assert subscribed[2:] == [("new-1", "note://a")]


@pytest.mark.requirement("LIVE-105")
def test_the_end_of_a_session_ends_the_one_that_was_opened_again(guard, replicas):
    guard.ask(**replicas.session)
    assert guard.ask(http_method="DELETE", method="", id=None, **replicas.session).status == 202
    assert replicas.seen[-1] == ("DELETE", "new-1")


def event(stream):
    """Return the data of the next event."""
    while line := stream.readline():
        if line.startswith(b"data: "):
            return line.decode().removeprefix("data: ")
    raise AssertionError("the stream ended")
