"""The whole road of a new server: request, scan, review, merge, decK's sync, approval by lock file, first call.

A real Git repository, the real decK, a real Kong with PostgreSQL, the official client.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess

import httpx
import psycopg
import pytest

from deck.support import deck_binary
from e2e.harness import connect_to
from kong_mcp.dev import free_port
from mcp_core.servers import write_servers
from servers.launch import replicas, wait_for
from servers.own_kong import BIN, OwnKong
from servers.postgres import program, run_postgres

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not (shutil.which("kong") and program("postgres") and program("initdb")), reason="needs Kong and PostgreSQL"
    ),
]
AGENT = {"apikey": "agents-key-0123456789"}
ADA = {
    **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "ada@example.com" for who in ("AUTHOR", "COMMITTER")},
    "GIT_CONFIG_GLOBAL": "/dev/null",
}


class Road:
    """A team's repository beside a running node, which knows no server yet."""

    def __init__(self, node, repository):
        self.node, self.repository = node, repository

    def run(self, *words, ok=True):
        environment = {**self.node.environment, **ADA, "MCP_SIDECAR_STORE": str(self.node.folder / "store.db")}
        done = subprocess.run(
            [str(word) for word in words],
            cwd=self.repository,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not ok or done.returncode == 0, done.stdout + done.stderr
        return done

    def ours(self, *words, **more):
        return self.run(BIN / "kong-mcp", *words, **more)

    def admin(self, method, path, **values):
        with httpx.Client(trust_env=False, timeout=30) as client:
            assert client.request(method, f"{self.node.admin_url}/{path}", json=values).is_success

    async def use(self):
        async with connect_to(f"http://127.0.0.1:{self.node.port}/fresh/mcp", AGENT, "auto") as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            called = await client.call_tool("good", {"text": "x"}) if tools else None
            return tools, called and called.content[0].text


@pytest.fixture
def road(tmp_path):
    deck_binary()
    port = free_port()
    with run_postgres(port) as url:
        with psycopg.connect(url.format("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE kong")
        node = OwnKong(database=port)
        (node.folder / "servers.json").write_text(write_servers([]))
        own = {
            **node.environment,
            "KONG_MCP_SNAPSHOT": str(node.folder / "snapshot"),
            "MCP_SIDECAR_STORE": str(node.folder / "store.db"),
            "MCP_SIDECAR_SERVERS_FILE": str(node.folder / "servers.json"),
            "MCP_SIDECAR_LOOK_INTERVAL": "1",
        }
        node.plugin_server.environment = node.sidecar.environment = own
        try:
            node.kong("migrations", "bootstrap")
            node.start_plugin_server()
            node.start_kong()
            node.start_sidecar()
            repository = tmp_path / "team"
            repository.mkdir()
            road = Road(node, repository)
            road.admin("PUT", "consumers/agent", tags=["group:readers"])
            road.admin("POST", "consumers/agent/key-auth", key=AGENT["apikey"])
            road.run("git", "init", "-q", "-b", "main")
            road.run("git", "commit", "-q", "--allow-empty", "-m", "Begin")
            yield road
        finally:
            node.close()


@pytest.mark.timeout(500)
@pytest.mark.requirement("REQ-005")
def test_a_request_becomes_a_first_call_by_review_and_git_alone(road):
    with replicas("fresh") as (server,):
        asked = road.ours("server", "request", "fresh", server.url, "--owner", "team-sky", "--network", "127.0.0.0/8")
        branch = asked.stdout.strip().removeprefix("branch: ")
        assert "## To decide" in road.run("git", "log", "-1", "--format=%B", branch).stdout
        road.run("git", "merge", "-q", "--no-ff", "-m", "Take fresh in", branch)
        road.ours("server", "check", "deck/servers", "--lock", "mcp.lock")
        listed = road.node.folder / "servers.json"
        road.ours("deck", "render", "deck/servers", "--out", "rendered.yaml", "--servers-out", listed)
        assert json.loads(listed.read_text())["servers"][0]["owner"] == "team-sky"
        road.run(deck_binary(), "gateway", "sync", "rendered.yaml", "--kong-addr", road.node.admin_url)

        def approved():
            return (
                road.ours("surface", "approve", "--lock", "mcp.lock", "--why", "the review", ok=False).returncode == 0
            )

        # Until somebody approves what was reviewed, agents get nothing of a foreign server.
        wait_for(
            lambda: "fresh" in road.ours("catalog", "list", *CATALOG).stdout and _served(road),
            road.node.sidecar.log.read_text,
            60,
        )
        assert asyncio.run(road.use()) == (set(), None)
        assert server.executed() == []
        wait_for(approved, lambda: road.ours("surface", "list").stdout, 150)
        # Items open one after the other, as they are approved.
        all_of_them = ({"good", "read_note", "bad", "whoami", "report"}, "good: x")
        wait_for(lambda: asyncio.run(road.use()) == all_of_them, road.node.sidecar.log.read_text, 150)
        assert (road.node.folder / "snapshot").stat().st_size


CATALOG = ("--servers", "deck/servers")


def _served(road):
    with httpx.Client(headers=AGENT, trust_env=False, timeout=30) as client:
        return client.post(f"http://127.0.0.1:{road.node.port}/fresh/mcp", content=b"?").status_code in (400, 415)
