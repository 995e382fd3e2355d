"""mcp-answers reads the list of who was cut off as guards do: sealed in Python, read in Lua."""

import base64
import hmac
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lupa.luajit21 import LuaRuntime

from mcp_core.auth.revoked import FILE, Revocable, Revoked, Word, digest_of, marks_of, to_values
from mcp_core.principal import TOKEN, Principal

LUA = Path(__file__).parents[2] / "plugins/lua/kong/plugins/mcp-answers"
NOW = 1_800_000_000
BOB = Principal(TOKEN, "bob", "https://idp.example", client="agent-1")
KONG = b"""
return function(now, getenv)
  local seen = { problems = {}, timers = {} }
  os.getenv = getenv
  local function tell(...) seen.problems[#seen.problems + 1] = table.concat({...}) end
  kong = { log = { err = tell, warn = tell } }
  ngx = { time = function() return now end, decode_base64 = decode_base64,
    timer = { every = function(_, work) seen.timers[#seen.timers + 1] = work return true end } }
  return seen
end
"""


class Worker:
    """One worker of Kong with cuts.lua in it, on a node whose list is at `path`."""

    def __init__(self, path, ring):
        self._lua = LuaRuntime(encoding=None, unpack_returned_tuples=True)
        lua, loaded = self._lua, self._lua.globals()[b"package"][b"loaded"]
        environment = {b"KONG_MCP_REVOKED": str(path).encode(), b"KONG_MCP_KEYS": ring}
        lua.globals()[b"decode_base64"] = base64.b64decode
        self._seen = lua.execute(KONG)(NOW, environment.get)
        loaded[b"ngx.base64"] = lua.table_from({b"encode_base64url": encoded})
        lua.globals()[b"digest"] = lambda key, text: hmac.digest(key, text, "sha256")
        signer = b"return { new = function(key) return { final = function(_, text) return digest(key, text) end } end }"
        loaded[b"resty.openssl.hmac"] = lua.execute(signer)
        for name in ("ring", "unpack", "cuts"):
            loaded[f"kong.plugins.mcp-answers.{name}".encode()] = lua.execute((LUA / f"{name}.lua").read_bytes())
        self._cuts = loaded[b"kong.plugins.mcp-answers.cuts"]
        self._cuts[b"start"]()

    def look(self):
        self._seen[b"timers"][1](False)

    def holds(self, *marks):
        return self._cuts[b"hold"](self._lua.table_from([mark.encode() for mark in marks]))

    @property
    def problems(self):
        return [one.decode() for one in self._seen[b"problems"].values()]


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Listed:
    """A node's list and its ring."""

    def __init__(self, folder):
        self.path = folder / "revoked"
        self.key = os.urandom(32)

    @property
    def ring(self):
        return base64.b64encode(os.urandom(32)) + b"," + base64.b64encode(self.key)

    def write(self, *words, key=None):
        packed = msgspec.msgpack.encode(to_values("1", Revoked(words)))
        self.path.write_bytes(FILE.seal(packed, [key or self.key]))


def word(until, name="bob", at=1):
    return Word(digest_of(Revocable.SUBJECT, name, BOB.issuer), at, until)


@pytest.fixture
def listed(tmp_path):
    return Listed(tmp_path)


@pytest.mark.requirement("AUTH-301")
def test_whom_the_list_names_is_cut_off_until_its_time_is_over(listed):
    others = [word(NOW + 9, f"other-{number}") for number in range(300)]
    listed.write(word(NOW + 1), *others)
    worker, marks = Worker(listed.path, listed.ring), marks_of(BOB, None)
    assert worker.holds(*marks)
    assert not worker.holds(marks[1])
    assert not worker.holds()
    listed.write(word(NOW), *others)
    worker.look()
    assert not worker.holds(*marks)


