"""Server files rendered: the same bytes, what the template gives, and what decK's own commands make of it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from deck.support import DECK, ENV, deck, dump, load
from kong_devkit.render import render as fill_in
from kong_mcp.declare.emit import state_text, variables
from kong_mcp.declare.entities import document, names
from kong_mcp.declare.folder import read_folder
from kong_mcp.declare.render import SERVERS_TAG, TAG, SharedError, assemble, shared_files, template
from kong_mcp.declare.server_file import read_text
from kong_mcp.state import fill_template

SHORT = "name: weather\nreplicas: ['http://10.0.0.7:8080/mcp']\n"
CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
LONG = """\
name: weather
title: "Wetter & Vorhersagen: Größe #1"
owner: team-sky
tags: [production]
replicas: ["https://10.0.0.7:8080/api/mcp/", "https://10.0.0.8:8080/api/mcp/"]
path: /sky/v1.2/weather
auth: [basic-auth, {name: key-auth, config: {key_names: [x-agent-key]}}]
tools: {allow: ["get_*", "1e3", "y", "off"]}
limits: {body: 1000}
pins: {mode: off}
timeouts: {connect: 10000, write: 1, read: 60001}
health: {path: /healthz, interval: 60}
tls:
  verify_depth: 3
  ca: ["3f6c0a1e-6a3f-4a0e-9d3b-0a1b2c3d4e5f", "CA_OF_OURS"]
  cert: "{vault://env/weather-cert}"
  key: "{vault://env/weather-key}"
plugins:
- name: rate-limiting
  config: {minute: 60, policy: local}
- name: request-transformer
  tags: [mine]
  config: {add: {headers: ['Authorization:Bearer ${{ env "DECK_WEATHER_TOKEN" }}']}}
