"""What the guard is given of a request in Kong's own way: or the word that it has decided the same."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lupa.luajit21 import LuaRuntime

from fuzz.again import BASES
from fuzz.oracles import decide_request
from mcp_answers.again_hand import LUA
from mcp_core.methods import PASSING_HEADERS

pytestmark = pytest.mark.requirement("FAST-012")
HEADERS = {"content-type": "application/json", "content-length": "90"}
BODY = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"good","arguments":{}}}'
OTHER = BODY.replace(b'"id":7', b'"id":"b"').replace(b'"arguments":{}', b'"arguments":{"x":1}')
KONG = b"""
return function(hand, decode, encode)
  kong = {
    client = {
      get_consumer = function() return { id = hand.consumer() } end,
      get_forwarded_ip = function() return hand.address() end,
    },
    router = { get_route = function() return { methods = { "POST" } } end },
    request = {
      get_method = function() return "POST" end, get_path = function() return "/notes/mcp" end,
      get_raw_query = function() return hand.query() end, get_raw_body = function() return hand.body() end,
    },
  }
  ngx = {
    now = hand.now, var = {}, ctx = {},
    req = {
      get_headers = function() return hand.headers() end,
      read_body = function() end, get_body_data = function() return hand.body() end,
    },
  }
  package.loaded["cjson.safe"] = { decode = decode, encode = encode }
end
"""


class AskedHand:
    """asked.lua with again.lua behind it, for one request after the other.

    Attributes:
        now, plugin: what its clock says, and the entry of mcp-guard that Kong runs.
        passing: names of the headers that nobody compares.
        shared: the context of the request that `ask` began last.
    """

    def __init__(self):
        self.now, self.plugin = 1000.0, "entry-1"
        self._lua = lua = LuaRuntime(encoding=None, unpack_returned_tuples=True)
        self._request = {}
        hand = lua.table_from({b"now": lambda: self.now, b"headers": self._headers})
        for name in ("consumer", "address", "query", "body"):
            hand[name.encode()] = lambda name=name: self._request[name]

        lua.execute(KONG)(hand, self._decode, self._encode)
        loaded = lua.globals()[b"package"][b"loaded"]
        for name in ("law", "bodies", "again", "asked"):
            source = (LUA / f"kong/plugins/mcp-answers/{name}.lua").read_bytes()
            loaded[f"kong.plugins.mcp-answers.{name}".encode()] = lua.execute(source)
        self._asked = loaded[b"kong.plugins.mcp-answers.asked"]
        self.passing = [name.decode() for name in self._asked[b"PASSING"].values()]
        self._new = lua.eval(b"function(context) return setmetatable({}, context) end")

    def _headers(self):
        def text(value):
            return value.encode() if isinstance(value, str) else self._lua.table_from([one.encode() for one in value])

        return self._lua.table_from({name.encode(): text(one) for name, one in self._request["headers"].items()})

    def _decode(self, text):
        try:
            found = json.loads(text)
        except ValueError:
            return None
        return self._lua.table_from({k.encode(): v.encode() if isinstance(v, str) else v for k, v in found.items()})

    def _encode(self, table):
        def plain(value):
            if isinstance(value, bytes):
                return value.decode("latin-1")
            return {plain(k): plain(v) for k, v in value.items()} if hasattr(value, "items") else value

        return json.dumps(plain(table), sort_keys=True).encode()

    def ask(self, body=BODY, *, headers=HEADERS, consumer=b"ann", address=b"192.0.2.7", query=b""):
        """Begin a request; return what the guard is given when it asks for it."""
        self._request = {
            "headers": headers,
            "body": body,
            "consumer": consumer,
            "address": address,
            "query": query,
        }
        self._lua.globals()[b"ngx"][b"ctx"] = self._lua.table_from({b"plugin_id": self.plugin and self.plugin.encode()})
        self.shared = self._new(self._asked[b"CONTEXT"])
        return self.ask_again()

    def ask_again(self, key=b"mcp_request_5"):
        """Return what the guard is given when it asks once more of the same request."""
        return self.shared[key]

    def let_pass(self, law="law-1", body=BODY, **request):
        """Begin a request that the guard lets pass: mcp-answers has its question."""
        given = self.ask(body, **request)
        said = {"format": "1", "upstream": "u", "again": "", "law": law, "id": json.loads(body)["id"]}
        self._asked[b"keep"](json.dumps({name: one for name, one in said.items() if one is not None}).encode())
        return given

    @property
    def question(self):
        """The question in the request's context, or None."""
        found = self.shared[b"mcp_question"]
        return found and {name.decode(): one for name, one in found.items()}


def used(hand, *times, **how):
    """Let a request pass until it is used again: it is looked at from the second time on, and kept from the third."""
    for _ in times or range(3):
        assert hand.let_pass(**how).startswith(b"{")
    return hand


