"""What the core costs beside the standard JSON reader: a decision, a filtered list, and how they grow with the bytes.

The bars are ratios to json.loads (and json.dumps, where JSON is written) of the same bytes in the same round. Times are
of the processor: nothing here waits, and what else the machine does is nobody's cost.
"""

import json
import math
import statistics
from functools import partial
from pathlib import Path

from bench.measure import row, seconds, shown
from bench.plot import plot
from mcp_core import decide
from mcp_core.outcome import Reject
from mcp_core.policy import Policy
from mcp_core.principal import NOBODY
from mcp_core.surface import filter_text

_POLICY = Policy.from_config({"tools": {"allow": ["read_*", "search_*"], "deny": ["read_secret*"]}})
_VIEW = _POLICY.view(NOBODY)
_CALLER = decide.Caller(_VIEW)
_GUARD = decide.GuardTerms(_POLICY)
_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
}
CALL_HEADERS = {
    "host": "gateway.example.com",
    "user-agent": "bench/1.0",
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
    "content-length": "1024",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "read_file",
    "x-request-id": "b6f1d7c4e1c84e7fa2f2a8f6f2f7d3d1",
}
KIB = 1024
SIZES = [KIB << power for power in range(0, 13, 2)]
"""1 KiB to 4 MiB, which is the limit of a body."""
_ENVELOPE = 512
"""Bytes that are left for what stands around a shape, so that the largest body is not over the limit."""
_EXPONENT_BAR = 1.25
"""Caches and the collector let json.loads, too, grow by up to 1.2 on nested bodies; what is quadratic has 2."""


def _call(arguments):
    params = {"name": "read_file", "arguments": arguments, "_meta": _META}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()


def call(size):
    """Return a tools/call of `size` bytes as agents send them: records with text and numbers, and a note."""
    arguments = {"path": "src/shop/cart.py", "note": "", "records": []}
    each = len(json.dumps(_RECORD)) + len(", ")
    arguments["records"] = [_RECORD] * ((size - len(_call(arguments))) // each)
    arguments["note"] = "x" * (size - len(_call(arguments)))
    return _call(arguments)


_RECORD = {
    "line": 0,
    "score": 0.25,
    "kept": True,
    "text": "def total(items):\n    return sum(item.price for item in items)  # in cents\n",
}


def listing(count):
    """Return a tools/list answer of `count` tools as servers write them, of which a policy hides one in ten."""
    tools = []
    for number in range(count):
        words = ("path", "query", "limit", "recursive")
        properties = {word: {"type": "string", "description": f"The {word} to use, as text."} for word in words}
        tools.append(
            {
                "name": f"read_{'secret' if number % 10 == 0 else 'table'}_{number}",
                "title": f"Read table {number}",
                "description": f"Reads table {number} and returns its rows. Use it when the user asks for figures. "
                * 3,
                "inputSchema": {"type": "object", "properties": properties, "required": ["path"]},
                "annotations": {"readOnlyHint": True},
            }
        )
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}).encode()


def _around(value):
    """Put a JSON text where a tool's argument stands."""
    return _call({"a": 0}).replace(b'"a": 0', b'"a": ' + value)


_DEEP = b'{"a":[' * 30 + b'"%s"' % (b"x" * 2400) + b"]}" * 30 + b","

