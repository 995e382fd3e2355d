"""The declarative file of a local gateway: the template that teams deploy, filled in, and only read by its owner."""

import stat

import pytest
import yaml

from kong_mcp.servers import parse_server
from kong_mcp.share import deck_folder
from kong_mcp.state import Consumer, write_state

SECRETS = {"DECK_MCP_SIDECAR_TARGET": "127.0.0.1:8790"}
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


@pytest.mark.requirement("E2E-028")
def test_replicas_are_targets_of_both_upstreams_and_never_checked_at_their_endpoint(state):
    upstreams = by_name(state("files=https://a:1/x,https://b:2/x")["upstreams"])
    for name in ("mcp-files", "mcp-files-sessions"):
        assert [target["target"] for target in upstreams[name]["targets"]] == ["a:1", "b:2"]
        active = upstreams[name]["healthchecks"]["active"]
        assert (active["type"], active["http_path"]) == ("https", "/.well-known/kong-mcp-alive")
        assert active["healthy"]["interval"] == 0
    assert upstreams["mcp-files"]["algorithm"] == "least-connections"
    assert upstreams["mcp-files-sessions"]["hash_on_header"] == "mcp_affinity"
    assert not upstreams["closed"].get("targets")


def test_keys_are_asked_for_exactly_when_there_are_consumers(state):
    assert "key-auth" not in plugins(by_name(state("files=http://h:1/mcp")["services"])["mcp-files"])
    document = state("files=http://h:1/mcp", consumers=[Consumer("ada", "adas-key", ("finance", "ops"))])
    assert plugins(by_name(document["services"])["mcp-files"])["key-auth"]["config"]["hide_credentials"] is True
    ada = next(consumer for consumer in document["consumers"] if consumer["username"] == "ada")
    assert ada["tags"] == ["group:finance", "group:ops"]
    assert ada["keyauth_credentials"] == [{"key": "adas-key"}]


def test_a_server_takes_one_service_and_all_share_one_internal_route(state):
    document = state("files=https://h:1/api/mcp/", "notes=http://h:2/mcp")
    services = by_name(document["services"])
    assert set(services) == {"mcp-internal", "mcp-internal-stream", "mcp-files", "mcp-notes"}
    for name in ("mcp-internal", "mcp-internal-stream"):
        (route,) = services[name]["routes"]
        assert (services[name]["host"], route["hosts"]) == ("closed", ["mcp-internal"])
        assert set(plugins(route)) == {"mcp-internal"}
    assert set(by_name(document["upstreams"])) == {
        *("closed", "mcp-sidecar", "mcp-files", "mcp-files-sessions", "mcp-notes", "mcp-notes-sessions")
    }
    assert "consumers" not in document
    for route in services["mcp-files"]["routes"]:
        config = plugins(route)["mcp-guard"]["config"]
        assert (config["scheme"], config["path"]) == ("https", "/api/mcp/")
