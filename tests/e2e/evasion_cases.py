"""The evasion table, first part: what is said in the body. See evasion_http_cases for the HTTP around it."""

import gzip

from e2e.evasion_http_cases import HTTP_CASES
from e2e.evasion_requests import (
    BAD,
    BAD_MODERN,
    GOOD_MODERN,
    META,
    Case,
    ask,
    ask_modern,
    legacy,
    modern,
    swap,
    text,
    tool,
)

LATEST = {"version": "2025-11-25"}
BATCHES = {"version": "2025-03-26"}
DENIED = (-32602,)
NOT_FOUND = (-32002,)
STRICT = (-32700, -32600)

_HIDDEN = [
    ("tools/call", {"name": "bad", "arguments": {"text": "x"}}),
    ("tools/call", {"name": "read_secret_plan", "arguments": {"title": "x"}}),
    ("tools/call", {"name": "bad ", "arguments": {"text": "x"}}),
    ("tools/call", {"name": " bad", "arguments": {"text": "x"}}),
    ("tools/call", {"name": "BAD", "arguments": {"text": "x"}}),
    ("tools/call", {"name": "bad\0", "arguments": {"text": "x"}}),
    ("tools/call", {"name": "good\0bad", "arguments": {"text": "x"}}),
    ("tools/call", {"name": "b\u0430d", "arguments": {"text": "x"}}),
    ("tools/call", {"name": "", "arguments": {"text": "x"}}),
    ("tools/call", {"name": "read_" + "x" * 2000, "arguments": {"title": "x"}}),
    ("prompts/get", {"name": "hidden_prompt"}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "hidden_prompt"}, "argument": {}}),
]
_HIDDEN_URIS = [
    "note://secret",
    "secret://x",
    "public://../secret",
    "public://private/plan",
    "public://private%2Fplan",
    "public://private%252Fplan",
    "public://p%72ivate/plan",
    "public://x/%2e%2e/secret",
    "public://x%2f..%2fsecret",
    "note://%73ecret",
    "NOTE://secret",
    "public://\\..\\secret",
    "note://secret\t",
    "note://public\0",
]


def _encoded(name):
    """Return headers for a name that a plain header cannot hold."""
    import base64  # noqa: PLC0415 - used by this builder alone

    return "=?base64?" + base64.b64encode(name.encode()).decode() + "?="


def _hidden_cases():
    for method, params in _HIDDEN:
        shown = f"{method} {str(params.get('name', 'ref'))[:20]!r}"
        yield Case("hidden", "legacy", shown, legacy(ask(method, **params)), (200,), DENIED)
        name = "" if method == "completion/complete" else _encoded(params["name"])
        message = ask_modern(method, **params)
        yield Case("hidden", "modern", shown, modern(message, name=name), (400,), (*DENIED, -32020))
    for uri in _HIDDEN_URIS:
        read = ask("resources/read", uri=uri)
        yield Case("hidden", "legacy", f"read {uri!r}", legacy(read), (200,), NOT_FOUND)
        data = modern(ask_modern("resources/read", uri=uri), name=_encoded(uri))
        yield Case("hidden", "modern", f"read {uri!r}", data, (400,), (*DENIED, -32020))
        for method in ("resources/subscribe", "resources/unsubscribe"):
            data = legacy(ask(method, uri=uri), **LATEST)
            yield Case("hidden", "legacy", f"{method} {uri!r}", data, (200,), NOT_FOUND)
    for wanted in (
        ["note://secret"],
        ["note://public", "public://private%2Fplan"],
        "note://secret",
        [["note://secret"]],
    ):
        message = ask_modern("subscriptions/listen", notifications={"resourceSubscriptions": wanted})
        yield Case("hidden", "modern", f"listen {wanted}", modern(message), (400,), DENIED)
    message = ask_modern("subscriptions/listen", notifications={"ResourceSubscriptions": ["note://secret"]})
    yield Case("hidden", "modern", "listen in another case", modern(message), (400,), DENIED)
    for ref in (
        {"type": "ref/resource", "uri": "secret://{title}"},
        {"type": "ref/resource", "uri": "note://secret"},
        {"type": "ref/prompt", "name": "greet", "uri": "secret://{title}"},
        {"type": "ref/tool", "name": "bad"},
        {"name": "hidden_prompt"},
        ["ref/prompt", "hidden_prompt"],
        None,
    ):
        message = ask("completion/complete", ref=ref, argument={"name": "title", "value": ""})
        codes = (*DENIED, *NOT_FOUND)
        yield Case("completion", "legacy", str(ref), legacy(message), (200,), codes)
        message["params"]["_meta"] = META
        yield Case("completion", "modern", str(ref), modern(message), (400,), codes)


