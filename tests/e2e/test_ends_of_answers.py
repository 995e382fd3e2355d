"""Where an answer ends: with its last byte where the server said its length, and with nginx's word for it elsewhere."""

import contextlib
import json
import socket

import pytest
import yaml

from e2e.harness import JSON_HEADERS, KINDS, call
from kong_mcp import dev
from kong_mcp.servers import parse_server
from servers.hostile_server import HostileServer, head

KONG = [kind for kind in KINDS if kind == "kong"]
RESULT = {"content": [{"type": "text", "text": "honest"}]}
ANSWER = json.dumps({"jsonrpc": "2.0", "id": 1, "result": RESULT}).encode()
MORE = {"name": "pre-function", "config": {"body_filter": ["if ngx.arg[2] then ngx.arg[1] = ' ' end"]}}
"""A plugin that runs before mcp-answers, and writes where an answer ends."""


class Asking:
    """Calls over one connection to a gateway whose server answers with the pieces that are set."""

    def __init__(self, stack, kind, plugins):
        self.pieces = [head(length=len(ANSWER)) + ANSWER]
        server = HostileServer(self._answer)
        stack.callback(server.close)
        write = dev.write_state

        def with_plugins(*args, **kwargs):
            path = write(*args, **kwargs)
            state = yaml.safe_load(path.read_text())
            next(one for one in state["services"] if one["name"] == "mcp-x")["plugins"] += plugins
            path.write_text(yaml.safe_dump(state))
            return path

        monkeypatch = stack.enter_context(pytest.MonkeyPatch.context())
        monkeypatch.setattr(dev, "write_state", with_plugins)
        servers = [parse_server(f"x=http://127.0.0.1:{server.port}/mcp")]
        settings = dev.DevSettings(servers, kind, port=0, policy={"tools": {"allow": ["good"]}})
        url = stack.enter_context(dev.run_dev(settings)).url("x")
        port = int(url.rpartition(":")[2].partition("/")[0])
        self._socket = stack.enter_context(socket.create_connection(("127.0.0.1", port), 20))
        body = json.dumps(call("good")).encode()
        named = "".join(f"{name}: {value}\r\n" for name, value in JSON_HEADERS.items())
        self._request = (
            f"POST /x/mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{named}Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )

    def _answer(self, _message, write):
        for piece in self.pieces:
            write(piece)

    def read(self):
        """Ask, and return what comes at once and the text of the answer."""
        self._socket.sendall(self._request)
        first = data = self._socket.recv(65536)
        # Behind the head, whose last line is an id that may end in 0 too.
        while not data.partition(b"\r\n\r\n")[2].endswith(b"0\r\n\r\n"):
            more = self._socket.recv(65536)
            assert more, f"the answer broke off: {data}"
            data += more
        body, chunks = b"", data.partition(b"\r\n\r\n")[2]
        while chunks:
            size, _, rest = chunks.partition(b"\r\n")
            body, chunks = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        assert data.startswith(b"HTTP/1.1 200 ")
        return first == data, body


@pytest.fixture(scope="module", params=KONG)
def asking(request):
    with contextlib.ExitStack() as stack:
        yield Asking(stack, request.param, [])


@pytest.mark.requirement("ANS-008")
def test_an_answer_of_known_length_is_one_write_and_the_connection_goes_on(asking):
    asking.pieces = [head(length=len(ANSWER)) + ANSWER]
    assert [asking.read() for _ in range(3)] == [(True, ANSWER)] * 3


@pytest.mark.requirement("ANS-008")
@pytest.mark.parametrize(
    "pieces",
    [
        [head(length=len(ANSWER)), ANSWER[:20], ANSWER[20:]],
        [head(length=len(ANSWER)) + ANSWER[:20], ANSWER[20:] + b"\r\n" + ANSWER],
        [head() + ANSWER],
    ],
    ids=["in pieces", "with more than it said", "without a length"],
)
def test_any_other_way_of_sending_it_is_the_same_answer(asking, pieces):
    asking.pieces = pieces
    assert asking.read()[1] == ANSWER
    assert asking.read()[1] == ANSWER


@pytest.mark.requirement("ANS-008")
def test_what_is_judged_at_the_end_is_judged_at_the_early_one(asking):
    wrong = json.dumps({"jsonrpc": "2.0", "id": 2, "result": RESULT}).encode()
    asking.pieces = [head(length=len(wrong)) + wrong]
    whole, body = asking.read()
    assert whole
    assert json.loads(body)["error"]["code"] == -32603


@pytest.mark.requirement("ANS-008")
@pytest.mark.parametrize("kind", KONG)
def test_a_plugin_before_that_waits_for_the_end_sees_it(kind):
    with contextlib.ExitStack() as stack:
        assert Asking(stack, kind, [MORE]).read()[1] == ANSWER + b" "
