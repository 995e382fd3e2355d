"""Lists that servers let be kept: answered again to the same request of the same caller, and to no other."""

from __future__ import annotations

import itertools
import json
import time

import pytest

from clock import Clock
from mcp_core.auth.revoked import Revocable, Revoked, Word, digest_of, session_mark
from mcp_core.errand import Address
from mcp_core.pins.states import State
from mcp_core.reasons import Ending
from mcp_core.scan import ItemKind
from mcp_sidecar.lane import kept
from mcp_sidecar.lane.callers import Call
from mcp_sidecar.lane.cutting import Cuts
from mcp_sidecar.lane.fetched import Whole
from mcp_sidecar.lane.filtering import Tally
from mcp_sidecar.lane.kept import KeptLists
from mcp_sidecar.logs import Line
from mcp_sidecar.store.store import Store
from mcp_sidecar.store.values import ItemId

pytestmark = pytest.mark.requirement("SIDE-143")
RESULT = '"resultType":"complete","ttlMs":60000,"cacheScope":"public"'
TOOLS = '"tools":[{"name":"read","x":1.5},{"name":"secret"}]'
CALLERS = (f"caller{number}" for number in itertools.count())


def asking(id_=7, method="tools/list", **params):
    return json.dumps({"jsonrpc": "2.0", "id": id_, "method": method, "params": params}).encode()


def saying(result=f"{{{TOOLS},{RESULT}}}", id_=7, more=""):
    return f'{{"jsonrpc":"2.0","id":{json.dumps(id_)},"result":{result}{more}}}'.encode()


class Asks:
    """One caller, who asks a sidecar; Kong says what it is told to say, and counts."""

    def __init__(self, guard, kong, words):
        self.guard, self.kong, self.words = guard, kong, words
        self.caller = next(CALLERS)

    def ask(self, body=None, **changes):
        """Ask; return whether the server was asked, and the answer."""
        before = len(self.kong.requests)
        modern = {"era": "modern", "version": "2026-07-28", "principal": self.caller}
        answer = self.guard.ask(asking() if body is None else body, **modern | changes)
        return len(self.kong.requests) - before, answer

    def discover(self, listed='{"tools":{},"resources":{}}', **changes):
        """Have the server say of itself what it has, and whether that changes."""
        result = f'{{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{listed}}}'
        self.kong.answers(self.words.json_answer(saying(result)))
        self.ask(asking(method="server/discover"), method="server/discover", **changes)

    def is_kept(self, answer, *, discovered='{"tools":{},"resources":{}}', **changes):
        """Return whether this answer, of which the caller is a new one, is given a second time without the server."""
        self.caller = next(CALLERS)
        self.discover(discovered)
        self.kong.answers(answer)
        assert self.ask(**changes)[0] == 1
        return self.ask(**changes)[0] == 0


@pytest.fixture
def asks(start, kong, words):
    """A caller of a sidecar that keeps lists for a minute, as machines may be slow, and has discovered its server."""
    asks = Asks(start(MCP_SIDECAR_KEEP_LISTS="60"), kong, words)
    asks.discover()
    return asks


def test_the_same_is_answered_again_unasked_and_seen_counted_and_logged_alike(asks, kong, words):
    kong.answers(words.json_answer(saying()))
    asked, first = asks.ask(headers={"traceparent": "a", "x-request-id": "1"})
    assert asked == 1
    line = asks.guard.line()
    for id_ in (8, "7"):
        asked, again = asks.ask(asking(id_), id=id_, headers={"traceparent": "b", "x-request-id": "2"})
        assert asked == 0
        assert again.json["id"] == id_
        result = again.json["result"]
        assert 0 < result.pop("ttlMs") < 60000
        assert result == {name: value for name, value in first.json["result"].items() if name != "ttlMs"}
        assert [tool["name"] for tool in result["tools"]] == ["read"]
        assert again.headers["content-type"] == first.headers["content-type"]
        told = asks.guard.line()
        assert {**told, **dict.fromkeys(("ms", "trace", "timestamp"))} == {
            **line,
            **dict.fromkeys(("ms", "trace", "timestamp")),
        }
    metrics = asks.guard.sidecar.get("/metrics", {"authorization": f"Bearer {words.metrics_token}"}).body.decode()
    assert 'mcp_sidecar_items_hidden_total{kind="tools",mode="enforce",server="files"} 3.0' in metrics


