"""ContextForge: a hub with a database, which is told of the server and of a virtual server by its API."""

import subprocess

import httpx

from bench.peers.gateway import LEGACY, Door, Gateway, launch, loopback
from bench.peers.python_peers import python, version_of
from servers.launch import wait_for

_NAME = "contextforge"
_ADMIN = "admin@example.com"
_SECRET = "bench-secret-0123456789-0123456789-0123"


def _environment(folder, port):
    """Return its settings: those of a single node without a user interface, everything of its security as it comes."""
    return {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DATABASE_URL": f"sqlite:///{folder}/mcp.db",
        "CACHE_TYPE": "memory",
        "JWT_SECRET_KEY": _SECRET,
        "AUTH_ENCRYPTION_SECRET": _SECRET,
        "BASIC_AUTH_PASSWORD": "Bench-0123456789!",
        "PLATFORM_ADMIN_EMAIL": _ADMIN,
        "PLATFORM_ADMIN_PASSWORD": "Bench-0123456789!",
        "MCPGATEWAY_UI_ENABLED": "false",
        "SSRF_ALLOW_LOCALHOST": "true",
        "LOG_LEVEL": "ERROR",
        "RATE_LIMITING_ENABLED": "false",  # else 100 calls a minute
    }


def _token(environment):
    command = [python(_NAME), "-m", "mcpgateway.utils.create_jwt_token", "--username", _ADMIN, "--admin"]
    done = subprocess.run(
        [*command, "--exp", "600", "--secret", _SECRET], env=environment, capture_output=True, text=True, check=True
    )
    return next(line for line in done.stdout.splitlines() if line.count(".") == 2)


def _declare(client, url):
    """Declare the instant server, and a virtual server with its allowed tool alone. Returns the path of that."""
    gateway = {"name": "instant", "url": url, "transport": "STREAMABLEHTTP"}
    answer = client.post("/v1/gateways", json=gateway)
    if answer.is_error:
        raise RuntimeError(f"it did not take the server: {answer.status_code} {answer.text[:300]}")

    def tools():
        found = {one["name"]: one["id"] for one in client.get("/v1/tools").json()}
        return found.get("instant-good")

    tool = wait_for(tools, lambda: f"it has no tool of the server: {client.get('/tools').text[:300]}")
    answer = client.post("/v1/servers", json={"server": {"name": "bench", "associated_tools": [tool]}})
    if answer.is_error:
        raise RuntimeError(f"it did not take the virtual server: {answer.status_code} {answer.text[:300]}")
    return f"/servers/{answer.json()['id']}/mcp"


def _start(stack, folder, url):
    port = loopback()
    environment = _environment(folder, port)
    command = [python(_NAME).with_name("mcpgateway"), "--host", "127.0.0.1", "--port", port]
    pid = launch(stack, command, folder / "log", environment, port)
    token = _token(environment)
    headers = {"Authorization": f"Bearer {token}"}
    base = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=base, headers=headers, trust_env=False, timeout=60, follow_redirects=True) as client:
        path = _declare(client, url)
    return Door(port, path, f"Authorization: Bearer {token}", (pid,), tool="instant-good")


CONTEXTFORGE = Gateway(
    _NAME,
    "python",
    lambda: version_of(_NAME, "mcp-contextforge-gateway"),
    _start,
    (LEGACY,),
    "its JWT, a virtual server with the allowed tool alone",
)
