"""Issuers' keys are kept fresh, in the file that guards read, also while providers are away."""

import anyio
import msgspec
import pytest
import structlog
from prometheus_client import CollectorRegistry

from clock import Clock
from mcp_core.auth import keyfile
from mcp_sidecar.auth.fetch import Fetcher, network
from mcp_sidecar.auth.keeper import IssuerKeeper
from mcp_sidecar.auth.keyfile import KeyFileWriter
from mcp_sidecar.auth.metrics import IssuerMetrics
from mcp_sidecar.auth.settings import AuthSettings
from mcp_sidecar.settings import SettingsError, read_settings
from tokens.kit import jwk
from tokens.provider import Provider

RING = (b"k" * 32,)


@pytest.fixture
def provider():
    provider = Provider()
    provider.publishes(provider.url, {"keys": [jwk("RS256")]})
    yield provider
    provider.close()


class Node:
    """One node's keeper, its clock and its file."""

    def __init__(self, path, *issuers, clock=None):
        self.path, self.clock = path, clock or Clock()
        networks = (network("127.0.0.0/8"),)
        self.settings = AuthSettings(str(path), dict.fromkeys(issuers), 60.0, 3600.0, networks)
        self.registry = CollectorRegistry()
        writer = KeyFileWriter(str(path), RING, "1")
        self.keeper = IssuerKeeper(self.settings, writer, IssuerMetrics(self.registry), clock=self.clock)

    def refresh(self, *issuers):
        async def run():
            async with Fetcher(self.settings.issuer_networks) as fetcher:
                return [await self.keeper.refresh(fetcher, issuer) for issuer in issuers or self.settings.issuers]

        return anyio.run(run)

    def written(self):
        found = keyfile.read_file(self.path.read_bytes(), RING, msgspec.msgpack.decode)
        return {issuer: ([key.kid for key in one.keys.keys], one.until) for issuer, one in found.items()}


@pytest.mark.requirement("AUTH-014")
def test_keys_are_written_with_the_time_until_which_they_count(provider, tmp_path):
    node = Node(tmp_path / "keys", provider.url)
    assert node.refresh() == [60.0]
    assert node.written() == {provider.url: (["RS256"], 4600.0)}
    assert node.keeper.problems() == {}
    node.clock.now += 60
    node.refresh()
    assert node.written() == {provider.url: (["RS256"], 4660.0)}


@pytest.mark.requirement("AUTH-014")
def test_a_rotated_set_replaces_the_old_one_whole(provider, tmp_path):
    node = Node(tmp_path / "keys", provider.url)
    node.refresh()
    for kids in (["RS256", "ES256"], ["ES256"]):
        provider.answers["/jwks"] = {"keys": [jwk(kid) for kid in kids]}
        node.refresh()
        assert node.written()[provider.url][0] == kids