_TWISTS = {
    "a name twice": (b'"name": "bad"', b'"name": "good", "name": "bad"'),
    "a name twice, escaped": (b'"name": "bad"', b'"name": "good", "n\\u0061me": "bad"'),
    "a name in another case": (b'"name": "bad"', b'"name": "good", "Name": "bad"'),
    "a name cut at NUL": (b'"name": "bad"', b'"name": "good", "name\\u0000x": "bad"'),
    "a name with a blank": (b'"name": "bad"', b'"name": "good", "name ": "bad"'),
    "params in another case": (b'"params"', b'"params": {"name": "good"}, "PARAMS"'),
    "params with a long s": (b'"params"', b'"params": {"name": "good"}, "param\\u017f"'),
    "params twice": (b'"params"', b'"params": {"name": "good"}, "params"'),
    "method twice": (b'"method"', b'"method": "tools/list", "method"'),
    "method twice, escaped": (b'"method"', b'"method": "tools/list", "m\\u0065thod"'),
    "a key twice, deep": (b'"text": "x"', b'"text": "x", "a": [{"b": 1, "b": 2}]'),
    "arguments in another case": (b'"arguments"', b'"arguments": {}, "Arguments"'),
    "meta twice": (b'"name"', b'"_meta": {}, "_Meta": {}, "name"'),
    "a nest of arrays": (b'"text": "x"', b'"text": [' + b"[[[]]]," * 40_000 + b"1]"),
    "NaN": (b'"text": "x"', b'"text": NaN'),
    "infinity": (b'"text": "x"', b'"text": 1e999'),
    "a number without end": (b'"text": "x"', b'"text": ' + b"9" * 5000),
    "a lone surrogate": (b'"text": "x"', b'"text": "\\ud800"'),
    "bytes that are not UTF-8": (b'"text": "x"', b'"text": "\xc0\xae"'),
    "a raw control character": (b'"text": "x"', b'"text": "\x01"'),
    "a comment": (b'"params"', b'/* */ "params"'),
    "single quotes": (b'"bad"', b"'bad'"),
    "a trailing comma": (b'"text": "x"', b'"text": "x",'),
    "nested too deep": (b'"text": "x"', b'"text": ' + b"[" * 100 + b"]" * 100),
    "nested without end": (b'"text": "x"', b'"text": ' + b"[" * 200_000),
    "id null": (b'"id": 1', b'"id": null'),
    "id true": (b'"id": 1', b'"id": true'),
    "id a fraction": (b'"id": 1', b'"id": 1.5'),
    "id with an exponent": (b'"id": 1', b'"id": 1e0'),
    "id rounded": (b'"id": 1', b'"id": 1.00000000000000000000000000001'),
    "id an object": (b'"id": 1', b'"id": {}'),
    "id beyond all": (b'"id": 1', b'"id": 90071992547409930'),
    "id without end": (b'"id": 1', b'"id": "' + b"x" * 300 + b'"'),
    "no id": (b'"id": 1, ', b""),
    "another jsonrpc": (b'"2.0"', b'"1.0"'),
    "jsonrpc a number": (b'"2.0"', b"2.0"),
    "no jsonrpc": (b'"jsonrpc": "2.0", ', b""),
    "method and result": (b'"params"', b'"result": {}, "params"'),
    "method and error": (b'"params"', b'"error": null, "params"'),
    "method a list": (b'"tools/call"', b'["tools/call"]'),
    "a notification with an id": (b'"tools/call"', b'"notifications/initialized"'),
}
_TWISTED_TYPES = {
    "name a list": (b'"name": "bad"', b'"name": ["bad"]'),
    "name an object": (b'"name": "bad"', b'"name": {"name": "bad"}'),
    "name null": (b'"name": "bad"', b'"name": null'),
    "no name": (b'"name": "bad", ', b""),
    "params a list": (b'{"name": "bad", "arguments": {"text": "x"}', b'["bad", {"text": "x"}'),
}
_TEXTS = {
    "two documents": text(BAD) + text(BAD),
    "lines of JSON": text(BAD) + b"\n" + text(BAD),
    "a byte behind": text(BAD) + b"\0",
    "a byte order mark": b"\xef\xbb\xbf" + text(BAD),
    "UTF-16": text(BAD).decode().encode("utf-16"),
    "UTF-16 without a mark": text(BAD).decode().encode("utf-16-le"),
    "UTF-32": text(BAD).decode().encode("utf-32-be"),
    "UTF-7": text(BAD).replace(b"{", b"+AHs-").replace(b"}", b"+AH0-"),
    "gzip without a label": gzip.compress(text(BAD), mtime=0),
    "nothing": b"",
    "a string": b'"tools/call"',
    "a form": b"method=tools/call&name=bad",
}