def test_it_is_given_headers_and_body_until_the_same_was_let_pass_three_times():
    hand = used(AskedHand())
    assert hand.ask(OTHER) == b"again law-1 "
    assert hand.question == {"format": b"1", "upstream": b"u", "again": b"", "law": b"law-1", "id": b"b"}


def test_headers_and_body_are_those_of_the_request():
    given = AskedHand().ask()
    assert given == json.dumps(HEADERS, sort_keys=True).encode() + b"\n" + BODY


@pytest.mark.requirement("FAST-014")
def test_headers_that_say_which_request_it_is_keep_nobody_from_using_a_verdict_again():
    hand = AskedHand()
    for name in hand.passing:
        hand.now += 10
        headers = HEADERS | {name: "1"}
        used(hand, headers=headers)
        assert hand.ask(headers=headers | {name: "2" * 256}) == b"again law-1 "
        for other in ("2" * 257, "caf\u00e9", "a\tb", ["1", "2"], None):
            different = {key: value for key, value in (headers | {name: other}).items() if value is not None}
            assert hand.ask(headers=different).startswith(b"{"), other
    # The guard hears what came.
    assert json.loads(AskedHand().ask(headers=HEADERS | {"traceparent": "1"}).split(b"\n")[0])["traceparent"] == "1"


@pytest.mark.requirement("FAST-014")
def test_the_sidecar_passes_over_the_same_headers():
    assert set(AskedHand().passing) == PASSING_HEADERS


@pytest.mark.requirement("FAST-014")
@given(st.sampled_from(sorted(AskedHand().passing)), st.from_regex(r"\A[ -~]{0,256}\Z"))
def test_whatever_stands_in_these_headers_the_guard_decides_the_same(name, value):
    for lines, body in BASES:
        assert decide_request([*lines, (name, value)], body) == decide_request([*lines, (name, "")], body)


@pytest.mark.parametrize("body", [None, b'{"x":"\xc3\xa9"}', b" " * 65537], ids=["none", "no ASCII", "large"])
def test_what_is_no_ascii_large_or_in_a_file_is_asked_for(body):
    assert AskedHand().ask(body) == json.dumps(HEADERS, sort_keys=True).encode()


@pytest.mark.parametrize(
    "other",
    [
        {"headers": HEADERS | {"mcp-name": "bad"}},
        {"consumer": b"bob"},
        {"address": b"192.0.2.8"},
        {"query": b"x=1"},
        {"body": BODY.replace(b"good", b"bad")},
        {"body": BODY.replace(b"}}}", b'},"x":"\\u0061"}}')},
        {"body": BODY + b"\n"},
    ],
    ids=str,
)
def test_whatever_differs_is_given_to_the_guard(other):
    hand = used(AskedHand())
    assert hand.ask().startswith(b"again")
    assert hand.ask(**other).startswith(b"{")
    assert hand.question is None


def test_one_entry_of_the_plugin_has_no_part_in_what_another_let_pass():
    hand = used(AskedHand())
    hand.plugin = "entry-2"
    assert used(hand, 1).question is None
    hand.plugin = None
    assert hand.ask().startswith(b"{")


def test_a_second_later_the_guard_is_asked():
    hand = used(AskedHand())
    hand.now += 1
    assert hand.ask().startswith(b"{")


@pytest.mark.parametrize("key", [b"mcp_request_1", b"mcp_request_2"])
def test_a_guard_that_decides_over_the_request_itself_finds_nothing_used(key):
    hand = used(AskedHand())
    assert hand.ask() == b"again law-1 "
    assert hand.question
    assert hand.ask_again(key).startswith(b"{")
    assert hand.question is None


def test_what_a_plugin_server_that_ended_was_told_is_not_there_for_the_next_one():
    hand = used(AskedHand())
    assert hand.ask() == b"again law-1 "
    hand.now += 1
    assert hand.ask_again().startswith(b"{")
    assert hand.question is None


@pytest.mark.requirement("FAST-016")
@pytest.mark.parametrize("key", [b"mcp_request_1", b"mcp_request_2", b"mcp_request_5"])
def test_nor_is_the_question_that_it_has_left(key):
    hand = AskedHand()
    hand.ask()
    hand.shared[b"mcp_question"] = b'{"format":"1","upstream":"mcp-sidecar","path":"/inspect/notes"}'
    assert hand.ask_again(key).startswith(b"{")
    assert hand.shared[b"mcp_question"] is None


def test_a_question_without_a_law_is_never_used_in_this_way():
    hand = used(AskedHand(), law=None)
    assert hand.ask().startswith(b"{")
    assert hand.question is None


def test_nothing_else_is_given():
    hand = AskedHand()
    hand.ask()
    assert [hand.shared[key] for key in (b"mcp_request_4", b"other", 7)] == [None, None, None]
