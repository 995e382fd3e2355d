"""Reviewing on the command line, over a store in a file."""

from __future__ import annotations

import json

import pytest
import yaml
from click.testing import CliRunner

from kong_mcp.cli import main
from mcp_core.pins.states import DEFAULT_RULES
from mcp_core.scan import ItemKind, escaped, name_of
from mcp_sidecar.store.sightings import Sighting
from mcp_sidecar.store.store import Store

TOOL = {"name": "read", "description": "Reads a note."}
CHANGED = TOOL | {"description": "Reads a note. \u202eHidden\x1b[2J"}


class Desk:
    """A store, what servers send to it, and a reviewer's shell."""

    def __init__(self, folder):
        self.path = folder / "store.db"
        self.clock = 1_000_000
        Store(str(self.path), migrate=True).close()

    def see(self, *items, kind=ItemKind.TOOL, server="notes"):
        store = Store(str(self.path))
        self.clock += 1000
        seen = [Sighting.of(kind, "" if kind is ItemKind.INSTRUCTIONS else name_of(kind, item), item) for item in items]
        store.observe(server, seen, rules=DEFAULT_RULES, now=self.clock)
        store.close()

    def run(self, *arguments, status=0):
        environment = {"MCP_SIDECAR_STORE": str(self.path), "KONG_MCP_REVIEWER": "ada"}
        done = CliRunner().invoke(main, arguments, env=environment)
        assert done.exit_code == status, done.output
        return done.output


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


@pytest.mark.requirement("REV-001")
def test_the_list_says_of_every_item_whether_it_is_open_and_why(desk):
    desk.see(TOOL, TOOL | {"name": "write"})
    desk.see(CHANGED)
    desk.see({"instructions": "Be brief."}, kind=ItemKind.INSTRUCTIONS)
    lines = desk.run("surface", "list").splitlines()
    assert [line.split()[0] for line in lines] == ["open", "quarantined", "open"]
    assert "notes tool read  (quarantined, drift" in lines[1]
    assert desk.run("surface", "list", "--state", "quarantined").splitlines() == [lines[1]]
    assert desk.run("surface", "list", "--server", "other") == "nothing was seen yet\n"
    assert [load["name"] for load in json.loads(desk.run("surface", "list", "--json"))] == ["", "read", "write"]


@pytest.mark.requirement("REV-002")
def test_texts_of_servers_are_printed_as_ascii_with_everything_else_escaped(desk):
    desk.see(TOOL)
    desk.see(CHANGED)
    desk.see({"name": "a\x1b[31m\u202e", "description": "x"})
    for command in (("list",), ("show", "notes", "tool", "read"), ("diff", "notes", "tool", "read")):
        text = desk.run("surface", *command, status=1 if command[0] == "diff" else 0)
        assert text.isascii()
        assert "\x1b" not in text


@pytest.mark.requirement("REV-003")
def test_a_diff_compares_what_was_seen_last_with_what_is_approved(desk):
    desk.see(TOOL)
    assert (
        desk.run("surface", "diff", "notes", "tool", "read", status=1).splitlines()[0] == "no other version is approved"
    )
    desk.see(TOOL | {"description": "Writes a note."})
    lines = desk.run("surface", "diff", "notes", "tool", "read", status=1).splitlines()
    assert '-  "description": "Reads a note.",' in lines
    assert '+  "description": "Writes a note.",' in lines
    assert json.loads(desk.run("surface", "diff", "notes", "tool", "read", "--json", status=1))["fields"] == [
        "description"
    ]


@pytest.mark.requirement("REV-004")
def test_a_reviewer_approves_what_waits_and_rejects_what_is_bad(desk):
    desk.see(TOOL)
    desk.see(CHANGED)
    assert desk.run("surface", "approve", "notes", "tool", "read", "--why", "fine").startswith(
        "approved: notes tool read "
    )
    assert desk.run("surface", "list").startswith("open")
    desk.run("surface", "reject", "notes", "tool", "read", "--why", "no", "--as", "bob")
    assert desk.run("surface", "list").startswith("rejected")
    history = json.loads(desk.run("surface", "show", "notes", "tool", "read", "--json"))["history"]
    assert [(one["actor"], one["state"], one["why"]) for one in history[2:]] == [
        ("ada", "approved", "fine"),
        ("bob", "rejected", "no"),
    ]


