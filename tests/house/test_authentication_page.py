"""What docs/authentication.md shows is tried: its files are what the gateway takes, and mean what it says."""

import re

import pytest
import yaml
from click.testing import CliRunner

from deck.support import DECK, ENV, ROOT, deck
from kong_devkit.render import render
from kong_devkit.render_text import write_yaml
from kong_mcp.cli import main
from kong_mcp.policy_file import read_policy
from mcp_core.auth.config import read
from mcp_kong.asks import ASK_SOCKET_VARIABLE
from mcp_kong.auth_schema import AUTH_SCHEMA
from mcp_kong.guard import Guard
from mcp_kong.keyfiles import ISSUER_KEYS_VARIABLE
from mcp_kong.settings import KEYS_VARIABLE
from mcp_sidecar.auth.settings import AUTH_VARIABLES
from mcp_sidecar.settings import read_settings

PAGE = (ROOT / "docs" / "authentication.md").read_text(encoding="utf-8")


def blocks(name):
    found = re.findall(rf"<!-- tested: {name} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"the page has no tested block {name}"
    return found


def block(name):
    (found,) = blocks(name)
    return found


def test_the_deck_file_renders_passes_the_lint_and_routes_the_metadata(tmp_path):
    mine = tmp_path / "notes.yaml"
    mine.write_text(block("deck"), encoding="utf-8")
    state = render([DECK / "shared.yaml", mine], ENV)
    service = next(one for one in state["services"] if one["name"] == "mcp-notes")
    guards = [plugin["config"] for route in service["routes"] for plugin in route["plugins"]]
    (auth,) = {yaml.safe_dump(one["auth"]) for one in guards}
    url = read(yaml.safe_load(auth)).metadata_url
    path = next(route["paths"][0] for route in service["routes"] if route["name"] == "mcp-notes-metadata")
    assert re.fullmatch(path.removeprefix("~"), url.removeprefix("https://gateway.example"))
    rendered = tmp_path / "state.yaml"
    rendered.write_text(write_yaml(state), encoding="utf-8")
    linted = deck("file", "lint", "--state", rendered, DECK / "lint.yaml")
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_the_rules_are_a_policy(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(block("rules"), encoding="utf-8")
    assert len(read_policy(path)["rules"]) == 3


@pytest.mark.parametrize("shown", blocks("policy"), ids=lambda shown: shown.split()[-1])
def test_the_other_policies_are_what_a_guard_starts_with(tmp_path, monkeypatch, shown):
    path = tmp_path / "policy.yaml"
    path.write_text(shown, encoding="utf-8")
    for name in (KEYS_VARIABLE, ISSUER_KEYS_VARIABLE, ASK_SOCKET_VARIABLE):
        monkeypatch.setenv(name, "a2V5" * 12)
    assert Guard({"server": "notes", "upstream": "notes", **read_policy(path)})


@pytest.mark.parametrize("shown", blocks("sidecar"), ids=len)
def test_the_sidecar_takes_its_variables(shown):
    environment = {name: value.strip('"') for name, value in re.findall(r'export (\w+)=("[^"]*"|\S+)', shown)}
    needed = {"KONG_MCP_KEYS": "a2V5" * 12}
    auth = read_settings(environment | needed).auth
    assert auth.issuers or auth.look_credentials


def test_every_setting_has_its_row():
    for field in AUTH_SCHEMA["fields"]:
        for name, one in field.items():
            elements = one.get("elements", {}).get("fields", []) if name == "issuers" else []
            names = [f"{name}[].{inner}" for sub in elements for inner in sub]
            names += [f"{name}.{inner}" for sub in one.get("fields", []) for inner in sub]
            names = names or [name]
            assert all(f"| `{shown}" in PAGE for shown in names), names
    assert all(f"| `{variable}`" in PAGE for variable in AUTH_VARIABLES)


def test_the_files_that_it_links_and_names_exist():
    for target in re.findall(r"\]\((\.\./[^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
    for target in re.findall(r"\btests/[\w/.]+\w", PAGE):
        assert (ROOT / target).exists(), target


@pytest.mark.requirement("LOGIN-007")
def test_a_server_file_with_the_facade_makes_its_routes_and_passes_the_lint(tmp_path):
    section = yaml.safe_load(block("facade"))["auth"]
    servers = tmp_path / "servers"
    servers.mkdir()
    file = {"name": "notes", "replicas": ["https://notes.example/mcp"], "tools": {"allow": ["*"]}, "oauth": section}
    (servers / "notes.yaml").write_text(yaml.safe_dump(file), encoding="utf-8")
    out = tmp_path / "state.yaml"
    ended = CliRunner().invoke(main, ["deck", "render", str(servers), "--out", str(out)])
    assert ended.exit_code == 0, ended.output
    state = yaml.safe_load(out.read_text(encoding="utf-8"))
    services = {service["name"]: service for service in state["services"]}
    token = services["login-notes"]
    where = ("https", "login.microsoftonline.com", 443, "/TENANT/oauth2/v2.0/token")
    assert tuple(token[name] for name in ("protocol", "host", "port", "path")) == where
    assert (token["tls_verify"], token["retries"]) == (True, 0)
    assert "ca_certificates" not in token
    assert [plugin["name"] for plugin in token["routes"][0]["plugins"]] == ["mcp-guard"]
    paths = next(route["paths"] for route in services["mcp-notes"]["routes"] if route["name"] == "login-notes-asked")
    facade = read(section).facade[1]
    assert [path for path in facade.paths if not any(re.fullmatch(one[1:], path) for one in paths)] == []
    assert not any(re.fullmatch(one[1:], "/notes/mcp") for one in [*paths, *token["routes"][0]["paths"]])
    whole = tmp_path / "whole.yaml"
    whole.write_text(write_yaml(render([out], ENV)), encoding="utf-8")
    linted = deck("file", "lint", "--state", whole, DECK / "lint.yaml")
    assert linted.returncode == 0, linted.stdout + linted.stderr