# shape -> a body of about n bytes that is dear to read; some break a limit at some size, and are refused there
SHAPES = {
    "one long string": lambda n: _around(b'"' + b"x" * n + b'"'),
    "escapes": lambda n: _around(b'"' + b"\\ud83d\\ude00\\n\\\\" * (n // 16) + b'"'),
    "numbers": lambda n: _around(b"[" + b"-1.5e3," * (n // 7) + b"0]"),
    "digits": lambda n: _around(b"[" + (b"1" * 299 + b",") * (n // 300) + b"0]"),
    "keys": lambda n: _around(b"{" + b",".join(b'"%038x":0' % number for number in range(n // 43)) + b"}"),
    "objects": lambda n: _around(b"[" + b'{"a":"%s"},' % (b"x" * 34) * (n // 43) + b"0]"),
    "nested": lambda n: _around(
        b"[" + (b'{"a":[' * 30 + b'"%s"' % (b"x" * 2400) + b"]}" * 30 + b",") * (n // 2643) + b"0]"
    ),
    "brackets": lambda n: b"[" * n,
}

_LISTEN = "subscriptions/listen"
_LISTEN_HEADERS = {key: value for key, value in CALL_HEADERS.items() if key != "mcp-name"} | {"mcp-method": _LISTEN}
_OPEN = Policy.from_config(
    {"tools": {"allow": ["*"]}, "resources": {"allow": ["*"], "deny": ["file:///priv/*", "note://x*y*z*", "*.key"]}}
)
_OPEN_GUARD, _OPEN_CALLER = decide.GuardTerms(_OPEN), decide.Caller(_OPEN.view(NOBODY))


def _listing(uris):
    params = {"notifications": {"resourceSubscriptions": uris}, "_meta": _META}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": _LISTEN, "params": params}, ensure_ascii=False).encode()


def _filled(item):
    return _around(b"[" + item * ((SIZES[-1] - _ENVELOPE) // len(item)) + b"0]")


_HONEST = _filled(b"-1.5,")
"""What honest requests cost at most: as many numbers as fit."""
# The dearest requests that were found, in what makes them dear; half of them are refused.
DEAREST = (
    *(
        _filled(item)
        for item in (b"1e-299,", b"0e000,", b"1" * 208 + b",", b"1" * 299 + b",", b"0." + b"1" * 297 + b",")
    ),
    *(_filled(item) for item in (b'"0e0",', b'"\\n",', b'"",', b"[],", b'{"a":0},', b'"\\ud83d\\ude00",')),
    _around(b'"' + b"0" * (SIZES[-1] - _ENVELOPE) + b'"'),
    _around(b"[" + (b"[" + b"0," * 8 + b"0],") * 90_000 + b"0]"),
    b'{"a":' * (SIZES[-1] // 5),
    _around(b"0").replace(b'"name"', b",".join(b'"\xc4\xb0%x":0' % number for number in range(90_000)) + b',"name"', 1),
    *(_listing([uri] * 500_000) for uri in ("a:b", 7)),
    *(_listing([uri] * 1000) for uri in ("a:b", "note://private-" + "a/b;" * 28, "http://" + "xn--bcher-kva." * 4)),
    *(
        _listing([uri] * count)
        for uri, count in (("note://\ufdfa/\ufdfa;\ufdfa", 900), ("n://h/" + "\ufdfa" * 7900, 2))
    ),
)


def _decide_dear(body):
    headers = _LISTEN_HEADERS if body.startswith(b'{"jsonrpc": "2.0", "id": 1, "method": "subs') else CALL_HEADERS
    return decide.decide_post(_OPEN_GUARD, _OPEN_CALLER, headers, body)


def _dearest(rounds):
    """Return how many times as much the dearest request costs as reading the dearest honest one."""
    honest = min(seconds(lambda: json.loads(_HONEST), 1) for _ in range(rounds))
    spent = [min(seconds(partial(_decide_dear, body), 1) for _ in range(rounds)) for body in DEAREST]
    return max(spent) / honest


def _list(key, item):
    """Return a function that makes an answer of about n bytes, which lists the same item again and again."""
    return lambda n: (
        b'{"jsonrpc":"2.0","id":1,"result":{"%s":[' % key + b",".join([item] * (n // (len(item) + 1))) + b"]}}"
    )


_PRIVATE = Policy.from_config({"tools": {"allow": ["a*b*c*"]}, "resources": {"allow": ["*"], "deny": ["a:x*y*z*"]}})
# shape -> an answer of about n bytes that is dear to look at, beside what the JSON reader takes for it
ANSWERS = {
    "small tools": _list(b"tools", b'{"name":"b"}'),
    "keys beyond ASCII": _list(b"tools", '{"name":"b","\u00e9":1}'.encode()),
    "nothing": _list(b"tools", b"null"),
    "small URIs": _list(b"resources", b'{"uri":"a:b"}'),
    "URIs encoded four times": _list(b"resources", b'{"uri":"a:%25252525"}'),
    "nested schemas": _list(b"tools", b'{"name":"b","a":%s}' % (b"[" * 50 + b"]" * 50)),
    "keys twice": _list(b"tools", b'{"name":"b","a":{"b":1,"b":2}}'),
}
_ANSWER_BAR = 5


def decide_small(body):
    """Return what is decided over a body of call()."""
    return decide.decide_post(_GUARD, _CALLER, CALL_HEADERS, body)


def _load_and_dump(body):
    return json.dumps(json.loads(body)).encode()


def _beside(ours, theirs, body, rounds, times):
    """Return the median seconds of ours, and the median over rounds of its ratio to theirs."""
    pairs = [(seconds(lambda: ours(body), times), seconds(lambda: theirs(body), times)) for _ in range(rounds)]
    return statistics.median(one for one, _ in pairs), statistics.median(one / other for one, other in pairs)


def _grow(shape, rounds):
    """Return (bytes, seconds) of one decision, for each size: the shortest of some rounds."""
    points = []
    for size in SIZES:
        body = SHAPES[shape](size - _ENVELOPE)
        times = max(1, 16 * KIB // size)
        points.append((len(body), min(seconds(partial(decide_small, body), times) for _ in range(rounds))))
    return points


def _exponent(points):
    """Return the slope on logarithmic axes from 16 KiB on: below, what every request costs weighs more."""
    known = [(math.log(size), math.log(spent)) for size, spent in points if size >= 16 * KIB]
    return statistics.linear_regression(*zip(*known, strict=True)).slope


def _check_inputs():
    """Fail where a measured input is refused, which would be cheap."""
    admitted = [isinstance(decide_small(call(size)), decide.Admitted) for size in (KIB, KIB * KIB)]
    passed = filter_text(listing(500), _VIEW)
    if not all(admitted) or isinstance(passed, Reject) or len(json.loads(passed)["result"]["tools"]) != 450:
        raise RuntimeError("what is measured is not admitted, or not filtered")


def run(*, quick):
    """Measure, write the plot, and return the rows."""
    _check_inputs()
    rounds = 5 if quick else 25
    small, large, listed = call(KIB), call(KIB * KIB), listing(500)
    median, ratio = _beside(decide_small, json.loads, small, 3 * rounds, 300)
    rows = [
        shown(f"core: decision over a tools/call of {len(small):,} bytes, median", median * 1e6, "us"),
        row("core: the same, to json.loads of it", ratio, "x", 5),
    ]
    _, ratio = _beside(decide_small, json.loads, large, rounds, 1)
    rows.append(row(f"core: decision over {len(large):,} bytes, to json.loads", ratio, "x", 3))
    _, ratio = _beside(lambda body: filter_text(body, _VIEW), _load_and_dump, listed, rounds, 2)
    rows.append(row(f"core: 500 tools filtered ({len(listed):,} bytes), to json.loads and dumps", ratio, "x", 3))
    for shape, make in ANSWERS.items():
        _, ratio = _beside(lambda body: filter_text(body, _PRIVATE.view(NOBODY)), json.loads, make(4 * KIB * KIB), 3, 1)
        rows.append(row(f"core: an answer of 4 MiB filtered, {shape}, to json.loads", ratio, "x", _ANSWER_BAR))
    rows.append(
        row(f"core: dearest of {len(DEAREST)} requests, to json.loads of 4 MiB of numbers", _dearest(3), "x", 3)
    )
    series = {shape: _grow(shape, 2 if quick else 5) for shape in SHAPES}
    for shape, points in series.items():
        rows.append(row(f"core: growth to 4 MiB, {shape}", _exponent(points), "exponent", _EXPONENT_BAR))
    target = Path("build/bench.svg")
    target.parent.mkdir(exist_ok=True)
    target.write_text(plot("Decision over one body", "bytes", "seconds", series))
    return rows
