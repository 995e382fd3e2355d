"""The cases of spec/answers.json through whole gateways: the call lane on a real Kong, the inspect lane on the devkit.

A server answers one allowed call with each text, as a JSON body and on an event stream, and what the agent gets is
looked at byte by byte.
"""

import json
from pathlib import Path

import httpx
import pytest

from e2e.harness import JSON_HEADERS, KINDS
from kong_mcp.dev import DevSettings, run_dev
from kong_mcp.servers import parse_server
from servers.hostile_server import HostileServer, head

CASES = json.loads((Path(__file__).parents[2] / "spec/answers.json").read_text(encoding="utf-8"))
POLICY = {"tools": {"allow": ["good"]}, "prompts": {"allow": ["*"]}, "resources": {"allow": ["*"]}}
ITEMS = {
    "tools/call": {"name": "good"},
    "prompts/get": {"name": "greet"},
    "resources/read": {"uri": "note://a"},
    "completion/complete": {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "a", "value": ""}},
    "ping": {},
}
HONEST = {"content": [{"type": "text", "text": "honest"}], "messages": [], "contents": [], "completion": {}}
OWN = {"prompts/get": "messages", "resources/read": "contents", "completion/complete": "completion"}


class Lane:
    """One gateway before one server, which answers the next request with the bytes that were set."""

    def __init__(self, kind):
        self.answer = b""
        self.server = HostileServer(lambda _message, write: write(self.answer))
        servers = [parse_server(f"x=http://127.0.0.1:{self.server.port}/mcp")]
        self.running = run_dev(DevSettings(servers, kind, port=0, policy=POLICY))
        self.dev = self.running.__enter__()
        self.client = httpx.Client(headers=JSON_HEADERS, timeout=20, trust_env=False)

    def close(self):
        self.client.close()
        self.running.__exit__(None, None, None)
        self.server.close()

    def ask(self, asked, answer):
        """Send what a case asks, answered with these bytes, and return the answer as the agent gets it."""
        self.answer = answer
        method, modern = asked["method"], asked["era"] == "modern"
        params = dict(ITEMS[method])
        meta = {"progressToken": asked["token"]} if "token" in asked else {}
        headers = {"MCP-Protocol-Version": asked["version"]}
        if modern:
            meta |= {
                "io.modelcontextprotocol/protocolVersion": asked["version"],
                "io.modelcontextprotocol/clientCapabilities": {},
            }
            headers |= {"Mcp-Method": method, "Mcp-Name": "good"}
        params |= {"_meta": meta} if meta else {}
        message = {"jsonrpc": "2.0", "id": asked["id"], "method": method, "params": params}
        return self.client.post(self.dev.url("x"), json=message, headers=headers)


@pytest.fixture(scope="module", params=KINDS)
def lane(request):
    lane = Lane(request.param)
    yield lane
    lane.close()


TEXTS = [case for case in CASES["texts"] if "id" in case["question"] and "kinds" not in case["question"]]


def stream(*events):
    return head("text/event-stream") + b"".join(b"data: " + event.encode() + b"\n\n" for event in events)


def honest(asked):
    """Return an honest answer of the method that was asked."""
    own = OWN.get(asked["method"], "content")
    return json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": {own: HONEST[own]}}, separators=(",", ":"))


def data(answer):
    """Return the messages that an agent reads from an answer, as the simplest of readers would."""
    if answer.headers["content-type"].startswith("text/event-stream"):
        blocks = [block for block in answer.text.split("\n\n") if block]
        return ["\n".join(line[6:] for line in block.split("\n") if line.startswith("data: ")) for block in blocks]
    return [answer.text]


def is_own_error(text, asked):
    message = json.loads(text)
    return message["id"] == asked["id"] and "withheld" in message["error"]["message"]


@pytest.mark.requirement("ANS-001")
@pytest.mark.requirement("ANS-003")
@pytest.mark.parametrize("case", TEXTS, ids=[case["name"] for case in TEXTS])
def test_a_json_answer_is_the_one_to_the_question_or_one_clear_error(lane, case):
    asked, text = case["question"], case["text"]
    answer = lane.ask(asked, head() + text.encode())
    if case["verdict"] == "answer":
        assert answer.status_code == 200
        # The inspect lane writes half a surrogate pair anew.
        assert answer.text in (text, case.get("out", text), text.replace("\\ud83d", "\ufffd").replace(" ", ""))
    else:
        assert is_own_error(answer.text, asked)
        assert "POISON" not in answer.text


@pytest.mark.requirement("ANS-001")
@pytest.mark.requirement("ANS-002")
@pytest.mark.requirement("ANS-003")
@pytest.mark.parametrize("case", TEXTS, ids=[case["name"] for case in TEXTS])
def test_on_a_stream_a_message_passes_is_left_out_or_ends_it_with_one_clear_error(lane, case):
    asked, text = case["question"], case["text"]
    if "\n" in text or "\r" in text:
        text = text.replace("\n", " ").replace("\r", " ")
    last = honest(asked)
    answer = lane.ask(asked, stream(text, last, '{"jsonrpc":"2.0","id":99,"result":{"tools":["POISON"]}}'))
    messages = [one for one in data(answer) if one]
    assert "POISON" not in answer.text
    if case["verdict"] == "fail":
        assert len(messages) == 1
        assert is_own_error(messages[0], asked)
    elif case["verdict"] == "drop":
        assert messages == [last]
    else:
        assert len(messages) == (1 if case["verdict"] == "answer" else 2)
        assert messages[-1] == last or case["verdict"] == "answer"


