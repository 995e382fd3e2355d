"""The review API of a running sidecar, by hand and as its document says."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import sqlite3
import time
from pathlib import Path

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from mcp_core.pins.states import DEFAULT_RULES
from mcp_core.scan import ItemKind
from mcp_sidecar.store.sightings import Sighting
from mcp_sidecar.store.store import Store
from mcp_sidecar.surface.review_api import NEEDS
from mcp_sidecar.surface.review_openapi import PREFIX, document

TOKEN = "adas-token-0123456789-0123456789"
READS = "eves-token-0123456789-0123456789"
DOCUMENT = Path(__file__).parents[3] / "spec" / "review-api.yaml"
TOOL = {"name": "read", "description": "Reads a note."}
CHANGED = TOOL | {"description": "Writes a note."}


class Api:
    """A sidecar with a store and a reviewer."""

    def __init__(self, start, folder):
        self.path = folder / "store.db"
        Store(str(self.path), migrate=True).close()
        self.snapshot = folder / "snapshot"
        self.port = start(
            MCP_SIDECAR_STORE=str(self.path),
            KONG_MCP_SNAPSHOT=str(self.snapshot),
            MCP_SIDECAR_REVIEWERS=f"ada={TOKEN},bob={'b' * 32}",
            MCP_SIDECAR_READERS=f"eve={READS}",
        ).sidecar.port
        self.clock = int(time.time()) * 1000

    def see(self, *tools):
        store = Store(str(self.path))
        self.clock += 1000
        seen = [Sighting.of(ItemKind.TOOL, tool["name"], tool) for tool in tools]
        store.observe("notes", seen, rules=DEFAULT_RULES, now=self.clock)
        store.close()

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        sent = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json", **headers}
        text = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, f"/review/v1{path}", text, sent)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text.startswith(b"{") else text

    def decide(self, **changes):
        digest = Sighting.of(ItemKind.TOOL, "read", CHANGED).digest
        value = {
            "server": "notes",
            "kind": "tool",
            "name": "read",
            "digest": digest,
            "state": "approved",
            "why": "read it",
        }
        return self.ask("POST", "/decisions", value | changes)


@pytest.fixture
def api(start, tmp_path):
    return Api(start, tmp_path)


@pytest.mark.requirement("REV-007")
def test_the_document_is_what_the_code_says():
    assert yaml.safe_load(DOCUMENT.read_text(encoding="utf-8")) == document()


@pytest.mark.requirement("REV-008")
def test_nobody_without_a_reviewers_token_hears_anything(api):
    paths = [
        (method.upper(), path.removeprefix(PREFIX)) for path, item in document()["paths"].items() for method in item
    ]
    assert len(paths) == 5
    for token in ("", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer \xff"):
        for method, path in paths:
            status, answer = api.ask(method, path, authorization=token)
            assert (status, answer) == (401, {"error": "Send a reviewer's token as a bearer token."})


@pytest.mark.requirement("REV-008")
def test_without_reviewers_there_is_no_review_api(start, tmp_path):
    sidecar = start(MCP_SIDECAR_STORE=str(tmp_path / "store.db")).sidecar
    assert sidecar.get("/review/v1/items", {"authorization": f"Bearer {TOKEN}"}).status == 404


@pytest.mark.requirement("REV-009")
def test_a_decision_is_made_in_the_name_of_the_token_and_guards_know_it_at_once(api, words):
    words.until(api.snapshot.exists)
    api.see(TOOL)
    api.see(CHANGED)
    status, items = api.ask("GET", "/items?state=quarantined")
    assert status == 200
    assert [item["name"] for item in items["items"]] == ["read"]
    _, diff = api.ask("GET", "/diff?server=notes&kind=tool&name=read")
    assert diff["fields"] == ["description"]
    before = api.snapshot.stat().st_ino
    assert api.decide()[0] == 200
    assert api.snapshot.stat().st_ino != before
    _, shown = api.ask("GET", "/item?server=notes&kind=tool&name=read")
    assert (shown["state"], shown["content"]) == ("approved", CHANGED)
    assert (shown["history"][-1]["actor"], shown["history"][-1]["why"]) == ("ada", "read it")
    assert api.ask("GET", "/audit")[1]["problem"] is None


@pytest.mark.requirement("REV-011")
def test_a_decision_that_guards_do_not_know_yet_is_told_as_one_that_is_made(api, words):
    words.until(api.snapshot.exists)
    api.see(CHANGED)
    known = api.snapshot.rename(api.snapshot.with_name("known"))
    (api.snapshot / "in-the-way").mkdir(parents=True)
    status, said = api.decide()
    assert status == 503
    assert said["error"].startswith("Your decision is written down, but")
    _, shown = api.ask("GET", "/item?server=notes&kind=tool&name=read")
    assert (shown["state"], shown["history"][-1]["actor"]) == ("approved", "ada")
    (api.snapshot / "in-the-way").rmdir()
    api.snapshot.rmdir()
    known.rename(api.snapshot)
    assert api.decide()[0] == 200


NOT_DECISIONS = [
    ({"name": "nix"}, 404),
    ({"digest": "0" * 64}, 404),
    ({"digest": "XYZ"}, 400),
    ({"digest": None}, 400),
    ({"state": "quarantined"}, 400),
    ({"state": "flagged"}, 400),
    ({"why": " "}, 400),
    ({"why": "x" * 2001}, 400),
    ({"kind": "toy"}, 400),
    ({"server": 7}, 400),
    ({"reviewer": "bob"}, 400),
]


@pytest.mark.requirement("REV-080")
def test_a_reader_sees_everything_and_decides_nothing(api):
    api.see(TOOL)
    api.see(CHANGED)
    eve = {"authorization": f"Bearer {READS}"}
    for path in ("/items", "/item?server=notes&kind=tool&name=read", "/audit"):
        assert api.ask("GET", path, **eve)[0] == 200
    before = api.ask("GET", "/items")
    digest = Sighting.of(ItemKind.TOOL, "read", CHANGED).digest
    decision = {"server": "notes", "kind": "tool", "name": "read", "digest": digest, "state": "approved", "why": "me"}
    status, said = api.ask("POST", "/decisions", decision, **eve)
    assert (status, "may not decide" in said["error"]) == (403, True)
    assert api.ask("GET", "/items") == before


@pytest.mark.requirement("REV-080")
def test_every_endpoint_says_what_it_needs():
    assert {PREFIX + path for path in NEEDS} == set(document()["paths"])


@pytest.mark.requirement("REV-009")
def test_a_decision_that_is_none_changes_nothing(api):
    api.see(TOOL)
    api.see(CHANGED)
    for changes, status in NOT_DECISIONS:
        assert api.decide(**changes)[0] == status, changes
    long = b'"' + b"x" * 70_000 + b'"'
    for body, status in ((b"{", 400), (b'{"why":"a","why":"b"}', 400), (b"[]", 400), (long, 413)):
        assert api.ask("POST", "/decisions", body)[0] == status
    assert api.ask("POST", "/decisions", b"{}", **{"content-type": "text/plain"})[0] == 415
    assert api.ask("GET", "/items?stat=open")[0] == 400
    assert api.ask("GET", "/items?state=open&state=rejected")[0] == 400
    assert api.ask("GET", "/items")[1]["items"][0]["state"] == "quarantined"


@pytest.mark.requirement("REV-009")
def test_a_store_that_fails_is_said_to_have_failed_and_no_more(api):
    api.see(TOOL)
    assert api.ask("GET", "/items")[0] == 200
    with contextlib.closing(sqlite3.connect(api.path)) as connection:
        connection.execute("DROP TABLE version")
    assert api.ask("GET", "/items") == (503, {"error": "The store cannot be used now: its operator's log says why."})


@pytest.mark.slow
@pytest.mark.requirement("REV-007")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as described", "otherwise"])
def test_every_endpoint_answers_as_its_document_says(api, mode):
    api.see(TOOL)
    api.see(CHANGED)
    address, headers = f"http://127.0.0.1:{api.port}", {"Authorization": f"Bearer {TOKEN}"}
    asked = set()
    for result in schemathesis.openapi.from_dict(document()).get_all_operations():
        operation = result.ok()

        @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def run(case):
            asked.add(case.path)
            case.call_and_validate(base_url=address, headers=headers)

        run()
    assert asked == set(document()["paths"])
    assert api.ask("GET", "/audit")[1]["problem"] is None


@pytest.mark.requirement("REV-160")
def test_the_review_api_and_the_lane_are_each_at_their_own_port_alone(start, words, tmp_path):
    """Nothing that a client sends moves it from one to the other: Host, an absolute target, a path's form."""
    store = str(tmp_path / "store.db")
    guard = start(
        MCP_SIDECAR_STORE=store, MCP_SIDECAR_REVIEWERS=f"ada={TOKEN}", MCP_SIDECAR_REVIEW_LISTEN="127.0.0.1:0"
    )
    said = re.compile(r"listening on 127.0.0.1:(\d+)")
    words.until(lambda: len(said.findall(guard.sidecar.log.read_text())) == 2)
    lane, review = said.findall(guard.sidecar.log.read_text())

    def status(port, path, host):
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"authorization": f"Bearer {TOKEN}", "host": host})
            return connection.getresponse().status

    items = f"{PREFIX}/items"
    for host in (f"127.0.0.1:{lane}", f"127.0.0.1:{review}", "review"):
        assert status(review, items, host) == 200
        for path in (items, f"http://127.0.0.1:{review}{items}", f"/livez/..{items}", items.replace("/", "//", 1)):
            assert status(lane, path, host) == 404
        assert status(lane, "/livez", host) == 200
        for path in ("/inspect/files", "/livez", "/readyz", "/metrics", f"http://127.0.0.1:{lane}/inspect/files"):
            assert status(review, path, host) == 404
    assert guard.ask(pins="off").status != 404
