"""What lists of members may take of a sidecar's memory, of its event loop, and of other callers' turns."""

import gc
import json
import threading
import weakref

import anyio
import anyio.to_thread
import pytest

from mcp_core.adaptive import choice
from mcp_core.principal import consumer
from mcp_core.token_count import tokens
from mcp_core.virtual import BudgetMode, ListBudget
from mcp_sidecar.adaptive import finding, inventory, local, warm
from mcp_sidecar.adaptive.caller_turns import CallerTurns
from mcp_sidecar.adaptive.finding import MemberFinder
from mcp_sidecar.adaptive.inventory import Inventories, Inventory, MemberOffer
from mcp_sidecar.adaptive.local import Local
from mcp_sidecar.adaptive.warm import MemberList

ALICE, BOB = consumer("alice"), consumer("bob")
TOOLS = {f"tool{at}": {"name": f"tool{at}", "description": "does this and that"} for at in range(20)}


def lists(kong, words, *, pages=1, text="x"):
    """Have every member list one tool a page."""

    def play(request, connection):
        asked = json.loads(request.body)
        result = {"capabilities": {"tools": {}}}
        if asked["method"] == "tools/list":
            page = int(asked["params"].get("cursor", 1))
            more = {"nextCursor": str(page + 1)} if page < pages else {}
            result = {"tools": [{"name": f"tool{page}", "description": text}], **more}
        said = {"jsonrpc": "2.0", "id": asked["id"], "result": result}
        connection.sendall(words.json_answer(json.dumps(said).encode()))

    kong.play = play


@pytest.mark.requirement("VIRT-105")
def test_a_member_whose_lists_are_larger_than_is_read_is_left_out(desk, kong, words, monkeypatch):
    monkeypatch.setattr(warm, "LIST_BYTES", 5_000)
    lists(kong, words, pages=1_000_000, text="x" * 1_000)

    async def work():
        async with desk() as all_:
            return await all_.warm.listed("desk", "weather", ALICE)

    found = anyio.run(work)
    assert (found.failed, found.items, found.size) == ("too-large", {}, 0)


@pytest.mark.requirement("VIRT-105")
@pytest.mark.parametrize(
    ("name", "value", "again"), [("MOST_BYTES", 5_000, 1), ("IDLE_SECONDS", -1, 1), ("MOST", 9, 0)]
)
def test_lists_that_are_too_much_or_too_old_are_asked_for_anew(desk, kong, words, monkeypatch, name, value, again):
    monkeypatch.setattr(warm, name, value)
    lists(kong, words, text="x" * 4_000)

    def asked():
        return sum(b'"tools/list"' in request.body for request in kong.requests)

    async def work():
        async with desk() as all_:
            for principal in (ALICE, BOB, BOB):
                assert (await all_.warm.listed("desk", "weather", principal)).items["tools"]
            await all_.warm.listed("desk", "news", BOB)
            before = asked()
            await all_.warm.listed("desk", "weather", ALICE)
            return asked() - before

    assert anyio.run(work) == again


class KnownLists:
    """What members list, as Warm knows it, one list for each caller."""

    def __init__(self, size=0):
        self._size = size
        self._lists = {}

    def known(self, _by, members, principal, _since, **_patient):
        listed = MemberList(members[0], {"tools": list(TOOLS.values())}, size=self._size)
        return [self._lists.setdefault(principal, listed)]


@pytest.mark.requirement("VIRT-105")
@pytest.mark.parametrize(("name", "value"), [("MOST_BYTES", 1_500), ("IDLE_SECONDS", -1), ("MOST_MADE", 1)])
def test_what_was_put_together_of_lists_is_not_kept_longer_than_they_are(call, monkeypatch, name, value):
    monkeypatch.setattr(inventory, name, value)

    async def work():
        inventories, kept = Inventories(KnownLists(1_000)), []
        for principal in ("alice", "bob", "carol"):
            claims = call(principal=principal).claims
            kept.append(weakref.ref(await inventories.take("desk", claims, claims.terms.virtual)))
        gc.collect()
        return [one() is not None for one in kept]

    alive = anyio.run(work)
    assert alive[0] is False


