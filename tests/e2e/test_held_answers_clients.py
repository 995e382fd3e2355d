"""Official clients before a server that answers their next list where something else is answered.

Clients match answers by id alone: without a gateway they take the server's list. Behind one they never see it. Each
client uses all rows of a way at once, in one process; the tests look at what it saw.
"""

import asyncio
import contextlib
import itertools
import json
import subprocess
from pathlib import Path

import httpx2
import pytest
from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp_types import Implementation

from e2e.harness import KINDS, connect_to
from e2e.ways import MODERN
from kong_mcp.dev import DevSettings, run_dev
from kong_mcp.servers import parse_server
from node.tools import MISSING, MODULES, node
from python1.rows import PATIENCE, use_rows
from python1.tools import MISSING as MISSING_PYTHON1
from python1.tools import python1
from servers.answering_server import FORMS, POISON, AnsweringServer

pytestmark = pytest.mark.long

TESTS = Path(__file__).parents[1]
CLIENTS = {
    "typescript-v1": ("v1", None),
    "typescript-v2-legacy": ("v2", None),
    "typescript-v2-modern": ("v2", MODERN),
    "python-v1": ("python1", None),
    "python-legacy": ("python", "legacy"),
    "python-modern": ("python", MODERN),
}
POLICY = {
    "tools": {"allow": ["good"]},
    "prompts": {"allow": ["*"]},
    "resources": {"allow": ["*"]},
    "pins": {"mode": "enforce"},
}
HONEST = ["good: Repeat a text."]
CALLED = ["tools/call", "prompts/get", "resources/read"]
GUESSED = "initialize|stream"
"""The lists come before the client may have asked for any: one client waits without end for its own answer then."""
METHODS = ["prompts/get", "prompts/list", "resources/read", "resources/list"]
BOTH = [f"tools/call|{form}" for form in FORMS]
BOTH += [f"{method}|{form}" for method in METHODS for form in ("stream", "json", "open", "honest")]
LEGACY = ["initialize|stream", "initialize|open", "initialize|honest"]
LEGACY += [f"{place}|{form}" for place in ("get", "replay", "replayed call") for form in ("stream", "honest")]
LEGACY += [f"old {one}" for one in ("tools/call|stream", "tools/call|open", "tools/call|changed", "tools/call|honest")]
MODERN_ONLY = ["subscriptions/listen|stream", "subscriptions/listen|honest"]
ASKED = {"replayed call": "tools/call", "initialize": None, "get": None, "replay": None}
numbers = itertools.count(1)
ROWS = [
    (client, row)
    for client, (_, version) in CLIENTS.items()
    for row in BOTH + (MODERN_ONLY if version == MODERN else LEGACY)
]


def kind_of(key):
    return "old" if key.startswith("old ") else "new"


def changes_pins(key):
    """Return whether a row has a poisoned list where answers may come to what nobody here knows."""
    return key.startswith(("old", "replay")) and not key.endswith("|honest")


def row_of(key, url, *, direct):
    """Return a row as the clients read it."""
    told = key.removeprefix("old ")
    place, form = told.split("|")
    return {
        "key": key,
        "name": f"{told}|{next(numbers)}",
        "again": f"again {next(numbers)}",
        "url": url,
        "ask": ASKED.get(place, place),
        "old": kind_of(key) == "old",
        "hears": place == "replay" or (form == "honest" and place in ("get", "replayed call")),
        # Without a gateway what was asked may never be answered.
        "patience": 2 if direct and form != "honest" else PATIENCE,
    }


