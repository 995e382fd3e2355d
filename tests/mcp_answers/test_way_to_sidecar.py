"""What mcp-answers does with a question to the sidecar: it opens the way, keeps the record, and judges nothing."""

from __future__ import annotations

import json

import pytest
from lupa.luajit21 import LuaRuntime

from mcp_answers.again_hand import LUA
from mcp_core.decide import Admitted
from mcp_core.methods import Era, Lane
from mcp_core.question import Question
from mcp_core.record import Record, of_decision
from mcp_kong import answers

pytestmark = pytest.mark.requirement("FAST-015")
PATH = "/inspect/notes"
HEADERS = {"mcp-method": "tools/list", "cookie": None, "mcp-gateway-context": "2.a.b.c"}
TOLD = of_decision(
    Admitted(Lane.INSPECT, Era.LEGACY, "2025-11-25", "tools/list", None, 7, Question(Era.LEGACY, "2025-11-25")),
    "notes",
    "ann",
    trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)
KONG = b"""
return function(said, knows, plugins)
  local seen = { headers = {}, log = {}, kept = 0 }
  kong = {
    ctx = { shared = { mcp_question = said } },
    log = {
      err = function(...) seen.problem = table.concat({...}) end,
      set_serialize_value = function(key, value) seen.log[key] = value end,
    },
    service = {
      set_upstream = function(name)
        if not knows then return nil, "no upstream " .. name end
        seen.upstream = name
        return true
      end,
      request = {
        set_scheme = function(scheme) seen.scheme = scheme end,
        set_path = function(path) seen.path = path end,
      },
    },
    response = { exit = function(status, body, headers) seen.status, seen.body, seen.told = status, body, headers end },
  }
  ngx = {
    req = {
      set_header = function(name, value) seen.headers[name] = value end,
      clear_header = function(name) seen.headers[name] = false end,
      set_uri_args = function() seen.query = true end,
    },
    var = {}, ctx = { plugins = { log = plugins } },
  }
  package.loaded["kong.plugins.mcp-answers.asked"] = { keep = function() seen.kept = seen.kept + 1 end }
  package.loaded["kong.plugins.mcp-answers.collector"] = {
    tell = function(_, record) seen.collected = record or false end,
  }
  return seen
end
"""


def plain(value):
    """Return a value of Lua's as JSON has it."""
    if isinstance(value, bytes):
        return value.decode()
    return {plain(k): plain(v) for k, v in value.items()} if hasattr(value, "items") else value


class Answers:
    """mcp-answers, handler and record as they are, for one request with a question in its context."""

    def __init__(self, said, *, knows=True, logs=("mcp-answers", "file-log")):
        self._lua = lua = LuaRuntime(encoding=None, unpack_returned_tuples=True)
        run = self._table([part for name in logs for part in ({"name": name}, {})])
        run[0] = 2 * len(logs)
        self.seen = lua.execute(KONG)(said.encode(), knows, run)
        loaded = lua.globals()[b"package"][b"loaded"]
        loaded[b"cjson.safe"] = lua.table_from(
            {b"decode": lambda text: self._table(json.loads(text)), b"encode": _encode}
        )
        for name in (b"bodies", b"own", b"cuts"):
            loaded[b"kong.plugins.mcp-answers." + name] = lua.table()
        for name in ("law", "record"):
            source = (LUA / f"kong/plugins/mcp-answers/{name}.lua").read_bytes()
            loaded[f"kong.plugins.mcp-answers.{name}".encode()] = lua.execute(source)
        self._answers = lua.execute((LUA / "kong/plugins/mcp-answers/handler.lua").read_bytes())
        self._answers[b"access"](self._answers)

    def _table(self, value):
        if isinstance(value, dict):
            return self._lua.table_from({name.encode(): self._table(one) for name, one in value.items()})
        if isinstance(value, list):
            return self._lua.table_from([self._table(one) for one in value])
        return value.encode() if isinstance(value, str) else value

    def end(self, **conf):
        """Run the log phase; return itself."""
        self._answers[b"log"](self._answers, self._table(conf))
        return self

    def __getattr__(self, name):
        return plain(self.seen[name.encode()])

    @property
    def question(self):
        """The question to which the answer is held, or None."""
        return self._lua.globals()[b"ngx"][b"ctx"][b"mcp_question"]


def _encode(value):
    return json.dumps(plain(value)).encode()


def to_sidecar(told=TOLD, id_=7, **headers):
    return answers.to_sidecar("mcp-sidecar", PATH, headers | HEADERS, told, id_)


def test_the_way_is_opened_as_the_question_says():
    done = Answers(to_sidecar())
    assert (done.upstream, done.scheme, done.path, done.status) == ("mcp-sidecar", "http", PATH, None)
    assert done.headers == HEADERS | {"cookie": False}


@pytest.mark.requirement("FAST-016")
def test_nothing_of_its_answer_is_judged_nor_its_question_kept_nor_its_query_changed():
    done = Answers(to_sidecar())
    assert (done.question, done.kept, done.query) == (None, 0, None)
    assert "Accept-Encoding" not in done.headers


def test_the_signed_word_stays_out_of_kongs_records_from_the_start():
    assert Answers(to_sidecar()).log == {"request.headers.mcp-gateway-context": "REDACTED"}


@pytest.mark.parametrize("logs", [("mcp-answers", "file-log"), ("zipkin", "mcp-answers")])
def test_its_record_is_written_for_log_plugins(logs):
    assert Answers(to_sidecar(), logs=logs).end().log["mcp"] == TOLD.to_json()


def test_its_record_is_told_to_the_collector():
    done = Answers(to_sidecar(), logs=("mcp-answers",)).end(collector={})
    assert (done.collected, done.log["mcp"]) == (TOLD.to_json(), TOLD.to_json())


def test_where_nobody_reads_it_no_record_is_written():
    assert "mcp" not in Answers(to_sidecar(), logs=("mcp-answers",)).end().log


def test_what_the_guard_has_told_is_not_told_again():
    done = Answers(to_sidecar(None)).end(collector={})
    assert ("mcp" in done.log, done.collected) == (False, False)


@pytest.mark.parametrize("id_", [7, "a", None])
def test_a_sidecar_that_kong_does_not_know_is_a_refusal_that_says_what_to_do(id_):
    done = Answers(to_sidecar(id_=id_), knows=False)
    error = json.loads(done.body)
    assert (done.status, error["error"]["code"], error.get("id")) == (503, -32603, id_)
    assert "add its upstream to the configuration" in error["error"]["message"]
    assert (done.upstream, done.path, done.headers) == (None, None, {"cookie": False})
    assert done.told == {"Content-Type": "application/json"}
    refused = Record.from_json(done.end().log["mcp"])
    assert (refused.outcome, refused.reason, refused.refused.detail) == ("refused", "upstream-missing", "mcp-sidecar")
    assert (refused.server, refused.principal, refused.trace) == ("notes", "ann", TOLD.trace)


def test_on_its_own_way_to_a_member_the_sidecar_is_told_that_no_server_said_so():
    done = Answers(to_sidecar(**{"mcp-gateway-acting": None}), knows=False)
    assert done.told["mcp-gateway-refused"] == "-32603 upstream-missing"
