"""The declarative file of a local gateway: the template that teams deploy, filled in, and only read by its owner."""

import stat

import pytest
import yaml

from kong_mcp.servers import parse_server
from kong_mcp.share import deck_folder
from kong_mcp.state import Consumer, write_state

SECRETS = {"DECK_MCP_SIDECAR_TARGET": "127.0.0.1:8790", "DECK_MCP_INTERNAL_KEY": "internal-key-of-the-sidecar"}
POLICY = {"tools": {"allow": ["good"]}, "rules": [{"groups": ["g"], "tools": {"allow": ["more"]}}]}


@pytest.fixture
def state(tmp_path):
    def state(*servers, consumers=()):
        parsed = [parse_server(server) for server in servers]
        path = write_state(tmp_path, deck_folder(), parsed, POLICY, consumers, SECRETS)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        return yaml.safe_load(path.read_text())

    return state


def by_name(items):
    return {item["name"]: item for item in items}


def plugins(entity):
    return by_name(entity.get("plugins", ()))


def test_each_route_of_a_server_is_guarded_with_the_policy(state):
    document = state("files=http://127.0.0.1:9001/api/mcp", "search=http://127.0.0.1:9002/mcp")
    services = by_name(document["services"])
    for name, path in (("files", "/api/mcp"), ("search", "/mcp")):
        service = services[f"mcp-{name}"]
        assert (service["host"], service["path"]) == ("closed", path)
        assert len(service["routes"]) == 2
        for route in service["routes"]:
            config = plugins(route)["mcp-guard"]["config"]
            assert config["server"] == name
            assert config["upstream"] == f"mcp-{name}"
            assert {key: config[key] for key in POLICY} == POLICY


def test_replicas_are_targets_of_both_upstreams_and_checked_at_their_endpoint(state):
    upstreams = by_name(state("files=https://a:1/x,https://b:2/x")["upstreams"])
    for name in ("mcp-files", "mcp-files-sessions"):
        assert [target["target"] for target in upstreams[name]["targets"]] == ["a:1", "b:2"]
        active = upstreams[name]["healthchecks"]["active"]
        assert (active["type"], active["http_path"]) == ("https", "/x")
    assert upstreams["mcp-files"]["algorithm"] == "least-connections"
    assert upstreams["mcp-files-sessions"]["hash_on_header"] == "mcp_affinity"
    assert not upstreams["closed"].get("targets")


def test_keys_are_asked_for_exactly_when_there_are_consumers(state):
    assert "key-auth" not in plugins(state("files=http://h:1/mcp")["services"][0])
    document = state("files=http://h:1/mcp", consumers=[Consumer("ada", "adas-key", ("finance", "ops"))])
    assert plugins(document["services"][0])["key-auth"]["config"]["hide_credentials"] is True
    ada = next(one for one in document["consumers"] if one["username"] == "ada")
    assert ada["tags"] == ["group:finance", "group:ops"]
    assert ada["keyauth_credentials"] == [{"key": "adas-key"}]


def test_the_internal_route_is_the_sidecars_alone(state):
    services = by_name(state("files=http://h:1/mcp")["services"])
    route = services["mcp-internal-files"]["routes"][0]
    assert route["hosts"] == ["mcp-internal"]
    assert set(plugins(route)) == {"ip-restriction", "key-auth", "acl"}
