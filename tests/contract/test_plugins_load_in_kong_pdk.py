"""Our plugin files are plain kong-pdk plugins: kong-pdk's own server loads each, with the same word on it as ours."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from kong_pluginserver import loader
from mcp_kong.answers import REQUEST

PLUGINS = Path(__file__).parents[2] / "plugins"
FILES = sorted(path.stem for path in PLUGINS.glob("*.py") if path.name[0] != "_")


@pytest.fixture(scope="module")
def theirs():
    """What kong-pdk's server says of every file that it could load, in a process of its own: it patches libraries."""
    command = [sys.executable, "-c", "from kong_pdk.cli import start_server; start_server()"]
    arguments = ["--plugins-directory", str(PLUGINS), "--no-lua-style", "--dump-all-plugins"]
    ended = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=True)
    return {info["Name"]: info for info in json.loads(ended.stdout)}


def test_there_are_plugin_files():
    assert FILES


@pytest.mark.parametrize("name", FILES)
def test_kong_pdks_server_loads_the_file_and_says_the_same_of_it(theirs, name):
    assert name in theirs, "kong-pdk only warns of a file that it cannot load"
    told, ours = theirs[name], json.loads(loader.dump([loader.load(PLUGINS / f"{name}.py")]))["Plugins"][0]
    assert sorted(told.pop("Phases")) == sorted(ours.pop("Phases"))
    # Ours says more: which protocols the plugin is for, and which description this is.
    fields = ours["Schema"]["fields"][1]["config"]["fields"]
    assert next(iter(fields.pop())).startswith("described_")
    ours["Schema"]["fields"] = [{"config": {"type": "record", "fields": fields}}]
    assert told == ours


def test_the_guard_s_reads_run_ahead_and_its_upstream_is_taken_for_granted():
    # Because of these the plugin server waits for Kong less often than a plugin that asks line by line.
    guard = runpy.run_path(str(PLUGINS / "mcp-guard.py"))
    assert guard["prefetch"] == {"access": (("kong.ctx.shared.get", REQUEST),)}
    assert guard["unawaited"] == ("kong.service.set_upstream",)
