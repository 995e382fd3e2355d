"""A body is read in place only where nginx keeps no older one under the same name."""

import pytest
from lupa.luajit21 import LuaRuntime

from mcp_answers.again_hand import LUA

pytestmark = pytest.mark.requirement("FAST-013")
PLAIN = {
    "nginx.conf": "pid x;\ninclude 'nginx-inject.conf';\nhttp {\n  include 'nginx-kong.conf';\n}\n",
    "nginx-inject.conf": "",
    "nginx-kong.conf": "include 'nginx-kong-inject.conf';\nclient_body_buffer_size 8k;\n",
    "nginx-kong-inject.conf": "",
}


def is_left_alone(files):
    """Return what bodies.lua says of nginx's configuration in these files."""
    lua = LuaRuntime()
    lua.execute("ngx = {}")
    bodies = lua.execute((LUA / "kong/plugins/mcp-answers/bodies.lua").read_text())
    return bodies["is_left_alone"](files.get)


def test_kongs_own_configuration_is_fine():
    assert is_left_alone(PLAIN) is True
    more = "log_format x '$request_body_file $request_length';"
    assert is_left_alone(PLAIN | {"nginx-kong-inject.conf": more}) is True


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nginx-kong-inject.conf", "log_format x '$request_body $status';"),
        ("nginx-kong-inject.conf", "log_format x '${request_body}';"),
        ("nginx-kong-inject.conf", "lua_kong_load_var_index $request_body;"),
        ("nginx-inject.conf", "include /etc/more.conf;"),
        ("nginx.conf", PLAIN["nginx.conf"] + 'http { include "*.conf"; }'),
        ("nginx-kong.conf", None),
    ],
)
def test_where_it_may_be_remembered_bodies_are_texts(name, text):
    assert is_left_alone(PLAIN | {name: text}) is False
