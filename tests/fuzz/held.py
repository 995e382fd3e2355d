"""What clients would take for an answer on the connection of a call, after both hands of the law have judged it."""

from __future__ import annotations

from mcp_types.jsonrpc import JSONRPCError, JSONRPCResponse, jsonrpc_message_adapter

from fuzz import typescript
from fuzz.oracles import Pairs, pairs, values
from fuzz.readers import members, messages, read_by_python
from mcp_answers.hand import LuaHand
from mcp_answers.python_hand import python_judges, python_streams
from mcp_core.methods import SURFACE_KEYS

ASKED = {"era": "legacy", "version": "2025-06-18", "id": 1, "method": "tools/call"}
LUA = LuaHand()


def answers(text):
    """Yield the id and the result, or None, of each response that some reader finds in a text."""
    try:
        value = pairs(text)
    except (ValueError, RecursionError):
        return
    for member in members(value) if not isinstance(value, Pairs) else [value]:
        for result in [*values(member, "result"), *(None for _ in values(member, "error"))]:
            for id_ in values(member, "id") or [None]:
                yield id_, result
    try:
        message = jsonrpc_message_adapter.validate_json(text, by_name=False)
    except ValueError:
        return
    if isinstance(message, JSONRPCResponse | JSONRPCError):
        yield message.id, getattr(message, "result", None)


def check_passed(text):
    """Raise AssertionError where a client that waits for more than the call would find what it waits for."""
    for id_, result in answers(text):
        assert id_ == 1, f"answers {id_!r}, which was not asked here"
        assert not isinstance(id_, bool | str)
        assert not [key for key in SURFACE_KEYS if isinstance(result, Pairs) and values(result, key)]
    assert not list(read_by_python(text)), "the Python SDK reads a list"
    data = text.encode() if isinstance(text, str) else text
    # What is told of one resource is told to that SDK's reader as a list is, and may pass here.
    if (sdk := typescript.running()) is not None and b"resources/updated" not in data:
        assert not sdk.ask("answer", data), "the TypeScript SDK reads a list"


def check_held(body):
    """Judge a JSON body with both hands. Returns what the Lua hand lets pass, b"" where it lets nothing."""
    verdict, said = LUA.judge(ASKED, body)
    mine, passed = python_judges(ASKED, body)
    if mine in ("pass", "answer") and passed:
        check_passed(passed)
    if verdict not in ("pass", "answer"):
        return b""
    written = said if verdict == "answer" else body
    check_passed(written)
    return written


def check_held_stream(data):
    """Judge an event stream with both hands. Returns what the Lua hand lets pass."""
    size = len(data) % 7 + 1
    written, _ = LUA.stream(ASKED, [data])
    pieces, _ = LUA.stream(ASKED, [data[at : at + size] for at in range(0, len(data), size)])
    # Comments in a row are one where they come together.
    assert written.replace(b":\n\n", b"") == pieces.replace(b":\n\n", b"")
    for stream in (written, python_streams(ASKED, [data])):
        for text in messages(stream):
            check_passed(text)
    return written
