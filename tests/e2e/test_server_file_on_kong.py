"""What a server file gives a real Kong: TLS to replicas with a CA, and a client certificate out of a vault."""

import contextlib
import datetime as dt
import http.server
import json
import ssl
import threading

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from e2e.harness import JSON_HEADERS, modern
from e2e.test_dev_servers import allowed, listing
from kong_devkit.render import render as fill_in
from kong_devkit.render_text import write_yaml
from kong_mcp import dev
from kong_mcp.declare.emit import state_text
from kong_mcp.declare.render import TAG, assemble
from kong_mcp.declare.server_file import read_text
from kong_mcp.state import Consumer

TOKEN = "of-the-server"
FILE = """\
name: secure
path: /team/secure
replicas: [{url}]
tools: {{allow: [good]}}
hide_headers: [cookie]
tls:
  ca: [{ca}]
  cert: "{{vault://env/secure-cert}}"
  key: "{{vault://env/secure-key}}"
plugins:
- name: request-transformer
  config:
    remove: {{headers: [Authorization]}}
    add: {{headers: ['Authorization:Bearer ${{{{ env "DECK_SECURE_TOKEN" }}}}']}}
"""


def certificate():
    """Return a certificate that signed itself, and its key, both in PEM. nginx finds an address in the name alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return built.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


class Handler(http.server.BaseHTTPRequestHandler):
    """An MCP server of the modern era that writes down who asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((message["method"], self.headers["Authorization"], self.connection.getpeercert()))
        tools = [{"name": name, "inputSchema": {"type": "object"}} for name in ("good", "bad")]
        answers = {
            "tools/list": {"tools": tools, "ttlMs": 0, "cacheScope": "private"},
            "tools/call": {"content": [{"type": "text", "text": "good: x"}]},
        }
        result = {**answers[message["method"]], "resultType": "complete"}
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.send_error(405)

    def log_message(self, *_):
        """Say nothing."""


@contextlib.contextmanager
def secure_server(folder, cert, key):
    """Run a server that takes connections only of who shows this certificate."""
    (folder / "cert.pem").write_text(cert)
    (folder / "key.pem").write_text(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.load_verify_locations(folder / "cert.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def gateway(server, ca, monkeypatch):
    """Run a Kong with the state of a server file whose replica is this server, and give the URL and a client."""
    url = f"https://127.0.0.1:{server.server_address[1]}/mcp"
    file, problems = read_text(FILE.format(url=url, ca=json.dumps(ca)).encode(), "secure.yaml")
    assert problems == []

    def write_state(folder, deck, _servers, _policy, consumers, environment, *, shared, records):
        assert records is None
        state = folder / "state.yaml"
        state.write_text(state_text(assemble([file], [deck / name for name in shared], TAG)), encoding="utf-8")
        document = fill_in([state], {**environment, "DECK_SECURE_TOKEN": TOKEN})
        keys = [{"username": consumer.name, "keyauth_credentials": [{"key": consumer.key}]} for consumer in consumers]
        document["consumers"] = [*document.get("consumers", ()), *keys]
        (folder / "kong.yaml").write_text(write_yaml(document), encoding="utf-8")
        return folder / "kong.yaml"

    monkeypatch.setattr(dev, "write_state", write_state)
    settings = dev.DevSettings([file.server], "kong", port=0, consumers=[Consumer("ada", "adas-key")])
    headers = {**JSON_HEADERS, "apikey": "adas-key", "Authorization": "Bearer of-the-agent"}
    with dev.run_dev(settings) as running, httpx.Client(headers=headers, trust_env=False, timeout=30) as client:
        yield running.url("secure"), client


@pytest.fixture
def shown(monkeypatch, kind):
    """Return a certificate and its key, which Kong finds in its vault."""
    if kind != "kong":
        pytest.skip("the devkit proxies plain http only")
    cert, key = certificate()
    monkeypatch.setenv("SECURE_CERT", cert)
    monkeypatch.setenv("SECURE_KEY", key)
    return cert, key


@pytest.mark.requirement("FILE-008")
def test_kong_takes_what_is_rendered_and_reaches_replicas_as_the_file_says(shown, tmp_path, monkeypatch):
    cert, key = shown
    with secure_server(tmp_path, cert, key) as server, gateway(server, cert, monkeypatch) as (url, client):
        assert url.endswith("/team/secure")
        assert allowed(client, url) == ({"good"}, {"good"})
        assert "good: x" in client.post(url, **modern("good")).text
        assert client.post(url, headers={"apikey": "wrong"}, json={}).status_code == 401
    assert {method for method, _, _ in server.asked} == {"tools/list", "tools/call"}
    assert {token for _, token, _ in server.asked} == {f"Bearer {TOKEN}"}
    assert all(certificate for _, _, certificate in server.asked)


@pytest.mark.requirement("FILE-008")
def test_a_replica_whose_certificate_is_of_another_ca_is_never_asked(shown, tmp_path, monkeypatch):
    other, _ = certificate()
    with secure_server(tmp_path, *shown) as server, gateway(server, other, monkeypatch) as (url, client):
        assert client.post(url, **modern("good")).status_code >= 500
        assert client.post(url, **listing()).status_code >= 500
    assert server.asked == []
