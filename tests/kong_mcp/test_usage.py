"""`kong-mcp usage` over a store in a file."""

import csv
import io
import json
import time

import pytest
from click.testing import CliRunner

from kong_mcp.cli import main
from mcp_core.pins.states import DEFAULT_RULES
from mcp_core.scan import ItemKind, name_of
from mcp_core.telemetry.tally import Counted, UsageKey
from mcp_sidecar.store.sightings import Sighting
from mcp_sidecar.store.store import Store
from mcp_sidecar.store.usage import UsageBatch, UsageStore

NOW = int(time.time()) // 3600
COUNTS = [
    (NOW, "notes", "read", "ada", 90, 0),
    (NOW, "notes", "read", "bob", 10, 2),
    (NOW, "notes", "write", "ada", 5, 0),
    (NOW, "files", "=cmd|x", "bob", 1, 0),
    (NOW - 200, "notes", "read", "ada", 30, 0),
    (NOW - 200, "notes", "gone", "eve", 7, 0),
]


@pytest.fixture
def run(tmp_path):
    path = str(tmp_path / "store.db")
    store = UsageStore(path, migrate=True)
    for number, (hour, server, name, principal, calls, failed) in enumerate(COUNTS):
        key = UsageKey(hour, server, "tools/call", name, principal, "modern", "call", "passed", "", "")
        counted = Counted(calls, failed, received=calls * 400)
        counted.buckets[0] = calls
        store.take("node", UsageBatch([str(number)], 0, {key: counted}))
    store.close()

    def run(*arguments, status=0):
        done = CliRunner().invoke(main, ["usage", *arguments], env={"MCP_SIDECAR_STORE": path})
        assert done.exit_code == status, done.output
        return done.output

    run.path = path
    return run


@pytest.mark.requirement("USE-004")
def test_a_table_says_how_much_and_how_well(run):
    lines = run().splitlines()
    assert lines[0].split() == ["server", "tool", "calls", "errors", "p50", "p95", "bytes", "tokens"]
    assert lines[1].split() == ["notes", "read", "100", "2", "0.005", "0.01", "40000", "10000"]
    assert len(lines) == 4


@pytest.mark.requirement("USE-004")
def test_programs_get_json_and_csv(run):
    told = json.loads(run("show", "--by", "principal", "--format", "json"))
    assert [(one["principal"], one["calls"]) for one in told] == [("ada", 95), ("bob", 11)]
    rows = list(csv.DictReader(io.StringIO(run("show", "--by", "server,tool", "--format", "csv"))))
    assert [row["tool"] for row in rows] == ["read", "write", "'=cmd|x"]
    assert (rows[0]["calls"], rows[0]["errors"]) == ("100", "2")


@pytest.mark.requirement("USE-004")
def test_who_uses_a_tool(run):
    told = json.loads(run("who", "read", "--format", "json"))
    assert [(one["server"], one["principal"], one["calls"]) for one in told] == [
        ("notes", "ada", 90),
        ("notes", "bob", 10),
    ]
    assert told[0]["last"] == time.strftime("%Y-%m-%dT%H:00Z", time.gmtime(NOW * 3600))
    assert json.loads(run("who", "nothing", "--format", "json")) == []


@pytest.mark.requirement("USE-004")
def test_what_nobody_uses(run):
    store = Store(run.path)
    for name in ("read", "forgotten"):
        item = {"name": name, "description": "Reads a note."}
        seen = [Sighting.of(ItemKind.TOOL, name_of(ItemKind.TOOL, item), item)]
        store.observe("notes", seen, rules=DEFAULT_RULES, now=1000)
    store.close()
    assert json.loads(run("unused", "--format", "json")) == [{"server": "notes", "kind": "tool", "name": "forgotten"}]


@pytest.mark.requirement("USE-004")
def test_what_changed_since_the_week_before(run):
    told = json.loads(run("changes", "--by", "server,tool", "--format", "json"))
    assert [(one["change"], one["tool"], one["before"], one["now"]) for one in told] == [
        ("new", "write", 0, 5),
        ("new", "=cmd|x", 0, 1),
        ("gone", "gone", 7, 0),
        ("more", "read", 30, 100),
    ]


@pytest.mark.requirement("USE-004")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["show", "--by", "colour"], "--by has no colour"), (["show", "--since", "1y"], "24h, 7d, 2w")],
)
def test_what_cannot_be_asked_says_what_can(run, arguments, says):
    assert says in run(*arguments, status=2)


@pytest.mark.requirement("USE-001")
@pytest.mark.parametrize("arguments", [(), ("--format", "csv"), ("--since", "24h", "--by", "server")])
def test_options_may_follow_usage_alone(run, arguments):
    assert run(*arguments) == run("show", *arguments)


def test_usage_alone_says_its_store_and_its_help(tmp_path):
    path = str(tmp_path / "store.db")
    UsageStore(path, migrate=True).close()
    done = CliRunner().invoke(main, ["usage", "--store", path])
    assert (done.exit_code, done.output) == (0, "nothing was counted\n")
    assert "Commands:" in CliRunner().invoke(main, ["usage", "--help"]).output


def test_without_a_store_it_says_what_to_do(tmp_path):
    done = CliRunner().invoke(main, ["usage", "show", "--store", str(tmp_path / "none.db")])
    assert (done.exit_code, "start the sidecar with MCP_SIDECAR_STORE" in done.output) == (1, True)
