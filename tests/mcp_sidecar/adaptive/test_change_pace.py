"""A member that says again and again that it changed: what is asked of it, and told of it, has a pace."""

import json
import threading
import time
from collections import Counter

import anyio
import pytest

from mcp_core.principal import consumer
from mcp_sidecar.adaptive import changes, inventory, warm
from mcp_sidecar.adaptive.changes import MemberChanges, StreamPlace, Watches
from mcp_sidecar.adaptive.inventory import Inventory
from mcp_sidecar.lane.fetched import Began

ALICE = consumer("alice")
LISTEN = b'{"jsonrpc":"2.0","id":7,"method":"subscriptions/listen","params":{}}'
LISTENS = {"method": "subscriptions/listen", "era": "modern", "version": "2026-07-28"}
CHANGED = "notifications/tools/list_changed"
LONG = 1_000_000.0


def lists(kong, words):
    def play(request, connection):
        asked = json.loads(request.body)
        result = {"capabilities": {"tools": {}}, "resultType": "complete", "tools": [{"name": "one"}]}
        connection.sendall(
            words.json_answer(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}).encode())
        )

    kong.play = play


@pytest.mark.requirement("VIRT-432")
@pytest.mark.parametrize("at_once", [1, 3])
def test_a_members_lists_are_asked_for_anew_once_for_a_change_and_not_for_each_of_many(
    desk, kong, words, monkeypatch, at_once
):
    monkeypatch.setattr(warm, "ANEW_SECONDS", LONG)
    monkeypatch.setattr(warm, "FRESH_SECONDS", 10 * LONG)
    monkeypatch.setattr(warm, "ANEW_AT_ONCE", at_once)
    lists(kong, words)

    async def work():
        async with desk() as all_:

            async def asked():
                await all_.warm.listed("desk", "weather", ALICE)
                return sum(b'"tools/list"' in request.body for request in kong.requests)

            before, at = await asked(), time.monotonic()
            told = [all_.warm.changed("desk", "weather", ALICE, at)]
            found = [await asked() - before]
            # Another stream heard the same.
            told.append(all_.warm.changed("desk", "weather", ALICE, at))
            found.append(await asked() - before)
            for _ in range(100):
                told.append(all_.warm.changed("desk", "weather", ALICE, time.monotonic()))
                found.append(await asked() - before)
            return told, found

    told, found = anyio.run(work)
    assert told[: at_once + 1] == [0.0] * (at_once + 1)
    assert min(told[at_once + 1 :]) > 0
    assert found == [1, *range(1, at_once), *[at_once] * (102 - at_once)]


class FloodingMember:
    """Tells without an end that it changed, whenever it is let."""

    async def talk(self, _member):
        return self

    def __init__(self):
        self.more, self.told = anyio.Event(), 0

    async def changes(self):
        yield None
        while True:
            for _ in range(100):
                self.told += 1
                yield CHANGED
            await self.more.wait()
            self.more = anyio.Event()


@pytest.mark.requirement("VIRT-432")
def test_a_flood_of_changes_is_told_at_a_pace(desk, call, line, monkeypatch):
    monkeypatch.setattr(changes, "PACE_SECONDS", LONG)
    taken, stale = [], []

    async def take(anew):
        taken.append(anew)
        return Inventory({}, {}, {}, {})

    def dropped(member, _at):
        stale.append(member)
        return 0.0

    async def work():
        async with desk() as all_:
            member = FloodingMember()
            place = StreamPlace(all_.parts, "desk", Watches(), line, stale=dropped)
            stream = MemberChanges(call(LISTEN, **LISTENS).claims, ("weather",), take, member.talk, place)
            async with stream.answer() as parts, anyio.create_task_group() as tasks:
                assert isinstance(await anext(parts), Began)
                heard = Counter()

                async def read():
                    async for part in parts:
                        heard[CHANGED.encode() in part.text] += 1

                tasks.start_soon(read)
                with anyio.fail_after(60):
                    while not heard[True]:
                        await anyio.wait_all_tasks_blocked()
                for _ in range(3):
                    member.more.set()
                    await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
            return member.told, heard[True]

    assert anyio.run(work) == (400, 1)
    assert stale == ["weather"]
    assert taken == [False, True]


@pytest.mark.requirement("VIRT-432")
def test_digests_of_lists_are_made_once_for_an_inventory_and_never_on_the_event_loop(
    desk, kong, call, words, monkeypatch
):
    threads, digests = [], inventory._digests

    def counting(found):
        threads.append(threading.get_ident())
        return digests(found)

    monkeypatch.setattr(inventory, "_digests", counting)
    lists(kong, words)

    async def work():
        async with desk() as all_:
            claims = call().claims
            return [await all_.inventories.take("desk", claims, claims.terms.virtual) for _ in range(2)]

    first, second = anyio.run(work)
    assert first is second
    assert set(first.digests) == {"tools", "prompts", "resources"}
    assert len(threads) == 1
    assert threading.get_ident() not in threads
