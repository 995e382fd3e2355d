"""A page in a browser uses a server that the guard's origins and Kong's cors plugin let it in to."""

import contextlib
import json

import httpx
import pytest
import yaml

from e2e.harness import CONSUMERS, JSON_HEADERS, KINDS, call
from kong_mcp import dev
from kong_mcp.servers import parse_server
from servers.hostile_server import HostileServer, head

pytestmark = pytest.mark.long
KONG = [kind for kind in KINDS if kind == "kong"]
PAGE = "https://page.example"
ELSEWHERE = "https://elsewhere.example"
CORS = {
    "name": "cors",
    "config": {"origins": ["*"], "methods": ["GET", "POST", "DELETE"], "exposed_headers": ["Mcp-Session-Id"]},
}
SERVERS = "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: Mcp-Session-Id\r\n"


def lets_pages_in(message, write):
    """Answer as many servers do: with the headers of CORS for everybody."""
    tools = {"tools": [{"name": "good", "inputSchema": {"type": "object"}}], "content": []}
    result = {"tools/list": {"tools": tools["tools"]}, "tools/call": {"content": []}}[message["method"]]
    body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
    write(head(length=len(body)).replace(b"\r\n\r\n", b"\r\n" + SERVERS.encode() + b"\r\n") + body)


@pytest.fixture(scope="module", params=KONG)
def browser(request):
    """Return what sends a request as a page does, and the status and the headers of CORS that come back."""
    write = dev.write_state

    def with_cors(*args, **kwargs):
        path = write(*args, **kwargs)
        state = yaml.safe_load(path.read_text())
        next(one for one in state["services"] if one["name"] == "mcp-pages")["plugins"].append(CORS)
        path.write_text(yaml.safe_dump(state))
        return path

    with contextlib.ExitStack() as stack:
        monkeypatch = stack.enter_context(pytest.MonkeyPatch.context())
        monkeypatch.setattr(dev, "write_state", with_cors)
        server = HostileServer(lets_pages_in)
        stack.callback(server.close)
        servers = [parse_server(f"pages=http://127.0.0.1:{server.port}/mcp")]
        policy = {"tools": {"allow": ["*"]}, "origins": [PAGE]}
        settings = dev.DevSettings(servers, request.param, port=0, policy=policy, consumers=CONSUMERS)
        running = stack.enter_context(dev.run_dev(settings))
        client = stack.enter_context(httpx.Client(timeout=20, trust_env=False))

        def send(method="POST", origin=PAGE, body=None, **headers):
            named = JSON_HEADERS | {"Origin": origin} | headers
            answer = client.request(method, running.url("pages"), headers=named, json=body)
            cors = {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}
            return answer.status_code, cors

        yield send


KEY = {"apikey": CONSUMERS[1].key}
SEEN = {"access-control-allow-origin": "*", "access-control-expose-headers": "Mcp-Session-Id"}


@pytest.mark.requirement("HTTP-045")
def test_a_preflight_is_answered_without_a_key(browser):
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type, apikey"}
    status, cors = browser("OPTIONS", **asks)
    assert status == 200
    assert cors["access-control-allow-origin"] == "*"
    assert cors["access-control-allow-methods"] == "GET,POST,DELETE"
    assert cors["access-control-allow-headers"] == "content-type, apikey"


@pytest.mark.requirement("HTTP-045")
@pytest.mark.parametrize("body", [{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, call("good")])
def test_a_page_may_read_lists_and_calls_where_the_server_writes_the_same_headers(browser, body):
    assert browser(body=body, **KEY) == (200, SEEN)


@pytest.mark.requirement("HTTP-045")
def test_a_page_may_read_why_it_was_refused(browser):
    assert browser(body=call("good")) == (401, SEEN)
    assert browser(body=call("good"), origin=ELSEWHERE, **KEY) == (403, SEEN)
