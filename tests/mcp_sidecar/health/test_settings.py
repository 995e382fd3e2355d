"""What the sidecar is told about health, and what it says to what cannot be used."""

import pytest

from mcp_sidecar.health.replicas import Replica, of_settings
from mcp_sidecar.health.settings import HEALTH_VARIABLES
from mcp_sidecar.settings import SettingsError, read_settings

pytestmark = pytest.mark.requirement("HEALTH-008")
KEYS = {"KONG_MCP_KEYS": "a" * 43 + "="}


def test_without_settings_nobody_is_probed():
    assert not read_settings(KEYS).health.probes


def test_replicas_are_named_as_kong_names_its_targets():
    urls = "notes=http://10.0.0.7:8080/mcp https://[::1]/x, files=http://files/mcp"
    replicas = read_settings({**KEYS, "MCP_SIDECAR_REPLICAS": urls}).health.replicas
    assert of_settings(replicas) == {
        Replica("notes", "10.0.0.7:8080", "http://10.0.0.7:8080/mcp"),
        Replica("notes", "[::1]:443", "https://[::1]/x"),
        Replica("files", "files:80", "http://files/mcp"),
    }


def test_several_kongs_may_be_told():
    health = read_settings({**KEYS, "MCP_SIDECAR_KONG_ADMIN": "http://a:8001, https://b:8444/"}).health
    assert (health.admin, health.probes) == (("http://a:8001", "https://b:8444"), True)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("KONG_MCP_HEALTH", "health"),
        ("MCP_SIDECAR_KONG_ADMIN", "127.0.0.1:8001"),
        ("MCP_SIDECAR_KONG_ADMIN", "http://user:pass@127.0.0.1:8001"),
        ("MCP_SIDECAR_KONG_ADMIN", "http://127.0.0.1:8001/path"),
        ("MCP_SIDECAR_KONG_ADMIN_TOKEN", "a b"),
        ("MCP_SIDECAR_REPLICAS", "notes"),
        ("MCP_SIDECAR_REPLICAS", "notes="),
        ("MCP_SIDECAR_REPLICAS", "notes=ftp://a"),
        ("MCP_SIDECAR_REPLICAS", "notes=http://a/x,notes=http://b/x"),
        ("MCP_SIDECAR_REPLICAS", "notes=" + " ".join(f"http://a{number}/" for number in range(300))),
        ("MCP_SIDECAR_BREAKER_REQUESTS", "1"),
        ("MCP_SIDECAR_BREAKER_SHARE", "2"),
        ("MCP_SIDECAR_BREAKER_SLOW", "nan"),
        ("MCP_SIDECAR_BREAKER_REST", "0"),
    ],
)
def test_what_cannot_be_used_is_named(variable, value):
    assert variable in HEALTH_VARIABLES
    with pytest.raises(SettingsError, match=variable):
        read_settings({**KEYS, variable: value})
