"""What becomes of an answer by its head: types, redirects, and refusals, of which the operator hears."""

import json
import threading

import pytest

from mcp_core.heads import TABLE, Fate, row_of

TYPES = [
    "application/json; charset=utf8",
    "application/json;charset=UTF-8",
    'application/json; charset="utf-8"; profile=x',
    "application/json;",
    "Application/Json; charset=us-ascii",
    "application/json;charset=ISO-8859-1",
]
INITIALIZE = {"method": "initialize"}
CALL = {"method": "tools/call"}


def told(guard, words, event):
    """Return the last line of an event in the sidecar's log, once it is there."""

    def lines():
        text = guard.sidecar.log.read_text()
        every = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [line for line in every if line["event"] == event and line.get("trace") == guard.trace]

    return words.until(lines)[-1]


@pytest.mark.requirement("HEAD-002")
@pytest.mark.parametrize("kind", TYPES)
def test_a_type_is_read_however_it_is_written_in_initialize_lists_and_calls(guard, kong, words, kind):
    hello = b'{"jsonrpc":"2.0","id":7,"result":{"protocolVersion":"2025-06-18","capabilities":{}}}'
    done = b'{"jsonrpc":"2.0","id":7,"result":{"content":[]}}'
    for body, changes in ((hello, INITIALIZE), (words.result("a"), {}), (done, CALL)):
        kong.answers(words.json_answer(body).replace(b"application/json", kind.encode()))
        answer = guard.ask(**changes)
        assert (answer.status, answer.body, answer.headers["content-type"]) == (200, body, "application/json")
        stream = kind.lower().replace("application/json", "text/event-stream").encode()
        sent = words.stream_answer(b"data: " + body + b"\n\n").replace(b"text/event-stream", stream)
        kong.answers(sent)
        answer = guard.ask(**changes)
        assert (answer.body, answer.headers["content-type"]) == (b"data: " + body + b"\n\n", "text/event-stream")


@pytest.mark.requirement("HEAD-001")
@pytest.mark.parametrize("status", [status for row in TABLE for status in {row.first, row.last}] + [600, 999])
@pytest.mark.parametrize("challenged", [True, False])
def test_the_sidecar_keeps_to_the_table(guard, kong, words, status, challenged):
    row = row_of(status, challenged=challenged)
    headers = "WWW-Authenticate: Bearer\r\n" if challenged else ""
    bare = status in (204, 304)
    body = b"" if bare else words.result("secret")
    kong.answers(words.json_answer(body, headers, f"{status} Reason").replace(b"Content-Length: 0\r\n", b""))
    answer = guard.ask()
    if row.fate is Fate.READ:
        assert (answer.status, answer.json["result"]) == (status, {"tools": []})
        return
    passed = {Fate.NOTHING: 200, Fate.ERROR: status, Fate.REPLACED: 502}[row.fate]
    assert (answer.status, answer.json["id"]) == (passed, 7)
    if row.fate is not Fate.NOTHING:
        assert answer.json["error"]["message"] == row.refusal(status).message
    assert b"secret" not in answer.body


SAID = b"<html><h1>Invalid \x1b[31mHost\x07</h1>\r\n  header \xe2\x80\xae: gateway </html>" + b"x" * 5000


@pytest.mark.requirement("HEAD-003")
@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "credentials"), (403, "forbidden"), (421, "misdirected"), (400, "refused"), (500, "failed")],
)
def test_an_operator_finds_what_a_server_said_when_it_refused(guard, kong, words, status, reason):
    kong.answers(words.json_answer(SAID, status=f"{status} No").replace(b"application/json", b"text/html"))
    answer = guard.ask()
    assert f"HTTP {status}" in answer.json["error"]["message"]
    assert "Invalid" not in answer.body.decode()
    line = told(guard, words, "server refused" if answer.status == status else "answer withheld")
    assert (line["server"], line["status"], line["why"]) == ("files", status, f"{reason}: {status}")
    assert line["said"].startswith("Invalid [31mHost header : gateway xxx")
    assert line["said"].isascii()
    assert len(line["said"]) <= 200
    assert line["do"]
    metrics = guard.sidecar.get("/metrics", {"authorization": f"Bearer {words.metrics_token}"}).body.decode()
    assert f'answers_refused_total{{reason="{reason}",server="files"}}' in metrics


