"""A member whose URL leads back to the virtual server that asks it: nothing goes round, and the others are used."""

import contextlib

import anyio
import pytest

from e2e.harness import KINDS, Running, connect_to
from e2e.virtual import ERAS, acted, is_used, listed, virtual
from kong_mcp.dev import DevSettings, free_port, run_dev
from servers.launch import Replica


@pytest.fixture(scope="module", params=KINDS)
def running(request):
    port = free_port()
    with contextlib.ExitStack() as stack:
        good = Replica("good")
        stack.callback(good.kill)
        members = [acted("good", good.url), acted("again", f"http://127.0.0.1:{port}/desk/mcp")]
        settings = DevSettings([*members, virtual("desk", ["good", "again"])], request.param, port=port)
        yield Running(stack.enter_context(run_dev(settings)), {"good": [good]})


@pytest.mark.long
@pytest.mark.requirement("VIRT-003")
@pytest.mark.anyio
@pytest.mark.parametrize("mode", ERAS.values())
async def test_a_member_that_is_the_virtual_server_itself_is_left_out(running, mode):
    (good,) = running.servers["good"]
    before = len(good.requests())
    async with connect_to(running.url("desk"), {}, mode) as client:
        with anyio.fail_after(25):
            names, out = await listed(client)
            assert ("good" in names, out) == (True, ["again"])
            for _ in range(20):
                await is_used(client)
    # Each list came once or twice, and not again and again.
    assert len(good.requests()) - before < 20 + 40
