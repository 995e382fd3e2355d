"""The schemas for a control plane without a plugin server: a real Kong reads them, and holds configurations to them."""

import shutil
import subprocess

import pytest
from click.testing import CliRunner

from deck.support import ENV, FILES
from kong_devkit.render import render
from kong_devkit.render_text import write_yaml
from kong_mcp.cli import main
from kong_mcp.konnect import schema_lua

pytestmark = pytest.mark.requirement("SHIP-006")
HANDLER = 'return {{ PRIORITY = 940, VERSION = "0", {} = function() end }}\n'


@pytest.mark.parametrize("value", [b"x", {1}, None, object(), {"a": [None]}])
def test_what_is_no_value_of_a_schema_is_refused(value):
    with pytest.raises(TypeError):
        schema_lua({"value": value})


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ('a"b\\c\n', r'"a\"b\\c\n"'),
        ({"end": 1, "a-b": True}, '{\n    ["end"] = 1,\n    ["a-b"] = true,\n  }'),
        ([], "{}"),
        ("]] .. os.exit() --", '"]] .. os.exit() --"'),
    ],
)
def test_text_stays_text_and_names_stay_names(value, wanted):
    assert f"value = {wanted}," in schema_lua({"value": value})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Kong that has the guard as a schema alone: no plugin server, and a handler that does nothing."""
    folder = tmp_path_factory.mktemp("konnect")
    assert CliRunner().invoke(main, ["unpack", str(folder / "kong-mcp")]).exit_code == 0
    plugins = folder / "lua/kong/plugins"
    shutil.copytree(folder / "kong-mcp/plugins/lua", folder / "lua")
    shutil.copytree(folder / "kong-mcp/konnect/mcp-guard", plugins / "mcp-guard")
    (plugins / "mcp-guard/handler.lua").write_text(HANDLER.format("access"))
    (folder / "kong.conf").write_text(
        f"prefix = {folder}/prefix\ndatabase = off\nplugins = bundled,mcp-guard,mcp-internal,mcp-answers\n"
        f"lua_package_path = {folder}/lua/?.lua;;\n"
    )
    return folder


def parse(folder, state):
    path = folder / "state.yaml"
    path.write_text(state)
    command = ["kong", "config", "parse", path, "-c", folder / "kong.conf"]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture(scope="module")
def state():
    return write_yaml(render(FILES, ENV))


needs_kong = pytest.mark.skipif(not shutil.which("kong"), reason="there is no kong on the PATH")


@needs_kong
def test_a_real_kong_takes_what_server_files_render_to_by_these_schemas(folder, state):
    done = parse(folder, state)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_kong
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("server: files", "server: Files and more", "invalid value: Files and more"),
        ("server: files", "sever: files", "unknown field"),
    ],
)
def test_a_real_kong_refuses_by_these_schemas_what_the_guard_would(folder, state, old, new, said):
    assert old in state
    done = parse(folder, state.replace(old, new, 1))
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
