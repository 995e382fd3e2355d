"""Server files of REST APIs: what they may not say, what their description does not give, and what becomes of them."""

import json
import re

import pytest
import yaml

from deck.support import ROOT
from kong_mcp.declare.folder import read_folder
from kong_mcp.declare.json_schema import json_schema
from kong_mcp.declare.local import stdio_servers
from kong_mcp.declare.render import TAG, assemble, shared_files
from kong_mcp.declare.rest import NoSecretError, rest_of, rest_servers
from kong_mcp.declare.server_file import read_file, read_text
from servers.rest_api import PETS

GOOD = """\
name: pets
replicas:
- openapi: https://pets.example.com/openapi.json
  through: http://127.0.0.1:8000/pets-api
"""


@pytest.mark.requirement("REST-019")
@pytest.mark.parametrize(
    ("more", "line", "where", "said"),
    [
        ("  command: [x]", 3, "replicas[0].openapi", "beside command"),
        ("  env: {A: x}", 5, "replicas[0].env", "for programs"),
        ("  process: shared", 5, "replicas[0].process", "for programs"),
        ("  limits: {memory: 64}", 5, "replicas[0].limits.memory", "has answer"),
        ("  headers: {apikey: hunter2}", 5, "replicas[0].headers.apikey", "a secret in plain text"),
        ('  headers: {a: "x {vault://env/x}"}', 5, "replicas[0].headers.a", "write {vault://env/NAME}, alone"),
        ("  headers: {a b: x}", 5, "replicas[0].headers.a b", "none of a header"),
        ("  headers: {Host: x}", 5, "replicas[0].headers.Host", "how a request is sent"),
        ("  operations: []", 5, "replicas[0].operations", "an empty list"),
        ("- http://10.0.0.7/mcp", 2, "replicas", "openapi beside other replicas"),
        ("query: {a: b}", 5, "query", "does not hand it on"),
    ],
)
def test_what_cannot_be_is_said_with_its_line(more, line, where, said):
    server, found = read_text((GOOD + more + "\n").encode(), "f.yaml")
    assert server is None
    told = [str(one) for one in found]
    assert any(one.startswith(f"f.yaml:{line}: {where}: ") and said in one for one in told), told
    assert not any("hunter2" in one for one in told)


@pytest.mark.requirement("REST-019")
@pytest.mark.parametrize(
    ("replica", "said"),
    [
        ("{openapi: a.json}", "found no through"),
        ("{command: [x], through: 'http://h'}", "it is for REST APIs"),
        ("{through: 'http://h'}", "found no command"),
        ("{openapi: 'https://u:p@h/a.json', through: 'http://h'}", "a user and password"),
        ("{openapi: a.json, through: 'http://h/?a=b'}", "at which Kong serves the API"),
        ("{openapi: a.json, through: 'ftp://h'}", "at which Kong serves the API"),
    ],
)
def test_a_replica_says_what_is_offered_and_where_kong_serves_it(replica, said):
    server, found = read_text(f"name: pets\nreplicas: [{replica}]\n".encode(), "f.yaml")
    assert server is None
    assert any(said in str(one) for one in found), found


def written(folder, more="", document=PETS):
    (folder / "pets.json").write_text(document if isinstance(document, str) else json.dumps(document))
    (folder / "pets.yaml").write_text(GOOD.replace("https://pets.example.com/openapi.json", "pets.json") + more)
    return read_file(folder / "pets.yaml")


@pytest.mark.requirement("REST-020")
@pytest.mark.parametrize(
    ("document", "more", "said"),
    [
        ("{", "", "no strict JSON"),
        ({"swagger": "2.0", "paths": {}}, "", "convert it to OpenAPI 3"),
        (PETS, "  operations: [getpet]\n", "'getpet', which is no id and no tag"),
        ({**PETS, "paths": {}}, "", "no operation that can be a tool"),
        (PETS, "  references: [common.json]\n", "common.json: cannot be read"),
    ],
)
def test_a_description_that_gives_nothing_is_told_of_before_it_is_served(tmp_path, document, more, said):
    server, found = written(tmp_path, more, document)
    assert server is None
    assert any(said in one.text for one in found), found


@pytest.mark.requirement("REST-020")
def test_operations_that_are_left_out_are_a_warning(tmp_path):
    upload = {"post": {"operationId": "up", "requestBody": {"required": True, "content": {"image/png": {}}}}}
    server, found = written(tmp_path, document={**PETS, "paths": {**PETS["paths"], "/up": upload}})
    assert server is not None
    (warning,) = found
    assert warning.warning
    assert "1 operations are left out: up needs a body of 'image/png'" in warning.text


@pytest.mark.requirement("REST-019")
def test_an_api_is_a_replica_on_loopback_and_its_secrets_are_read_where_it_is_offered(tmp_path):
    more = '  headers: {apikey: "{vault://env/pets-key}", Accept-Language: de}\n'
    more += '  operations: ["tag:pets"]\n  limits: {answer: 5}\n'
    server, _ = written(tmp_path, more)
    document = assemble([server], shared_files(answers=False), TAG)
    targets = [
        target["target"] for upstream in document.sections["upstreams"] for target in upstream.get("targets", ())
    ]
    assert "127.0.0.1:9170" in targets
    assert "pets-key" not in json.dumps(document.sections)
    with pytest.raises(NoSecretError, match="no PETS_KEY, which its apikey is to be"):
        rest_servers([server], {})
    with pytest.raises(NoSecretError, match="can be no header"):
        rest_servers([server], {"PETS_KEY": "a\nX-Other: b"})
    (api,) = rest_servers([server], {"PETS_KEY": "of-the-gateway"})
    assert api.headers == {"apikey": "of-the-gateway", "Accept-Language": "de"}
    assert api.secrets == ("of-the-gateway",)
    assert (api.operations, api.seconds) == (("tag:pets",), 5)
    assert api.description == str((tmp_path / "pets.json").resolve())
    assert stdio_servers([server], {}) == []


@pytest.mark.requirement("REST-019")
def test_descriptions_beside_server_files_are_none_themselves(tmp_path):
    written(tmp_path)
    (tmp_path / "other.openapi.yaml").write_text("openapi: 3.0.3\n")
    folder = read_folder([tmp_path])
    assert [server.name for server in folder.servers] == ["pets"]
    assert folder.errors == []


@pytest.mark.requirement("REST-019")
def test_the_page_about_rest_apis_shows_a_good_file(tmp_path):
    page = (ROOT / "docs" / "rest-apis.md").read_text(encoding="utf-8")
    (tmp_path / "pets.yaml").write_text(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1])
    orders = {"get": {"operationId": "getOrders", "responses": {}}}
    described = {**PETS, "paths": {**PETS["paths"], "/orders": orders}}
    (tmp_path / "pets.openapi.yaml").write_text(yaml.safe_dump(described))
    folder = read_folder([tmp_path])
    assert folder.problems == ()
    assert rest_of(folder.servers[0].values)["through"] == "http://127.0.0.1:8000/pets-api"


@pytest.mark.requirement("REST-019")
def test_editors_know_both_kinds_of_replica():
    inner = json_schema()["properties"]["replicas"]["items"]["anyOf"][1]
    assert inner["anyOf"] == [{"required": ["command"]}, {"required": ["openapi"]}]