def _json_cases():
    for name, (old, new) in _TWISTS.items():
        data = legacy(swap(BAD, old, new))
        yield Case("json", "legacy", name, data, (400,), STRICT)
        data = modern(swap(BAD_MODERN, old, new), method="tools/call", name="bad")
        yield Case("json", "modern", name, data, (400,), STRICT)
    for name, (old, new) in _TWISTED_TYPES.items():
        if name != "params a list":
            yield Case("json", "legacy", name, legacy(swap(BAD, old, new)), (200,), DENIED)
            data = modern(swap(BAD_MODERN, old, new), method="tools/call", name="bad")
            yield Case("json", "modern", name, data, (400,), (*DENIED, -32020))
            continue
        yield Case("json", "legacy", name, legacy(swap(BAD, old + b"}", new + b"]")), (400,), STRICT)
    for name, body in _TEXTS.items():
        yield Case("json", "legacy", name, legacy(body), (400,), STRICT)
        yield Case("json", "modern", name, modern(body, method="tools/call", name="bad"), (400,), STRICT)
    for name, meta in {"a list": [META], "null": None, "a string": "x", "empty": {}}.items():
        data = modern(tool("bad", _meta=meta))
        yield Case("meta", "modern", name, data, (400,), (-32600, -32602))
    lower = {key.lower(): value for key, value in META.items()}
    yield Case("meta", "modern", "keys in another case", modern(tool("bad", _meta=lower)), (400,), (-32600,))
    other = META | {"io.modelcontextprotocol/protocolVersion": "2025-06-18"}
    yield Case("meta", "modern", "another version", modern(tool("bad", _meta=other)), (400,), (-32020,))
    yield Case("meta", "legacy", "a modern version", legacy(BAD_MODERN), (400,), (-32020,))
    yield Case("meta", "legacy", "a modern version alone", legacy(BAD_MODERN, version=None), (400,), (-32020,))


META_TASKS = META | {
    "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}
}


