"""What becomes of event streams: filtered event by event, at once, and readable in one way only."""

import contextlib
import json
import threading

import pytest


def events(body):
    """Return the data of every event, as the simplest of readers would."""
    return [block.removeprefix("data: ").replace("\ndata: ", "\n") for block in body.decode().split("\n\n")[:-1]]


def names(body):
    """Return the tool names of every list in a stream, in order."""
    return [tool["name"] for data in events(body) for tool in json.loads(data)["result"]["tools"]]


@pytest.fixture
def streamed(guard, kong, words):
    """Let the server answer with a stream, and return what the agent gets."""

    def streamed(*chunks, **changes):
        kong.answers(words.stream_answer(*chunks))
        return guard.ask(**changes)

    return streamed


@pytest.mark.requirement("SIDE-003")
def test_a_list_in_a_stream_is_filtered(streamed, words):
    answer = streamed(b"event: message\nid: 3\ndata: " + words.result("keep", "secret") + b"\n\n")
    expected = json.dumps(json.loads(words.result("keep")), separators=(",", ":"))
    assert answer.body == f"event: message\nid: 3\ndata: {expected}\n\n".encode()
    assert {name: answer.headers[name] for name in ("content-type", "cache-control", "x-accel-buffering")} == {
        "content-type": "text/event-stream",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
    }


@pytest.mark.requirement("SIDE-003")
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_list_is_filtered_wherever_the_network_splits_the_stream(streamed, words, end):
    lines = [b"\xef\xbb\xbf: hello", b"data:{}", b"data", b"", b"event:message", b"data:", b"", b""]
    lines[1] = b'data: {"jsonrpc":"2.0","id":7,"result":{"tools":'
    lines[2] = b'data: [{"name":"secret"},{"name":"keep"}]}}'
    lines[5] = b"data: " + words.result("secret2", "keep2")
    stream = end.join(lines)
    for at in range(len(stream) + 1):
        answer = streamed(stream[:at], stream[at:], **words.replay)
        data = [block.rpartition("data: ")[2] for block in answer.body.decode().split("\n\n") if "data" in block]
        assert [json.loads(one)["result"]["tools"] for one in data] == [[{"name": "keep"}], [{"name": "keep2"}]], at


@pytest.mark.requirement("SIDE-003")
def test_a_list_is_filtered_after_anything_that_comes_before_it(streamed, words):
    garbage = b"\n\n: ping\n\nfield: x\n\nretry: 10\n\nid: 1\ndata:\n\nevent: endpoint\ndata: /messages?x\n\n"
    notification = b'data: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n\n'
    answer = streamed(garbage + notification + b"data: " + words.result("secret", "keep") + b"\n\n")
    assert b"secret" not in answer.body
    assert b"/messages" not in answer.body
    assert b":\n\n" in answer.body
    assert b"retry: 10\n\n" in answer.body
    assert b"id: 1\ndata: \n\n" in answer.body
    assert answer.body.endswith(b'"result":{"tools":[{"name":"keep"}]}}\n\n')


@pytest.mark.requirement("SIDE-003")
def test_on_a_stream_that_replays_every_answer_is_filtered(streamed, words):
    one, two, three = (words.result("secret", name, id_=id_) for name, id_ in (("a", 7), ("b", 7), ("c", 99)))
    answer = streamed(b"data: " + one + b"\n\ndata: [" + two + b"," + three + b"]\n\n", **words.replay)
    assert b"secret" not in answer.body
    assert [len(json.loads(data)) for data in events(answer.body)] == [3, 2]


@pytest.mark.requirement("ANS-002")
def test_after_the_answer_nothing_more_passes_and_the_stream_ends(guard, kong, words):
    gone = threading.Event()

    def stays(_request, connection):
        late = b"data: " + words.result("late", id_=8) + b"\n\n"
        connection.sendall(words.stream_answer(b"data: " + words.result("keep") + b"\n\n" + late, end=False))
        connection.recv(1)
        gone.set()

    kong.play = stays
    assert names(guard.ask().body) == ["keep"]
    assert gone.wait(10)


