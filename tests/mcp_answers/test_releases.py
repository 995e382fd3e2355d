"""What a guard of another release leaves for mcp-answers is taken as it is meant, or the service stays closed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lupa.luajit21 import LuaRuntime

ROOT = Path(__file__).parents[2]
HANDLER = ROOT / "plugins/lua/kong/plugins/mcp-answers/handler.lua"
OLD = json.loads((ROOT / "tests/releases/format_1.json").read_text())["question"]
KONG = b"""
return function(said)
  local seen = { headers = {} }
  kong = {
    ctx = { shared = { mcp_question = said } },
    log = { err = function(...) seen.problem = table.concat({...}) end },
    service = { set_upstream = function(name) seen.upstream = name return true end },
    router = { get_service = function() return { path = "/mcp" } end },
  }
  ngx = {
    req = {
      set_header = function(name, value) seen.headers[name] = value end,
      clear_header = function(name) seen.headers[name] = false end,
      set_uri_args = function() end,
    },
    var = { upstream_uri = "/mcp" },
    ctx = {},
  }
  return seen
end
"""


def asked(said):
    """Return what mcp-answers does with a question: what it opens, sets and complains of."""
    lua = LuaRuntime(encoding=None, unpack_returned_tuples=True)

    def table(value):
        if isinstance(value, dict):
            return lua.table_from({name.encode(): table(one) for name, one in value.items()})
        if isinstance(value, list):
            return lua.table_from([table(one) for one in value])
        return value.encode() if isinstance(value, str) else value

    seen = lua.execute(KONG)(said.encode())
    loaded = lua.globals()[b"package"][b"loaded"]
    loaded[b"cjson.safe"] = lua.table_from({b"decode": lambda text: table(json.loads(text))})
    for name in (b"asked", b"bodies", b"law", b"own", b"cuts", b"collector", b"record"):
        loaded[b"kong.plugins.mcp-answers." + name] = lua.table_from(
            {b"remember": lambda of: of, b"keep": lambda _said: None}
        )
    answers = lua.execute(HANDLER.read_bytes())
    answers[b"access"](answers)
    return seen


@pytest.mark.requirement("SEAL-010")
def test_a_question_of_the_last_release_is_taken():
    seen = asked(OLD)
    assert (seen[b"upstream"], seen[b"problem"]) == (b"notes", None)
    assert seen[b"headers"][b"mcp-method"] == b"tools/call"
    assert seen[b"headers"][b"cookie"] is False


@pytest.mark.requirement("SEAL-010")
@pytest.mark.parametrize("more", [{"budget": 9}, {"budget": 9, "crit": ["upstream", "headers"]}, {"crit": []}])
def test_a_question_that_says_more_is_taken(more):
    assert asked(json.dumps(json.loads(OLD) | more))[b"upstream"] == b"notes"


@pytest.mark.requirement("SEAL-010")
@pytest.mark.parametrize(
    "more",
    [
        {"format": "2"},
        {"format": None},
        {"format": 1},
        {"budget": 9, "crit": ["budget"]},
        {"budget": 9, "crit": ["upstream", "budget"]},
        *({"crit": odd} for odd in ("upstream", 7, {"upstream": True}, [7], [["upstream"]])),
    ],
)
def test_a_question_that_this_release_cannot_take_leaves_the_service_closed_and_says_why(more):
    seen = asked(json.dumps(json.loads(OLD) | more))
    assert seen[b"upstream"] is None
    assert b"of one release" in seen[b"problem"]
