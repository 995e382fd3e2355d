"""The official TypeScript clients of both lines log in with nothing but the gateway's URL, at a real provider."""

import json
import subprocess
from pathlib import Path

import pytest

from e2e.issuer import MACHINE, Issuer
from e2e.tokens import token_gateway
from node import tools

pytestmark = [
    pytest.mark.long,
    pytest.mark.requirement("LOGIN-003"),
    pytest.mark.skipif(tools.node() is None or tools.package("oidc-provider") is None, reason=tools.MISSING),
]
SCRIPT = Path(__file__).parents[1] / "node" / "login.mjs"
STEP_UP = {"scope_rules": [{"scopes": ["notes:write"], "tools": ["report"]}], "denial": "challenge"}
LINES = {"1.x": ("v1", None), "2.x-legacy": ("v2", None), "2.x-modern": ("v2", "2026-07-28")}


@pytest.fixture(scope="module")
def issuer():
    issuer = Issuer("RS256", "ES256")
    yield issuer
    issuer.stop()


@pytest.fixture(scope="module")
def gateway(kind, issuer):
    with token_gateway(kind, issuer.url, **STEP_UP) as running:
        yield running


def log_in(gateway, line, **more):
    """Run a client to its end and return what it saw."""
    name, version = LINES[line]
    settings = {"modules": str(tools.MODULES), "line": name, "url": gateway.url, **more}
    settings |= {"version": version} if version else {}
    command = [str(tools.node()), str(SCRIPT), json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("line", LINES)
def test_a_person_logs_in_with_nothing_but_the_gateways_url(gateway, line):
    since = gateway.mark()
    saw = log_in(gateway, line)
    assert {"good", "report"} <= set(saw["tools"])
    assert saw["good"]
    (asked,) = saw["asked"]
    assert (asked["resource"], asked["code_challenge_method"]) == (gateway.url, "S256")
    assert asked["client_id"] == saw["client"]
    assert asked["scope"].split()[0] == "mcp"
    reached = gateway.posts(since)
    assert reached
    assert not any("authorization" in headers for headers in reached)


@pytest.mark.parametrize("line", LINES)
def test_a_machine_comes_in_by_client_credentials(gateway, issuer, line):
    name, secret = MACHINE
    machine = {"id": name, "secret": secret, "issuer": issuer.url, "scope": "mcp"}
    saw = log_in(gateway, line, machine=machine)
    assert "good" in saw["tools"]
    assert saw["good"]


@pytest.mark.parametrize("line", LINES)
def test_a_registered_client_steps_up_for_what_a_call_needs(gateway, line):
    saw = log_in(gateway, line, client="agent")
    assert (saw["good"], saw["report"]) == (True, True)
    first, second = ({*asked["scope"].split()} & {"mcp", "notes:write"} for asked in saw["asked"])
    assert (first, second) == ({"mcp"}, {"mcp", "notes:write"})
    assert {asked["client_id"] for asked in saw["asked"]} == {"agent"}
