"""A server with two replicas loses one: agents go on."""

import asyncio

import pytest

from e2e.harness import call, connect, start
from e2e.test_sessions import initialize, whoami

pytestmark = [pytest.mark.long, pytest.mark.slow]


@pytest.fixture
def own(kind):
    with start(kind, {"team": 2}) as running:
        yield running


@pytest.mark.requirement("E2E-015")
def test_stateless_calls_go_on_when_a_replica_dies(own):
    async def run():
        async with connect(own, "bob", "2026-07-28", "team") as client:
            before = {(await client.call_tool("whoami", {})).content[0].text for _ in range(20)}
            own.servers["team"][0].kill()
            after = {(await client.call_tool("whoami", {})).content[0].text for _ in range(20)}
            tools = [tool.name for tool in (await client.list_tools()).tools]
        return before, after, tools

    before, after, tools = asyncio.run(run())
    assert before == {"team-1", "team-2"}
    assert after == {"team-2"}
    assert "bad" not in tools


@pytest.mark.requirement("E2E-014")
def test_a_session_of_a_dead_replica_is_not_found_and_a_new_one_opens(own):
    url = own.url("team")
    with own.client("bob") as client:
        headers = initialize(client, url)
        home = whoami(client, url, headers)
        next(one for one in own.servers["team"] if one.name == home).kill()
        # Kong finds out with the first request that the session's replica is gone; the next one meets another replica.
        first = whoami(client, url, headers)
        assert first in (502, 503, 404)
        assert whoami(client, url, headers) == 404
        assert whoami(client, url, initialize(client, url)) != home


@pytest.mark.requirement("E2E-015")
def test_a_server_without_replicas_answers_503_and_says_so(own):
    for replica in own.servers["team"]:
        replica.kill()
    with own.client("bob") as client:
        answer = client.post(own.url("team"), json=call("good"))
        listed = client.post(own.url("team"), json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    assert answer.status_code in (502, 503)
    assert listed.status_code in (502, 503)
    assert listed.json()["error"]["message"]
