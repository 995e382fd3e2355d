"""Tables of bodies that feed several tests each, and short ways to write requests."""

from __future__ import annotations

import json
from typing import Any

MODERN = "2026-07-28"
LEGACY = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
META = {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}
KNOWS_TASKS = META | {CAPABILITIES_KEY: {"extensions": {"io.modelcontextprotocol/tasks": {}}}}
JSON = {"content-type": "application/json"}


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


def request(method: str, params: dict[str, Any] | None = None, id_: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": method} | ({} if params is None else {"params": params})


def note(method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method} | ({} if params is None else {"params": params})


def call(name: Any = "open", **more: Any) -> dict[str, Any]:
    return request("tools/call", {"name": name, **more})


def legacy(version: str | None = "2025-11-25", **more: str) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return JSON | ({} if version is None else {"mcp-protocol-version": version}) | named


def modern(method: str, name: str | None = None, **more: str) -> dict[str, str]:
    named = {} if name is None else {"mcp-name": name}
    return legacy(MODERN, mcp_method=method, **more) | named


def modern_body(method: str, params: dict[str, Any] | None = None, id_: Any = 1) -> bytes:
    return text(request(method, {"_meta": META, **(params or {})}, id_))


def around(value: bytes) -> bytes:
    """Put a JSON text where a tool's argument stands."""
    return b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open","arguments":{"a":' + value + b"}}}"


PLAIN = around(b"1")

# sentence -> a body that is not strict JSON, though some reader takes it for a tools/call
NOT_STRICT = {
    "a key twice in the message": PLAIN[:-1] + b',"method":"tools/list"}',
    "a key twice in the params": PLAIN.replace(b'"name":"open"', b'"name":"open","name":"shut"'),
    "a key twice deep in the arguments": around(b'[{"x":[{"k":1,"k":1}]}]'),
    "a key twice, once escaped": PLAIN.replace(b'"name":"open"', b'"name":"open","n\\u0061me":"shut"'),
    "a key twice beside a hundred others": around(
        b"{" + b",".join(b'"%d":0' % number for number in range(100)) + b',"7":0}'
    ),
    "an empty key twice": around(b'{"":1,"":2}'),
    "a byte order mark": b"\xef\xbb\xbf" + PLAIN,
    "a byte order mark behind a blank": b" \xef\xbb\xbf" + PLAIN,
    "UTF-16 with a byte order mark": PLAIN.decode().encode("utf-16"),
    "UTF-16, little-endian": PLAIN.decode().encode("utf-16-le"),
    "UTF-16, big-endian": PLAIN.decode().encode("utf-16-be"),
    "UTF-32": PLAIN.decode().encode("utf-32"),
    "Latin-1": around(b'"\xe9"'),
    "an overlong sequence": around(b'"\xc0\xaf"'),
    "a surrogate in UTF-8": around(b'"\xed\xa0\xbd"'),
    "a code point beyond Unicode": around(b'"\xf4\x90\x80\x80"'),
    "a cut sequence": around(b'"\xe2\x82"'),
    "a lone high surrogate": around(b'"\\ud83d"'),
    "a lone low surrogate": around(b'"\\ude00"'),
    "surrogates in the wrong order": around(b'"\\ude00\\ud83d"'),
    "a surrogate pair with a backslash between": around(b'"\\ud83d\\\\\\ude00"'),
    "a lone surrogate after a pair": around(b'"\\ud83d\\ude00\\ud83d"'),
    "a lone surrogate in a key": around(b'{"\\uDFFF":1}'),
    "a lone surrogate behind an escaped backslash": around(b'"\\\\\\uD800"'),
    "nothing": b"",
    "blanks only": b" \r\n\t",
    "trailing bytes": PLAIN + b"x",
    "a second document": PLAIN + PLAIN,
    "a second document on a second line": PLAIN + b"\n" + PLAIN,
    "a closing bracket too many": PLAIN + b"}",
    "a NUL behind the document": PLAIN + b"\0",
    "a vertical tab before the document": b"\x0b" + PLAIN,
    "a form feed behind the document": PLAIN + b"\x0c",
    "a no-break space behind the document": PLAIN + b"\xc2\xa0",
    "a record separator before the document": b"\x1e" + PLAIN,
    "a cut document": PLAIN[:-1],
    "a line comment": PLAIN + b"//",
    "a block comment": b"/**/" + PLAIN,
    "a comment inside": around(b"/* */1"),
    "a trailing comma in an object": around(b'{"k":1,}'),
    "a trailing comma in an array": around(b"[1,]"),
    "single quotes": PLAIN.replace(b'"', b"'"),
    "a bare key": around(b"{k:1}"),
    "a raw line end in a string": around(b'"a\nb"'),
    "a raw NUL in a string": around(b'"a\0b"'),
    "an unknown escape": around(b'"\\x41"'),
    "a cut escape": around(b'"\\u00"'),
    "NaN": around(b"NaN"),
    "Infinity": around(b"Infinity"),
    "-Infinity": around(b"[-Infinity]"),
    "a leading zero": around(b"01"),
    "a leading plus": around(b"+1"),
    "a number without digits before the point": around(b".5"),
    "a number without digits behind the point": around(b"1."),
    "a hexadecimal number": around(b"0x10"),
    "a float beyond the range": around(b"1e999"),
    "a float below the range": around(b"[-1E+400]"),
    "a long float beyond the range": around(b"9" * 310 + b".0"),
    "more digits than the limit": around(b"1" * 301),
    "more digits behind the point than the limit": around(b"0." + b"1" * 300),
    "deeper than the limit": around(b"[" * 62 + b"]" * 62),
    "deeper than the limit, in objects": around(b'{"a":' * 62 + b"1" + b"}" * 62),
    "deeper than any stack": b"[" * 100_000 + b"]" * 100_000,
    "deep and never closed": b'{"a":' * 100_000,
    "more keys than the limit": around(b"{" + b",".join(b'"%d":0' % number for number in range(100_000)) + b"}"),
    "more empty objects than the limit": around(b"[" + b"{}," * 100_000 + b"0]"),
    "Python's True": around(b"True"),
    "digits of another script": around("\u0661".encode()),
}

