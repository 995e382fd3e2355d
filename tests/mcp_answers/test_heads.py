"""Which headers of an answer pass: what Kong's own plugins wrote, and nothing that the server chose."""

from __future__ import annotations

from pathlib import Path

import pytest
from lupa.luajit21 import LuaRuntime

HANDLER = Path(__file__).parents[2] / "plugins/lua/kong/plugins/mcp-answers/handler.lua"
KONG = b"""
return function(headers, servers, plugins)
  kong = {
    ctx = { shared = {} },
    response = { get_source = function() return "service" end },
    router = { get_route = function() end },
  }
  local var = { upstream_http_content_type = "application/json" }
  for name, value in pairs(servers) do var["upstream_http_" .. name:gsub("-", "_")] = value end
  ngx = {
    status = 200, var = var, header = headers,
    ctx = { mcp_question = { id = 1, upstream = "notes" }, plugins = plugins and { header_filter = plugins } },
    resp = { get_headers = function()
      local copy = {}
      for name, value in pairs(headers) do copy[name] = value end
      return copy
    end },
  }
end
"""
PAGES = {
    "access-control-allow-origin": "*",
    "access-control-allow-credentials": "true",
    "access-control-expose-headers": "mcp-session-id",
    "vary": "Origin",
}
"""What servers that let pages in say, and Kong's cors plugin too."""


def passing(written, servers, plugins):
    """Return the headers that are left of those that are written, some by the server, after plugins of Kong ran."""
    lua = LuaRuntime(unpack_returned_tuples=True)

    def table(values):
        return lua.table_from({name: value for name, value in values.items() if value is not None})

    headers, run = table(written), None
    if plugins is not None:
        run = lua.table_from([part for name, conf in plugins for part in (table({"name": name}), conf(lua))])
        run[0] = 2 * len(plugins)
    lua.execute(KONG)(headers, table(servers), run)
    loaded = lua.globals()["package"]["loaded"]
    empty = lua.execute("return function() return {} end")
    loaded["cjson.safe"] = lua.table()
    for name in ("asked", "bodies", "law", "own", "cuts", "collector", "record"):
        loaded["kong.plugins.mcp-answers." + name] = lua.table_from(
            {"remember": lambda of: of, "body": empty, "hold": lambda _marks: False}
        )
    answers = lua.execute(HANDLER.read_text())
    answers["header_filter"](answers, lua.table_from({"max_answer": 1024}))
    return {name: headers[name] for name in headers if name.islower()}


def cors(credentials=None, exposed=None):
    def conf(lua):
        headers = None if exposed is None else lua.table_from(exposed)
        known = {"credentials": credentials, "exposed_headers": headers}
        return lua.table_from({name: value for name, value in known.items() if value is not None})

    return ("cors", conf)


OTHER = ("correlation-id", lambda lua: lua.table())


@pytest.mark.requirement("HTTP-045")
@pytest.mark.parametrize("before", [[], [OTHER]])
def test_what_kongs_cors_plugin_wrote_passes_also_where_the_server_wrote_the_same(before):
    ran = [*before, cors(credentials=True, exposed=["mcp-session-id"])]
    assert passing(PAGES, PAGES, ran) == PAGES


@pytest.mark.requirement("HTTP-045")
@pytest.mark.parametrize("ran", [None, [], [OTHER]])
def test_what_the_server_alone_wrote_does_not(ran):
    assert passing(PAGES, PAGES, ran) == {}


@pytest.mark.requirement("HTTP-045")
@pytest.mark.parametrize("ran", [cors(), cors(credentials=False, exposed=[])])
def test_what_the_plugin_is_not_to_write_is_the_servers(ran):
    kept = {name: PAGES[name] for name in ("access-control-allow-origin", "vary")}
    assert passing(PAGES, PAGES, [ran]) == kept
