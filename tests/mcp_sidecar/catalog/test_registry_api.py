"""The registry of a running sidecar: pages, filters, who is told of what, and answers as its document says."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import jsonschema
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from mcp_core.pins.states import State
from mcp_core.servers import LifeCycle
from mcp_sidecar.catalog.registry_api import SERVERS
from mcp_sidecar.catalog.registry_openapi import document
from mcp_sidecar.catalog.settings import CATALOG_VARIABLES, CatalogSettings
from servers.catalog_stand import ERASE, POISON, READ, Stand, server

DOCUMENT = Path(__file__).parents[3] / "spec" / "registry-api.yaml"
READS = "eves-token-0123456789-0123456789"
PUBLIC = "https://mcp.example.com"
HERS = {"rules": [{"consumers": ["ada"], "tools": {"allow": ["*"]}}]}
NOTES = server(
    "notes",
    title="Notes of everybody",
    description="Reads and writes\nnotes.",
    owner="team-sky",
    tags=("production",),
    links={"source": "https://github.com/acme/notes", "docs": "https://docs.example.com/notes"},
    auth=("key-auth", "rate-limiting"),
)


class Told(Stand):
    """A stand with a running sidecar, and its registry."""

    def __init__(self, start, folder, until):
        super().__init__(folder)
        self.until = until
        self.start = start

    def run(self, *servers, **environment):
        self.list(*servers)
        values = {
            "MCP_SIDECAR_STORE": str(self.path),
            "MCP_SIDECAR_SERVERS_FILE": str(self.file),
            "MCP_SIDECAR_PUBLIC_URL": PUBLIC,
            "MCP_SIDECAR_READERS": f"eve={READS}",
            "MCP_SIDECAR_REFRESH_INTERVAL": "0.05",
            **environment,
        }
        self.sidecar = self.start(**values).sidecar
        if environment.get("MCP_SIDECAR_PUBLIC_URL", "") is not None:
            self.until(lambda: len(self.names_of(reads=True)) == len(servers))
        return self

    def get(self, path="", *, reads=False, **headers):
        sent = {"Authorization": f"Bearer {READS}"} if reads else {}
        return self.sidecar.get(f"/registry/v0.1/servers{path}", {**sent, **headers})

    def names_of(self, query="", **more):
        return [one["server"]["name"].partition("/")[2] for one in self.get(query, **more).json["servers"]]


@pytest.fixture
def told(start, tmp_path, words):
    return Told(start, tmp_path, words.until)


def test_the_document_is_what_the_code_says():
    assert yaml.safe_load(DOCUMENT.read_text(encoding="utf-8")) == document()


@pytest.mark.requirement("REG-001")
def test_a_server_is_told_with_the_gateways_url_and_what_the_gateway_knows(told):
    told.see("notes", READ, POISON)
    told.run(NOTES)
    told.until(lambda: told.get().json["servers"][0]["_meta"]["kong-mcp/trust"]["items"])
    (one,) = told.get().json["servers"]
    detail = one["server"]
    assert detail["name"] == "com.example.mcp/notes"
    assert detail["description"] == "Reads and writes notes."
    assert detail["repository"] == {"url": "https://github.com/acme/notes", "source": "github"}
    assert detail["websiteUrl"] == "https://docs.example.com/notes"
    assert detail["version"].startswith("2027.1.15-x")
    (remote,) = detail["remotes"]
    assert (remote["type"], remote["url"]) == ("streamable-http", f"{PUBLIC}/notes/mcp")
    assert [(header["name"], header["isSecret"]) for header in remote["headers"]] == [("apikey", True)]
    official = one["_meta"]["io.modelcontextprotocol.registry/official"]
    assert (official["status"], official["isLatest"]) == ("active", True)
    trust = one["_meta"]["kong-mcp/trust"]
    # What waits for review is told to nobody who could not see it: not even that there is something.
    assert (trust["pins"], trust["items"], trust["states"], trust["findings"]) == (
        "enforce",
        {"tool": 1},
        {"open": 1},
        {},
    )
    (one,) = told.get(reads=True).json["servers"]
    assert one["_meta"]["kong-mcp/trust"]["states"] == {"open": 1, "quarantined": 1}


@pytest.mark.requirement("REG-002")
def test_nobody_is_told_of_a_server_that_is_not_open_to_everybody(told):
    told.run(NOTES, server("hers", policy=HERS))
    assert told.names_of() == ["notes"]
    assert told.names_of(reads=True) == ["hers", "notes"]
    for path in ("/versions", "/versions/latest", "/versions/0.0.0"):
        hidden, missing = (told.get(f"/{quote(f'com.example.mcp/{name}', safe='')}{path}") for name in ("hers", "none"))
        assert hidden.status == missing.status == 404
        assert hidden.body == missing.body
        assert told.get(f"/com.example.mcp%2Fhers{path}", reads=True).status == 200
    # A credential for somebody else opens nothing, and closes nothing.
    assert told.names_of(Authorization="Bearer ghp_something") == ["notes"]


@pytest.mark.requirement("REG-003")
def test_pages_have_every_server_once_also_when_others_come_and_go(told):
    names = [f"s{number:03}" for number in range(25)]
    told.run(*map(server, names))
    found, query, sizes = [], "?limit=10", []
    while True:
        page = told.get(query).json
        found += [one["server"]["name"].partition("/")[2] for one in page["servers"]]
        sizes.append(page["metadata"]["count"])
        if "nextCursor" not in page["metadata"]:
            break
        if len(found) == 10:  # the next page begins behind s009, whatever is before it
            told.list(*map(server, ["a-new-one", *names[3:]]))
            told.until(lambda: "a-new-one" in told.names_of("?limit=100"))
        query = f"?limit=10&cursor={page['metadata']['nextCursor']}"
    assert (found, sizes) == (names, [10, 10, 5])
    assert len(told.names_of("?limit=1000")) == 23


UNUSABLE = (
    "limit=0",
    "limit=-1",
    "limit=x",
    "limit=",
    "limit=" + "9" * 5000,
    "cursor=%00",
    "cursor=AAAAA",
    "cursor=not.base64",
    "cursor=" + "A" * 5000,
    "updated_since=yesterday",
    "updated_since=2026-01-01",
    "updated_since=2026-01-01T00:00:00",
    "include_deleted=yes",
    "search=" + "a" * 201,
    "limit=1&limit=2",
)


@pytest.mark.requirement("REG-003")
def test_what_cannot_be_used_is_refused_in_words(told):
    told.run(NOTES)
    for query in UNUSABLE:
        answer = told.get(f"?{query}")
        assert answer.status == 400, query
        assert answer.headers["access-control-allow-origin"] == "*"
        assert isinstance(answer.json["error"], str)
        assert len(answer.body) < 300


@pytest.mark.requirement("REG-004")
def test_filters_are_by_text_version_and_time(told):
    told.run(NOTES, server("weather", version="1.4.2", tags=("outdoor",)), server("sea-weather", version="2.0.0"))
    assert told.names_of("?search=WEATHER") == ["sea-weather", "weather"]
    assert told.names_of("?search=everybody") == ["notes"]
    assert told.names_of("?search=outdoor&foo=bar") == ["weather"]
    assert told.names_of("?version=latest") == ["notes", "sea-weather", "weather"]
    assert told.names_of("?version=1.4.2") == ["weather"]
    assert told.get("/com.example.mcp%2Fweather/versions/1.4.2").json["server"]["version"] == "1.4.2"
    assert told.get("/com.example.mcp/weather/versions/latest").json["server"]["version"] == "1.4.2"
    assert told.get("/com.example.mcp%2Fweather/versions/9.9.9").status == 404
    assert told.names_of("?updated_since=2999-01-01T00:00:00Z") == []
    assert len(told.names_of("?updated_since=1999-01-01T00:00:00.5%2B02:00")) == 3


@pytest.mark.requirement("REG-005")
def test_a_client_that_keeps_a_copy_hears_of_what_changed_and_of_what_went(told):
    told.run(NOTES, server("weather"))
    written = max(
        one["_meta"]["io.modelcontextprotocol.registry/official"]["updatedAt"] for one in told.get().json["servers"]
    )
    since = quote(written)
    assert told.names_of(f"?updated_since={since}") == []
    told.list(server("notes", life_cycle=LifeCycle.DEPRECATED, successor="notes-2"), server("notes-2"))
    told.until(lambda: len(told.names_of(f"?updated_since={since}")) == 3)
    changed = {
        one["server"]["name"].partition("/")[2]: one["_meta"]["io.modelcontextprotocol.registry/official"]
        for one in told.get(f"?updated_since={since}").json["servers"]
    }
    assert {name: one["status"] for name, one in changed.items()} == {
        "notes": "deprecated",
        "notes-2": "active",
        "weather": "deleted",
    }
    assert changed["notes"]["statusMessage"] == "Use com.example.mcp/notes-2"
    assert told.names_of() == ["notes", "notes-2"]
    gone = "/com.example.mcp%2Fweather/versions/0.0.0"
    assert told.get(gone).status == 404
    assert "remotes" not in told.get(f"{gone}?include_deleted=true").json["server"]


@pytest.mark.requirement("REG-005")
def test_what_a_server_offered_before_is_told_as_deleted(told):
    told.see("notes", READ)
    told.see("notes", READ, ERASE, later=86_400_000)
    told.run(NOTES)
    path = "/com.example.mcp%2Fnotes/versions"
    told.until(lambda: len(told.get(f"{path}?include_deleted=true").json["servers"]) == 2)
    newest, oldest = told.get(f"{path}?include_deleted=true").json["servers"]
    status = [one["_meta"]["io.modelcontextprotocol.registry/official"]["status"] for one in (newest, oldest)]
    assert status == ["active", "deleted"]
    assert told.get(path).json["servers"] == [newest]
    assert told.get(f"{path}/latest").json == newest


@pytest.mark.requirement("CAT-012")
def test_who_may_not_use_a_tool_is_not_told_that_it_came_or_changed(told):
    told.see("notes", READ)
    told.run(server("notes", policy={"tools": {"allow": ["read"]}}))
    path = "/com.example.mcp%2Fnotes/versions?include_deleted=true"
    since = "?updated_since=2027-01-16T00:00:00Z"

    def seen(*, reads):
        listed = told.get(path, reads=reads).json["servers"]
        return [(one["server"]["version"], one["_meta"]["io.modelcontextprotocol.registry/official"]) for one in listed]

    told.until(lambda: seen(reads=False)[0][0] != "0.0.0")
    before = seen(reads=False)
    for hidden in (ERASE, ERASE | {"description": "Erases a note for good."}):
        told.see("notes", READ, hidden, later=86_400_000)
        told.decide("notes", hidden, State.APPROVED)
    told.until(lambda: len(seen(reads=True)) == 3)
    assert seen(reads=False) == before
    assert told.names_of(since) == []
    assert set(told.names_of(since, reads=True)) == {"notes"}
    aloud = READ | {"description": "Reads a note, aloud."}
    told.see("notes", aloud, later=86_400_000)
    told.decide("notes", aloud, State.APPROVED)
    told.until(lambda: len(seen(reads=False)) == 2)
    assert set(told.names_of(since)) == {"notes"}


@pytest.mark.requirement("REG-006")
def test_browsers_may_read_it_and_copies_are_asked_for_by_their_tag(told):
    told.run(NOTES)
    connection = told.get("/com.example.mcp%2Fnotes/versions/latest", Origin="vscode-file://vscode-app")
    for name, value in {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "GET, OPTIONS",
        "access-control-allow-headers": "Authorization, Content-Type",
    }.items():
        assert connection.headers[name] == value
    tag = told.get().headers["etag"]
    again = told.get("", **{"If-None-Match": f'"other", W/{tag}'})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    told.list(server("notes", title="Other notes"))
    told.until(lambda: told.get("", **{"If-None-Match": tag}).status == 200)
    assert told.get().headers["etag"] != tag


@pytest.mark.requirement("REG-007")
def test_without_a_public_url_there_is_no_registry(told):
    told.run(NOTES, MCP_SIDECAR_PUBLIC_URL=None)
    assert told.get().status == 404


@pytest.mark.requirement("REG-007")
@pytest.mark.parametrize(
    ("url", "namespace"),
    [
        ("https://mcp.example.com", "com.example.mcp"),
        ("https://mcp.example.com:8443/gateway/", "com.example.mcp"),
        ("http://localhost:8000", "localhost"),
        ("http://127.0.0.1:8000", "127.0.0.1"),
        ("http://[::1]:8000", "1"),
    ],
)
def test_names_begin_with_the_host_in_reverse(url, namespace):
    read = CATALOG_VARIABLES["MCP_SIDECAR_PUBLIC_URL"][1]
    assert CatalogSettings(read(url)).namespace == namespace
    assert CatalogSettings(read(url), "com.example").namespace == "com.example"


@pytest.mark.requirement("REG-007")
@pytest.mark.parametrize(
    "url", ["", "mcp.example.com", "ftp://h", "https://a:b@h", "https://h?x", "https://h/\n", "https://h/{x}"]
)
def test_a_public_url_is_one(url):
    with pytest.raises(ValueError, match="such as https"):
        CATALOG_VARIABLES["MCP_SIDECAR_PUBLIC_URL"][1](url)


@pytest.mark.requirement("REG-008")
def test_a_server_card_has_the_same_facts_and_says_that_it_is_one(told):
    told.run(NOTES, server("hers", policy=HERS))
    found = told.sidecar.get("/registry/cards/notes")
    assert found.headers["content-type"] == "application/mcp-server-card+json"
    detail = told.get().json["servers"][0]["server"]
    facts = {name: value for name, value in detail.items() if name not in ("$schema", "_meta")}
    assert {name: value for name, value in found.json.items() if name != "$schema"} == facts
    assert told.sidecar.get("/registry/cards/hers").status == 404


@pytest.mark.requirement("REG-301")
def test_a_successor_is_named_only_to_who_may_see_it(told):
    old = server("notes", life_cycle=LifeCycle.DEPRECATED, successor="secret-notes")
    told.run(old, server("secret-notes", policy=HERS))

    def advice(*, reads):
        official = told.get("/com.example.mcp%2Fnotes/versions/latest", reads=reads).json["_meta"]
        return official["io.modelcontextprotocol.registry/official"].get("statusMessage")

    assert advice(reads=True) == "Use com.example.mcp/secret-notes"
    assert "secret-notes" not in told.names_of()
    assert advice(reads=False) is None
    told.list(old, server("secret-notes"))
    told.until(lambda: "secret-notes" in told.names_of())
    assert advice(reads=False) == "Use com.example.mcp/secret-notes"
    told.list(old, server("secret-notes", policy=HERS))
    told.until(lambda: "secret-notes" not in told.names_of())
    assert advice(reads=False) is None


@pytest.mark.slow
@pytest.mark.requirement("REG-009")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as described", "otherwise"])
def test_every_endpoint_answers_as_its_document_says(told, mode):
    told.see("notes", READ)
    told.see("notes", READ, ERASE, later=86_400_000)
    told.run(NOTES, server("weather", life_cycle=LifeCycle.DEPRECATED, successor="notes", policy=HERS))
    address, headers = f"http://127.0.0.1:{told.sidecar.port}", {"Authorization": f"Bearer {READS}"}
    asked = set()
    for result in schemathesis.openapi.from_dict(document()).get_all_operations():
        operation = result.ok()
        if mode is GenerationMode.NEGATIVE and operation.path != SERVERS:
            continue  # every text is a name and a version

        @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def run(case):
            asked.add(case.path)
            case.call_and_validate(base_url=address, headers=headers)

        run()
    assert asked == ({SERVERS} if mode is GenerationMode.NEGATIVE else set(document()["paths"]))


def test_the_document_holds_what_is_really_told(told):
    """Random questions seldom find a server: these do."""
    told.see("notes", READ)
    told.see("notes", READ, ERASE, later=86_400_000)
    told.run(NOTES, server("weather", life_cycle=LifeCycle.DEPRECATED, successor="notes"))
    for path, name in (
        ("?include_deleted=true", "ServerList"),
        ("/com.example.mcp%2Fnotes/versions", "ServerList"),
        ("/com.example.mcp%2Fweather/versions/latest", "ServerResponse"),
    ):
        schema = {"$ref": f"#/components/schemas/{name}", "components": document()["components"]}
        jsonschema.validate(told.get(path, reads=True).json, schema)
    card = told.sidecar.get("/registry/cards/notes").json
    jsonschema.validate(card, {"$ref": "#/components/schemas/ServerCard", "components": document()["components"]})
    assert json.dumps(card)
