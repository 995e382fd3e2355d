from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kong_devkit.errors import ConfigError
from kong_devkit.render import render
from kong_devkit.render_text import expand, write_yaml

HEAD = '_format_version: "3.0"\n'


def write(path: Path, text: str) -> Path:
    path.write_text(HEAD + text, encoding="utf-8")
    return path


def rendered(tmp_path: Path, text: str, **env: str) -> dict[str, Any]:
    return render([write(tmp_path / "one.yaml", text)], env)


def test_texts_that_other_readers_take_for_numbers_or_truth_are_quoted() -> None:
    text = write_yaml({"a": ["1e3", "0o17", "y", "N", "1:30", ".5e1", "off", "plain", "a\nb\n"]})
    assert [line for line in text.splitlines() if line.startswith("- ")] == [
        *(f"- '{word}'" for word in ("1e3", "0o17", "y", "N", "1:30", ".5e1", "off")),
        "- plain",
        "- |",
    ]


def refused(tmp_path: Path, text: str, **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        rendered(tmp_path, text, **env)
    return str(caught.value)


def test_files_of_a_directory_are_merged_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path / "b.yml", "services: [{name: b}]")
    write(tmp_path / "a.yaml", "services: [{name: a}]\nupstreams: [{name: u}]")
    write(tmp_path / "deep" / "c.yaml", "services: [{name: c}]")
    (tmp_path / "notes.txt").write_text("not yaml: [")
    document = render([tmp_path], {})
    assert [service["name"] for service in document["services"]] == ["a", "b", "c"]
    assert document["upstreams"] == [{"name": "u"}]
    assert document["_format_version"] == "3.0"


@pytest.mark.requirement("KIT-016")
def test_defaults_fill_only_what_an_entity_leaves_open_at_every_depth(tmp_path: Path) -> None:
    document = rendered(
        tmp_path,
        "_info: {defaults: {upstream: {slots: 10, healthchecks: {active: {type: http, timeout: 2}}},"
        " target: {weight: 7}, service: {port: 81}, route: {strip_path: true}}}\n"
        "upstreams: [{name: u, healthchecks: {active: {type: tcp}}, targets: [{target: 'a:1'}]}]\n"
        "services: [{name: s, port: 82, routes: [{name: r, strip_path: false}]}]\n"
        "routes: [{name: alone, strip_path: null}]\n",
    )
    assert document["upstreams"] == [
        {
            "name": "u",
            "slots": 10,
            "healthchecks": {"active": {"type": "tcp", "timeout": 2}},
            "targets": [{"target": "a:1", "weight": 7}],
        }
    ]
    assert document["services"] == [{"name": "s", "port": 82, "routes": [{"name": "r", "strip_path": False}]}]
    assert document["routes"] == [{"name": "alone", "strip_path": True}]


def test_entities_do_not_share_a_default(tmp_path: Path) -> None:
    document = rendered(tmp_path, "_info: {defaults: {route: {protocols: [http]}}}\nroutes: [{name: a}, {name: b}]\n")
    document["routes"][0]["protocols"].append("https")
    assert document["routes"][1]["protocols"] == ["http"]


def test_shared_plugin_settings_reach_plugins_wherever_they_hang(tmp_path: Path) -> None:
    document = rendered(
        tmp_path,
        "_plugin_configs: {k: {hide: true, nested: {a: 1, b: 2}}}\n"
        "plugins: [{name: p, _config: k}]\n"
        "services: [{name: s, plugins: [{name: p, _config: k}],"
        " routes: [{name: r, plugins: [{name: p, _config: k, config: {hide: false, nested: {a: 0}}}]}]}]\n"
        "consumers: [{username: c, plugins: [{name: p, _config: k}]}]\n",
    )
    whole = {"name": "p", "config": {"hide": True, "nested": {"a": 1, "b": 2}}}
    service = document["services"][0]
    assert document["plugins"] == service["plugins"] == document["consumers"][0]["plugins"] == [whole]
    assert service["routes"][0]["plugins"] == [{"name": "p", "config": {"hide": False, "nested": {"a": 0, "b": 2}}}]