@pytest.mark.requirement("SIDE-003")
def test_a_list_in_an_event_of_unknown_type_is_filtered(streamed, words):
    answer = streamed(b"event: other\ndata: " + words.result("secret", "keep") + b"\n\n")
    assert answer.body.startswith(b"event: other\n")
    assert b"secret" not in answer.body
    assert b"keep" in answer.body


@pytest.mark.requirement("SIDE-004")
def test_what_is_unfinished_when_the_stream_ends_is_dropped(streamed, words):
    answer = streamed(b"data: " + words.result("keep") + b"\n\ndata: " + words.result("lost") + b"\n")
    assert names(answer.body) == ["keep"]


@pytest.mark.requirement("SIDE-003")
def test_the_stream_of_a_get_is_filtered_too(guard, kong, words):
    kong.answers(words.stream_answer(b"data: " + words.result("keep", "secret") + b"\n\n"))
    assert names(guard.ask(**words.replay).body) == ["keep"]


@pytest.mark.requirement("ANS-001")
def test_no_answer_passes_on_the_stream_of_a_get_that_replays_nothing(guard, kong, words):
    changed = b'data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n'
    kong.answers(words.stream_answer(changed + b"data: " + words.result("keep", "secret") + b"\n\n" + changed))
    answer = guard.ask(http_method="GET", method="", id=None)
    assert (answer.status, answer.body) == (200, changed)


UNREADABLE = [
    b'data: {"jsonrpc":"2.0","id":7,"result":{"tools":[],"tools":[{"name":"secret"}]}}\n\n',
    b'data: {"jsonrpc":"2.0","id":8,"result":{"tools":[{"name":"secret"}]}}\n\n',
    b'event: message\ndata: {"jsonrpc":"2.0","id":7,"result":{"tools":["secret"]}\n\n',
    b"event\ndata: {secret}\n\n",
]
LEFT_OUT = [b"data: secret\n\n", b"event: message\ndata: [DONE]\n\n", b"data: \xffsecret\n\n", b"data: {}\n\n"]


@pytest.mark.requirement("ANS-003")
@pytest.mark.parametrize("junk", LEFT_OUT)
def test_what_no_client_takes_for_a_message_is_left_out_and_the_answer_passes(streamed, words, junk):
    answer = streamed(junk, b"data: " + words.result("keep") + b"\n\n")
    assert (answer.status, names(answer.body)) == (200, ["keep"])
    alone = streamed(junk)
    assert (alone.status, alone.json["id"], alone.json["error"]["code"]) == (200, 7, -32603)
    assert b"secret" not in answer.body + alone.body


@pytest.mark.requirement("SIDE-004")
@pytest.mark.parametrize("enforce", [True, False])
@pytest.mark.parametrize("unreadable", UNREADABLE)
def test_a_stream_that_begins_unreadably_is_one_error(streamed, unreadable, enforce):
    answer = streamed(unreadable, enforce=enforce)
    assert (answer.status, answer.json["id"], answer.json["error"]["code"]) == (200, 7, -32603)
    assert b"secret" not in answer.body


@pytest.mark.requirement("SIDE-004")
@pytest.mark.parametrize("unreadable", UNREADABLE)
def test_a_stream_that_becomes_unreadable_ends_with_an_error(streamed, words, unreadable):
    log = b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n'
    answer = streamed(log, unreadable, b"data: " + words.result("keep") + b"\n\n")
    good, error = map(json.loads, events(answer.body))
    assert good["method"] == "notifications/message"
    assert (error["id"], error["error"]["code"]) == (7, -32603)
    assert b"secret" not in answer.body


@pytest.mark.parametrize("unreadable", [UNREADABLE[0], *UNREADABLE[2:]])
def test_the_stream_of_a_get_just_ends_where_it_becomes_unreadable(streamed, words, unreadable):
    keep = b"data: " + words.result("keep") + b"\n\n"
    answer = streamed(keep, unreadable, keep, **words.replay)
    assert (answer.status, names(answer.body)) == (200, ["keep"])