# sentence -> a body that is strict JSON and no JSON-RPC message
NOT_JSON_RPC = {
    "a string": b'"tools/call"',
    "null": b"null",
    "a number": b"7",
    "an empty object": b"{}",
    "jsonrpc absent": b'{"id":1,"method":"ping"}',
    "jsonrpc 1.0": b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
    "jsonrpc as a number": b'{"jsonrpc":2.0,"id":1,"method":"ping"}',
    "params as an array": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["open"]}',
    "params false": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":false}',
    "_meta as an array": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":[]}}',
    "method null": b'{"jsonrpc":"2.0","id":1,"method":null}',
    "method empty": b'{"jsonrpc":"2.0","id":1,"method":""}',
    "method in a list": b'{"jsonrpc":"2.0","id":1,"method":["ping"]}',
    "id null": b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
    "id a fraction": b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
    "id a float in exponents": b'{"jsonrpc":"2.0","id":1e0,"method":"ping"}',
    "id true": b'{"jsonrpc":"2.0","id":true,"method":"ping"}',
    "id an object": b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
    "id beyond what every reader holds": b'{"jsonrpc":"2.0","id":9007199254740992,"method":"ping"}',
    "id below what every reader holds": b'{"jsonrpc":"2.0","id":-9007199254740992,"method":"ping"}',
    "id a long string": b'{"jsonrpc":"2.0","id":"' + b"i" * 257 + b'","method":"ping"}',
    "a request without an id": b'{"jsonrpc":"2.0","method":"tools/call","params":{"name":"open"}}',
    "a notification with an id": b'{"jsonrpc":"2.0","id":1,"method":"notifications/initialized"}',
    "a call that is an answer": b'{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}',
    "a call that is an error": b'{"jsonrpc":"2.0","id":null,"method":"ping","error":{"code":1,"message":""}}',
    "neither call nor answer": b'{"jsonrpc":"2.0","id":1}',
    "result and error": b'{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}',
    "result and params": b'{"jsonrpc":"2.0","id":1,"result":{},"params":{}}',
    "a result without an id": b'{"jsonrpc":"2.0","result":{}}',
    "a result with id null": b'{"jsonrpc":"2.0","id":null,"result":{}}',
    "a result that is no object": b'{"jsonrpc":"2.0","id":1,"result":[]}',
    "an error that is no object": b'{"jsonrpc":"2.0","id":1,"error":"no"}',
    "an error whose code is true": b'{"jsonrpc":"2.0","id":1,"error":{"code":true,"message":""}}',
    "an error without a message": b'{"jsonrpc":"2.0","id":1,"error":{"code":1}}',
    "Method beside method": b'{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}',
    "METHOD alone": b'{"jsonrpc":"2.0","id":1,"METHOD":"ping"}',
    "method with a NUL": b'{"jsonrpc":"2.0","id":1,"method":"ping","method\\u0000x":"tools/call"}',
    "method with a blank": b'{"jsonrpc":"2.0","id":1,"method":"ping","method ":"tools/call"}',
    "method behind a tab": b'{"jsonrpc":"2.0","id":1,"method":"ping","\\tmethod":"tools/call"}',
    "params with the long s": '{"jsonrpc":"2.0","id":1,"method":"tools/call","param\u017f":{"name":"open"}}'.encode(),
    "Name beside name": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open","Name":"shut"}}',
    "name escaped in capitals": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"\\u004eame":"shut"}}',
    "task with the long s": '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"ta\u017fk":{}}}'.encode(),
    "task with the Kelvin sign": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"tas\\u212a":{}}}',
    "_META beside _meta": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{},"_META":{}}}',
    "a version key in capitals": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":'
    b'{"io.modelcontextprotocol/PROTOCOLVERSION":"2026-07-28"}}}',
    "taskid in a related task": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open","_meta":'
    b'{"io.modelcontextprotocol/related-task":{"taskid":"t"}}}}',
    "Name in a completion's ref": b'{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":'
    b'{"type":"ref/prompt","name":"open","Name":"shut"}}}',
}