@pytest.mark.requirement("AUTH-014")
@pytest.mark.parametrize(
    "answer", [(500, {}, b""), {"keys": []}, (200, {}, b"<html>"), {"keys": [jwk("RS256", private=True)]}]
)
def test_a_provider_that_fails_takes_no_key_away_and_gives_none_more_time(provider, tmp_path, answer):
    node = Node(tmp_path / "keys", provider.url)
    node.refresh()
    good = provider.answers["/jwks"]
    provider.answers["/jwks"] = answer
    node.clock.now += 60
    assert [node.refresh()[0] for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert node.written() == {provider.url: (["RS256"], 4600.0)}
    assert list(node.keeper.problems()) == [provider.url]
    provider.answers["/jwks"] = good
    assert node.refresh() == [60.0]
    assert node.keeper.problems() == {}


@pytest.mark.requirement("AUTH-014")
def test_one_issuer_that_is_away_costs_the_others_nothing(provider, tmp_path):
    away = "http://127.0.0.1:9/away"
    node = Node(tmp_path / "keys", away, provider.url)
    node.refresh()
    assert list(node.written()) == [provider.url]
    assert list(node.keeper.problems()) == [away]


@pytest.mark.requirement("AUTH-014")
def test_a_provider_that_is_away_at_the_start_leaves_the_nodes_last_keys(provider, tmp_path):
    Node(tmp_path / "keys", provider.url).refresh()
    provider.answers.clear()
    again = Node(tmp_path / "keys", provider.url, "http://127.0.0.1:9/away")
    again.keeper.recall()
    again.refresh()
    assert again.written() == {provider.url: (["RS256"], 4600.0)}


@pytest.mark.requirement("AUTH-015")
def test_an_issuer_is_asked_out_of_turn_once_for_thousands_of_unknown_kids(provider, tmp_path):
    node = Node(tmp_path / "keys", provider.url)

    async def run():
        async with Fetcher(node.settings.issuer_networks) as node.keeper._fetching:
            await node.keeper.refresh(node.keeper._fetching, provider.url)
            assert await node.keeper.want(provider.url, "RS256", "RS256")
            since = len(provider.asked)
            async with anyio.create_task_group() as tasks:
                for number in range(2000):
                    tasks.start_soon(node.keeper.want, provider.url, f"invented-{number}", "RS256")
            assert provider.asked[since:].count("/jwks") == 1
            provider.answers["/jwks"] = {"keys": [jwk("RS256"), jwk("ES256")]}
            assert not await node.keeper.want(provider.url, "ES256", "ES256")
            node.clock.now += 10
            assert await node.keeper.want(provider.url, "ES256", "ES256")
            assert provider.asked[since:].count("/jwks") == 2
            assert not await node.keeper.want("https://other.example", "ES256", "ES256")
            assert not await node.keeper.want(provider.url, "RS256", "ES256")

    anyio.run(run)
    assert node.written()[provider.url][0] == ["RS256", "ES256"]


def test_what_is_beyond_its_time_or_of_an_issuer_that_is_no_more_is_not_taken_up(provider, tmp_path):
    Node(tmp_path / "keys", provider.url).refresh()
    other = Provider()
    try:
        other.publishes(other.url, {"keys": [jwk("ES256")]})
        old = Node(tmp_path / "keys", other.url)
        old.keeper.recall()
        old.refresh()
        assert old.written() == {other.url: (["ES256"], 4600.0)}
    finally:
        other.close()
    late = Clock()
    late.now = 10_000.0
    again = Node(tmp_path / "keys", other.url, provider.url, clock=late)
    again.keeper.recall()
    again.refresh()
    assert again.written() == {provider.url: (["RS256"], 13_600.0)}


def test_a_file_that_cannot_be_written_is_a_problem_that_is_told(provider, tmp_path):
    node = Node(tmp_path / "no folder" / "keys", provider.url)
    assert node.refresh() == [1.0]
    assert "cannot be written" in node.keeper.problems()[provider.url]


def test_the_log_tells_what_happened_once_and_nothing_of_keys(provider, tmp_path):
    node = Node(tmp_path / "keys", provider.url)
    private = jwk("ES256", private=True)
    provider.answers["/jwks"] = {"keys": [jwk("RS256"), private]}
    with structlog.testing.capture_logs() as logs:
        node.refresh()
        node.refresh()
        provider.answers["/jwks"] = (500, {}, b"")
        node.refresh()
        node.refresh()
    assert [line["event"] for line in logs] == ["issuer keys fetched", "issuer keys not fetched"]
    assert "private" in logs[0]["passed_over"][0]
    assert private["d"] not in repr(logs)
    sample = {"issuer": provider.url, "outcome": "failed"}
    assert node.registry.get_sample_value("mcp_sidecar_issuer_fetches_total", sample) == 2


SETTINGS = {"KONG_MCP_KEYS": "a" * 43 + "=", "KONG_MCP_ISSUER_KEYS": "/run/keys"}


def test_issuers_are_read_from_the_environment():
    settings = read_settings(
        SETTINGS
        | {
            "MCP_SIDECAR_ISSUERS": "https://a.example, https://b.example/x https://b.example/keys",
            "MCP_SIDECAR_ISSUER_REFRESH": "30",
            "MCP_SIDECAR_ISSUER_KEEP": "3600",
            "MCP_SIDECAR_ISSUER_NETWORKS": "10.1.0.0/16, ::1/128",
        }
    ).auth
    assert settings.issuers == {"https://a.example": None, "https://b.example/x": "https://b.example/keys"}
    assert (settings.issuer_refresh, settings.issuer_keep) == (30.0, 3600.0)
    assert [str(issuer_network) for issuer_network in settings.issuer_networks] == ["10.1.0.0/16", "::1/128"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MCP_SIDECAR_ISSUERS", ""),
        ("MCP_SIDECAR_ISSUERS", "idp.example"),
        ("MCP_SIDECAR_ISSUERS", "http://idp.example"),
        ("MCP_SIDECAR_ISSUERS", "https://a.example,https://a.example"),
        ("MCP_SIDECAR_ISSUERS", "https://a.example x y"),
        ("MCP_SIDECAR_ISSUERS", "https://a.example http://a.example/keys"),
        ("MCP_SIDECAR_ISSUERS", "https://ann:secret@a.example"),
        ("MCP_SIDECAR_ISSUER_REFRESH", "0"),
        ("MCP_SIDECAR_ISSUER_KEEP", "30"),
        ("MCP_SIDECAR_ISSUER_NETWORKS", "10.1.0.1/16"),
        ("MCP_SIDECAR_ISSUER_NETWORKS", "all"),
        ("KONG_MCP_ISSUER_KEYS", "keys"),
    ],
)
def test_settings_that_cannot_be_used_are_named(name, value):
    with pytest.raises(SettingsError, match=name):
        read_settings(SETTINGS | {name: value})


def test_issuers_without_a_file_are_an_error():
    without = {name: value for name, value in SETTINGS.items() if name != "KONG_MCP_ISSUER_KEYS"}
    with pytest.raises(SettingsError, match="KONG_MCP_ISSUER_KEYS"):
        read_settings(without | {"MCP_SIDECAR_ISSUERS": "https://a.example"})
