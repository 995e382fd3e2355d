"""The sidecar's own looks at servers that want to know who asks."""

import json

import anyio
import pytest

from mcp_core.errand import Address
from mcp_core.servers import McpServer, write_servers
from mcp_sidecar.auth.looks import LookCredentials
from mcp_sidecar.auth.secret import Secret
from mcp_sidecar.auth.settings import AUTH_VARIABLES, AuthSettings
from tokens.provider import Provider

pytestmark = pytest.mark.requirement("AUTH-303")
RESOURCE = "https://files.internal/mcp"


@pytest.fixture
def provider(monkeypatch):
    monkeypatch.setenv("TESTS_SECRET", "s3cret")
    provider = Provider()
    provider.forms = []

    def give(form):
        provider.forms.append(form)
        token = {"access_token": f"for-looks-{len(provider.forms)}", "token_type": "Bearer", "expires_in": 600}
        return 200, token

    provider.publishes(provider.url, {"keys": []}, token_endpoint=f"{provider.url}/token")
    provider.gives(give)
    yield provider
    provider.close()


@pytest.fixture
def asked(kong, words):
    """Have the server `files` answer what looks ask. Returns the headers of each request."""
    seen = []

    def play(request, connection):
        seen.append(request.headers)
        message = json.loads(request.body) if request.body else {}
        result = {"capabilities": {"tools": {}}, "protocolVersion": "2025-06-18", "tools": []}
        answer = {"jsonrpc": "2.0", "id": message.get("id"), "result": result}
        if message.get("id") is None:
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        else:
            connection.sendall(words.json_answer(json.dumps(answer).encode()))

    kong.play = play
    return seen


def looked(start, words, tmp_path, **environment):
    """Start a sidecar, and wait until it has seen the server."""
    store = {"MCP_SIDECAR_STORE": str(tmp_path / "store.db"), "MCP_SIDECAR_REFRESH_INTERVAL": "0.05"}
    guard = start(**store, **environment)
    words.until(lambda: '"outcome": "seen"' in guard.sidecar.log.read_text())
    return guard


@pytest.mark.parametrize("grant", ["client_credentials", "exchange"])
def test_a_server_whose_calls_get_tokens_is_looked_at_with_one_of_the_gateways_own(
    start, words, tmp_path, asked, provider, grant
):
    issuer = provider.url
    policy = {"upstream_token": {"grant": grant, "issuer": issuer, "resource": RESOURCE, "scopes": ["files"]}}
    server = McpServer("files", "/files/mcp", Address("mcp-files-sessions"), ("http://h:1/mcp",), policy=policy)
    file = tmp_path / "servers.json"
    file.write_text(write_servers([server]))
    looked(
        start,
        words,
        tmp_path,
        MCP_SIDECAR_SERVERS_FILE=str(file),
        KONG_MCP_ISSUER_KEYS=str(tmp_path / "keys"),
        KONG_MCP_ASK_SOCKET=str(tmp_path / "ask.sock"),
        MCP_SIDECAR_ISSUERS=issuer,
        MCP_SIDECAR_ISSUER_CLIENTS=f"{issuer} gateway env:TESTS_SECRET",
        MCP_SIDECAR_ISSUER_NETWORKS="127.0.0.0/8",
    )
    assert {tuple(one["authorization"]) for one in asked} == {("Bearer for-looks-1",)}
    (form,) = provider.forms
    assert (form["grant_type"], form["resource"], form["scope"]) == ("client_credentials", RESOURCE, "files")
    assert "subject_token" not in form


@pytest.mark.parametrize("header", ["Authorization", "X-Api-Key"])
def test_a_server_with_a_secret_of_its_own_is_looked_at_with_it(start, words, tmp_path, asked, header):
    (tmp_path / "secret").write_text("Bearer of-the-gateway\n")
    said = f"files {header} file:{tmp_path}/secret"
    guard = looked(start, words, tmp_path, MCP_SIDECAR_SERVERS="files", MCP_SIDECAR_LOOK_CREDENTIALS=said)
    assert {tuple(one[header.lower()]) for one in asked} == {("Bearer of-the-gateway",)}
    assert "of-the-gateway" not in guard.sidecar.log.read_text()


def test_a_server_that_is_named_by_nobody_is_looked_at_without(start, words, tmp_path, asked):
    (tmp_path / "secret").write_text("Bearer of-the-gateway")
    said = f"other Authorization file:{tmp_path}/secret"
    looked(start, words, tmp_path, MCP_SIDECAR_SERVERS="files", MCP_SIDECAR_LOOK_CREDENTIALS=said)
    assert not any("authorization" in one for one in asked)


@pytest.mark.parametrize("text", [None, "", "two\nlines", "no ascii: \u00e9"])
def test_a_secret_that_is_none_is_left_out_and_never_shown(tmp_path, text):
    if text is not None:
        (tmp_path / "secret").write_text(text)
    secret = Secret.parse(f"file:{tmp_path}/secret")
    looks = LookCredentials(AuthSettings(look_credentials={"files": ("authorization", secret)}))
    assert anyio.run(looks.find, "files", {}) is None


def test_an_issuer_at_which_the_gateway_is_no_client_is_not_asked(provider):
    policy = {"upstream_token": {"grant": "exchange", "issuer": provider.url, "resource": RESOURCE}}
    looks = LookCredentials(AuthSettings(issuers={provider.url: None}))
    assert anyio.run(looks.find, "files", policy) is None
    assert (provider.asked, provider.forms) == ([], [])


@pytest.mark.parametrize(
    "text",
    [
        *("files", "files Authorization", "files Authorization s3cret", "files Host env:A"),
        *("files Mcp-Session-Id env:A", "files X-Consumer-Id env:A", "files A:B env:A", "files A env:A, files B env:B"),
    ],
)
def test_credentials_that_cannot_be_used_are_refused_without_being_shown(text):
    _, parse = AUTH_VARIABLES["MCP_SIDECAR_LOOK_CREDENTIALS"]
    with pytest.raises(ValueError, match=r"SERVER HEADER SECRET|env:NAME|the gateway's own") as refused:
        parse(text)
    assert "s3cret" not in str(refused.value)