def run(command, rows):
    done = subprocess.run(command, input=json.dumps(rows), capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def plain_client(**settings):
    """Make a client as the SDK does, without certificates: nobody asks for them, and they take long to load."""
    return httpx2.AsyncClient(headers=settings["headers"], timeout=PATIENCE, trust_env=False, verify=False)


def python(rows, mode):
    @contextlib.asynccontextmanager
    async def enter(row, name, told):
        about = Implementation(name=name, version="1")
        if row["old"]:
            async with (
                sse_client(row["url"], httpx_client_factory=plain_client) as streams,
                ClientSession(*streams, message_handler=told, client_info=about) as session,
            ):
                await session.initialize()
                yield session
        else:
            async with connect_to(row["url"], {}, mode, message_handler=told, client_info=about) as client:
                yield client

    return asyncio.run(use_rows(rows, enter))


def use(client, rows):
    """Let one client use all rows; gives what each of them saw, by its key."""
    line, version = CLIENTS[client]
    if line == "python":
        return python(rows, version)
    if line == "python1":
        if python1() is None:
            pytest.skip(MISSING_PYTHON1)
        return run([str(python1()), str(TESTS / "python1/use_rows.py")], rows)
    if node() is None:
        pytest.skip(MISSING)
    settings = {"modules": str(MODULES), "line": line} | ({"version": version} if version else {})
    return run([str(node()), str(TESTS / "node/use_rows.mjs"), json.dumps(settings)], rows)


class Way:
    """One way to the server. `url(row key, client)` says where a row is used."""

    def __init__(self, server, url, *, holds_calls=False, direct=False):
        self.holds_calls = holds_calls
        self._server = server
        self._url = url
        self._direct = direct
        self._saw = {}

    def saw(self, client):
        """Return what a client saw of each row, by its key. Whatever the server had to tell, it told."""
        if client not in self._saw:
            try:
                self._saw[client] = self._use(client)
            except (AssertionError, ValueError, subprocess.SubprocessError) as error:
                self._saw[client] = error  # found out once, not again for every row
        if isinstance(self._saw[client], Exception):
            raise self._saw[client]
        return self._saw[client]

    def _use(self, client):
        keys = [key for one, key in ROWS if one == client and not (self._direct and key == GUESSED)]
        rows = [row_of(key, self._url(key, client), direct=self._direct) for key in keys]
        saw = use(client, rows)
        assert not {row["name"] for row in rows} - set(self._server.told)
        return saw


@pytest.fixture(scope="module")
def server():
    server = AnsweringServer()
    yield server
    server.close()


@pytest.fixture(scope="module", params=KINDS)
def guarded(request, server):
    """The server behind a gateway that enforces pins.

    Where a poisoned list counts as the server's own, pins close its tools to everybody: such a row has a server of its
    own for each client.
    """
    apart = {one: f"-{number}" for number, one in enumerate(ROWS) if changes_pins(one[1])}
    urls = {"new": server.url, "old": server.old_url}
    servers = [parse_server(f"{kind}={url}") for kind, url in urls.items()]
    servers += [parse_server(f"{kind_of(row)}{name}={urls[kind_of(row)]}") for (_, row), name in apart.items()]

    def url(row, client):
        return dev.url(kind_of(row) + apart.get((client, row), ""))

    async def list_all():
        """Pins refuse what was never listed."""
        async with connect_to(dev.url("new"), {}, MODERN) as client:
            await client.list_tools()
            await client.list_prompts()
            await client.list_resources()

    with run_dev(DevSettings(servers, request.param, port=0, policy=POLICY)) as dev:
        asyncio.run(list_all())
        yield Way(server, url, holds_calls=dev.settings.runs_answers)


@pytest.fixture(scope="module")
def direct(server):
    return Way(server, lambda key, _client: {"new": server.url, "old": server.old_url}[kind_of(key)], direct=True)


POISONED = [(client, key) for client, key in ROWS if not key.endswith("|honest")]


@pytest.mark.requirement("ANS-001")
@pytest.mark.requirement("ANS-003")
@pytest.mark.parametrize(("client", "key"), POISONED)
def test_no_client_is_ever_given_a_list_that_came_where_it_was_not_asked(guarded, client, key):
    saw = guarded.saw(client)[key]
    assert not [word for word in (POISON, "bad:") if word in json.dumps(saw)]
    place, form = key.split("|")
    if changes_pins(key):
        assert [] in saw["lists"], "policy and pins leave nothing of the list"
        assert all(one in ([], HONEST) or "error" in one[0] for one in saw["lists"])
        return
    assert saw["lists"]
    assert all(one == HONEST for one in saw["lists"]), "every list is the server's own"
    withheld = f"{saw['asked']} {saw['ended']}"
    if form != "open" and place not in ("get", "subscriptions/listen"):
        assert "withheld" in withheld
    if place != "initialize":
        assert not saw["ended"]


@pytest.mark.requirement("ANS-001")
@pytest.mark.parametrize(("client", "key"), [one for one in ROWS if one[1].endswith(("|honest", "|open"))])
def test_what_was_asked_is_answered_as_without_a_gateway(guarded, direct, client, key):
    saw, honest = guarded.saw(client)[key], direct.saw(client)[key.replace("|open", "|honest")]
    assert (saw["asked"], saw["ended"], saw["first"]) == (honest["asked"], None, [HONEST])
    if key.endswith("|honest"):
        assert all(one == HONEST for one in saw["lists"])
        told, honestly_told = (sum("list_changed" in message for message in one["heard"]) for one in (saw, honest))
        modern_call = client.endswith("modern") and not key.startswith("subscriptions")
        assert told == (0 if modern_call else honestly_told)


def takes(client, key):
    """Return whether a client takes the list without a gateway, as far as its reader goes."""
    place, form = key.split("|")
    if key == GUESSED:
        return False
    if (client, key) == ("python-v1", "tools/call|stream"):
        return False  # it reads no more than the first guess
    if client == "python-v1":  # reads a stream to its first response, and gives one that it resumed the call's id
        return (form not in ("open", "batch", "float id") or place == "old tools/call") and place != "replayed call"
    if client.startswith("python"):  # gives every response on a call's stream the call's id
        return form == "json" or place in ("get", "replay", "old tools/call")
    return True


@pytest.mark.requirement("ANS-001")
@pytest.mark.parametrize(("client", "key"), [one for one in POISONED if takes(*one)])
def test_without_a_gateway_the_same_clients_take_it(direct, client, key):
    assert POISON in json.dumps(direct.saw(client)[key]["lists"])
