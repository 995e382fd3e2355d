"""Official clients before a server that answers their next list on the connection of a call.

Clients match answers by id alone: without a gateway they take the server's list. Behind one they never see it.
"""

import json
import subprocess
from pathlib import Path

import anyio
import pytest

from e2e.harness import KINDS, connect_to
from e2e.ways import MODERN
from kong_mcp.dev import DevSettings, run_dev
from kong_mcp.servers import parse_server
from node.tools import MISSING, MODULES, node
from python1.tools import MISSING as MISSING_PYTHON1
from python1.tools import python1
from servers.answering_server import POISON, VARIANTS, AnsweringServer

SCRIPT = Path(__file__).parents[1] / "node" / "list_and_call.mjs"
PYTHON1_SCRIPT = Path(__file__).parents[1] / "python1" / "list_and_call.py"
CLIENTS = {
    "typescript-v1": ("v1", None),
    "typescript-v2-legacy": ("v2", None),
    "typescript-v2-modern": ("v2", MODERN),
    "python-v1": ("python1", None),
    "python-legacy": ("python", "legacy"),
    "python-modern": ("python", MODERN),
}
POLICY = {"tools": {"allow": ["good"]}, "pins": {"mode": "enforce"}}
HONEST = "good: Repeat a text."


@pytest.fixture(scope="module")
def server():
    server = AnsweringServer()
    yield server
    server.close()


@pytest.fixture(scope="module", params=KINDS)
def guarded(request, server):
    """The server behind a gateway that enforces pins."""
    with run_dev(DevSettings([parse_server(f"x={server.url}")], request.param, port=0, policy=POLICY)) as dev:
        yield dev


def typescript(url, line, version):
    if node() is None:
        pytest.skip(MISSING)
    settings = {"modules": str(MODULES), "line": line, "url": url, "headers": {}, "old": False}
    settings |= {"version": version} if version else {}
    return run([str(node()), str(SCRIPT), json.dumps(settings)])


def python_v1(url):
    if python1() is None:
        pytest.skip(MISSING_PYTHON1)
    return run([str(python1()), str(PYTHON1_SCRIPT), url])


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def python(url, mode):
    async def run():
        saw = {"first": [], "seen": [], "calls": []}

        async def listed(client, into):
            try:
                with anyio.fail_after(8):
                    tools = (await client.list_tools()).tools
                into.extend(f"{tool.name}: {tool.description}" for tool in tools)
            except Exception as error:  # noqa: BLE001 - what the client makes of an answer is what is looked at
                into.append(f"error: {error}")

        async with connect_to(url, {}, mode) as client:
            await listed(client, saw["first"])
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_call, client, saw["calls"])
                await anyio.sleep(0.1)
                await listed(client, saw["seen"])
            await listed(client, saw["seen"])
        return saw

    return anyio.run(run)


async def _call(client, into):
    try:
        with anyio.fail_after(8):
            into.append((await client.call_tool("good", {"text": "x"})).content[0].text)
    except Exception as error:  # noqa: BLE001 - as above
        into.append(f"error: {error}")


def observe(url, client):
    line, version = CLIENTS[client]
    if line == "python1":
        return python_v1(url)
    return python(url, version) if line == "python" else typescript(url, line, version)


@pytest.mark.requirement("ANS-001")
@pytest.mark.requirement("ANS-003")
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_client_is_ever_given_the_list_that_came_as_the_answer_to_a_call(guarded, server, client, variant):
    server.arm("honest")
    server.arm(variant)
    saw = observe(guarded.url("x"), client)
    assert saw["first"] == [HONEST]
    assert POISON not in json.dumps(saw)
    assert len(saw["calls"]) == 1, "the call was answered, or refused"
    if variant == "honest":
        assert saw["calls"] == ["done"]
        assert set(saw["seen"]) == {HONEST}
    if variant == "honest" or guarded.settings.runs_answers:
        # The inspect lane says 502 where nothing had gone yet, and one client ends its session at any 5xx.
        assert not saw.get("ended")
    if variant == "open":
        assert saw["calls"] == ["done"]
    assert saw["seen"][-1] == HONEST, "the next list is the server's own again"


@pytest.mark.requirement("ANS-001")
@pytest.mark.parametrize("client", ["typescript-v1", "typescript-v2-legacy", "typescript-v2-modern", "python-v1"])
@pytest.mark.parametrize("variant", ["stream", "json", "open"])
def test_without_a_gateway_the_same_clients_take_it(server, client, variant):
    if (variant, client) == ("open", "python-v1"):
        pytest.skip("this client stops to read a stream at the answer")
    server.arm(variant)
    assert POISON in json.dumps(observe(server.url, client))
