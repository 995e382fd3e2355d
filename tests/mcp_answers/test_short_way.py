"""Whatever the plugin server answers to mcp-guard's one frame, or leaves: a request goes on by a verdict alone."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from lupa.luajit21 import LuaRuntime

HANDLER = Path(__file__).parents[2] / "plugins/lua/short/kong/plugins/mcp-guard/handler.lua"
OPENS = [["kong.ctx.shared.set", "mcp_question", "Q"], ["kong.service.set_upstream", "replicas"]]
KONG = b"""
return function(script, headers, body_file, used)
  local seen = { did = {}, frames = {}, sockets = 0, starts = 0, long = 0 }
  local function doing(name) return function(...) seen.did[#seen.did + 1] = name return true end end
  local shared = setmetatable({}, {
    __index = function(_, key) if key == "mcp_request_1" or key == "mcp_request_3" then return headers end end,
    __newindex = function(_, key, value) seen.did[#seen.did + 1] = key .. "=" .. value end,
  })
  kong = {
    ctx = { shared = shared },
    log = { err = function(...) seen.problem = table.concat({...}) end, set_serialize_value = doing("log") },
    service = { set_upstream = doing("upstream"), request = { set_headers = doing("headers") } },
    response = {
      exit = function(status, body) seen.status, seen.body = status, body end,
      error = function(status) seen.status = status end,
    },
  }
  local function socket()
    seen.sockets = seen.sockets + 1
    local turn = script(seen.sockets)
    return {
      settimeouts = function() end,
      connect = function() if turn.refused then return nil, "connection refused" end return 1 end,
      getreusedtimes = function() return turn.kept and 1 or 0 end,
      send = function(_, frame)
        frame = table.concat(frame)
        seen.frames[#seen.frames + 1] = frame
        if turn.unsent then return nil, "closed" end
        turn.data = turn.answer(frame)
        return #frame
      end,
      receive = function(_, size)
        if #turn.data < size then return nil, turn.ending end
        local piece = turn.data:sub(1, size)
        turn.data = turn.data:sub(size + 1)
        return piece
      end,
      setkeepalive = function() seen.kept = (seen.kept or 0) + 1 end,
      close = function() seen.closed = (seen.closed or 0) + 1 end,
    }
  end
  ngx = { socket = { tcp = socket }, var = {}, now = os.time,
    req = { get_body_file = function() return body_file end } }
  package.loaded["kong.runloop.plugin_servers"] = { load_plugin = function()
    return true, {
      PRIORITY = 940, server_def = { socket = "/s" }, access = function() seen.long = seen.long + 1 end,
      instance_callbacks = {
        get_instance_id = function() seen.starts = seen.starts + 1 return 4711 end, reset_instance = function() end,
      },
    }
  end }
  package.loaded["lua_pack"] = {
    pack = pack, unpack = function(text) return 5, unpack_number(text) end,
  }
  package.loaded["kong.plugins.mcp-answers.asked"] = {
    ASKED_KEY = "mcp_request_5",
    used_again = function() return used end, forget = function() seen.forgot = true end,
    body = function() if body_file then return nil, "in a file" end return "{}" end,
    told = function() return { "POST", "/notes/mcp", "", "127.0.0.1", "", "null", "null" } end,
  }
  package.loaded["cjson.safe"] = { decode = decode, encode = encode, null = false }
  return seen
end
"""


def pack(form, *values):
    """Pack as lua_pack does: I is a number of four bytes, A a text as it is."""
    assert len(form) == len(values)
    return b"".join(struct.pack("=I", one) if kind == ord("I") else one for kind, one in zip(form, values, strict=True))


class Turn:
    """What one connection does: `answer` makes bytes of a sequence number."""

    def __init__(self, answer, *, ending="closed", **more):
        self.answer, self.ending, self.more = answer, ending, more


def verdict(**said):
    """Return the answer with a verdict."""

    def answer(sequence):
        text = json.dumps({"format": 1, "sequence": sequence, **said}).encode()
        return struct.pack("=I", len(text)) + text

    return answer


def run(*turns, headers="{}", body_file=None, used=None):
    """Run the access phase against connections that do so, one after the other; return what was seen."""
    lua = LuaRuntime(encoding=None, unpack_returned_tuples=True)

    def table(value):
        if isinstance(value, dict):
            return lua.table_from({name.encode(): table(one) for name, one in value.items()})
        if isinstance(value, list):
            return lua.table_from([table(one) for one in value])
        return value.encode() if isinstance(value, str) else value

    def decode(text):
        try:
            return table(json.loads(text))
        except ValueError:
            return None

    def answering(turn):
        # Behind its size and the mark of the frame, what comes first is the sequence number.
        return lambda frame: turn.answer(struct.unpack_from("=I", frame, 8)[0])

    def script(number):
        turn = turns[number - 1]
        return lua.table_from(
            {
                b"answer": answering(turn),
                b"ending": turn.ending.encode(),
                **{k.encode(): v for k, v in turn.more.items()},
            }
        )

    names = lua.globals()
    names[b"decode"], names[b"encode"] = decode, lambda _: b"null"
    names[b"pack"], names[b"unpack_number"] = pack, lambda text: struct.unpack("=I", text)[0]
    seen = lua.execute(KONG)(script, headers and headers.encode(), body_file and body_file.encode(), used)
    guard = lua.execute(HANDLER.read_bytes())
    guard[b"access"](guard, lua.table_from({}))
    return seen


def did(seen):
    return list(seen[b"did"].values())


@pytest.mark.requirement("FAST-004")
def test_a_verdict_is_carried_out_and_its_connection_kept():
    seen = run(Turn(verdict(do=OPENS)))
    assert (did(seen), seen[b"status"], seen[b"kept"]) == ([b"mcp_question=Q", b"upstream"], None, 1)


@pytest.mark.requirement("FAST-004")
def test_an_answer_ends_the_request_after_its_changes():
    seen = run(Turn(verdict(do=[["kong.log.set_serialize_value", "mcp", {}]], exit=[403, "no", {"A": "b"}])))
    assert (did(seen), seen[b"status"], seen[b"body"]) == ([b"log"], 403, b"no")


@pytest.mark.requirement("FAST-003")
def test_what_the_frame_does_not_hold_and_all_without_mcp_answers_takes_kongs_own_way():
    for seen in (run(Turn(verdict(ask="long"))), run(headers=None)):
        assert (did(seen), seen[b"long"], seen[b"status"]) == ([], 1, None)


@pytest.mark.requirement("FAST-004")
def test_a_body_in_a_file_is_named():
    seen = run(Turn(verdict(do=OPENS)), body_file="/tmp/body-1")
    assert seen[b"frames"][1].endswith(struct.pack("=I", 11) + b"POST/notes/mcp127.0.0.1nullnull{}/tmp/body-1")
    assert b"mcp_request_5\nf" in seen[b"frames"][1]


def whole(text, size=None):
    return lambda _sequence: struct.pack("=I", len(text) if size is None else size) + text


NOTHING = {
    "nobody listens": [Turn(None, refused=True)],
    "it closes": [Turn(lambda _: b"")],
    "it is frozen": [Turn(lambda _: b"", ending="timeout")],
    "it is frozen on a kept connection": [Turn(lambda _: b"", ending="timeout", kept=True)],
    "it closes twice": [Turn(lambda _: b"", kept=True), Turn(lambda _: b"")],
    "two kept ones close": [Turn(None, unsent=True, kept=True), Turn(None, unsent=True, kept=True)],
    "half a length": [Turn(lambda _: b"\x10\x00")],
    "half a frame": [Turn(whole(b'{"format":1', 400))],
    "half a frame, frozen": [Turn(whole(b'{"format":1', 400), ending="timeout")],
    "half a frame on a kept connection": [Turn(whole(b'{"format":1', 400), kept=True)],
    "a frame without end": [Turn(whole(b"x", 0xFFFFFFFF))],
    "an empty frame": [Turn(whole(b""))],
    "no JSON": [Turn(whole(b"\x00\xff garbage"))],
    "JSON that is no verdict": [Turn(whole(b"[1]"))],
    "a string": [Turn(whole(b'"do"'))],
    "a call of Kong's own": [Turn(whole(b"kong.response.exit"))],
    "another's answer": [Turn(lambda sequence: verdict(do=OPENS)(sequence + 1))],
    "no number": [Turn(whole(json.dumps({"format": 1, "do": OPENS}).encode()))],
    "another format": [Turn(verdict(do=OPENS, format=2))],
    "a format in text": [Turn(verdict(do=OPENS, format="1"))],
    "no steps": [Turn(verdict())],
    "no list": [Turn(verdict(do="x"))],
    "steps that are none": [Turn(verdict(do=["kong.service.set_upstream"]))],
    "a step that nobody knows": [Turn(verdict(do=[*OPENS, ["kong.service.set_target", "127.0.0.1", 1]]))],
    "a step without a name": [Turn(verdict(do=[*OPENS, [1]]))],
    "an answer that is none": [Turn(verdict(do=OPENS, exit="no"))],
    "an answer without a status": [Turn(verdict(do=OPENS, exit=["200", "", {}]))],
    "a word that nobody knows": [Turn(verdict(do=OPENS, ask="later"))],
    "an instance that is always unknown": [Turn(verdict(ask="start")), Turn(verdict(ask="start"))],
}


@pytest.mark.requirement("FAST-004")
@pytest.mark.parametrize("name", NOTHING)
def test_without_a_verdict_nothing_is_done_and_the_request_ends(name):
    seen = run(*NOTHING[name])
    assert (did(seen), seen[b"status"], seen[b"long"], seen[b"sockets"]) == ([], 500, 0, len(NOTHING[name]))
    assert b"the request goes no further" in seen[b"problem"]


@pytest.mark.requirement("FAST-004")
@pytest.mark.parametrize("first", [Turn(lambda _: b"", kept=True), Turn(None, unsent=True, kept=True)])
def test_a_connection_that_was_kept_too_long_costs_nobody_an_answer(first):
    seen = run(first, Turn(verdict(do=OPENS)))
    assert (did(seen)[-1], seen[b"status"], seen[b"closed"]) == (b"upstream", None, 1)


@pytest.mark.requirement("FAST-004")
def test_an_instance_that_is_unknown_is_started_once_more():
    seen = run(Turn(verdict(ask="start")), Turn(verdict(do=OPENS)))
    assert (did(seen)[-1], seen[b"starts"]) == (b"upstream", 2)


@pytest.mark.requirement("FAST-010")
@pytest.mark.parametrize(
    ("steps", "forgot"),
    [
        ([["kong.ctx.shared.set", "mcp_question", "Q"]], None),
        (OPENS, True),
        ([["kong.ctx.shared.set", "mcp_question", "Q"], ["kong.log.set_serialize_value", "mcp", "x"]], True),
        ([], True),
    ],
    ids=str,
)
def test_a_verdict_that_does_more_than_ask_is_for_one_call(steps, forgot):
    assert run(Turn(verdict(do=steps)))[b"forgot"] is forgot


@pytest.mark.requirement("FAST-010")
def test_what_is_used_again_is_not_asked():
    seen = run(used=b"Q")
    assert (did(seen), seen[b"sockets"]) == ([b"mcp_question=Q"], 0)
