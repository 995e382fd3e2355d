"""A REST API behind the whole gateway: policies by operation, and Kong's own plugins and balancing for the API."""

import json
from dataclasses import replace

import anyio
import httpx
import pytest
import yaml

from e2e.harness import connect_to
from e2e.ways import MODERN, MODES
from kong_mcp import dev
from kong_mcp.declare.server_file import read_file
from kong_mcp.state import Consumer
from kong_mcp.state import write_state as written_state
from servers.rest_api import PETS, rest_api

FILE = """\
name: pets
replicas:
- openapi: pets.json
  through: http://127.0.0.1:{port}/pets-api
  headers: {{apikey: "{{vault://env/pets-key}}"}}
tools: {{allow: [get*, putPet]}}
"""
MOST_CALLS = 6


def api_in_kong(targets):
    """Return what Kong has of the API: replicas, a key, a credential of the API's, and a limit."""
    plugins = [
        {"name": "key-auth", "config": {"hide_credentials": True}},
        {"name": "acl", "config": {"allow": ["pets-api"]}},
        {"name": "rate-limiting", "config": {"year": MOST_CALLS, "policy": "local"}},
        {"name": "request-transformer", "config": {"add": {"headers": ["Authorization:Bearer of-the-api"]}}},
    ]
    route = {"name": "pets-api", "paths": ["/pets-api"], "strip_path": True}
    service = {"name": "pets-api", "host": "pets-api", "port": 80, "protocol": "http", "plugins": plugins}
    return {
        "services": [{**service, "routes": [route]}],
        "upstreams": [{"name": "pets-api", "targets": [{"target": target, "weight": 100} for target in targets]}],
        "consumers": [
            {
                "username": "mcp-pets",
                "keyauth_credentials": [{"key": "of-the-gateway"}],
                "acls": [{"group": "pets-api"}],
            }
        ],
    }


async def used(url):
    """Return the tools that official clients of both eras are shown, and what calls bring one of them."""
    headers = {"apikey": "adas-key", "Authorization": "Bearer of-the-agent", "X-Trace": "of-the-agent"}
    listed = []
    for mode in MODES:
        async with connect_to(url, headers, mode) as client:
            listed.append({tool.name for tool in (await client.list_tools()).tools})
    async with connect_to(url, headers, MODERN) as client:
        said = []
        for at in range(MOST_CALLS + 1):
            answer = await client.call_tool("getPet", {"id": f"a{at}"})
            said.append((answer.is_error, answer.content[0].text))
        with pytest.raises(Exception, match="nknown tool"):
            await client.call_tool("deletePet", {"id": "1"})
        return listed, said


@pytest.mark.requirement("REST-021")
def test_what_kong_does_for_an_api_holds_for_its_tools(kind, tmp_path, monkeypatch):
    if kind != "kong":
        pytest.skip("the plugins of Kong's that an API has are Kong's")
    monkeypatch.setenv("PETS_KEY", "of-the-gateway")
    port, local_port = dev.free_port(), dev.free_port()
    (tmp_path / "pets.json").write_text(json.dumps(PETS))
    (tmp_path / "pets.yaml").write_text(FILE.format(port=port))
    file, problems = read_file(tmp_path / "pets.yaml")
    assert problems == []
    server = replace(file.server, targets=(f"127.0.0.1:{local_port}",))
    with rest_api() as one, rest_api() as other:
        more = api_in_kong([api.url.removeprefix("http://") for api in (one, other)])

        def write_state(*arguments, **options):
            path = written_state(*arguments, **options)
            state = yaml.safe_load(path.read_text())
            for section, found in more.items():
                state[section] = [*state.get(section, ()), *found]
            path.write_text(yaml.safe_dump(state))
            return path

        monkeypatch.setattr(dev, "write_state", write_state)
        local = [tmp_path / "pets.yaml"]
        consumers = [Consumer("ada", "adas-key")]
        settings = dev.DevSettings([server], "kong", port, consumers=consumers, local=local, local_port=local_port)
        with dev.run_dev(settings) as running:
            listed, said = anyio.run(used, running.url("pets"))
            beside = httpx.delete(
                f"http://127.0.0.1:{port}/pets-api/pets/1", headers={"apikey": "adas-key"}, trust_env=False, timeout=30
            )
    assert beside.status_code == 403
    assert listed == [{"getPet", "putPet"}] * len(MODES)
    assert [text for failed, text in said if not failed] == [
        json.dumps({"at": f"/pets/a{at}"}) for at in range(MOST_CALLS)
    ]
    assert [text for failed, text in said if failed] != []
    assert "HTTP 429" in said[-1][1]
    assert one.asked
    assert other.asked
    for _, _, headers, _ in [*one.asked, *other.asked]:
        assert headers["authorization"] == "Bearer of-the-api"
        assert "of-the-agent" not in str(headers)
        assert "apikey" not in headers
        assert headers["x-consumer-username"] == "mcp-pets"