@pytest.mark.requirement("REV-004")
def test_a_decision_is_about_one_version_and_needs_a_reason(desk):
    desk.see(TOOL)
    desk.see(TOOL | {"description": "One."})
    desk.see(TOOL | {"description": "Two."})
    assert "2 versions wait" in desk.run("surface", "approve", "notes", "tool", "read", "--why", "x", status=1)
    assert "--why" in desk.run("surface", "approve", "notes", "tool", "read", status=2)
    assert "cannot write" in desk.run("surface", "lock", "/none/mcp.lock", status=1)
    assert "is not one of 'open'" in desk.run("surface", "list", "--state", "opne", status=2)
    assert "was never seen" in desk.run("surface", "approve", "notes", "tool", "nix", "--why", "x", status=1)
    assert "SERVER KIND NAME" in desk.run("surface", "approve", "notes", "--why", "x", status=2)
    waiting = json.loads(desk.run("surface", "list", "--json"))[0]["versions"]
    desk.run("surface", "approve", "notes", "tool", "read", "--why", "x", "--digest", waiting[0]["digest"][:16])
    assert desk.run("surface", "list").startswith("quarantined")


@pytest.mark.requirement("REV-004")
def test_everything_that_waits_is_approved_at_once_where_a_team_has_read_it(desk):
    desk.see(TOOL, TOOL | {"name": "write"})
    desk.see(CHANGED, TOOL | {"name": "write", "description": "Erases."})
    desk.see(CHANGED, server="other")
    assert len(desk.run("surface", "approve", "notes", "--all", "--why", "read them").splitlines()) == 2
    (waiting,) = desk.run("surface", "list", "--state", "quarantined").splitlines()
    assert "other tool read" in waiting
    desk.run("surface", "approve", "--all", "--why", "read it too")
    assert desk.run("surface", "list", "--state", "quarantined") == "nothing is quarantined\n"


@pytest.mark.requirement("REV-012")
def test_a_tool_that_is_called_as_an_option_opens_nothing_else(desk):
    desk.see(TOOL, TOOL | {"name": "--all"}, TOOL | {"name": "--lock=x"})
    desk.see(CHANGED, CHANGED | {"name": "--all"}, CHANGED | {"name": "--lock=x"})
    assert "goes after --" in desk.run("surface", "approve", "notes", "tool", "--all", "--why", "x", status=2)
    approved = desk.run("surface", "approve", "--why", "x", "--", "notes", "tool", "--all").splitlines()
    assert [line.split()[:4] for line in approved] == [["approved:", "notes", "tool", "--all"]]
    assert len(desk.run("surface", "list", "--state", "quarantined").splitlines()) == 2


@pytest.mark.requirement("REV-013")
@pytest.mark.parametrize("name", ["gr\u00fc\u00dfe", "a\nb", "\U0001f600", "back\\slash"])
def test_an_item_is_found_by_its_name_as_it_is_shown(desk, name):
    desk.see(TOOL | {"name": name})
    desk.see(CHANGED | {"name": name})
    shown = escaped(name)
    assert "quarantined" in desk.run("surface", "show", "notes", "tool", shown)
    desk.run("surface", "diff", "notes", "tool", shown, status=1)
    desk.run("surface", "approve", "notes", "tool", shown, "--why", "x")
    desk.run("surface", "reject", "notes", "tool", name, "--why", "x")
    assert desk.run("surface", "list").startswith("rejected")


@pytest.mark.requirement("REV-013")
def test_a_name_that_shows_two_items_decides_nothing(desk):
    desk.see(TOOL, TOOL | {"name": "gr\u00fc"}, TOOL | {"name": "gr\\xfc"})
    desk.see(CHANGED | {"name": "gr\u00fc"}, CHANGED | {"name": "gr\\xfc"})
    told = desk.run("surface", "approve", "notes", "tool", "gr\\xfc", "--why", "x", status=1)
    assert "2 tools of notes are shown as gr\\xfc: decide with `kong-mcp surface review`" in told
    desk.run("surface", "approve", "notes", "tool", "gr\u00fc", "--why", "x")
    assert len(desk.run("surface", "list", "--state", "quarantined").splitlines()) == 1


@pytest.mark.requirement("REV-005")
def test_a_lock_file_shows_in_a_pull_request_what_changed_and_approves_it_after(desk, tmp_path):
    lock = str(tmp_path / "surfaces.lock")
    desk.see(TOOL, TOOL | {"name": "write"})
    assert desk.run("surface", "lock", lock) == f"{lock}: 2 item(s)\n"
    assert desk.run("surface", "lock", "--check", lock) == ""
    desk.see(CHANGED, TOOL | {"name": "new"})
    assert desk.run("surface", "lock", "--check", lock, status=1).splitlines() == [
        "+ notes tool new: not in the file",
        "~ notes tool read: description changed",
    ]
    desk.run("surface", "lock", lock)
    assert desk.run("surface", "approve", "--lock", lock, "--why", "PR 7").startswith("approved: notes tool read ")
    assert desk.run("surface", "list", "--state", "quarantined") == "nothing is quarantined\n"
    assert desk.run("surface", "approve", "--lock", lock, "--why", "PR 7") == ""


