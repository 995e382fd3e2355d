"""What members of a virtual server say in an agent's own session, and what the agent chooses there."""

import anyio
import pytest
from mcp_types import ListRootsResult, Root

from e2e.harness import KINDS, POLICY, connect_to
from e2e.test_notifications import Heard
from e2e.virtual import OPEN, start, virtual
from servers.launch import FEATURES

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")]


@pytest.fixture(scope="module", params=KINDS)
def running(request):
    members, scripts = {"notes": POLICY, "feat": OPEN}, {"feat": FEATURES}
    with start(request.param, members, [virtual("desk", ["notes", "feat"])], scripts=scripts) as running:
        yield running


def connected(running, **callbacks):
    return connect_to(running.url("desk"), running.key("bob"), "legacy", **callbacks)


@pytest.mark.requirement("VIRT-435")
@pytest.mark.anyio
@pytest.mark.parametrize("when", ["before a member is asked anything", "after that"])
async def test_members_log_from_the_level_on_that_an_agent_chose(running, when):
    said = []

    async def on_log(params):
        said.append(params.level)

    async with connected(running, logging_callback=on_log) as client:
        if when == "after that":
            await client.call_tool("log", {})
            assert said[:2] == ["debug", "info"]
            said.clear()
        await client.set_logging_level("error")
        with anyio.fail_after(60):
            await client.call_tool("log", {})
    assert said == ["error", "critical", "alert", "emergency"]


@pytest.mark.requirement("VIRT-436")
@pytest.mark.anyio
async def test_a_member_asks_the_agent_on_the_stream_of_its_session(running):
    """As servers do that ask without saying for which call: it hung until somebody gave up."""

    async def roots(_context):
        return ListRootsResult(roots=[Root(uri="file:///home")])

    heard = Heard()
    async with connected(running, list_roots_callback=roots, message_handler=heard.on_notification) as client:
        with anyio.fail_after(60):
            # A client opens its stream when it likes: what is heard there says that it is open.
            while not heard.messages:
                await client.call_tool("change", {})
            for _ in range(2):
                assert (await client.call_tool("stream_roots", {})).content[0].text == "file:///home"
