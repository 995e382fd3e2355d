"""`kong-mcp debug`: on, off and list, by words in the store's chain."""

import json
import time

import pytest
from click.testing import CliRunner

from kong_mcp.cli import main
from mcp_sidecar.store.debug_words import DebugStore, DebugWord
from mcp_sidecar.store.store import Store


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "store.db"
    Store(str(path), migrate=True).close()
    return path


def run(store, *arguments, status=0):
    environment = {"MCP_SIDECAR_STORE": str(store), "KONG_MCP_REVIEWER": "olga"}
    done = CliRunner().invoke(main, ["debug", *arguments], env=environment)
    assert done.exit_code == status, done.output
    return done.output


@pytest.mark.requirement("DBG-001")
def test_it_is_on_for_as_long_as_was_said_and_the_list_says_of_whom_and_who_said_so(store):
    before = time.time()
    run(store, "on", "--server", "files", "--for", "15m")
    run(store, "on", "--server", "files", "--principal", "ada", "--for", "2h", "--why", "a report\nof ada's")
    first, second = run(store, "list").splitlines()
    assert first.startswith("server files  until 20")
    assert first.endswith("by olga")
    assert second.startswith("server files, principal ada  until 20")
    assert "by olga  a report" in second
    words = {word.principal: word for word in _words(store)}
    assert before + 15 * 60 - 1 <= words[""].until <= time.time() + 15 * 60
    run(store, "off", "--server", "files")
    assert run(store, "list").startswith("server files, principal ada")
    assert "not on" in run(store, "off", "--server", "files", status=1)


@pytest.mark.requirement("DBG-001")
@pytest.mark.parametrize("span", ["0m", "25h", "2d", "1441m", "1w", "15", "-5m"])
def test_nobody_debugs_for_longer_than_a_day(store, span):
    assert "a day at most" in run(store, "on", "--server", "files", f"--for={span}", status=2)
    assert _words(store) == []


@pytest.mark.requirement("DBG-001")
def test_it_is_always_of_somebody_and_needs_a_store(store, tmp_path):
    assert "say of whom" in run(store, "on", status=2)
    assert "no store" in run(tmp_path / "none.db", "on", "--server", "files", status=1).lower()


@pytest.mark.requirement("DBG-002")
def test_who_turned_it_on_stands_in_the_chain_and_leaves_with_the_export(store):
    run(store, "on", "--principal", "ada", "--why", "ticket")
    run(store, "off", "--principal", "ada")
    done = CliRunner().invoke(main, ["audit", "verify", "--store", str(store)])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(main, ["audit", "export", "--store", str(store)])
    told = [json.loads(line) for line in done.output.splitlines() if line.startswith("{")]
    assert [(one["activity_name"], one["actor"]["user"]["name"]) for one in told] == [
        ("debug-on", "olga"),
        ("debug-off", "olga"),
    ]
    assert told[0]["resources"][0] == {"name": "ada", "type": "debug"}
    assert told[0]["status_detail"] == "ticket"


@pytest.mark.requirement("DBG-001")
def test_a_word_of_a_wrong_clock_or_of_a_stranger_to_the_command_ends_within_a_day():
    now = 1_800_000_000
    forever = DebugWord("files", "", now * 1000, now + 10**9, "mallory")
    assert forever.holds(now + 86_399)
    assert not forever.holds(now + 86_400)
    assert not DebugWord("files", "", (now + 90_000) * 1000, now + 10**9, "mallory").holds(now)


def _words(store):
    opened = DebugStore(str(store))
    try:
        return opened.debug_words()[1]
    finally:
        opened.close()