@pytest.mark.requirement("VIRT-106")
@pytest.mark.parametrize("mode", [BudgetMode.AUTO, BudgetMode.FILTERED])
def test_tokens_are_counted_once_for_an_inventory_and_never_on_the_event_loop(call, monkeypatch, mode):
    threads = []

    def counting(items):
        threads.append(threading.get_ident())
        return tokens(items)

    monkeypatch.setattr(choice, "tokens", counting)
    claims = call(budget=ListBudget(100_000, mode)).claims
    made = []

    async def work():
        inventories = Inventories(KnownLists())

        async def take():
            made.append(await inventories.take("desk", claims, claims.terms.virtual))

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(take)
        for one in made:
            page = Local("desk", claims, claims.terms.virtual, MemberFinder(), one).page("tools", None, {})
            assert [tool["name"] for tool in page["tools"]] == list(TOOLS)

    anyio.run(work)
    assert {id(one) for one in made} == {id(made[0])}
    assert len(threads) == len(TOOLS)
    assert threading.get_ident() not in threads


@pytest.mark.requirement("VIRT-106")
def test_arguments_are_held_to_a_schema_apart_from_the_event_loop(call, monkeypatch):
    threads = []
    monkeypatch.setattr(local, "misfit", lambda *_of: threads.append(threading.get_ident()))
    claims = call(budget=ListBudget(1, BudgetMode.SEARCH)).claims
    tools = {"read": MemberOffer("weather", "read", {"name": "read"})}
    offered = Inventory(tools, {}, {}, {}, mode=BudgetMode.SEARCH)
    one = Local("desk", claims, claims.terms.virtual, MemberFinder(), offered)
    route = anyio.run(one.route, "tools/call", {"name": "call_tool", "arguments": {"name": "read", "arguments": {}}})
    assert (route.member, route.params["name"]) == ("weather", "read")
    assert len(threads) == 1
    assert threading.get_ident() not in threads


@pytest.mark.requirement("VIRT-107")
def test_a_caller_who_asks_much_takes_no_other_callers_turn():
    gate, began = threading.Event(), []

    def long(name):
        began.append(name)
        assert gate.wait(60)

    async def work():
        turns = CallerTurns(2)
        async with anyio.create_task_group() as tasks:
            for name in ("first", "second", "third"):
                tasks.start_soon(turns.run, "alice", long, name)
            await anyio.wait_all_tasks_blocked()
            assert await turns.run("bob", str, 7) == "7"
            assert began in ([], ["first"])
            gate.set()
        return began, len(turns)

    assert anyio.run(work) == (["first", "second", "third"], 0)


@pytest.mark.requirement("VIRT-107")
def test_who_gives_up_waiting_for_a_turn_leaves_nothing_behind():
    gate = threading.Event()

    async def work():
        turns = CallerTurns(1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(turns.run, "alice", gate.wait, 60)
            async with anyio.create_task_group() as impatient:
                impatient.start_soon(turns.run, "alice", str, 1)
                impatient.start_soon(turns.run, "bob", str, 2)
                await anyio.wait_all_tasks_blocked()
                impatient.cancel_scope.cancel()
            assert len(turns) == 1
            gate.set()
        return len(turns)

    assert anyio.run(work) == 0


@pytest.mark.requirement("VIRT-107")
def test_the_texts_of_an_inventory_are_read_once_for_all_queries(monkeypatch):
    read = []
    plain = finding.search_item
    monkeypatch.setattr(finding, "search_item", lambda *of: read.append(of) or plain(*of))
    offered = Inventory({name: MemberOffer("weather", name, item) for name, item in TOOLS.items()}, {}, {}, {})

    async def work():
        finder = MemberFinder()
        return [await finder.find(ALICE, offered, {"query": query}) for query in ("tool7", "tool9")]

    seven, nine = anyio.run(work)
    assert len(read) == len(TOOLS)
    found = [json.loads(one["content"][0]["text"])["tools"][0]["name"] for one in (seven, nine)]
    assert found == ["tool7", "tool9"]


@pytest.mark.requirement("VIRT-108")
@pytest.mark.parametrize(
    ("uri", "member"),
    [
        ("weather://rome/today", "weather"),
        ("weather://alerts/rome", "alerts"),
        ("news://rome", "greedy"),
        ("memo:1", "greedy"),
        ("same://1", "first"),
    ],
)
def test_a_template_that_stands_for_everything_takes_nothing_from_those_that_say_more(uri, member):
    templates = {
        "{+any}": "greedy",
        "weather://{city}/{day}": "weather",
        "weather://alerts/{city}": "alerts",
        "same://{one}": "first",
        "same://{+other}": "second",
    }
    offers = {text: MemberOffer(whose, text, {}) for text, whose in templates.items()}
    assert Inventory({}, {}, {"memo:1": MemberOffer("greedy", "memo:1", {})}, offers).of_uri(uri) == member
    assert Inventory({}, {}, {uri: MemberOffer("own", uri, {})}, offers).of_uri(uri) == "own"
