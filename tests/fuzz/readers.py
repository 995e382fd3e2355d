"""What clients would read out of an answer or a stream that came through the filter, and that it is all allowed."""

from __future__ import annotations

import json

import httpx2
from mcp_types import methods as sdk_methods
from mcp_types.jsonrpc import JSONRPCResponse, jsonrpc_message_adapter
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from fuzz import typescript
from fuzz.oracles import PROTOTYPES, VIEW, Pairs, pairs, values
from mcp_core import jsonrpc
from mcp_core.beside import CURSOR, is_cursor
from mcp_core.jsonrpc import Notification, NotStrictError, Response
from mcp_core.methods import SERVER_METHODS, SURFACE_KEYS, Kind
from mcp_core.outcome import Reject
from mcp_core.surface import filter_text
from mcp_sidecar.lane.filtering import AnswerView, Filter, Tally
from mcp_sidecar.lane.old_transport import OldStream
from mcp_sidecar.lane.streams import EventStream

LIST_METHODS = {
    "tools": "tools/list",
    "prompts": "prompts/list",
    "resources": "resources/list",
    "resourceTemplates": "resources/templates/list",
}
FILTER = Filter()
MAX_EVENT = 1024 * 1024
ANNOUNCED = "/files/messages?session_id=sealed"


def allowed(key, name):
    """Return whether an item of this list exists. What is no text is the name of nothing."""
    return not isinstance(name, str) or VIEW.allows(SURFACE_KEYS[key][0], name)


def anything(value, key):
    """Return what any reader finds under a key of an object, be it inherited."""
    found = values(value, key)
    for name, member in value if isinstance(value, Pairs) else ():
        if name in PROTOTYPES:
            found += anything(member, key)
    return found


def members(value):
    """Return the members of an array, or of an object that some reader takes for one; else the value alone."""
    if isinstance(value, Pairs):
        return [value, *(member for _, member in value)]
    return value if isinstance(value, list) else [value]


def surfaces(message):
    """Yield (list, name) for every item that any reader finds in a message, or in a batch of them."""
    for member in members(message) if not isinstance(message, Pairs) else [message]:
        for result in anything(member, "result"):
            for key, (_, named) in SURFACE_KEYS.items():
                for items in anything(result, key):
                    for item in members(items):
                        for name in anything(item, named):
                            yield key, name
        if "notifications/resources/updated" in anything(member, "method"):
            for params in anything(member, "params"):
                for uri in anything(params, "uri"):
                    yield "resources", uri


def read_by_python(text):
    """Yield (list, name) for every item that the official Python SDK's client reads out of a message."""
    try:
        message = jsonrpc_message_adapter.validate_json(text, by_name=False)
    except ValueError:
        return
    if not isinstance(message, JSONRPCResponse):
        return
    for key, method in LIST_METHODS.items():
        for version in KNOWN_PROTOCOL_VERSIONS:
            try:
                result = sdk_methods.parse_server_result(method, version, message.result)
            except (KeyError, ValueError):
                continue
            for item in result.model_dump(by_alias=True)[key]:
                yield key, item[SURFACE_KEYS[key][1]]


def check_text(text):
    """Raise AssertionError where a client would read a hidden item out of one JSON text."""
    try:
        value = pairs(text)
    except (ValueError, RecursionError):
        return
    found = [*surfaces(value), *read_by_python(text)]
    assert all(allowed(*item) for item in found), f"read: {found}"


def _left(message):
    """Return what of a message may be seen, read plainly, or None where nothing may."""
    result = message.get("result")
    if message.get("method") == "notifications/resources/updated":
        return message if VIEW.allows(Kind.RESOURCE, message["params"]["uri"]) else None
    if not isinstance(result, dict):
        return message
    kept = dict(result)
    if not is_cursor(kept.get(CURSOR)) and not kept.keys().isdisjoint(SURFACE_KEYS):
        del kept[CURSOR]
    for key, (_, named) in SURFACE_KEYS.items():
        if key in result:
            kept[key] = [item for item in result[key] if allowed(key, item[named])]
            kept |= {"cacheScope": "private"} if "cacheScope" in kept else {}
    return message | {"result": kept}