def test_another_caller_or_another_request_is_asked(asks, kong, words):
    kong.answers(words.json_answer(saying()))
    assert asks.ask()[0] == 1
    assert asks.ask()[0] == 0
    others = [
        {"principal": "somebody"},
        {"principal": None},
        {"view": {"tools": {"allow": ["*"]}}},
        {"pins": "monitor"},
        {"hide": ["x-a"]},
        {"scan": {"trust": "foreign"}},
        {"body": asking(cursor="2")},
        {"body": asking(_meta={"a": 1})},
        {"body": asking(method="prompts/list"), "method": "prompts/list"},
        {"body": b" " + asking()},
        {"headers": {"x-tenant": "b"}},
        {"headers": {"authorization": "Bearer b"}},
        {"address": Address("mcp-files-sessions", "http", "/other")},
        {"version": "2026-07-29"},
    ]
    for other in others:
        assert asks.ask(**other)[0] == (0 if other.get("body", b"").startswith(b" ") else 1), other
    assert asks.ask()[0] == 0


def test_only_what_its_server_lets_be_kept_is(asks, words):
    def answer(result, **more):
        return words.json_answer(saying(f"{{{TOOLS},{result}}}"), **more)

    assert asks.is_kept(answer(RESULT))
    assert asks.is_kept(answer(RESULT.replace("public", "private")))
    for ttl in ("0", "-1", "null", '"60000"', "60000.5", "true", "[60000]", "1e999"):
        assert not asks.is_kept(answer(RESULT.replace("60000", ttl))), ttl
    assert not asks.is_kept(answer('"resultType":"complete"'))
    assert not asks.is_kept(answer(RESULT.replace("complete", "input_required")))
    assert not asks.is_kept(answer(RESULT, headers="Cache-Control: private, no-store\r\n"))
    event = b"data: " + saying() + b"\n\n"
    assert not asks.is_kept(words.stream_answer(event))
    older = {"era": "legacy", "version": "2025-11-25"}
    assert not asks.is_kept(answer(RESULT), **older)


def test_only_lists_of_which_their_server_says_that_they_do_not_change_are_kept(asks, kong, words):
    said = words.json_answer(saying())
    assert asks.is_kept(said, discovered='{"tools":{"listChanged":false},"prompts":{"listChanged":true}}')
    for other in (
        '{"tools":{"listChanged":true}}',
        '{"tools":{"listChanged":null}}',
        "{}",
        '{"tools":[]}',
        "[]",
        '"x"',
    ):
        assert not asks.is_kept(said, discovered=other), other
    assert not asks.is_kept(said, address=Address("mcp-files-sessions", "http", "/not-discovered"))
    # A server that is replaced says so to the next one who connects.
    assert asks.is_kept(said)
    asks.discover('{"tools":{"listChanged":true}}', principal="another")
    kong.answers(said)
    assert asks.ask()[0] == 1
    assert asks.is_kept(said, discovered='{"tools":{"listChanged":true}}') is False


def test_no_other_answers_are_kept(asks, words):
    said = words.json_answer(saying(f'{{"contents":[],{RESULT}}}'))
    read = asking(method="resources/read", uri="file:///a")
    assert not asks.is_kept(said, body=read, method="resources/read")
    error = b'{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"ttlMs"}}'
    assert not asks.is_kept(words.json_answer(error))
    assert not asks.is_kept(words.json_answer(saying(), status="404 Not Found"))


def test_a_server_that_says_that_its_lists_changed_is_asked(asks, kong, words):
    kong.answers(words.json_answer(saying()))
    assert asks.ask()[0] == 1
    assert asks.ask()[0] == 0
    listen = asking(9, method="subscriptions/listen", notifications={"toolsListChanged": True})
    changed = b'data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{}}\n\n'
    kong.answers(words.stream_answer(changed))
    asks.ask(listen, method="subscriptions/listen", id=9, principal="another")
    kong.answers(words.json_answer(saying()))
    assert asks.ask()[0] == 1


def test_nothing_is_kept_where_its_operator_says_so(start, kong, words):
    asks = Asks(start(MCP_SIDECAR_KEEP_LISTS="0"), kong, words)
    assert not asks.is_kept(words.json_answer(saying()))