""".replace("CA_OF_OURS", CA.replace("\n", "\\n"))
MORE = {**ENV, "DECK_WEATHER_TOKEN": 'it\'s a "token"'}


def servers(*texts: str) -> list[Any]:
    read = [read_text(text.encode(), f"folder/{at}.yaml") for at, text in enumerate(texts)]
    assert all(server is not None for server, _ in read), read
    return [server for server, _ in read]


def rendered(*texts: str, tag: str = TAG, shared: bool = True) -> str:
    return state_text(assemble(servers(*texts), shared_files(answers=True) if shared else [], tag))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "state.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def entities(value: Any) -> Any:
    """Yield every entity of a state with its kind."""
    for name, inner in value.items():
        if isinstance(inner, list) and name not in {"tags", "config"}:
            for one in inner:
                if isinstance(one, dict):
                    yield name, one
                    yield from entities(one)


def without_tags(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_tags(one) for name, one in value.items() if name != "tags"}
    return [without_tags(one) for one in value] if isinstance(value, list) else value


@pytest.mark.requirement("FILE-008")
def test_a_short_file_gives_what_the_template_gives() -> None:
    by_hand = yaml.safe_load(template().replace("NAME", "weather").replace("HOST:PORT", "10.0.0.7:8080"))
    (one,) = servers(SHORT)
    made = without_tags(document(one, template(), [TAG]))
    assert list(names(made)) == list(names(by_hand))
    assert [upstream["targets"] for upstream in made["upstreams"]] == [[{"target": "10.0.0.7:8080"}]] * 2
    assert made == fill_template(template(), one.server, {}, authenticate=True)


@pytest.mark.requirement("FILE-007")
def test_the_same_files_give_the_same_bytes_in_any_order() -> None:
    other = SHORT.replace("weather", "a")
    assert rendered(SHORT, other).replace("0.yaml", "").replace("1.yaml", "") == rendered(other, SHORT).replace(
        "0.yaml", ""
    ).replace("1.yaml", "")
    state = yaml.safe_load(rendered(SHORT, other))
    for kind in ("services", "upstreams"):
        names = [one["name"] for one in state[kind]]
        assert names == sorted(names)


@pytest.mark.requirement("FILE-007")
def test_everything_is_tagged_and_selected_by_its_tag() -> None:
    state = yaml.safe_load(rendered(LONG))
    assert state["_info"]["select_tags"] == [TAG]
    assert {kind for kind, _ in entities(state)} >= {"services", "routes", "plugins", "targets", "certificates"}
    for kind, one in entities(state):
        assert one["tags"][0] == TAG, (kind, one)
    (public,) = [service for service in state["services"] if service["name"] == "mcp-weather"]
    assert public["tags"] == [TAG, "kong-mcp-server-weather", "production"]
    assert public["plugins"][-1]["tags"] == [TAG, "kong-mcp-server-weather", "production", "mine"]


@pytest.mark.requirement("FILE-007")
def test_servers_alone_have_a_tag_of_their_own_so_that_a_sync_leaves_what_is_shared() -> None:
    state = yaml.safe_load(rendered(SHORT, tag=SERVERS_TAG, shared=False))
    assert state["_info"] == {"select_tags": [SERVERS_TAG]}
    assert {upstream["name"] for upstream in state["upstreams"]} == {"mcp-weather", "mcp-weather-sessions"}
    assert all(one["tags"][0] == SERVERS_TAG for _, one in entities(state))


@pytest.mark.requirement("FILE-007")
def test_it_is_block_style_with_a_word_about_each_server() -> None:
    text = rendered(LONG)
    assert "# Wetter & Vorhersagen: Größe #1, of team-sky (0.yaml)\n- name: mcp-weather\n" in text
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    assert not [line for line in lines if line.lstrip().startswith(("- {", "- [", "&", "*")) or ": {" in line]
    assert "- '1e3'" in text
    assert "- 'y'" in text
    assert variables(text) == sorted(MORE)
    for name in MORE:
        assert f'${{{{ env "{name}" }}}}' in text


def test_the_fields_reach_kong() -> None:
    state = yaml.safe_load(rendered(LONG))
    services = {one["name"]: one for one in state["services"]}
    public = services["mcp-weather"]
    assert [route["paths"] for route in public["routes"]] == [
        [r"~/sky/v1\.2/weather/?$"],
        [r"~/sky/v1\.2/weather/?$", r"~/sky/v1\.2/messages$"],
    ]
    assert public["path"] == "/api/mcp/"
    # Calls, and lists and streams of the sidecar, alike.
    for name in ("mcp-weather", "mcp-internal-weather", "mcp-internal-weather-stream"):
        service = services[name]
        assert (service["protocol"], service.get("host")) == ("https", None)
        assert (service["connect_timeout"], service["write_timeout"], service["read_timeout"]) == (10000, 1, 60001)
        assert (service["tls_verify"], service["tls_verify_depth"]) == (True, 3)
        assert service["client_certificate"] == state["certificates"][0]["id"]
        assert service["ca_certificates"][1] == state["ca_certificates"][0]["id"]
    assert state["ca_certificates"][0]["cert"] == CA
    basic, key = public["plugins"][:2]
    assert (basic["name"], basic["config"]) == ("basic-auth", {"hide_credentials": True})
    assert (key["_config"], key["config"]) == ("mcp-key-auth", {"key_names": ["x-agent-key"]})
    for upstream in (one for one in state["upstreams"] if "weather" in one["name"]):
        active = upstream["healthchecks"]["active"]
        assert (active["type"], active["http_path"], active["healthy"]["interval"]) == ("https", "/healthz", 60)
        assert (active["healthy"]["http_statuses"], active["unhealthy"]["http_failures"]) == ([200, 204], 2)
        assert active["https_verify_certificate"] is False
        assert upstream["client_certificate"] == {"id": public["client_certificate"]}
    assert state["_plugin_configs"]["mcp-guard-weather"]["pins"] == {"mode": "off"}


@pytest.mark.parametrize(
    ("path", "messages"),
    [
        ("/weather", "/messages"),
        ("/weather/messages-of/mcp", "/weather/messages-of/messages"),
        ("/a/b.c", "/a/messages"),
    ],
)
def test_a_servers_path_is_its_routes(path: str, messages: str) -> None:
    state = yaml.safe_load(rendered(SHORT + f"path: {path}\n"))
    (public,) = [service for service in state["services"] if service["name"] == "mcp-weather"]
    regex = path.replace(".", r"\.")
    assert [route["paths"] for route in public["routes"]] == [[f"~{regex}/?$"], [f"~{regex}/?$", f"~{messages}$"]]


def test_a_ca_of_two_servers_is_one_entity() -> None:
    text = f"replicas: ['https://h/mcp']\ntls:\n  ca: [{yaml.safe_dump(CA, default_style=chr(34)).strip()}]\n"
    state = yaml.safe_load(rendered(f"name: a\n{text}", f"name: b\n{text}"))
    assert len(state["ca_certificates"]) == 1


def test_nobody_is_asked_and_nothing_is_checked_where_the_file_says_so() -> None:
    state = yaml.safe_load(rendered(SHORT + "auth: []\nhealth: {checks: false}\n"))
    (public,) = [service for service in state["services"] if service["name"] == "mcp-weather"]
    assert "plugins" not in public
    (upstream,) = [one for one in state["upstreams"] if one["name"] == "mcp-weather"]
    assert upstream["healthchecks"]["active"]["healthy"]["interval"] == 0
    assert set(upstream["healthchecks"]["passive"]["unhealthy"].values()) == {0}


@pytest.mark.requirement("HEALTH-009")
@pytest.mark.parametrize("more", ["", ", path: /healthz"])
def test_probed_replicas_come_back_by_kong_s_own_checks_only_while_the_sidecar_is_silent(more: str) -> None:
    state = yaml.safe_load(rendered(SHORT + f"health: {{probes: true{more}}}\n"))
    upstreams = {upstream["name"]: upstream for upstream in state["upstreams"]}
    for one in (upstreams["mcp-weather"], upstreams["mcp-weather-sessions"]):
        assert "kong-mcp-probed" in one["tags"]
        assert one["healthchecks"]["active"]["healthy"]["successes"] == 3
    others = yaml.safe_load(rendered(SHORT))["upstreams"]
    assert not any("kong-mcp-probed" in other["tags"] for other in others)


@pytest.mark.requirement("FILE-008")
@pytest.mark.parametrize("text", [SHORT, LONG, SHORT + "health: {checks: false}\nauth: [jwt]\n"])
def test_deck_takes_it_and_the_lint_finds_nothing(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECK_WEATHER_TOKEN", "t")
    output = tmp_path / "deck.yaml"
    done = deck("file", "render", write(tmp_path, rendered(text)), "--populate-env-vars", "-o", output)
    assert done.returncode == 0, done.stderr
    assert "${{" not in output.read_text(encoding="utf-8")
    assert deck("file", "validate", output).returncode == 0
    linted = deck("file", "lint", "--state", output, DECK / "lint.yaml")
    assert (linted.returncode, linted.stderr) == (0, ""), linted.stdout


@pytest.mark.requirement("FILE-008")
def test_without_deck_the_same_is_rendered(tmp_path: Path) -> None:
    path = write(tmp_path, rendered(LONG))
    state = fill_in([path], {**ENV, "DECK_WEATHER_TOKEN": "t"})
    assert "_info" not in state
    (public,) = [service for service in state["services"] if service["name"] == "mcp-weather"]
    assert public["host"] == "closed"
    assert public["plugins"][-1]["config"]["add"]["headers"] == ["Authorization:Bearer t"]


@pytest.mark.requirement("FILE-008")
def test_it_goes_through_decks_own_pipeline(tmp_path: Path) -> None:
    path = write(tmp_path, rendered(LONG))
    ours = dump({"_format_version": "3.0", "services": [{"name": "ours", "host": "ours.example"}]}, tmp_path / "o.yaml")
    merged = tmp_path / "merged.yaml"
    assert deck("file", "merge", path, ours, "-o", merged).returncode == 0
    assert {"ours", "mcp-weather"} <= {service["name"] for service in load(merged)["services"]}
    assert load(merged)["_info"]["select_tags"] == [TAG]
    assert variables(merged.read_text(encoding="utf-8")) == sorted(MORE)
    patched = tmp_path / "patched.yaml"
    selector = "$..services[?(@.name == 'mcp-weather')]"
    assert (
        deck("file", "patch", "-s", merged, "--selector", selector, "--value", "retries: 0", "-o", patched).returncode
        == 0
    )
    added = tmp_path / "added.yaml"
    plugin = '{"name":"prometheus"}'
    done = deck("file", "add-plugins", "-s", patched, "--selector", selector, "--config", plugin, "-o", added)
    assert done.returncode == 0, done.stderr
    (public,) = [service for service in load(added)["services"] if service["name"] == "mcp-weather"]
    assert public["retries"] == 0
    assert "prometheus" in {one["name"] for one in public["plugins"]}


def test_a_shared_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SharedError, match="not decK state"):
        assemble([], [write(tmp_path, "services: []\n")], TAG)


@pytest.mark.requirement("FILE-007")
def test_the_committed_state_is_what_the_committed_files_give() -> None:
    folder = read_folder([DECK / "servers"])
    assert folder.problems == ()
    text = state_text(assemble(folder.servers, shared_files(answers=True), TAG))
    committed = (DECK / "rendered.yaml").read_text(encoding="utf-8")
    assert committed == text, "kong-mcp deck render deck/servers --out deck/rendered.yaml"
