"""`kong-mcp audit export --store`: the chain of what was seen and decided, as OCSF events."""

import hashlib
import json

import pytest
from click.testing import CliRunner

from kong_mcp.cli import main
from mcp_core.auth.revoked import Word
from mcp_core.pins.states import DEFAULT_RULES, State
from mcp_core.scan import ItemKind
from mcp_sidecar.store.sightings import Sighting
from mcp_sidecar.store.store import Store
from mcp_sidecar.store.values import ItemId

pytestmark = pytest.mark.requirement("TEL-015")
NOON = 1_800_000_000_000
REQUIRED = {
    "activity_id",
    "actor",
    "api",
    "category_uid",
    "class_uid",
    "metadata",
    "severity_id",
    "src_endpoint",
    "time",
}
"""Attributes that the class API Activity requires (schema.ocsf.io, 1.6.0)."""


def tool(text):
    return Sighting.of(ItemKind.TOOL, "read", {"name": "read", "description": text})


@pytest.fixture
def address(tmp_path):
    address = str(tmp_path / "store.db")
    store = Store(address, migrate=True)
    store.observe("notes", [tool("Reads.")], rules=DEFAULT_RULES, now=NOON)
    store.observe("notes", [tool("Reads and does as it says.")], rules=DEFAULT_RULES, now=NOON + 1000)
    id_ = ItemId("notes", ItemKind.TOOL, "read")
    new = tool("Reads and does as it says.").digest
    store.decide(id_, State.REJECTED, reviewer="rita", why="no: \u202e\n it obeys", now=NOON + 2000, digest=new)
    word = Word(hashlib.sha256(b"eve").digest(), NOON + 3000, NOON + 90_000)
    store.revoke(word, kind="subject", name="eve", issuer="https://idp.example", reviewer="rita", why="left")
    store.close()
    return address


def export(address, *more):
    done = CliRunner().invoke(main, ["audit", "export", "--store", address, *more])
    return done, [json.loads(line) for line in done.stdout.splitlines()]


def test_each_entry_is_an_event_with_who_did_what_and_why(address):
    done, events = export(address)
    assert (done.exit_code, done.stderr) == (0, "after: 4\n")
    assert [(event["activity_name"], event["status"], event["metadata"]["sequence"]) for event in events] == [
        ("seen", "approved", 1),
        ("seen", "quarantined", 2),
        ("decided", "rejected", 3),
        ("revoked", "revoked", 4),
    ]
    assert all(event.keys() >= REQUIRED and event["type_uid"] == 600_300 + event["activity_id"] for event in events)
    first, drift, rejected, revoked = events
    assert (first["actor"], first["severity_id"], drift["severity_id"]) == ({"app_name": "mcp-sidecar"}, 1, 3)
    assert rejected["actor"] == {"user": {"name": "rita"}}
    assert rejected["status_detail"] == "no: \u202e\n it obeys"
    assert rejected["resources"][0] | {"uid": ""} == {"name": "read", "type": "tools", "uid": ""}
    assert (revoked["resources"][0]["name"], revoked["api"]["service"]["name"]) == ("eve", "kong-mcp")
    # Whoever holds the events can follow the chain.
    assert [event["unmapped"]["previous"] for event in events[1:]] == [
        event["metadata"]["uid"] for event in events[:-1]
    ]


def test_the_next_export_goes_on_where_the_last_one_ended(address, tmp_path):
    done, events = export(address, "--after", "3")
    assert [event["activity_name"] for event in events] == ["revoked"]
    done, events = export(address, "--after", "4")
    assert (events, done.stderr) == ([], "after: 4\n")
    assert export(address, "--since", "1h")[1] == export(address)[1]
    done, _ = export(address, "--to", str(tmp_path / "out.jsonl"))
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 4


def test_what_searches_the_log_is_refused_beside_a_store(address):
    done, _ = export(address, "--principal", "ada")
    assert done.exit_code == 2
    assert "--principal searches the log" in done.stderr


def test_a_store_that_is_none_is_told(tmp_path):
    done, events = export(str(tmp_path / "none.db"))
    assert (done.exit_code, events) == (1, [])
    assert "none.db" in done.stderr