def _task_cases():
    for method in ("tasks/get", "tasks/result", "tasks/cancel"):
        for task in ("1", "", "../1", "A" * 60, "caf\xe9", None, 7, ["1"], {"taskId": "1"}):
            data = legacy(ask(method, taskId=task), **LATEST)
            yield Case("task", "legacy", f"{method} {task!r}"[:40], data, (200,), DENIED)
        yield Case("task", "legacy", f"{method} of none", legacy(ask(method), **LATEST), (200,), DENIED)
        data = legacy(swap(ask(method, taskId="1"), b'"taskId"', b'"TaskId"'), **LATEST)
        yield Case("task", "legacy", f"{method} in another case", data, (400,), (-32600,))
    for method in ("tasks/get", "tasks/update", "tasks/cancel"):
        for task in ("1", "A" * 60):
            data = modern(ask(method, taskId=task, _meta=META_TASKS), name=task)
            yield Case("task", "modern", f"{method} {task!r}", data, (400,), DENIED)
        data = modern(ask_modern(method, taskId="1"), name="1")
        yield Case("task", "modern", f"{method} undeclared", data, (400,), (-32021,))
        data = modern(ask_modern(method, taskId="1"), name="2")
        yield Case("task", "modern", f"{method} of another name", data, (400,), (-32020,))
        yield Case("task", "modern", f"{method} unnamed", modern(ask_modern(method, taskId="1")), (400,), (-32020,))
    listen = ask("subscriptions/listen", notifications={"taskIds": ["1"]}, _meta=META_TASKS)
    yield Case("task", "modern", "listen", modern(listen), (400,), DENIED)
    listen["params"]["_meta"] = META
    yield Case("task", "modern", "listen undeclared", modern(listen), (400,), (-32021,))
    listen["params"]["notifications"] = {"TaskIds": ["1"]}
    yield Case("task", "modern", "listen in another case", modern(listen), (400,), DENIED)
    meta = {"io.modelcontextprotocol/related-task": {"taskId": "1"}}
    yield Case("task", "legacy", "a call for another's", legacy(tool("good", _meta=meta), **LATEST), (200,), DENIED)
    data = modern(tool("good", _meta=META | meta))
    yield Case("task", "modern", "a call for another's", data, (400,), DENIED)


def _param_cases():
    for said in ("plan b", "Plan", "=?base64?eA==?=", "=?base64?!?=", "plan, plan", ""):
        message = ask_modern("tools/call", name="read_note", arguments={"title": "plan"})
        data = modern(message, f"Mcp-Param-Title: {said}")
        yield Case("param", "modern", repr(said), data, (400,), (-32020,))
        data = legacy(ask("tools/call", name="read_note", arguments={"title": "plan"}), f"Mcp-Param-Title: {said}")
        yield Case("param", "legacy", repr(said), data, (400,), (-32020,))
    message = ask_modern("tools/call", name="read_note", arguments={"title": "plan"})
    yield Case("param", "modern", "nothing", modern(message), (400,), (-32020,))
    message["params"]["arguments"] = {}
    yield Case("param", "modern", "of no argument", modern(message, "Mcp-Param-Title: plan"), (400,), (-32020,))


def _method_cases():
    for method in ("tools/call ", "Tools/Call", "tools/call\0", "tools//call", "tools/call/", "rpc.call", "tools"):
        message = ask(method, name="bad", arguments={"text": "x"})
        yield Case("method", "legacy", repr(method), legacy(message), (200,), (-32601,))
    yield Case("method", "legacy", "tasks/list", legacy(ask("tasks/list"), **LATEST), (200,), (-32601,))
    for method in ("tasks/list", "tasks/result"):
        yield Case("method", "modern", method, modern(ask_modern(method, taskId="1")), (404,), (-32601,))
    for method in ("initialize", "ping", "resources/subscribe", "logging/setLevel", "tools/Call", "sampling/x"):
        data = modern(ask_modern(method, uri="note://secret", level="debug"))
        yield Case("method", "modern", method, data, (404,), (-32601,))
    for method in ("server/discover", "subscriptions/listen"):
        yield Case("method", "legacy", method, legacy(ask(method)), (200,), (-32601,))
    quiet = {"jsonrpc": "2.0", "method": "notifications/tools/call", "params": BAD["params"]}
    yield Case("method", "legacy", "a call named as a notification", legacy(quiet), (202,), (None,))
    yield Case("method", "legacy", "a call named so in a batch", legacy([quiet], **BATCHES), (400,), (-32600,))
    answer = {"jsonrpc": "2.0", "id": 1, "result": {"tools": []}, "_meta": META}
    data = modern(answer, method="tools/call", name="bad")
    yield Case("method", "modern", "an answer in place of a call", data, (400,), (-32600,))