@pytest.mark.requirement("SIDE-018")
@pytest.mark.parametrize("drip", [b"x" * 1000, b"data: y\n", b"id: 1\n"])
def test_an_event_over_the_limit_ends_the_stream(start, kong, words, drip):
    guard = start(MCP_SIDECAR_MAX_ANSWER="4096")
    given_up = threading.Event()

    def endless(_request, connection):
        connection.sendall(words.stream_answer(b": hello\n\n", end=False))
        try:
            while True:
                connection.sendall(words.chunk(drip))
        except OSError:
            given_up.set()

    kong.play = endless
    answer = guard.ask()
    assert json.loads(events(answer.body)[-1])["id"] == 7
    assert given_up.wait(10)


def test_events_reach_the_agent_one_by_one_as_the_server_sends_them(guard, kong, words):
    go = threading.Semaphore(0)
    pieces = [b": ping\n\n", b"id: 0\ndata:\n\n", b"id: 9\n\n", b"data: " + words.result("a") + b"\n\n"]

    def slowly(_request, connection):
        connection.sendall(words.stream_answer(end=False))
        for piece in pieces:
            go.acquire(timeout=10)
            connection.sendall(words.chunk(piece))
        go.acquire(timeout=10)

    kong.play = slowly
    with contextlib.closing(guard.open()) as connection:
        go.release()
        response = connection.getresponse()
        seen = [_event(response)]
        for _ in pieces[1:]:
            go.release()
            seen.append(_event(response))
        go.release()
    result = words.result("a")
    assert seen == [b":\n\n", b"id: 0\ndata: \n\n", b"id: 9\n\n", b"data: " + result + b"\n\n"]


def _event(response):
    lines = []
    while not lines or lines[-1] != b"\n":
        lines.append(response.readline())
    return b"".join(lines)


@pytest.mark.parametrize("http_method", ["POST", "GET"])
def test_the_head_of_a_silent_stream_arrives_all_the_same(guard, kong, words, http_method):
    done = threading.Event()

    def silent(_request, connection):
        connection.sendall(words.stream_answer(end=False))
        done.wait(10)

    kong.play = silent
    with contextlib.closing(guard.open(http_method=http_method)) as connection:
        assert connection.getresponse().status == 200
        done.set()


def test_a_stream_that_the_server_breaks_off_ends(guard, kong, words):
    kong.answers(words.stream_answer(b"id: 1\ndata:\n\n", end=False))
    answer = guard.ask()
    assert (answer.status, answer.body) == (200, b"id: 1\ndata: \n\n")


def test_a_silent_post_stream_is_given_up_after_the_answer_timeout(start, kong, words):
    guard = start(MCP_SIDECAR_ANSWER_TIMEOUT="0.3")
    gone = threading.Event()

    def silent(_request, connection):
        connection.sendall(words.stream_answer(end=False))
        connection.recv(1)
        gone.set()

    kong.play = silent
    answer = guard.ask()
    assert (answer.status, answer.json["id"]) == (504, 7)
    assert gone.wait(10)


@pytest.mark.requirement("SIDE-020")
@pytest.mark.parametrize("method", ["subscriptions/listen", "tools/list"])
def test_a_stream_that_has_begun_outlives_the_answer_timeout_unless_it_is_that_of_a_list(start, kong, words, method):
    guard = start(MCP_SIDECAR_ANSWER_TIMEOUT="0.3")
    gone = threading.Event()

    def dripping(_request, connection):
        connection.sendall(words.stream_answer(b": ping\n\n", end=False))
        with contextlib.suppress(OSError):
            for _ in range(12):
                gone.wait(0.1)
                connection.sendall(words.chunk(b": ping\n\n"))
            connection.sendall(words.chunk(b"data: " + words.result("late") + b"\n\n") + b"0\r\n\r\n")

    kong.play = dripping
    body = guard.ask(method=method).body
    assert (b"late" in body) is (method == "subscriptions/listen")
    assert (b"did not answer in time" in body) is (method == "tools/list")


@pytest.mark.requirement("SIDE-014")
def test_each_list_of_a_stream_counts_what_it_hides_once(guard, kong, words):
    first, second = words.result("secret-a", "read", "secret-b"), words.result("secret-c", "read")
    events = (b"data: " + one + b"\n\n" for one in (first, second, words.result("read")))
    kong.answers(words.stream_answer(*events))
    guard.ask(b"", session="upstream-1", **words.replay)
    assert guard.line()["hidden"] == 3
