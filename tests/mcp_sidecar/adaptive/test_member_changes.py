"""What streams of virtual servers take of a sidecar, and what ends them."""

import time

import anyio
import pytest

from mcp_core.auth.revoked import Revocable, Revoked, Word, digest_of, session_mark
from mcp_core.reasons import Ending, Reason
from mcp_sidecar.adaptive import changes
from mcp_sidecar.adaptive.changes import MemberChanges, StreamPlace, Watches
from mcp_sidecar.adaptive.inventory import Inventory
from mcp_sidecar.lane.fetch import LateError
from mcp_sidecar.lane.fetched import Began, Failed
from mcp_sidecar.lane.reply import Reply

LISTEN = b'{"jsonrpc":"2.0","id":7,"method":"subscriptions/listen","params":{}}'
PING = b'{"jsonrpc":"2.0","id":7,"method":"ping"}'
LISTENS = {"method": "subscriptions/listen", "era": "modern", "version": "2026-07-28"}
KEY = ("desk", "weather", None)
CHANGED = "notifications/tools/list_changed"


async def take(_anew):
    return Inventory({}, {}, {}, {})


async def nobody(_member):
    return None


def stream(all_, asked, line):
    place = StreamPlace(all_.parts, "desk", all_.watches, line)
    return MemberChanges(asked.claims, ("weather",), take, nobody, place)


@pytest.mark.requirement("VIRT-101")
def test_a_stream_takes_one_place_of_its_caller_and_gives_it_back(desk, call, line):
    async def work():
        async with desk(open_per_caller=1) as all_:
            asked = call(LISTEN, **LISTENS)
            async with stream(all_, asked, line).answer() as first:
                assert isinstance(await anext(first), Began)
                async with stream(all_, asked, line).answer() as second:
                    parts = [part async for part in second]
                # It is one of those that may last: what ends by itself has places left.
                with all_.parts.shares.take("desk", asked.claims.principal.seal_key, lasting=False) as short:
                    assert short is None
                async with stream(all_, call(LISTEN, principal="bob", **LISTENS), line).answer() as other:
                    assert isinstance(await anext(other), Began)
                assert all_.parts.shares.open == 1
            assert all_.parts.shares.open == 0
            return parts

    (failed,) = anyio.run(work)
    assert isinstance(failed, Failed)
    assert (failed.outcome, failed.refusal.reason, failed.refusal.id) == (Ending.LIMITED, Reason.SHARE_OF_CALLER, 7)
    assert (line.outcome, line.refusal.reason) == (Ending.LIMITED, Reason.SHARE_OF_CALLER)


@pytest.mark.requirement("VIRT-102")
def test_a_stream_ends_when_whoever_asked_is_cut_off(desk, call, line):
    async def work():
        async with desk() as all_:
            asked = call(LISTEN, cuts=(session_mark("s"),), **LISTENS)
            async with stream(all_, asked, line).answer() as parts:
                assert isinstance(await anext(parts), Began)
                word = Word(digest_of(Revocable.SESSION, "s"), 1, int(time.time()) + 1000)
                all_.parts.cuts.hear(Revoked([word]))
                await anyio.sleep_forever()

    with pytest.raises(LateError) as late:
        anyio.run(work)
    assert (late.value.failed.outcome, late.value.failed.refusal.id) == (Ending.CUT_OFF, 7)
    assert (line.outcome, line.refusal.reason) == (Ending.CUT_OFF, Reason.CUT_OFF)


class Member:
    """What is asked once for all, and tells until it ends."""

    def __init__(self):
        self.asked = 0
        self.ends = anyio.Event()

    async def ask(self, tell):
        self.asked += 1
        self.tell = tell
        tell(None)
        await self.ends.wait()


@pytest.mark.requirement("VIRT-103")
def test_all_streams_of_a_principal_share_one_request_to_a_member_which_outlives_whoever_began_it():
    async def work():
        watches, member, heard = Watches(), Member(), [[] for _ in range(4)]
        async with anyio.create_task_group() as tasks:
            async with anyio.create_task_group() as first:
                first.start_soon(watches.hear, KEY, member.ask, heard[0].append)
                await anyio.wait_all_tasks_blocked()
                for one in heard[1:]:
                    tasks.start_soon(watches.hear, KEY, member.ask, one.append)
                await anyio.wait_all_tasks_blocked()
                member.tell(CHANGED)
                assert member.asked == 1
                assert heard == [[None, CHANGED]] * 4
                first.cancel_scope.cancel()
            await anyio.wait_all_tasks_blocked()
            assert member.asked == 2
            member.tell(CHANGED)
            member.tell(CHANGED)
            member.ends.set()
        return heard

    first, *others = anyio.run(work)
    assert first == [None, CHANGED]
    assert others == [[None, CHANGED, None, CHANGED, CHANGED]] * 3


@pytest.mark.requirement("VIRT-103")
def test_no_more_members_are_listened_to_than_leave_places_for_others(monkeypatch):
    monkeypatch.setattr(changes, "MOST_WATCHES", 1)

    async def work():
        watches, first, second, heard = Watches(), Member(), Member(), []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watches.hear, KEY, first.ask, [].append)
            await anyio.wait_all_tasks_blocked()
            await watches.hear(("desk", "news", None), second.ask, heard.append)
            assert (second.asked, heard) == (0, [])
            first.ends.set()
        second.ends.set()
        await watches.hear(("desk", "news", None), second.ask, heard.append)
        assert (second.asked, heard) == (1, [None])

    anyio.run(work)


@pytest.mark.requirement("VIRT-104")
@pytest.mark.parametrize(("body", "asks"), [(LISTEN, LISTENS), (PING, {"method": "ping"})])
def test_whoever_does_not_read_is_cut_off_and_counted(desk, kong, call, line, words, body, asks):
    kong.answers(words.json_answer(b"{}", status="403 Forbidden"))

    async def never(_message=None):
        await anyio.sleep_forever()

    async def work():
        async with desk(keep_alive=1000) as all_:
            asked = call(body, **asks)
            await all_.reply(asked, asked.claims.terms.virtual, Reply(never, 0.01), line, never)
            return all_.parts.metrics.lane.slow_readers._value.get()

    assert anyio.run(work) == 1
    assert line.outcome == Ending.CANCELLED