def test_defaults_and_settings_in_one_file_serve_all_files(tmp_path: Path) -> None:
    late = write(tmp_path / "late.yaml", "_info: {defaults: {service: {port: 81}}}\n_plugin_configs: {k: {a: 1}}")
    early = write(tmp_path / "early.yaml", "services: [{name: s, plugins: [{name: p, _config: k}]}]")
    assert render([early, late], {})["services"] == [
        {"name": "s", "port": 81, "plugins": [{"name": "p", "config": {"a": 1}}]}
    ]


def test_environment_references_are_filled_in_but_not_in_comments(tmp_path: Path) -> None:
    document = rendered(
        tmp_path,
        '# ${{ env "DECK_UNSET" }}\nconsumers: [{username: \'${{ env "DECK_A" }}-${{env `DECK_A`}}\'}]\n',
        DECK_A="x",
    )
    assert document["consumers"] == [{"username": "x-x"}]


@pytest.mark.requirement("KIT-016")
def test_an_unset_variable_is_named_with_its_file_and_line(tmp_path: Path) -> None:
    message = refused(tmp_path, 'consumers:\n- username: ${{ env "DECK_KEY" }}\n')
    assert "one.yaml: line 3" in message
    assert "DECK_KEY is not set" in message


@pytest.mark.requirement("KIT-016")
def test_a_value_from_the_environment_is_never_in_a_message(tmp_path: Path) -> None:
    message = refused(tmp_path, 'consumers:\n- username: ${{ env "DECK_KEY" }}\n', DECK_KEY="[hunter2: {")
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('a: ${{ env "HOME" }}', "must begin with DECK_"),
        ('a: ${{ env "DECK_A" | toInt }}', "only ${{ env"),
        ("_info: {select_tags: x}", "_info.select_tags must be a list of tags"),
        ("_info: {lookup_tags: [x]}", "_info.lookup_tags"),
        ("_info: {defaults: {plugin: {}}}", "_info.defaults.plugin"),
        ("_info: [x]", "must be mappings"),
        ("_konnect: {}", "_konnect cannot be rendered here"),
        ("services: {name: a}", "services must be a list"),
        ("services: [{name: a}, {name: a}]", "two services are called a"),
        ("services: []\nservices: []", "services is written twice"),
        ("plugins: [{name: p, _config: k}]", "no _plugin_configs.k; there are: none"),
        ("services: [", "not valid YAML"),
    ],
)
def test_what_cannot_be_rendered_is_refused_with_what_to_do(text: str, says: str, tmp_path: Path) -> None:
    assert says in refused(tmp_path, text, DECK_A="1")


@pytest.mark.parametrize("version", ["", "_format_version: '1.1'\n", "_format_version: 3.0\n"])
def test_another_format_version_is_refused(version: str, tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(f"{version}services: []\n")
    with pytest.raises(ConfigError, match="_format_version must be"):
        render([path], {})


def test_settings_given_by_two_files_are_refused(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{name}.yaml", "_plugin_configs: {k: {a: 1}}") for name in "ab"]
    with pytest.raises(ConfigError, match=r"b\.yaml: _plugin_configs\.k was given by another file"):
        render(files, {})


def test_nothing_to_render_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name at least one"):
        render([], {})
    with pytest.raises(ConfigError, match="no such file"):
        render([tmp_path / "absent.yaml"], {})
    with pytest.raises(ConfigError, match=r"no \.yaml"):
        render([tmp_path], {})


@given(st.text())
def test_text_without_an_expression_stays_as_it_is(text: str) -> None:
    if "${{" not in text:
        assert expand(text, {}) == text


def test_rendering_twice_changes_nothing(tmp_path: Path) -> None:
    first = rendered(tmp_path, "_info: {defaults: {service: {port: 81}}}\nservices: [{name: s}]\n")
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(first))
    assert render([again], {}) == first
