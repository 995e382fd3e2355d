"""The README's examples are what they say: each marked block is tried."""

import re
import shlex

import pytest
import yaml
from click.testing import CliRunner

from deck.support import DECK, ROOT
from kong_mcp.cli import main
from kong_mcp.declare import reference
from kong_mcp.declare.server_file import read_text
from kong_mcp.policy_file import read_policy
from kong_mcp.servers import parse_server
from mcp_core.methods import Kind
from mcp_core.policy import Policy
from mcp_core.principal import consumer

README = (ROOT / "README.md").read_text(encoding="utf-8")


ENFORCED = (ROOT / "docs" / "what-is-enforced-where.md").read_text(encoding="utf-8")


def block(name, page=README):
    found = re.search(rf"<!-- tested: {re.escape(name)} -->\n```\w+\n(.*?)```", page, re.DOTALL)
    assert found, f"the page has no tested block {name}"
    return found[1]


def kong_conf(text):
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in pairs}


def test_the_policy_is_one_and_means_what_its_comments_say(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(block("policy"), encoding="utf-8")
    policy = Policy.from_config(read_policy(path))
    anyone = policy.view(consumer("bob"))
    assert anyone.allows(Kind.TOOL, "read_file")
    assert not anyone.allows(Kind.TOOL, "read_the_secret")
    assert not anyone.allows(Kind.TOOL, "invoice_send")
    assert policy.view(consumer("eve", {"finance"})).allows(Kind.TOOL, "invoice_send")
    assert policy.view(consumer("ada")).allows(Kind.TOOL, "delete_file")


def test_the_kong_conf_keys_are_those_of_the_explained_file():
    explained = kong_conf((ROOT / "kong" / "kong.conf").read_text(encoding="utf-8"))
    wanted = kong_conf(block("kong.conf"))
    assert wanted
    assert {key: explained.get(key) for key in wanted} == wanted


def test_the_server_is_a_good_file_of_ten_lines():
    text = block("server")
    server, problems = read_text(text.encode(), "weather.yaml")
    assert problems == []
    assert len(text.splitlines()) <= 10
    assert (DECK / "servers" / text.partition("$schema=")[2].partition("\n")[0]).is_file()
    assert server.name == "weather"


def test_the_command_that_adds_a_server_writes_that_file_and_the_next_one_syncs_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    add, sync = (shlex.split(line.removeprefix("$ kong-mcp ")) for line in block("add").splitlines())
    assert CliRunner().invoke(main, add).exit_code == 0
    written = yaml.safe_load((tmp_path / "deck" / "servers" / "weather.yaml").read_text(encoding="utf-8"))
    assert written == {name: one for name, one in yaml.safe_load(block("server")).items() if name != "title"}
    monkeypatch.setenv("PATH", str(tmp_path))
    synced = CliRunner().invoke(main, sync)
    assert "there is no `deck` on the PATH" in synced.stderr


@pytest.mark.requirement("FILE-004")
def test_the_page_about_server_files_shows_good_ones_and_all_fields():
    page = (ROOT / "docs" / "server-file.md").read_text(encoding="utf-8")
    assert page.endswith(f"\n\n{reference.table()}"), "kong-mcp server schema --markdown"
    first, *parts = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(parts) == 2
    good = "name: weather\nreplicas: ['https://h/mcp']\n"
    for text in (first, *(good + part.replace("    ...", "    MIIB") for part in parts)):
        assert read_text(text.encode(), "f.yaml")[1] == []


def test_the_commands_that_it_names_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\$ make (\w+)", README):
        assert f"\n{target}:" in makefile
    server = re.search(r"kong-mcp dev --server (\S+)", README)[1]
    assert parse_server(server).path == "/mcp"


def test_the_files_that_it_links_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
