"""The README's examples are what they say: each marked block is tried."""

import re

import yaml

from deck.support import DECK, ENV, ROOT
from kong_devkit.render import render
from kong_mcp.policy_file import read_policy
from kong_mcp.servers import parse_server
from mcp_core.methods import Kind
from mcp_core.policy import Policy
from mcp_core.principal import consumer

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(name):
    found = re.search(rf"<!-- tested: {re.escape(name)} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert found, f"the README has no tested block {name}"
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


def test_the_server_is_the_template_filled_in(tmp_path):
    text = block("template")
    filled = (DECK / "template.yaml").read_text(encoding="utf-8").replace("NAME", "weather")
    filled = filled.replace("HOST:PORT", "10.0.0.7:8080").replace('["*"]', '["get_*"]')
    assert yaml.safe_load(text) == yaml.safe_load(filled)
    assert len(text.splitlines()) < 20
    mine = tmp_path / "weather.yaml"
    mine.write_text(text, encoding="utf-8")
    assert "mcp-weather" in {service["name"] for service in render([DECK / "shared.yaml", mine], ENV)["services"]}


def test_the_commands_that_it_names_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\$ make (\w+)", README):
        assert f"\n{target}:" in makefile
    server = re.search(r"kong-mcp dev --server (\S+)", README)[1]
    assert parse_server(server).path == "/mcp"


def test_the_files_that_it_links_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
