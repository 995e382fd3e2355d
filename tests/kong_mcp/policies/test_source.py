"""What policies are read from: policy files, decK, rendered state, server files; and what is refused with its line."""

import json

import pytest

from deck.support import DECK, ENV
from kong_devkit.render import render
from kong_mcp.dev import fresh_keys
from kong_mcp.policies import documents
from kong_mcp.policies.documents import PolicySourceError, read_document
from kong_mcp.policies.source import read_policies
from kong_mcp.servers import parse_server
from kong_mcp.state import Consumer, write_state
from mcp_core.methods import Kind
from mcp_core.principal import NOBODY


@pytest.fixture
def write(tmp_path):
    def write(text, name="policy.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


HAND_WRITTEN = """\
_format_version: "3.0"
_plugin_configs:
  mcp-guard-files:
    server: files
    upstream: mcp-files
    tools: {allow: ["read_*", list_directory]}
services:
  - name: mcp-files
    url: http://closed/mcp
    routes: &routes
      - {name: a, paths: [/a], plugins: [{name: mcp-guard, _config: mcp-guard-files}]}
      - {name: b, paths: [/b], plugins: [{name: mcp-guard, _config: mcp-guard-files}]}
"""


@pytest.mark.requirement("KNOW-003")
def test_deck_files_and_what_is_rendered_of_them_say_the_same(write):
    path = write(HAND_WRITTEN)
    files = read_policies([path])
    state = read_policies([write(json.dumps(render([path], {})), "kong.json")])
    assert set(files.servers) == {"files"} == set(state.servers)
    assert files.of("files").config == state.of("files").config
    assert files.of("files").where("tools.allow[1]") == f"{path}:6"
    assert files.of("files").guard.policy.view(NOBODY).allows(Kind.TOOL, "read_x")


@pytest.mark.requirement("KNOW-003")
def test_the_state_of_a_local_gateway_has_its_consumers_with_their_groups(tmp_path):
    servers = [parse_server("notes=http://127.0.0.1:1/mcp")]
    consumers = [Consumer("ada", fresh_keys(), ("finance", "staff")), Consumer("bob", fresh_keys())]
    path = write_state(tmp_path, DECK, servers, {"tools": {"allow": ["a"]}}, consumers, ENV)
    policies = read_policies([path])
    assert policies.consumers["ada"] == {"finance", "staff"}
    assert policies.consumers["bob"] == frozenset()
    assert policies.of("notes").config["tools"] == {"allow": ["a"]}
    assert policies.of("other") is None


@pytest.mark.requirement("KNOW-003")
def test_a_policy_file_is_for_every_server_and_a_server_file_for_its_own(write):
    every = write("tools: {allow: [a]}\n")
    one = write("name: weather\nreplicas: ['http://h/mcp']\nplugins: []\ntools:\n  allow:\n    - b\n", "weather.yaml")
    policies = read_policies([every, one])
    assert policies.of("any").guard.policy.view(NOBODY).allows(Kind.TOOL, "a")
    weather = policies.of("weather")
    assert weather.guard.policy.view(NOBODY).allows(Kind.TOOL, "b")
    assert weather.where("tools.allow[0]").endswith("weather.yaml:6")


PLUGIN = """\
_format_version: "3.0"
_plugin_configs:
  shared: {server: notes, tools: {allow: [a], deny: [z]}, rules: [{groups: [g], tools: {allow: [b]}}]}
services:
  - name: s
    routes:
      - name: strict
        plugins:
          - name: mcp-guard
            _config: shared
            config:
              tools:
                allow: [c]
      - {name: plain, plugins: [{name: mcp-guard, _config: shared}]}
      - {name: again, plugins: [{name: mcp-guard, _config: shared}]}
      - {name: off, plugins: [{name: mcp-guard, enabled: false, config: {server: gone}}]}
"""


@pytest.mark.requirement("KNOW-003")
def test_a_plugins_own_configuration_stands_over_the_shared_one(write):
    policies = read_policies([write(PLUGIN)])
    assert sorted(policies.servers) == ["notes", "notes@2"]
    strict = policies.of("notes")
    assert strict.config["tools"] == {"allow": ["c"], "deny": ["z"]}
    assert strict.where("tools.allow[0]").endswith(":13")
    assert strict.where("rules[0].tools.allow[0]").endswith(":3")
    assert policies.of("notes@2").config["tools"] == {"allow": ["a"], "deny": ["z"]}


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + below] * 10)}]\n" for below, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.requirement("KNOW-003")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tools: [\n", "policy.yaml:2: this is no YAML"),
        ("tools: {allow: [a]}\ntools: {allow: [b]}\n", "policy.yaml:2: 'tools' stands twice here: keep one"),
        ("tools:\n  allow: [a]\n  deny: a\n", "policy.yaml:3: tools.deny: write a list of non-empty strings"),
        ("tool: {allow: [a]}\n", "policy.yaml:1: 'tool' is not a field of a policy; write one of"),
        ("mode: enforce\nrules:\n  - tools: {allow: [a]}\n", "policy.yaml:3: rules[0]: name the consumers or groups"),
        ("- a\n", "policy.yaml:1: write the guard's fields"),
        (BOMB, "with its aliases this stands for more than"),
        ("tools: &a {allow: *a}\n", "stands within what it stands for"),
        (b"mode: enforce\ntools: \xff\n", "policy.yaml:2: this is no UTF-8"),
        ("services: [{plugins: [{name: mcp-guard, config: {}}]}]\n", "policy.yaml:1: this mcp-guard names no server"),
        (
            "services:\n  - plugins:\n      - {name: mcp-guard, _config: x}\n",
            "policy.yaml:3: no file has _plugin_configs.x",
        ),
        ("services: {a: b}\n", "policy.yaml:1: services is a list"),
        ("services:\n  - plugins:\n    - {name: mcp-guard, config: [a]}\n", "policy.yaml:3: config is a map of fields"),
        ("name: [a]\nreplicas: []\n", "policy.yaml:1: write the server's name"),
        ("pins:\n  mode: maybe\n", "policy.yaml:2: pins.mode: write"),
        ("a: " + "[" * 5000, "this is no YAML"),
    ],
)
def test_what_cannot_be_used_is_refused_with_file_and_line(write, text, said):
    with pytest.raises(PolicySourceError) as caught:
        read_policies([write(text)])
    assert said in str(caught.value)


@pytest.mark.requirement("KNOW-003")
def test_two_policies_for_all_servers_a_missing_file_an_empty_folder_and_a_huge_file_are_refused(write, tmp_path):
    one, other = write("{}"), write("{}", "other.yaml")
    with pytest.raises(PolicySourceError, match=r"other\.yaml:1: .*policy\.yaml is a policy for all servers too"):
        read_policies([one, other])
    with pytest.raises(PolicySourceError, match="none: No such file"):
        read_policies([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(PolicySourceError, match=r"there is no \.yaml"):
        read_policies([tmp_path / "empty"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "MOST_BYTES", 10)
        with pytest.raises(PolicySourceError, match="more than 10 bytes"):
            read_document(write("tools: {allow: [a]}"))


def test_variables_of_deck_are_filled_in_where_they_are_set(write, monkeypatch):
    monkeypatch.setenv("DECK_TOOL", "good")
    path = write('tools: {allow: [${{ env "DECK_TOOL" }}, ${{ env "DECK_NONE" }}]}\n')
    assert read_document(path).values == {"tools": {"allow": ["good", "DECK_NONE-is-not-set"]}}