# sentence -> a body that is odd and yet read the same way by everyone
ODD_BUT_EXACT = {
    "blanks around": b" \t\r\n" + PLAIN + b"\n \t\r",
    "escapes in the method": PLAIN.replace(b"tools/call", b"\\u0074ools\\/call"),
    "escapes in the name's key": PLAIN.replace(b'"name"', b'"n\\u0061me"'),
    "a surrogate pair": around(b'"\\ud83d\\ude00"'),
    "what only looks like a lone surrogate": around(b'"\\\\ud83d"'),
    "a NUL in an argument": around(b'"\\u0000"'),
    "a name with blanks around it": PLAIN.replace(b'"open"', b'" open\\n"'),
    "an id of no characters": PLAIN.replace(b'"id":1', b'"id":""'),
    "minus zero as an id": PLAIN.replace(b'"id":1', b'"id":-0'),
    "the largest id": PLAIN.replace(b'"id":1', b'"id":9007199254740991'),
    "unknown keys": PLAIN[:-1] + b',"more":{"method":"x"}}',
    "keys that differ in case in the arguments": around(b'{"name":1,"Name":2}'),
    "brackets in a string": around(b'"' + b"[{" * 1000 + b'"'),
    "quotes and backslashes in a string": around(b'"' + b'\\"\\\\' * 1000 + b'"'),
    "as deep as the limit": around(b"[" * 61 + b"]" * 61),
    "a hundred arrays side by side": around(b"[" + b"[]," * 100 + b"[]]"),
    "as many digits as the limit": around(b"1" * 300),
    "a float of three exponent digits": around(b"1e-300"),
    "what only looks like a long exponent": around(b'"1e999"'),
    "__proto__": around(b'{"__proto__":{"name":"shut"}}'),
}

# sentence -> a body of some size n that once was, or could be, dear to read
WORST = {
    "opening brackets": lambda n: b"[" * n,
    "opening objects": lambda n: b'{"a":' * (n // 5),
    "empty arrays": lambda n: around(b"[" + b"[]," * (n // 3) + b"0]"),
    "empty objects": lambda n: around(b"[" + b"{}," * (n // 3) + b"0]"),
    "deep arrays side by side": lambda n: around(b"[" + (b"[" * 60 + b"]" * 60 + b",") * (n // 121) + b"0]"),
    "a string that never ends": lambda n: b"[" * 65 + b'"' + b'\\"' * (n // 2),
    "escaped quotes": lambda n: around(b'"' + b'\\"' * (n // 2) + b'"'),
    "backslashes": lambda n: around(b'"' + b"\\\\" * (n // 2) + b'"'),
    "backslashes that never end": lambda n: b'"' + b"\\" * n,
    "surrogate pairs": lambda n: around(b'"' + b"\\ud83d\\ude00" * (n // 12) + b'"'),
    "lone surrogates": lambda n: around(b'"' + b"\\ud83d" * (n // 6) + b'"'),
    "digits": lambda n: around(b"1" * n),
    "long numbers": lambda n: around(b"[" + (b"1" * 299 + b",") * (n // 300) + b"0]"),
    "long exponents": lambda n: around(b"[" + b"1e-100," * (n // 7) + b"0]"),
    "keys": lambda n: around(b"{" + b",".join(b'"%x":0' % number for number in range(n // 10)) + b"}"),
    "blanks": lambda n: b" " * n + PLAIN,
    "a long name": lambda n: text(call("x" * n)),
    "a long method": lambda n: text(request("x" * n)),
    "a long URI": lambda n: text(request("resources/read", {"uri": "file:///" + "%5" * (n // 2)})),
}