@pytest.mark.requirement("AUTH-301")
@pytest.mark.parametrize(("kind", "name", "issuer"), [("client", "agent-1", BOB.issuer), ("session", "the-id", "")])
def test_clients_and_sessions_are_cut_off_too(listed, kind, name, issuer):
    listed.write(Word(digest_of(Revocable(kind), name, issuer), 1, NOW + 1))
    worker = Worker(listed.path, listed.ring)
    assert worker.holds(*marks_of(BOB, "the-id"))
    assert not worker.holds(*marks_of(Principal(TOKEN, "bob", BOB.issuer, client="agent-2"), "another"))


@pytest.mark.requirement("AUTH-301")
def test_what_was_taken_back_is_cut_off_no_more(listed):
    listed.write(word(NOW + 9))
    worker = Worker(listed.path, listed.ring)
    listed.write(word(0, at=2))
    worker.look()
    assert not worker.holds(*marks_of(BOB, None))
    assert worker.problems == []


@pytest.mark.requirement("AUTH-301")
@pytest.mark.parametrize(
    "how", ["gone", "empty", "cut", "of another ring", "changed", "of another format", "no MessagePack"]
)
def test_a_list_that_cannot_be_believed_leaves_the_last_one_and_is_told_of_once(listed, how):
    listed.write(word(NOW + 9))
    worker, text = Worker(listed.path, listed.ring), listed.path.read_bytes()
    if how == "gone":
        listed.path.unlink()
    elif how == "of another ring":
        listed.write(key=os.urandom(32))
    elif how == "of another format":
        listed.path.write_bytes(FILE.seal(msgspec.msgpack.encode({"format": 2, "revoked": []}), [listed.key]))
    elif how == "no MessagePack":
        listed.path.write_bytes(FILE.seal(b"\xc1", [listed.key]))
    else:
        listed.path.write_bytes({"empty": b"", "cut": text[:-1], "changed": text[:8] + b"x" + text[9:]}[how])
    for _ in range(2):
        worker.look()
    assert worker.holds(*marks_of(BOB, None))
    # A file that only lost its end has the seal that is known; guards, which read it whole, say so.
    assert len(worker.problems) == (0 if how == "cut" else 1)


@pytest.mark.requirement("AUTH-301")
def test_without_a_list_nobody_is_cut_off(tmp_path):
    worker = Worker(tmp_path / "none", base64.b64encode(bytes(32)))
    worker.look()
    assert not worker.holds(*marks_of(BOB, "s"))
    assert len(worker.problems) == 1


VALUES = st.recursive(
    st.integers(0, 2**53) | st.binary(max_size=300) | st.text(max_size=60).map(str.encode),
    lambda inner: (
        st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=5).map(str.encode), inner, max_size=4)
    ),
    max_leaves=20,
)
LUA_RUNTIME = LuaRuntime(encoding=None, unpack_returned_tuples=True)
UNPACK = LUA_RUNTIME.execute((LUA / "unpack.lua").read_bytes())


def of_lua(value, like):
    """Return a value of Lua as Python has it: an empty table is what it is to be like."""
    if isinstance(like, list):
        return [of_lua(value[number + 1], one) for number, one in enumerate(like)] if len(value) == len(like) else value
    if isinstance(like, dict):
        return {name: of_lua(value[name], one) for name, one in like.items()}
    return value


@given(VALUES)
def test_lua_reads_what_python_packs(value):
    assert of_lua(UNPACK(msgspec.msgpack.encode(value)), value) == value


@given(st.binary(max_size=60))
def test_lua_reads_nothing_of_what_is_cut_or_goes_on(text):
    whole = msgspec.msgpack.encode({"format": 1, "revoked": [[b"x" * 32, 1, 2**40]]})
    assert UNPACK(whole + b"\x00" + text) is None
    assert all(UNPACK(whole[:end]) is None for end in range(len(whole)))
    UNPACK(text)  # whatever it is, nothing is raised


def test_lua_reads_nothing_that_is_nested_without_end():
    assert UNPACK(b"\x91" * 100_000 + b"\x00") is None