HEADS = {
    "a redirect": b"HTTP/1.1 307 Go\r\nLocation: /evil\r\nContent-Length: 0\r\n\r\n",
    "a challenge": b"HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer POISON\r\nContent-Length: 0\r\n\r\n",
    "a forbidden challenge": b"HTTP/1.1 403 No\r\nWWW-Authenticate: Bearer POISON\r\nContent-Length: 0\r\n\r\n",
    "misdirected": b"HTTP/1.1 421 No\r\nContent-Length: 6\r\n\r\nPOISON",
    "an upgrade": b"HTTP/1.1 426 No\r\nUpgrade: h2c\r\nContent-Length: 6\r\n\r\nPOISON",
    "gzip": head("application/json", "Content-Encoding: gzip") + b"POISON",
    "brotli on a stream": head("text/event-stream", "Content-Encoding: br") + b"POISON",
    "HTML": head("text/html") + b"<p>POISON",
    "no type": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nPOISON",
    "JSONP": head("application/jsonp") + b"POISON",
    "UTF-16": head("application/json; charset=utf-16") + '{"POISON":1}'.encode("utf-16"),
    "two types": head("application/json, text/html") + b"POISON",
    "a type that is almost a stream": head("text/event-streams") + b"data: POISON\n\n",
    "accepted": b"HTTP/1.1 202 Accepted\r\nContent-Length: 6\r\n\r\nPOISON",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "nothing": head(length=0),
    "an empty stream": head("text/event-stream"),
    "a JSON answer that is too large": head() + b'{"x":"' + b"POISON" * 1_500_000,
    "a stream's event that is too large": head("text/event-stream") + b"data: " + b"POISON" * 1_500_000,
    "brackets without end": head("text/event-stream") + b'data: {"a":' + b"[" * 100_000 + b"\n\n",
    "too many events that are none": head("text/event-stream") + b"data: {}\n\n" * 20_000,
}
WITHHELD = {b"307", b"401", b"403", b"421", b"426"}
ASKED = {"era": "legacy", "version": "2025-06-18", "id": 7, "method": "tools/call"}


@pytest.mark.requirement("ANS-003")
@pytest.mark.requirement("ANS-005")
@pytest.mark.parametrize("sent", HEADS.values(), ids=HEADS.keys())
def test_any_other_answer_is_one_clear_error_or_a_cut_connection(lane, sent):
    try:
        answer = lane.ask(ASKED, sent)
    except httpx.RemoteProtocolError:
        assert b"POISON" * 1000 in sent, "only what is too large may be cut"
        return
    assert "POISON" not in answer.text + str(answer.headers) + answer.reason_phrase
    # Some clients end their session at any 5xx: where the server's status was good, one answer is missing.
    assert answer.status_code == (502 if sent[9:12] in WITHHELD else 200), "both lanes have one table of status codes"
    message = json.loads(data(answer)[-1])
    assert (message["id"], "error" in message) == (7, True)


FORGED = {
    "Mcp-Session-Id": "forged",
    "Mcp-Gateway-Session": "forged",
    "Set-Cookie": "a=forged",
    "Refresh": "0; url=forged",
    "Link": "<forged>",
    "Location": "/forged",
    "Access-Control-Allow-Origin": "forged",
    "X-Kong-Upstream-Status": "forged",
    "X-Consumer-Username": "forged",
    "Mcp-Affinity": "forged",
    "Proxy-Authenticate": "forged",
    "Set-Cookie2": "forged",
    "X-Accel-Redirect": "/forged",
    "X-Accel-Charset": "forged",
    "X-Accel-Expires": "forged",
    "X-Accel-Limit-Rate": "forged",
    "X-Sendfile": "/forged",
    "Clear-Site-Data": "forged",
    "X-Kong-Request-Id": "forged",
    "X-Real-IP": "forged",
    "X-Frame-Options": "forged",
    "Server": "forged",
}
KEPT = {"Retry-After": "3", "Cache-Control": "no-store", "MCP-Protocol-Version": "2025-06-18"}


@pytest.mark.requirement("ANS-005")
@pytest.mark.parametrize("status", ["200 Forged", "400 Forged"])
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_of_the_headers_an_allow_list_passes(lane, status, kind):
    lines = [f"{name}: {value}" for name, value in (FORGED | KEPT).items()]
    text = honest(ASKED) if status.startswith("200") else '{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"no"}}'
    body = text.encode() if kind == "application/json" else b"data: " + text.encode() + b"\n\n"
    sent = head(kind, *lines).replace(b"200 OK", status.encode()) + body
    answer = lane.ask(ASKED, sent)
    assert answer.status_code == int(status[:3])
    assert "forged" not in (str(answer.headers) + answer.reason_phrase).lower()
    assert {name: answer.headers.get(name) for name in KEPT} == KEPT
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.requirement("ANS-003")
def test_an_error_of_a_4xx_is_told_with_the_questions_id(lane):
    said = b'{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Missing session ID"}}'
    answer = lane.ask(ASKED, head().replace(b"200 OK", b"400 Bad Request") + said)
    assert answer.status_code == 400
    assert answer.json() == {"jsonrpc": "2.0", "id": 7, "error": {"code": -32600, "message": "Missing session ID"}}


@pytest.mark.requirement("ANS-001")
@pytest.mark.parametrize("sent", [head() + b'{"tools":["POISON"]}', stream('{"jsonrpc":"2.0","id":7,"result":{}}')])
def test_what_asks_nothing_is_answered_with_nothing(lane, sent):
    lane.answer = sent
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    answer = lane.client.post(lane.dev.url("x"), json=note, headers={"MCP-Protocol-Version": "2025-06-18"})
    assert (answer.status_code, answer.content) == (202, b"")