def _is_plain(body):
    """Return whether every message of a text and every item of its lists is exact, so that plain reading is right."""
    try:
        whole = jsonrpc.load(body)
    except NotStrictError:
        return False
    read = [jsonrpc.message(one) for one in (whole if isinstance(whole, list) else [whole])]
    if not all(isinstance(one, Response | Notification) for one in read):
        return False
    notes = [one for one in read if isinstance(one, Notification)]
    if not all(note.method in SERVER_METHODS and isinstance(note.params.get("uri"), str) for note in notes):
        return False
    lists = [
        (named, one.result.get(key))
        for one in read
        if isinstance(one, Response) and one.result
        for key, (_, named) in SURFACE_KEYS.items()
        if key in one.result
    ]
    return all(
        isinstance(item, dict) and isinstance(item.get(named), str) and item.keys() <= {named, "inputSchema", "title"}
        for named, items in lists
        for item in (items if isinstance(items, list) else [None])
    )


def check_answer(body):
    """Raise AssertionError where the filter leaves what is hidden, or takes what is not. Return its outcome."""
    passed = filter_text(body, VIEW)
    if isinstance(passed, Reject):
        assert passed.http_status() == 502
        return passed
    if passed:
        check_text(passed)
    if not _is_plain(body):
        return passed
    whole = json.loads(body)
    left = [one for one in map(_left, whole if isinstance(whole, list) else [whole]) if one is not None]
    if not left:
        assert passed == b""
        return passed
    assert json.loads(passed) == (left if isinstance(whole, list) else left[0])
    assert filter_text(passed, VIEW) == passed
    check_text(passed)
    if (sdk := typescript.running()) is not None:
        found = sdk.ask("answer", passed) or []
        assert all(allowed(*item) for item in found), f"the TypeScript SDK reads {found}"
    return passed


def _run(coroutine):
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("a short text was not filtered at once")


def filter_stream(chunks, announce=None):
    """Return the bytes that the sidecar writes for the chunks of a server's stream, up to where it would end it."""
    sight = AnswerView(Tally(VIEW))
    stream = (
        EventStream(FILTER, sight, max_event=MAX_EVENT)
        if announce is None
        else OldStream(FILTER, sight, max_event=MAX_EVENT, announce=announce)
    )
    written = b""
    for chunk in chunks:
        events = stream.decode(chunk)
        if isinstance(events, Reject):
            return written
        for event in events:
            piece = _run(stream.judge(event))
            if isinstance(piece, Reject):
                return written
            written += piece.encoded if piece is not None else b""
    return written


def by_sdk(stream):
    """Return every event as the official Python client's event source has it."""
    request = httpx2.Request("GET", "http://localhost/")
    response = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream, request=request)
    return list(httpx2.EventSource(response))


def by_lines(lines):
    """Return the data of every event, for a reader that has its own mind of what a line is."""
    events, data = [], []
    for line in lines:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line.strip():
            events.append("\n".join(data))
            data = []
    return [*events, "\n".join(data)]


def by_each_line(lines):
    """Return every data line, for a reader that takes each for a message."""
    return [line.strip()[5:].strip() for line in lines if line.strip().lower().startswith("data:")]


def messages(stream):
    """Yield every text that some reader of event streams takes for a message."""
    text = stream.decode(errors="replace")
    yield from (event.data for event in by_sdk(text.encode()))
    for lines in (text.split("\n"), text.splitlines(), text.replace("\0", "\n").splitlines()):
        yield from by_lines(lines)
        yield from by_each_line(lines)


def check_stream(data):
    """Raise AssertionError where a client would read a hidden item out of a filtered stream. Return the stream."""
    written = filter_stream([data])
    size = len(data) % 7 + 1
    pieces = filter_stream(data[at : at + size] for at in range(0, len(data), size))
    # Comments in a row are one where they come together.
    assert pieces.replace(b":\n\n", b"").startswith(written.replace(b":\n\n", b""))
    old = filter_stream([data], lambda _uri: ANNOUNCED) if b"endpoint" in data else b""
    for text in {*messages(written), *messages(old)}:
        check_text(text)
    # In 2024-11-05 a client sends its messages wherever such an event says.
    assert {event.data for event in by_sdk(old) if event.event == "endpoint"} <= {ANNOUNCED, ""}
    if (sdk := typescript.running()) is not None:
        found = sdk.ask("stream", written)
        assert all(allowed(*item) for item in found), f"the TypeScript SDK reads {found}"
    return written
