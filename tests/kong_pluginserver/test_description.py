"""Kong goes by the description of a plugin that it read when it started: one that is not the server's opens nothing."""

from __future__ import annotations

import json
import subprocess

import pytest
from kongside import BIN, described

FIELD = '{"do": {"type": "string", "default": "a", "description": "What it does to a request."}}'
PLUGIN = f"""version = "1.0.0"
priority = 940
Schema = [{FIELD}]


class Plugin:
    def __init__(self, config): ...
    def access(self, kong): ...
"""
OTHERS = {
    "of another priority": PLUGIN.replace("940", "1300"),
    "of more phases": PLUGIN + "    def log(self, kong): ...\n",
    "of other phases": PLUGIN.replace("access", "rewrite"),
    "of another default": PLUGIN.replace('"a"', '"b"'),
    "of a field more": PLUGIN.replace(FIELD, f"{FIELD}, {FIELD.replace('do', 'deny')}"),
    "of a field less": PLUGIN.replace(FIELD, ""),
    "of another type": PLUGIN.replace('"string", "default": "a"', '"integer", "default": 1'),
    "whose field is called description": PLUGIN.replace('"do"', '"description"'),
}
SAME = {
    "in other words": PLUGIN.replace("What it does", "How it is done"),
    "of another version": PLUGIN.replace("1.0.0", "1.1.0"),
    "with other code": PLUGIN.replace("...", "pass"),
}


def dumped(folder, source):
    folder.mkdir()
    (folder / "guard.py").write_text(source)
    return described(folder, "guard")


@pytest.fixture
def server(serve):
    return serve({"guard.py": PLUGIN}, "--workers", "1")


@pytest.mark.requirement("SRV-040")
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_an_instance_that_another_description_filled_in_is_not_started(server, tmp_path, other):
    strange = dumped(tmp_path / "other", other)
    assert strange
    with server.link() as link:
        assert link.start_with("guard", {"do": "a", **strange}) is None
    with server.link() as link:
        assert link.event(link.start("guard")).kind == "passed"


@pytest.mark.requirement("SRV-040")
@pytest.mark.parametrize("same", SAME.values(), ids=SAME)
def test_a_release_that_means_the_same_needs_no_new_dump(server, tmp_path, same):
    with server.link() as link:
        assert link.start_with("guard", dumped(tmp_path / "other", same)) is not None


@pytest.mark.requirement("SRV-040")
@pytest.mark.parametrize("values", [{}, [], None, "described", 1])
def test_a_configuration_without_the_mark_is_not_started(server, values):
    with server.link() as link:
        assert link.start_with("guard", values) is None


@pytest.mark.requirement("SRV-040")
@pytest.mark.parametrize("value", [False, None, "true", 1, {}])
def test_a_mark_that_kong_did_not_fill_in_is_none(server, value):
    mark = next(iter(described(server.plugins, "guard")))
    with server.link() as link:
        assert link.start_with("guard", {mark: value}) is None


@pytest.mark.requirement("SRV-040")
def test_the_log_says_once_what_is_wrong_and_what_to_do(server):
    for number in range(3):
        with server.link() as link:
            assert link.start_with("guard", {"do": f"secret-{number}"}) is None
    (line,) = server.logged("instance_not_started")
    assert (line["plugin"], line["error"]) == ("guard", "StrangeDescriptionError")
    assert "mcp-pluginserver --dump guard" in line["message"]
    assert "restart Kong" in line["message"]
    assert "secret" not in server.log.read_text()


@pytest.mark.requirement("SRV-041")
def test_the_dump_knows_the_protocols_as_kong_s_own_plugins_do(server):
    dump = subprocess.run([BIN, "--plugins", server.plugins, "--dump", "guard"], capture_output=True, check=True).stdout
    protocols, config = json.loads(dump)["Plugins"][0]["Schema"]["fields"]
    assert protocols["protocols"]["type"] == "set"
    assert protocols["protocols"]["default"] == ["grpc", "grpcs", "http", "https"]
    assert config["config"]["required"] is True
