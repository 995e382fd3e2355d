"""What a member had that failed stays its own: nobody else gets its names, and it is said who would have to answer."""

import anyio
import pytest

from mcp_core.methods import Kind
from mcp_core.policy import Access, View
from mcp_core.principal import consumer
from mcp_core.virtual import Virtual
from mcp_sidecar.adaptive.failing import failed_member, name_member
from mcp_sidecar.adaptive.inventory import merge
from mcp_sidecar.adaptive.warm import REFUSED, MemberList, Warm
from mcp_sidecar.lane.cutting import CUT_OFF
from mcp_sidecar.lane.fetched import Failed

ALICE = consumer("alice")
ALL = View({kind: Access(("*",)) for kind in Kind})
DESK = Virtual(("notes", "weather"))


def lists(member, *tools, uris=(), templates=()):
    return MemberList(
        member,
        {
            "tools": [{"name": name} for name in tools],
            "prompts": [{"name": name} for name in tools],
            "resources": [{"uri": uri} for uri in uris],
            "resourceTemplates": [{"uriTemplate": text} for text in templates],
        },
    )


def gone(listed, failed="unavailable"):
    return MemberList(listed.member, failed=failed, had=listed.names())


@pytest.mark.requirement("VIRT-330")
def test_names_are_the_same_while_a_member_is_away():
    notes, weather = lists("notes", "search", "note"), lists("weather", "search")
    there, away = merge([notes, weather], DESK, ALL), merge([gone(notes), weather], DESK, ALL)
    assert set(there.tools) == {"notes_search", "note", "weather_search"}
    assert set(away.tools) == set(away.prompts) == {"weather_search"}
    assert away.away["tools"] == away.away["prompts"] == {"notes_search": "notes", "note": "notes"}
    assert (dict(away.left_out), away.unheard) == ({"notes": "unavailable"}, ())
    # What fails again had what it had.
    again = gone(gone(notes))
    assert merge([again, weather], DESK, ALL).away == away.away


@pytest.mark.requirement("VIRT-330")
def test_nobody_else_answers_for_what_a_member_had():
    notes = lists("notes", uris=["note://a"], templates=["note://b/{x}"])
    weather = lists("weather", uris=["note://a", "note://c"], templates=["note://{x}", "note://b/{x}"])
    away = merge([gone(notes), weather], DESK, ALL)
    assert set(away.resources) == {"note://c"}
    assert set(away.templates) == {"note://{x}"}
    assert [away.of_uri(f"note://{one}") for one in ("a", "b/1", "c", "d")] == ["notes", "notes", "weather", "weather"]
    assert away.by_member(["note://a", "note://c"]) == {"weather": ["note://c"]}
    never = Virtual(("notes", "weather"), prefix="never")
    first = merge([gone(lists("notes", "search")), lists("weather", "search")], never, ALL)
    assert (set(first.tools), first.away["tools"]) == (set(), {"search": "notes"})


@pytest.mark.requirement("VIRT-330")
def test_what_a_policy_hides_is_not_said_to_be_away():
    view = View({Kind.TOOL: Access(("*",), ("note",)), Kind.RESOURCE: Access(("*",))})
    away = merge([gone(lists("notes", "note", "open")), lists("weather")], DESK, view)
    assert away.away["tools"] == {"open": "notes"}


@pytest.mark.requirement("VIRT-330")
def test_of_a_member_that_never_answered_nobody_knows_what_it_has():
    never = MemberList("notes", failed="timeout")
    assert merge([never, lists("weather", "x")], DESK, ALL).unheard == ("notes",)
    refused = MemberList("notes", failed=REFUSED)
    told = merge([refused, lists("weather", "x")], DESK, ALL)
    assert (told.unheard, dict(told.left_out)) == ((), {})


@pytest.mark.requirement("VIRT-330")
def test_whoever_wants_another_member_does_not_wait_for_one_that_failed():
    asked = []

    async def run():
        warm = Warm(None, max_answer=1000)

        async def ask(_kept, _by, member, _principal):
            asked.append(member)
            return MemberList(member, failed="timeout")

        warm._ask = ask
        await warm.listed("desk", "notes", ALICE)
        warm.forget("desk", "notes", ALICE)
        assert warm.known("desk", ["notes"], ALICE, None) is None
        assert warm.known("desk", ["notes"], ALICE, None, patient=True) is not None
        await warm.listed("desk", "notes", ALICE, patient=True)
        assert asked == ["notes"]
        await warm.listed("desk", "notes", ALICE)
        assert asked == ["notes", "notes"]

    anyio.run(run)


def error(code, text):
    return {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": text, "data": {"mayHaveRun": True}}}


@pytest.mark.requirement("VIRT-330")
def test_a_failure_names_its_member_and_a_servers_own_error_is_left_as_it_is():
    own = error(-32603, "no such note")
    assert not name_member("notes", own, failed=False)
    assert own == error(-32603, "no such note")
    withheld = error(-32603, "The server's answer was withheld, because it is odd.")
    assert name_member("notes", withheld, failed=False)
    assert withheld["error"]["message"].startswith("The server notes behind this one failed")
    broken = error(-32603, "The server failed with HTTP 500.")
    assert name_member("notes", broken, failed=True)
    assert broken["error"] == {**broken["error"], "code": -32004, "data": {"mayHaveRun": True}}
    for odd in ({"error": 7}, {"error": {"message": 7}}, {"result": {}}, {}):
        assert not name_member("notes", dict(odd), failed=True)
    cut = Failed(CUT_OFF, "cut-off")
    assert failed_member("notes", cut) == cut
