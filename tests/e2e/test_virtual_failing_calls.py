"""A member of a virtual server that fails while it is called or asked: who it is is said, and the other is used on."""

import contextlib
import threading

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from e2e.harness import CONSUMERS, KINDS, Running, connect, modern
from e2e.virtual import ERAS, acted, is_used, listed, virtual
from kong_mcp.dev import DevSettings, run_dev
from servers.launch import RECORDING, Replica, wait_for
from servers.moody_server import MoodyServer

pytestmark = pytest.mark.long

SECONDS = 3
"""How long a call through these virtual servers may take."""
CALLED = ("hangs", "page", "fails", "half", "drips", "resets", "other-id")
"""Ways in which a member that was well fails at a call."""
LISTED = ("half", "drips", "resets")
"""Ways in which it fails at a list, beside those of test_virtual_faults."""
HOLDING = RECORDING.with_name("holding_server.py")


@pytest.fixture(scope="module", params=KINDS)
def running(request):
    with contextlib.ExitStack() as stack:
        good = Replica("good")
        stack.callback(good.kill)
        moody = {era: stack.enter_context(contextlib.closing(MoodyServer(era=era))) for era in ERAS}
        urls = {"good": good.url} | {era: one.url for era, one in moody.items()}
        held = {f"held-{era}": Replica(f"held-{era}", "--era", era, script=HOLDING) for era in ERAS}
        for name, one in held.items():
            stack.callback(one.kill)
            urls[name] = one.url
        members = [acted(name, url) for name, url in urls.items()]
        limits = {"limits": {"call_seconds": SECONDS}}
        desks = [virtual(f"with-{name}", ["good", name], **limits) for name in urls if name != "good"]
        dev = stack.enter_context(run_dev(DevSettings([*members, *desks], request.param, port=0, consumers=CONSUMERS)))
        running = Running(dev, {"good": [good], **{name: [one] for name, one in held.items()}})
        running.moody = moody
        yield running


@contextlib.contextmanager
def mood(server, word):
    """Have a member be in a mood, and well again."""
    server.mood = word
    try:
        yield
    finally:
        server.mood = "well"


async def until_well(client, member):
    with anyio.fail_after(60):
        while member in (await listed(client))[1]:
            pass


async def refusal(client, name, **arguments):
    """Return what an agent hears where a call fails, as (code, text, data)."""
    with pytest.raises(MCPError) as failed:
        await client.call_tool(name, {"text": "x", **arguments})
    return failed.value.error.code, failed.value.error.message, failed.value.error.data


@pytest.mark.requirement("VIRT-330")
@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("word", CALLED)
async def test_a_call_of_a_member_that_fails_names_it_and_the_other_is_used_meanwhile(running, word, era):
    async with connect(running, "bob", ERAS[era], f"with-{era}") as client:
        await until_well(client, era)
        with mood(running.moody[era], word):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(keeps_on, client, stop := anyio.Event())
                code, text, _ = await refusal(client, "note")
                stop.set()
            assert text.startswith(f"The server {era} behind this one"), text
            assert code in (-32004, -32603)
            await is_used(client)
        await until_well(client, era)
        await is_used(client)


async def keeps_on(client, stop):
    """Use the other member until told to stop, and once at least."""
    await is_used(client)
    while not stop.is_set():
        await is_used(client)


@pytest.mark.requirement("VIRT-330")
@pytest.mark.parametrize("word", ["hangs", "fails"])
def test_the_status_is_503_however_a_member_fails(running, word):
    with running.client("bob") as client:
        url = running.url("with-modern")
        wait_for(lambda: "result" in client.post(url, **modern("note")).json(), lambda: "it never was well")
        with mood(running.moody["modern"], word):
            answer = client.post(url, **modern("note"))
            assert (answer.status_code, "server modern" in answer.json()["error"]["message"]) == (503, True)
            assert client.post(url, **modern("good")).status_code == 200


@pytest.mark.requirement("VIRT-330")
@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("word", LISTED)
async def test_a_member_that_fails_at_its_list_is_left_out_keeps_its_names_and_calls_name_it(running, word, era):
    async with connect(running, "bob", ERAS[era], f"with-{era}") as client:
        await until_well(client, era)
        with mood(running.moody[era], word):
            with anyio.fail_after(60):
                while (now := await listed(client))[1] != [era]:
                    assert "note" in now[0]
            assert {"good", "whoami"} <= now[0]
            assert "note" not in now[0]
            assert (await refusal(client, "note"))[1].startswith(f"The server {era} behind this one")
            assert (await refusal(client, "nowhere"))[1] == "Unknown tool: nowhere"
            await is_used(client)
        await until_well(client, era)


@pytest.mark.requirement("VIRT-330")
@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("method", ["tools/call", "tools/list"])
async def test_a_member_whose_process_is_killed_while_it_is_asked(running, era, method):
    (member,) = running.servers[f"held-{era}"]
    member.restart("--hold", "nothing")
    async with connect(running, "bob", ERAS[era], f"with-held-{era}") as client:
        await until_well(client, f"held-{era}")
        since = len(member.lines())
        member.restart("--hold", method)
        killing = threading.Thread(target=kill_when_held, args=(member, since))
        killing.start()
        if method == "tools/call":
            _, text, data = await refusal(client, "note")
            assert text.startswith(f"The server held-{era} behind this one"), text
            assert (data or {}).get("mayHaveRun") is True
        with anyio.fail_after(60):
            while (now := await listed(client))[1] != [f"held-{era}"]:
                pass
        await anyio.to_thread.run_sync(killing.join)
        assert {"good", "whoami"} <= now[0]
        await is_used(client)
        assert (await refusal(client, "note"))[1].startswith(f"The server held-{era} behind this one")
    with running.client("bob") as client:
        assert client.post(running.url(f"with-held-{era}"), **modern("note")).status_code == 503
        assert client.post(running.url(f"with-held-{era}"), **modern("good")).status_code == 200


def kill_when_held(member, since):
    member.wait_until(lambda lines: any(line[0] == "held" for line in lines), since)
    member.kill()