@pytest.mark.requirement("HEAD-003")
def test_a_challenge_is_told_and_a_credential_is_not(guard, kong, words):
    challenge = 'WWW-Authenticate: Bearer error="invalid_token"\r\n'
    kong.answers(words.json_answer(b"{}", challenge, "401 No"))
    guard.ask()
    assert told(guard, words, "answer withheld")["said"] == 'Bearer error="invalid_token" {}'
    leaked = b"no such key: ghp_" + b"a1B2c3D4e5" * 3 + b"f6G7h8"
    for status in ("401 No", "400 No"):
        kong.answers(words.json_answer(leaked, status=status))
        answer = guard.ask()
        told(guard, words, "server refused" if answer.status == 400 else "answer withheld")
        assert "ghp_" not in guard.sidecar.log.read_text()


@pytest.mark.requirement("HEAD-003")
def test_words_that_never_end_keep_nobody_waiting(guard, kong, words):
    gone = threading.Event()

    def drips(_request, connection):
        connection.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\nNo.")
        connection.recv(1)
        gone.set()

    kong.play = drips
    assert guard.ask().status == 502
    assert told(guard, words, "answer withheld")["said"] == "No."
    assert gone.wait(10)


@pytest.mark.requirement("HEAD-004")
@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/mcp/", "/mcp/"),
        ("http://user:s3cr3t@other.example:81/mcp?token=s3cr3t#s3cr3t", "http://other.example:81/mcp?..."),
        ("https://other.example/%0d%0a", "https://other.example/%0d%0a"),
        ("http://[s3cr3t", None),
        ("", None),
    ],
)
def test_a_redirect_is_not_followed_and_its_target_is_told_to_the_operator_alone(
    guard, kong, words, status, location, shown
):
    kong.answers(words.json_answer(b"", f"Location: {location}\r\n", f"{status} Elsewhere"))
    answer = guard.ask()
    message = answer.json["error"]["message"]
    assert (answer.status, f"redirect (HTTP {status})" in message, "URL" in message) == (502, True, True)
    assert not location or location not in answer.body.decode()
    assert len(kong.requests) == 1
    assert told(guard, words, "answer withheld").get("points_to") == shown
    assert "s3cr3t" not in guard.sidecar.log.read_text() + answer.body.decode()


@pytest.mark.requirement("HEAD-003")
@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_a_refusal_without_a_text_is_an_error_with_the_id_too(guard, kong, words, status):
    kong.answers(words.json_answer(b"", status=f"{status} No"))
    answer = guard.ask()
    assert (answer.status, answer.json["id"]) == (status, 7)
    assert f"HTTP {status}" in answer.json["error"]["message"]


@pytest.mark.requirement("HEAD-003")
def test_a_refusal_with_an_endless_text_keeps_its_status(start, kong, words):
    guard = start(MCP_SIDECAR_MAX_ANSWER="2048")
    kong.answers(words.json_answer(b"x" * 5000, status="400 No"))
    assert (guard.ask().status, guard.ask().json["error"]["code"]) == (400, -32600)


@pytest.mark.requirement("HEAD-003")
def test_an_answer_past_a_limit_says_which_settings_raise_it(start, kong, words):
    guard = start(MCP_SIDECAR_MAX_ANSWER="2048")
    long = words.result("x" * 5000)
    for sent in (words.json_answer(long), words.stream_answer(b"data: " + long + b"\n\n")):
        kong.answers(sent)
        assert "withheld" in guard.ask().json["error"]["message"]
        line = told(guard, words, "answer withheld")
        assert line["do"].startswith("raise MCP_SIDECAR_MAX_ANSWER, and max_answer and max_event of mcp-answers")


@pytest.mark.requirement("HEAD-003")
def test_an_answer_without_a_type_is_told_for_what_it_is(guard, kong, words):
    kong.answers(words.json_answer(words.result("a")).replace(b"Content-Type: application/json\r\n", b""))
    assert "without a Content-Type" in guard.ask().json["error"]["message"]
    assert "check this server's URL" in told(guard, words, "answer withheld")["do"]
