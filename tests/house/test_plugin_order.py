"""The order in which plugins run is part of the product: Kong runs higher priorities first."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"

# The plugins that Kong 3.9 bundles (PRIORITY in kong/plugins/NAME/handler.lua of Kong/kong at 3.9.1).
BUNDLED = {
    "acl": 950,
    "acme": 1705,
    "ai-prompt-decorator": 772,
    "ai-prompt-guard": 771,
    "ai-prompt-template": 773,
    "ai-proxy": 770,
    "ai-request-transformer": 777,
    "ai-response-transformer": 768,
    "aws-lambda": 750,
    "azure-functions": 749,
    "basic-auth": 1100,
    "bot-detection": 2500,
    "correlation-id": 100001,
    "cors": 2000,
    "datadog": 10,
    "file-log": 9,
    "grpc-gateway": 998,
    "grpc-web": 3,
    "hmac-auth": 1030,
    "http-log": 12,
    "ip-restriction": 990,
    "jwt": 1450,
    "key-auth": 1250,
    "ldap-auth": 1200,
    "loggly": 6,
    "oauth2": 1400,
    "opentelemetry": 14,
    "post-function": -1000,
    "pre-function": 1000000,
    "prometheus": 13,
    "proxy-cache": 100,
    "rate-limiting": 910,
    "redirect": 779,
    "request-size-limiting": 951,
    "request-termination": 2,
    "request-transformer": 801,
    "response-ratelimiting": 900,
    "response-transformer": 800,
    "session": 1900,
    "standard-webhooks": 760,
    "statsd": 11,
    "syslog": 4,
    "tcp-log": 7,
    "udp-log": 8,
    "zipkin": 100000,
}
KNOW_WHO_CALLS = (
    "acl",
    "basic-auth",
    "hmac-auth",
    "ip-restriction",
    "jwt",
    "key-auth",
    "ldap-auth",
    "oauth2",
    "session",
)
USE_WHAT_THE_GUARD_SAYS = ("rate-limiting", "response-ratelimiting", "request-transformer", "proxy-cache", "http-log")


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


OURS = {path.stem: load(path) for path in sorted(PLUGINS.glob("*.py"))}


def test_no_two_plugins_share_a_priority():
    priorities = [*BUNDLED.values(), *(plugin.priority for plugin in OURS.values())]
    assert sorted(priorities) == sorted(set(priorities))


@pytest.mark.requirement("GUARD-012")
def test_the_guard_stands_between_acl_and_rate_limiting():
    guard = OURS["mcp-guard"].priority
    assert BUNDLED["acl"] > guard > BUNDLED["rate-limiting"]


@pytest.mark.requirement("GUARD-012")
@pytest.mark.parametrize("name", KNOW_WHO_CALLS)
def test_the_guard_runs_after_what_knows_who_calls(name):
    assert BUNDLED[name] > OURS["mcp-guard"].priority


@pytest.mark.requirement("GUARD-012")
@pytest.mark.parametrize("name", USE_WHAT_THE_GUARD_SAYS)
def test_the_guard_runs_before_what_uses_its_headers(name):
    assert BUNDLED[name] < OURS["mcp-guard"].priority


@pytest.mark.parametrize("name", OURS)
def test_a_plugin_file_gives_kong_what_it_asks_for_and_buffers_no_response(name):
    plugin = OURS[name]
    assert "-" in name, "a plugin file without a hyphen could shadow a module"
    assert isinstance(plugin.Schema, list)
    assert isinstance(plugin.version, str)
    assert callable(plugin.Plugin)
    assert not hasattr(plugin.Plugin, "response"), "defining a response phase buffers every stream"
