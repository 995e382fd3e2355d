"""The one MCP client, without any I/O: what it asks next, given what was answered."""

from __future__ import annotations

import json

import pytest

from mcp_core import conversation
from mcp_core.conversation import Conversation, read_lists, read_message, result_of
from mcp_core.methods import Era, Place


def drive(requests, *results):
    """Answer requests in turn, and return them, and what they came to, or None where there are more of them."""
    sent, given = [next(requests)], list(results)
    try:
        while given:
            sent.append(requests.send(given.pop(0)))
    except StopIteration as end:
        return sent, end.value
    return sent, None


@pytest.mark.requirement("CLIENT-086")
def test_a_modern_server_is_asked_what_it_is_and_no_more():
    talk = Conversation("me", "1")
    (discover,), said = drive(talk.introduce(), {"capabilities": {}})
    assert said == {"capabilities": {}}
    assert (talk.era, discover.http_method, discover.method) == (Era.MODERN, "POST", "server/discover")
    assert (discover.headers["mcp-protocol-version"], discover.headers["mcp-method"]) == (
        "2026-07-28",
        "server/discover",
    )
    meta = json.loads(discover.body)["params"]["_meta"]
    assert meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
    assert meta["io.modelcontextprotocol/clientInfo"] == {"name": "me", "version": "1"}
    assert (talk.listen().method, talk.close()) == ("subscriptions/listen", None)


@pytest.mark.requirement("CLIENT-086")
@pytest.mark.parametrize(
    ("spoken", "then"), [("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25"), (None, "2025-11-25")]
)
def test_a_server_that_does_not_know_the_modern_era_is_initialized(spoken, then):
    talk = Conversation("me", "1")
    said = {"protocolVersion": spoken}
    (_, initialize, initialized), end = drive(talk.introduce(), None, said, None)
    assert end == said
    assert talk.era is Era.LEGACY
    assert "mcp-protocol-version" not in initialize.headers
    assert "_meta" not in json.loads(initialize.body)["params"]
    assert (initialized.id, initialized.headers["mcp-protocol-version"]) == (None, then)
    assert json.loads(initialized.body) == {"jsonrpc": "2.0", "method": "notifications/initialized"}


@pytest.mark.requirement("CLIENT-086")
def test_a_server_that_knows_neither_era_says_nothing():
    assert drive(Conversation("me", "1").introduce(), None, None)[1] is None


@pytest.mark.requirement("CLIENT-086")
@pytest.mark.parametrize(("sessions", "session"), [(["s"], "s"), ([], None), (["s", "t"], None)])
def test_a_session_is_the_one_that_initialize_gave(sessions, session):
    talk = Conversation("me", "1")
    (discover, initialize), _ = drive(talk.introduce(), None)
    talk.head(discover, ["x"])
    talk.head(initialize, sessions)
    assert talk.session == session
    listen, close = talk.listen(), talk.close()
    if session is None:
        assert (listen, close) == (None, None)
    else:
        assert (listen.http_method, listen.question.place, close.http_method) == ("GET", Place.GET, "DELETE")


@pytest.mark.requirement("CLIENT-086")
@pytest.mark.parametrize(
    ("text", "answered"),
    [
        (b'{"jsonrpc":"2.0","id":1,"result":{"a":1}}', ({"a": 1},)),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}', (None,)),
        (b'{"jsonrpc":"2.0","id":2,"result":{}}', None),
        (b'{"jsonrpc":"2.0","id":"1","result":{}}', None),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', None),
        (b'{"jsonrpc":"2.0","method":"notifications/message"}', None),
    ],
)
def test_an_answer_is_what_has_the_id_of_the_request(text, answered):
    request = Conversation("me", "1").request("tools/list", {})
    assert result_of(request, read_message(text)) == answered


@pytest.mark.requirement("CLIENT-086")
@pytest.mark.parametrize("text", [b"", b"no", b"[]", b"{}", b'{"jsonrpc":"2.0","id":1,"id":2,"result":{}}'])
def test_what_is_no_message_is_none(text):
    assert read_message(text) is None


@pytest.mark.requirement("CLIENT-086")
def test_a_list_that_is_longer_than_is_read_is_said_to_be_cut(monkeypatch):
    monkeypatch.setattr(conversation, "MOST_PAGES", 3)
    only = {"capabilities": {"tools": {}}}
    pages = [{"tools": [{"name": str(number)}, 7], "nextCursor": str(number)} for number in range(3)]
    _, lists = drive(read_lists(only), *pages)
    assert (len(lists.items["tools"]), lists.cut) == (6, ("tools/list",))
    _, lists = drive(read_lists(only), pages[0], {"tools": []})
    assert (lists.items, lists.cut) == ({"tools": [{"name": "0"}, 7]}, ())
    monkeypatch.setattr(conversation, "MOST_ITEMS", 2)
    assert drive(read_lists(only), pages[0])[1].cut == ("tools/list",)
    assert drive(read_lists(only), {"tools": [1, 2, 3]})[1].cut == ("tools/list",)
    assert drive(read_lists(only), {"tools": [1, 2]})[1].cut == ()


@pytest.mark.requirement("CLIENT-086")
def test_questions_are_asked_in_the_era_of_the_conversation():
    talk = Conversation("me", "1")
    (first, second), _ = drive(talk.asking(read_lists({"capabilities": {"tools": {}, "prompts": {}}})), {"tools": []})
    assert [one.method for one in (first, second)] == ["tools/list", "prompts/list"]
    assert first.id != second.id
    assert second.question.only.method == "prompts/list"
