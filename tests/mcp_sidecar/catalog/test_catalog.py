"""The catalog: who sees which servers and items, and that it keeps up with store and file."""

from __future__ import annotations

import anyio
import pytest

from mcp_core.pins.states import Pinning, State
from mcp_core.principal import consumer
from mcp_core.scan import ItemKind
from mcp_core.servers import LifeCycle
from mcp_sidecar.catalog.catalog import Catalog
from mcp_sidecar.catalog.entry import ServerHealth
from mcp_sidecar.surface.listed import ListedServers
from mcp_sidecar.surface.viewers import Viewer
from servers.catalog_stand import ADA, BOB, ERASE, NOON, POISON, READ, READS, REVIEWS, STRANGER, Stand, server

CHANGED = READ | {"description": "Reads a note, aloud."}
FOR_ADA = {"rules": [{"consumers": ["ada"], "tools": {"allow": ["*"], "deny": ["erase"]}}]}


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def until(condition):
    while not condition():  # noqa: ASYNC110 - the condition is the code's own, which has no event to wait for
        await anyio.sleep(0.01)


@pytest.fixture
async def stand(tmp_path):
    made = Stand(tmp_path)
    yield made
    await made.surfaces.aclose()


@pytest.mark.anyio
@pytest.mark.requirement("CAT-001")
async def test_a_server_that_somebody_may_not_use_is_as_one_that_does_not_exist(stand):
    stand.list(server("notes"), server("hers", policy=FOR_ADA), server("nobodys", policy={}))
    stand.see("hers", READ)
    await stand.catalog.refresh()
    assert stand.names(STRANGER) == stand.names(BOB) == ["notes"]
    assert stand.names(ADA) == ["hers", "notes"]
    assert stand.names(READS) == stand.names(REVIEWS) == ["hers", "nobodys", "notes"]
    for name in ("hers", "nobodys", "none", ""):
        assert stand.catalog.entry(BOB, name) is None
        assert stand.catalog.versions(BOB, name) is None


@pytest.mark.anyio
@pytest.mark.requirement("CAT-001")
async def test_items_are_those_that_the_viewer_could_use_now(stand):
    stand.list(server("hers", policy=FOR_ADA))
    stand.see("hers", READ, ERASE, POISON)
    await stand.catalog.refresh()
    assert stand.tools(ADA, "hers") == {"read": "open"}
    assert stand.tools(READS, "hers") == {"read": "open", "erase": "open", "poison": "quarantined"}
    hers = stand.catalog.entry(ADA, "hers")
    assert (hers.item(ItemKind.TOOL, "poison"), hers.item(ItemKind.TOOL, "erase"), hers.policy) == (None, None, None)
    assert dict(hers.states) == {"open": 1}
    assert not hers.rules
    assert [change.name for version in hers.versions for change in version.changes] == ["read"]


@pytest.mark.anyio
@pytest.mark.requirement("CAT-013")
async def test_what_is_worked_out_for_somebody_is_shared_with_those_alone_who_see_the_same(stand):
    """Also where they see the same today by other rights: an owner, a reader, whoever another rule concerns."""
    for_teams = {"rules": [{"groups": ["team-sky", "crew"], "tools": {"allow": ["*"]}}]}
    stand.list(server("notes", owner="team-sky"), server("team", policy=for_teams), server("hers", policy=FOR_ADA))
    stand.see("team", READ, POISON)
    await stand.catalog.refresh()
    crew = [Viewer(name, frozenset(), consumer(name, ["crew"])) for name in ("carl", "cleo")]
    shown = [stand.catalog.shown(viewer) for viewer in (*crew, BOB, STRANGER, ADA, READS, REVIEWS)]
    carl, cleo, bob, stranger, ada, reads, reviews = shown
    assert carl is cleo
    assert bob is stranger
    assert reads is reviews
    assert len({carl, bob, ada, reads}) == 4
    assert [list(one.by_name) for one in (carl, bob, ada)] == [["notes", "team"], ["notes"], ["hers", "notes", "team"]]
    assert [one.by_name["notes"].manages for one in (carl, bob, ada, reads)] == [False, False, True, True]
    assert stand.tools(crew[1], "team") == {"read": "open"}
    assert stand.tools(READS, "team") == {"read": "open", "poison": "quarantined"}
    stand.list(server("team", policy=FOR_ADA))
    await stand.catalog.refresh()
    assert stand.catalog.shown(crew[1]).by_name == {}