def test_what_is_closed_meanwhile_is_not_shown_again(start, kong, words, tmp_path):
    store = tmp_path / "store.db"
    guard = start(
        MCP_SIDECAR_STORE=str(store),
        KONG_MCP_SNAPSHOT=str(tmp_path / "snapshot"),
        MCP_SIDECAR_REFRESH_INTERVAL="0.05",
        MCP_SIDECAR_KEEP_LISTS="60",
    )
    words.until((tmp_path / "snapshot").exists)
    asks, pinned = Asks(guard, kong, words), {"pins": "enforce", "view": {"tools": {"allow": ["*"]}}}
    asks.discover()
    kong.answers(words.json_answer(saying()))

    def shown():
        return [tool["name"] for tool in asks.ask(**pinned)[1].json["result"]["tools"]]

    assert shown() == ["read", "secret"]
    words.until(lambda: asks.ask(**pinned)[0] == 0)
    with_store = Store(str(store))
    with_store.decide(
        ItemId("files", ItemKind.TOOL, "secret"),
        State.REJECTED,
        reviewer="ada",
        why="test",
        now=int(time.time() * 1000),
    )
    with_store.close()
    words.until(lambda: shown() == ["read"])
    # What is not open is counted each time, so the server is asked; the sidecar itself may look just then.
    assert asks.ask(**pinned)[0] >= 1


class Keeping:
    """KeptLists by itself, with a clock of the test's."""

    def __init__(self, words, seconds=1.0):
        self.words, self.clock = words, Clock()
        self.lists = KeptLists(None, seconds, self.clock)
        discover = self.call(asking(method="server/discover"), method="server/discover")
        self.keep(discover, saying('{"capabilities":{"tools":{}}}'))

    def call(self, body=None, **changes):
        changes = {"era": "modern", "version": "2026-07-28", **changes}
        body = asking() if body is None else body
        claims, target = self.words.said(body, **changes)
        return Call(claims, target, Tally(claims.terms.view), {}, body)

    def keep(self, call, text=None, ended=Ending.PASSED):
        line = Line(started=0.0, trace=None)
        line.outcome = ended
        self.lists.keep(call, Whole(200, {}, saying() if text is None else text), None, line)


def test_a_list_ends_with_its_second_and_never_later_than_its_server_says(words):
    for ttl, good in ((60000, 1.0), (400, 0.4)):
        keeping = Keeping(words)
        call = keeping.call()
        keeping.keep(call, saying(f"{{{TOOLS},{RESULT.replace('60000', str(ttl))}}}"))
        keeping.clock.now += good - 0.1
        _, body = keeping.lists.find(call)
        assert json.loads(body)["result"]["ttlMs"] == pytest.approx(ttl - (good - 0.1) * 1000, abs=1)
        keeping.clock.now += 0.11
        assert keeping.lists.find(call) is None


def test_what_a_server_said_of_itself_counts_for_a_while(words):
    keeping = Keeping(words)
    call = keeping.call()
    keeping.clock.now += kept.STEADY_SECONDS
    keeping.keep(call)
    assert keeping.lists.find(call) is None


@pytest.mark.parametrize("ended", [Ending.FLAGGED, Ending.WITHHELD, Ending.FAILED, Ending.CANCELLED])
def test_what_ended_otherwise_is_not_kept(words, ended):
    keeping = Keeping(words)
    call = keeping.call()
    keeping.keep(call, ended=ended)
    assert keeping.lists.find(call) is None


def test_there_is_an_end_to_what_is_kept(words, monkeypatch):
    monkeypatch.setattr(kept, "MOST_BYTES", 1000)
    keeping = Keeping(words, 60.0)
    calls = [keeping.call(principal=f"p{number}") for number in range(20)]
    for call in calls:
        keeping.keep(call)
        keeping.clock.now += 0.001
    found = [keeping.lists.find(call) is not None for call in calls]
    assert found == sorted(found)
    assert 3 < sum(found) < 10
    monkeypatch.setattr(kept, "MOST_OF_ONE", 50)
    keeping.keep(other := keeping.call(principal="other"))
    assert keeping.lists.find(other) is None
    assert keeping.lists.find(keeping.call(asking(_meta="x" * kept.MOST_ASKED))) is None


def test_who_was_cut_off_is_named_by_its_marks():
    cuts = Cuts(lambda: 1000)
    cuts.hear(Revoked([Word(digest_of(Revocable.SESSION, "a"), 1, 2000)]))
    assert cuts.name([session_mark("b"), session_mark("a")])
    assert not cuts.name([session_mark("b"), "no base64url!"])
