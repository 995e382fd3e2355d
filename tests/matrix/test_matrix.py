"""Servers that people have look to clients that people have as if there were no gateway: every client at every server.

The short form is a slice of it; `make matrix` has all of it.
"""

import functools
import os

import pytest

from e2e.harness import CONSUMERS
from kong_mcp.dev import DevSettings, run_dev
from kong_mcp.policy_file import OPEN_POLICY
from kong_mcp.servers import parse_server
from matrix.clients import CLIENTS, INSPECTOR, SHORT, look
from matrix.differences import differences
from matrix.servers import SERVERS, missing, run

WANTED = os.environ.get("MATRIX")
"""Names of servers, separated by commas, or all of them; without it, the short form."""
NAMES = [
    name
    for name, kind in SERVERS.items()
    if (kind.short if WANTED is None else WANTED == "all" or name in WANTED.split(","))
]
POLICY = {**OPEN_POLICY, "apps": {"allow": ["ui://*"]}}
"""Pages of apps are kept from agents, and from what servers say of themselves, unless the policy names them."""
KEY = {"apikey": CONSUMERS[0].key}
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(missing() is not None, reason=missing() or ""),
    pytest.mark.timeout(300 if WANTED is None else 1800),  # one client looks at all servers in the first of its tests
]


@pytest.fixture(scope="module")
def urls():
    """Run every server once, for all ways."""
    with run(NAMES) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(kind, urls):
    """Run one gateway before all of them, and give where they are behind it."""
    servers = [parse_server(f"{name}={url}") for name, url in urls.items()]
    with run_dev(DevSettings(servers, kind, port=0, policy=POLICY, consumers=CONSUMERS)) as running:
        yield {name: running.url(name) for name in urls}


def sight(client, urls, headers):
    """Return what a client sees of each server, by its name."""
    targets = [
        {"url": url, "old": SERVERS[name].old, "headers": headers, "steps": SERVERS[name].steps}
        for name, url in urls.items()
    ]
    return dict(zip(urls, look(client, targets), strict=True))


@pytest.fixture(scope="module")
def direct(urls):
    """Give what a client sees without a gateway; both kinds of gateway are compared with the same."""
    return functools.cache(lambda client: sight(client, urls, {}))


@pytest.fixture(scope="module")
def through(gateway):
    return functools.cache(lambda client: sight(client, gateway, KEY))


def settled(seen):
    """Leave out what no gateway offers, a list of the tasks of all agents, and the nulls of one line's models."""
    if isinstance(seen, dict):
        kept = {key: settled(value) for key, value in seen.items() if value is not None}
        if isinstance(kept.get("tasks"), dict):
            kept["tasks"].pop("list", None)
        return kept
    return [settled(one) for one in seen] if isinstance(seen, list) else seen


@pytest.mark.requirement("CLIENT-015")
@pytest.mark.parametrize("client", [*CLIENTS, INSPECTOR] if WANTED else SHORT)
@pytest.mark.parametrize("server", NAMES)
def test_a_client_sees_a_server_as_it_does_without_a_gateway(client, server, direct, through):
    wanted = settled(direct(client)[server])
    assert wanted[0][0] != "failed", wanted
    assert any(what == "tools" and "error" not in came for what, came in wanted)
    assert differences(wanted, settled(through(client)[server])) == []