@pytest.mark.anyio
@pytest.mark.requirement("CAT-002")
async def test_an_owner_sees_all_of_their_own_server_and_no_more_of_others(stand):
    stand.list(server("hers", owner="team-sky", policy={}), server("other", owner="team-sea", policy={}))
    stand.see("hers", POISON)
    await stand.catalog.refresh()
    assert stand.names(ADA) == ["hers"]
    assert stand.tools(ADA, "hers") == {"poison": "quarantined"}
    (poison,) = stand.catalog.entry(ADA, "hers").items
    assert (poison.usable, bool(poison.shown.rules)) == (False, True)
    # Nobody is the owner of a server that names none, whoever they are.
    stand.list(server("hers", policy={}))
    await stand.catalog.refresh()
    assert stand.names(ADA) == stand.names(STRANGER) == []


@pytest.mark.anyio
@pytest.mark.requirement("CAT-001")
async def test_without_pins_agents_get_what_waits_too_so_the_catalog_shows_it(stand):
    stand.list(server("notes", pins=Pinning.OFF))
    stand.see("notes", POISON)
    await stand.catalog.refresh()
    assert stand.tools(BOB, "notes") == {"poison": "quarantined"}


@pytest.mark.anyio
@pytest.mark.requirement("CAT-003")
async def test_it_keeps_up_with_the_file_without_a_restart(stand):
    stand.list(server("notes", title="Notes"), written=NOON)
    await stand.catalog.refresh()
    assert stand.catalog.entry(BOB, "notes").title == "Notes"
    assert stand.catalog.entry(BOB, "notes").updated_at == NOON
    retired = server("notes", life_cycle=LifeCycle.DEPRECATED, successor="notes-2")
    stand.list(retired, server("notes-2"), written=NOON + 5000)
    await stand.catalog.refresh()
    notes = stand.catalog.entry(BOB, "notes")
    assert (notes.title, notes.record.life_cycle, notes.record.successor) == ("notes", "deprecated", "notes-2")
    assert notes.updated_at == NOON + 5000
    stand.list(server("notes-2"))
    await stand.catalog.refresh()
    assert stand.names(BOB) == ["notes-2"]
    assert [one.name for one in stand.catalog.removed(BOB)] == ["notes"]
    stand.list(server("notes-2"), server("notes"))
    await stand.catalog.refresh()
    assert stand.catalog.removed(BOB) == ()
    # A file that cannot be read changes nothing.
    stand.file.write_text("{", encoding="utf-8")
    await stand.catalog.refresh()
    assert stand.names(BOB) == ["notes", "notes-2"]


@pytest.mark.anyio
@pytest.mark.requirement("CAT-003")
async def test_it_keeps_up_with_the_store_by_what_changed(stand):
    stand.list(server("notes"))
    stand.see("notes", READ)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stand.surfaces.follow, 0.02)
        tasks.start_soon(stand.catalog.follow, 0.02)
        with anyio.fail_after(60):
            await until(lambda: stand.tools(BOB, "notes") == {"read": "open"})
            before = stand.catalog.revision
            stand.decide("notes", READ, State.REJECTED)
            await until(lambda: stand.tools(BOB, "notes") == {})
            assert stand.catalog.revision > before
            assert stand.tools(READS, "notes") == {"read": "rejected"}
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
@pytest.mark.requirement("CAT-004")
async def test_versions_are_what_was_offered_from_when_on(stand):
    stand.list(server("notes"))
    stand.see("notes", READ)
    first = stand.clock
    stand.see("notes", READ, ERASE, later=86_400_000)
    stand.see("notes", CHANGED, ERASE, later=86_400_000)
    await stand.catalog.refresh()
    newest, middle, oldest = stand.catalog.versions(READS, "notes")
    assert [(change.kind, change.name, change.before) for change in oldest.changes] == [(ItemKind.TOOL, "read", None)]
    assert [change.name for change in middle.changes] == ["erase"]
    assert [(change.name, change.before) for change in newest.changes] == [("read", oldest.changes[0].after.digest)]
    assert oldest.at == first
    assert oldest.version.startswith("2027.1.15-x")
    assert middle.version.startswith("2027.1.16-x")
    assert len({one.digest for one in (newest, middle, oldest)}) == 3


