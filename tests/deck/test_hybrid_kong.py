"""A hybrid Kong: what a team syncs to the control plane holds on both data planes, also while it is away."""

import shutil
import subprocess

import httpx
import psycopg
import pytest

from deck.support import deck_binary
from deck.test_real_kong import AGENT, Team
from e2e.harness import modern
from kong_mcp.dev import free_port
from servers.launch import replicas, wait_for
from servers.own_kong import OwnKong
from servers.postgres import program, run_postgres

pytestmark = [
    pytest.mark.long,
    pytest.mark.requirement("SHIP-007"),
    pytest.mark.skipif(
        not (shutil.which("kong") and program("postgres") and program("initdb")), reason="needs Kong and PostgreSQL"
    ),
]


def data_plane(control, cluster, certificate):
    """A node that has all it knows from the control plane; plugin server and dump are its own."""
    node = OwnKong(
        role="data_plane",
        cluster_control_plane=f"127.0.0.1:{cluster}",
        admin_listen="off",
        declarative_config="",
        **certificate,
    )
    node.keys = control.keys
    node.plugin_server.environment = node.environment
    return node


@pytest.fixture(scope="module")
def planes(tmp_path_factory):
    """A control plane with a database, and two data planes with a plugin server each."""
    deck_binary()
    folder, cluster, port = tmp_path_factory.mktemp("cluster"), free_port(), free_port()
    certificate = {"cluster_cert": f"{folder}/cluster.crt", "cluster_cert_key": f"{folder}/cluster.key"}
    subprocess.run(["kong", "hybrid", "gen_cert", *certificate.values()], check=True, capture_output=True)
    with run_postgres(port) as url:
        with psycopg.connect(url.format("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE kong")
        control = OwnKong(
            database=port,
            role="control_plane",
            cluster_listen=f"127.0.0.1:{cluster}",
            cluster_telemetry_listen="off",
            proxy_listen="off",
            **certificate,
        )
        nodes = [data_plane(control, cluster, certificate) for _ in range(2)]
        try:
            control.kong("migrations", "bootstrap")
            control.start_kong()
            for node in nodes:
                node.start_plugin_server()
                node.start_kong()
            # One sidecar for both: the address of the upstream mcp-sidecar is the same on all data planes.
            control.sidecar.environment = control.environment | {
                "MCP_SIDECAR_KONG_URL": f"http://127.0.0.1:{nodes[0].port}"
            }
            control.start_sidecar()
            yield control, nodes
        finally:
            for one in (*nodes, control):
                one.close()


def ask(node, server, tool):
    """Return the status and the text of a call through one data plane."""
    with httpx.Client(headers=AGENT, timeout=30, trust_env=False) as client:
        return client.post(f"http://127.0.0.1:{node.port}/{server}/mcp", **modern(tool))


def verdict(answer):
    """Say whether a call reached its server, was refused for what it asks, or what else became of it."""
    if answer.status_code == 200 and '"result"' in answer.text:
        return "passed"
    refused = answer.status_code == 400 and "Unknown tool: " in answer.text
    return "refused" if refused else (answer.status_code, answer.text)


def wait_until(nodes, server, tool, wanted):
    def here(node):
        wait_for(lambda: verdict(ask(node, server, tool)) == wanted, lambda: str(verdict(ask(node, server, tool))))

    for node in nodes:
        here(node)


def test_what_is_synced_once_holds_on_both_data_planes(planes, tmp_path):
    control, nodes = planes
    with replicas("files", "search") as (files, search):
        team = Team(control, tmp_path, {"files": files, "search": search})
        team.admin("PUT", "consumers/agent", tags=["group:readers"])
        team.admin("POST", "consumers/agent/key-auth", key=AGENT["apikey"])
        team.declare("files")
        team.sync()
        wait_until(nodes, "files", "good", "passed")
        assert {ask(node, "search", "good").status_code for node in nodes} == {404}

        team.declare("search")
        team.sync()
        wait_until(nodes, "search", "good", "passed")

        team.declare("files", {"allow": ["whoami"]})
        team.sync()
        wait_until(nodes, "files", "whoami", "passed")
        wait_until(nodes, "files", "good", "refused")
        assert [ask(node, "files", "whoami").status_code for node in nodes] == [200, 200]

        control.stop_kong()
        for node in nodes:
            assert verdict(ask(node, "files", "good")) == "refused"
            assert verdict(ask(node, "search", "good")) == "passed"
        nodes[0].plugin_server.stop()
        assert [ask(node, "search", "good").status_code for node in nodes] == [500, 200]