def _batch_cases():
    second = BAD | {"id": 2}
    quiet = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    for name, body, codes in (
        ("a hidden tool behind an allowed one", [tool("good"), second], DENIED),
        ("a hidden tool behind a notification", [quiet, BAD], DENIED),
        (
            "a hidden prompt among lists",
            [ask("tools/list"), ask("prompts/get", name="hidden_prompt") | {"id": 2}],
            DENIED,
        ),
        ("ids twice", [tool("good"), BAD], STRICT),
        ("nested", [[BAD]], STRICT),
        ("empty", [], STRICT),
        ("too long", [BAD | {"id": number} for number in range(51)], STRICT),
        ("initialize", [ask("initialize", protocolVersion="2025-03-26"), second], STRICT),
        ("a modern member", [tool("good"), BAD_MODERN | {"id": 2}], (-32020,)),
        ("a string", [tool("good"), "tools/call"], STRICT),
    ):
        statuses = (200,) if codes is DENIED else (400,)
        yield Case("batch", "legacy", name, legacy(body, **BATCHES), statuses, codes)
    yield Case("batch", "legacy", "no batches any more", legacy([BAD]), (400,), STRICT)
    yield Case("batch", "modern", "of one", modern([BAD_MODERN], method="tools/call", name="bad"), (400,), STRICT)


def _header_cases():
    """Header and body tell different stories."""
    for name, headers in {
        "another name": {"name": "good"},
        "no name": {"name": ""},
        "another method": {"method": "tools/list", "name": "bad"},
        "no method": {"method": "", "name": "bad"},
        "a method in another case": {"method": "Tools/Call", "name": "bad"},
        "an encoded method": {"method": _encoded("tools/call"), "name": "bad"},
        "another encoded name": {"name": _encoded("good")},
        "an encoding that is not canonical": {"name": "=?base64?YmFk=?="},
        "an encoding without its end": {"name": "=?base64?YmFk"},
        "an encoding of an encoding": {"name": _encoded(_encoded("bad"))},
        "an encoding in another case": {"name": "=?BASE64?YmFk?="},
        "two names": {"name": "bad, good"},
    }.items():
        yield Case("story", "modern", name, modern(BAD_MODERN, **headers), (400,), (-32020,))
    data = modern(GOOD_MODERN, name=_encoded("bad"))
    yield Case("story", "modern", "a hidden name encoded over an allowed one", data, (400,), (-32020,))
    for header in ("Mcp-Name: good", "Mcp-Method: tools/list", "Mcp-Name: =?base64?Z29vZA==?="):
        yield Case("story", "legacy", header, legacy(BAD, header), (400,), (-32020,))
    for version in ("2026-07-29", "2024-01-01", "2025-06-18, 2026-07-28", "2025-06-18 x", "latest", "2026-07-28;q=1"):
        yield Case("story", "legacy", f"version {version}", legacy(BAD, version=version), (400,), (-32022,))


def _list_cases():
    for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list"):
        yield Case("list", "legacy", method, legacy(ask(method)), (200,), (None,), reaches=True)
        # The official SDK's server takes no batches any more and says so itself; only what it may not say counts here.
        data = legacy([ask(method)], **BATCHES)
        yield Case("list", "legacy", f"{method} in a batch", data, (400,), (*DENIED, *STRICT), reaches=True)
        data = legacy(ask(method, cursor=""), "Accept-Encoding: gzip, deflate, br", "Last-Event-ID: 0")
        yield Case("list", "legacy", f"{method}, compressed", data, (200, 400), (None, -32602, -32600), reaches=True)
        yield Case("list", "modern", method, modern(ask_modern(method)), (200,), (None,), reaches=True)
        data = modern(ask_modern(method), http="1.0")
        yield Case("list", "modern", f"{method} over HTTP/1.0", data, (200,), (None,), reaches=True)


CASES = [
    *_hidden_cases(),
    *_json_cases(),
    *_task_cases(),
    *_param_cases(),
    *_method_cases(),
    *_batch_cases(),
    *_header_cases(),
    *_list_cases(),
    *HTTP_CASES,
]