@pytest.mark.anyio
@pytest.mark.requirement("CAT-004")
async def test_the_version_is_the_teams_where_it_says_one(stand):
    stand.list(server("notes", version="1.4.2"), server("other"), server("fresh"))
    stand.see("notes", READ)
    stand.see("other", READ)
    await stand.catalog.refresh()
    assert stand.catalog.entry(BOB, "notes").version == "1.4.2"
    assert stand.catalog.entry(BOB, "other").version == stand.catalog.versions(BOB, "other")[0].version
    assert stand.catalog.entry(BOB, "fresh").version == "0.0.0"


@pytest.mark.anyio
@pytest.mark.requirement("CAT-005")
async def test_what_the_last_look_did_not_find_is_gone(stand):
    stand.list(server("notes"))
    stand.see("notes", READ, ERASE)
    stand.see("notes", READ, later=600_000)
    await stand.catalog.refresh()
    assert {item.name: item.gone for item in stand.catalog.entry(BOB, "notes").items} == {"read": False, "erase": True}
    stand.see("notes", READ, ERASE, later=600_000)
    await stand.catalog.refresh()
    assert not any(item.gone for item in stand.catalog.entry(BOB, "notes").items)
    # A look that saw nothing says nothing of items.
    with stand.store() as store:
        store.looked("notes", "timeout", stand.clock + 3_600_000)
    await stand.catalog.refresh()
    assert not any(item.gone for item in stand.catalog.entry(BOB, "notes").items)
    assert stand.catalog.entry(BOB, "notes").look.outcome == "timeout"


@pytest.mark.anyio
@pytest.mark.requirement("CAT-006")
async def test_contents_are_those_of_the_shown_versions_of_what_the_viewer_sees(stand):
    stand.list(server("hers", policy=FOR_ADA))
    stand.see("hers", READ, ERASE, POISON)
    await stand.catalog.refresh()
    assert await stand.catalog.contents(stand.catalog.entry(ADA, "hers")) == {(ItemKind.TOOL, "read"): (READ, [])}
    everything = await stand.catalog.contents(stand.catalog.entry(READS, "hers"))
    assert {name for _, name in everything} == {"read", "erase", "poison"}
    assert everything[ItemKind.TOOL, "poison"][1][0]["rule"]


@pytest.mark.anyio
@pytest.mark.requirement("CAT-002")
async def test_a_server_without_a_record_is_for_who_reads_everything(stand):
    stand.see("heard-of", READ)
    await stand.catalog.refresh()
    assert (stand.names(ADA), stand.names(READS)) == ([], ["heard-of"])
    assert stand.tools(READS, "heard-of") == {"read": "open"}


@pytest.mark.anyio
@pytest.mark.requirement("CAT-001")
async def test_a_policy_that_cannot_be_read_opens_nothing(stand):
    stand.list(server("notes", policy={"tools": ["*"]}))
    await stand.catalog.refresh()
    assert (stand.names(BOB), stand.names(READS)) == ([], ["notes"])


@pytest.mark.anyio
@pytest.mark.requirement("CAT-007")
async def test_health_is_asked_when_it_is_looked_at(tmp_path):
    now = {"notes": ServerHealth(2, 1)}
    stand = Stand(tmp_path, lambda name: now.get(name, ServerHealth()))
    stand.list(server("notes"), server("other"))
    await stand.catalog.refresh()
    notes, other = stand.catalog.entries(BOB)
    assert (notes.health.word, other.health.word) == ("partly", "unknown")
    now["notes"] = ServerHealth(2, 0, "no-replicas")
    assert notes.health.word == "closed"
    await stand.surfaces.aclose()


@pytest.mark.anyio
@pytest.mark.requirement("CAT-003")
async def test_without_a_store_servers_are_listed_all_the_same(tmp_path):
    stand = Stand(tmp_path)
    stand.list(server("notes"))
    catalog = Catalog(ListedServers(str(stand.file), {}), None)
    await catalog.refresh()
    assert [one.name for one in catalog.entries(BOB)] == ["notes"]
    assert await catalog.contents(catalog.entry(BOB, "notes")) == {}
    await stand.surfaces.aclose()
