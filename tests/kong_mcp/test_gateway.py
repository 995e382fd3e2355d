"""The kong.conf of a local gateway, and which gateway it is for."""

import pytest

from kong_mcp.gateway import GatewaySettings, NoKongError, choose_gateway, kong_conf


@pytest.fixture
def conf(tmp_path):
    text = kong_conf(GatewaySettings(tmp_path, tmp_path / "kong.yaml", 8123, workers=3))
    return dict(line.split(" = ", 1) for line in text.splitlines())


def test_it_listens_on_loopback_only_and_reports_to_nobody(conf):
    assert conf["proxy_listen"] == "127.0.0.1:8123"
    assert {conf[name] for name in ("admin_listen", "admin_gui_listen", "status_listen")} == {"off"}
    assert conf["anonymous_reports"] == "off"


def test_it_starts_our_plugin_server_and_hands_the_keys_on(conf):
    assert "--workers 3" in conf["pluginserver_mcp_guard_start_cmd"]
    assert conf["pluginserver_mcp_guard_socket"] in conf["pluginserver_mcp_guard_start_cmd"]
    assert conf["pluginserver_mcp_guard_query_cmd"].endswith("--dump mcp-guard")
    read = ("KONG_MCP_KEYS", "KONG_MCP_SNAPSHOT", "KONG_MCP_ISSUER_KEYS", "KONG_MCP_POLICIES")
    read += ("KONG_MCP_ASK_SOCKET", "KONG_MCP_REVOKED", "KONG_MCP_HEALTH", "KONG_MCP_REUSE")
    assert conf["nginx_main_env"] == "; env ".join(read)


def test_a_real_kong_is_taken_where_it_is_on_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert choose_gateway(None) == "devkit"
    with pytest.raises(NoKongError, match="--gateway devkit"):
        choose_gateway("kong")
    kong = tmp_path / "kong"
    kong.touch(mode=0o755)
    assert choose_gateway(None) == "kong"
    assert choose_gateway("devkit") == "devkit"