@pytest.mark.requirement("REV-005")
def test_a_lock_file_that_names_what_was_not_seen_approves_the_rest_and_fails(desk, tmp_path):
    lock = tmp_path / "surfaces.lock"
    desk.see(TOOL)
    desk.run("surface", "lock", str(lock))
    document = yaml.safe_load(lock.read_text())
    document["servers"]["notes"]["tool"]["ghost"] = {"digest": "0" * 64}
    lock.write_text(yaml.safe_dump(document))
    assert "1 item(s) of the file were not seen" in desk.run(
        "surface", "approve", "--lock", str(lock), "--why", "x", status=1
    )
    assert desk.run("surface", "lock", "--check", str(lock), status=1).startswith("- notes tool ghost")


@pytest.mark.requirement("REV-005")
@pytest.mark.parametrize(
    "text", ["", "[]", "format: 2\nservers: {}", "format: 1", "format: 1\nservers: {a: []}", "{",
    "format: 1\nservers: {a: {toys: {b: {digest: x}}}}", "format: 1\nservers: {a: {tool: {b: {}}}}"],
)  # fmt: skip
def test_what_is_no_lock_file_is_refused(desk, tmp_path, text):
    lock = tmp_path / "surfaces.lock"
    lock.write_text(text)
    assert desk.run("surface", "approve", "--lock", str(lock), "--why", "x", status=1).startswith("Error: ")
    assert "there is no" in desk.run("surface", "lock", "--check", str(tmp_path / "nix"), status=1)


@pytest.mark.requirement("REV-006")
def test_audit_verify_proves_the_chain_and_prints_an_anchor(desk):
    desk.see(TOOL)
    text = desk.run("audit", "verify")
    assert text.startswith("1 row(s) hold\nanchor: 1:")
    anchor = text.split()[-1]
    desk.see(CHANGED)
    assert desk.run("audit", "verify", "--anchor", anchor).startswith("2 row(s) hold")
    assert "row 1 is not the one of the anchor" in desk.run("audit", "verify", "--anchor", f"1:{'0' * 64}", status=1)
    assert "SEQ:HASH" in desk.run("audit", "verify", "--anchor", "1", status=2)


@pytest.mark.requirement("STORE-021")
def test_a_person_takes_a_store_in_the_place_of_the_one_that_sidecars_knew(desk, tmp_path):
    desk.see(TOOL)
    known = f"7:{'f' * 64}"
    text = desk.run("audit", "accept-store", known, "--why", "the old one is lost")
    assert text.startswith(f"accepted in the place of {known}\nanchor: 2:")
    assert desk.run("audit", "verify").startswith("2 row(s) hold")
    store = Store(str(desk.path))
    assert store.changes(-1, (7, "f" * 64)).accepted
    store.close()
    own = desk.run("audit", "verify").split()[-1]
    assert "nothing is to be accepted" in desk.run("audit", "accept-store", own, "--why", "x", status=1)
    assert "--why" in desk.run("audit", "accept-store", known, status=2)
    assert "SEQ:HASH" in desk.run("audit", "accept-store", "7", "--why", "x", status=2)
    # Where there is none yet, it is made: a sidecar makes none in the place of one that it knew.
    new = str(tmp_path / "new.db")
    done = CliRunner().invoke(main, ["audit", "accept-store", known, "--why", "x", "--store", new])
    assert done.exit_code == 0, done.output


@pytest.mark.requirement("REV-001")
def test_an_item_that_changes_often_is_marked_in_the_list(desk):
    for number in range(25):
        desk.see(TOOL | {"description": f"Reads the notes of day {number}."})
    assert "changes often" in desk.run("surface", "list")
    assert json.loads(desk.run("surface", "list", "--json"))[0]["changes_often"] is True


@pytest.mark.requirement("REV-001")
def test_a_store_that_is_not_there_is_an_error_with_what_to_do(tmp_path):
    for address in (str(tmp_path / "nix" / "x"), "mysql://x", str(tmp_path / "empty.db")):
        done = CliRunner().invoke(main, ["surface", "list", "--store", address])
        assert done.exit_code == 1
        assert done.output.startswith("Error: ")
    assert CliRunner().invoke(main, ["surface", "list"], env={"MCP_SIDECAR_STORE": None}).exit_code == 2
    assert "surface" in CliRunner().invoke(main, ["--help"]).output
