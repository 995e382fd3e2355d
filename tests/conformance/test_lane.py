"""An agent of the suite and the suite's server find each other through the gateway's lane."""

import http.server
import json
import threading

import httpx
import pytest

from conformance.lane import VARIABLE, Forwarder, through

pytestmark = pytest.mark.requirement("CONF-002")


class Named(http.server.BaseHTTPRequestHandler):
    """Answers with its server's name and the path that it was asked for."""

    def do_GET(self):
        self.server.asked += 1
        body = f"{self.server.label} {self.path} {self.headers['X-Said']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(request):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Named) as server:
        server.label, server.asked = request.node.name, 0
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def forwarder(tmp_path):
    with Forwarder(tmp_path / "target") as forwarder:
        yield forwarder


def test_without_a_lane_an_agent_goes_straight(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert through("http://localhost:1/mcp") == "http://localhost:1/mcp"


def test_the_agent_names_its_server_and_gets_the_gateways_url_for_the_same_path(monkeypatch, tmp_path):
    urls = {"/": "http://gateway/root/mcp", "/mcp": "http://gateway/mcp/mcp"}
    monkeypatch.setenv(VARIABLE, json.dumps({"target": str(tmp_path / "target"), "urls": urls}))
    assert through("http://localhost:81") == urls["/"]
    assert through("http://localhost:82/mcp") == urls["/mcp"]
    assert (tmp_path / "target").read_text() == "82"


def test_requests_reach_the_server_of_the_moment_unchanged(forwarder, server):
    forwarder.target.write_text(str(server.server_port))
    with httpx.Client(base_url=f"http://127.0.0.1:{forwarder.port}", trust_env=False) as client:
        answer = client.get("/mcp", headers={"X-Said": "hello"})
    assert answer.text == f"{server.label} /mcp hello"


def test_a_health_check_is_answered_and_goes_no_further(forwarder, server):
    forwarder.target.write_text(str(server.server_port))
    request = httpx.Request("GET", f"http://127.0.0.1:{forwarder.port}/", headers={"Host": "127.0.0.1"})
    assert "accept" not in request.headers
    with httpx.HTTPTransport() as transport:
        assert transport.handle_request(request).status_code == 405
    assert server.asked == 0


def test_a_health_check_is_answered_before_there_is_any_server(forwarder):
    request = httpx.Request("GET", f"http://127.0.0.1:{forwarder.port}/")
    with httpx.HTTPTransport() as transport:
        assert transport.handle_request(request).status_code == 405
