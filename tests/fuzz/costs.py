"""What the search for the dearest input measures: the guard's decision, the sidecar's filter, the scan of an item.

A bar is a ratio to a yardstick of the same run, as in tests/bench: seconds tell of machines. The yardstick of requests
and answers is json.loads of the dearest honest text of the largest size: nobody can forbid arrays of numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fuzz.oracles import as_kong, split
from fuzz.recipes import FILL
from mcp_core import decide
from mcp_core import headers as http
from mcp_core.jsonrpc import DEFAULT_LIMITS
from mcp_core.methods import LISTEN_TASKS, LISTEN_URIS, Kind
from mcp_core.pins.snapshot import IS_OPEN, Snapshot, Surface
from mcp_core.policy import Policy
from mcp_core.principal import consumer
from mcp_core.reasons import Reason
from mcp_core.scan import ItemKind, Scanner
from mcp_core.surface import ANSWER_LIMITS, filter_text
from mcp_core.tasks import TaskSealer

KIB = 1024
WHO = consumer("alice")
SEALER = TaskSealer([b"k" * 32, b"o" * 32], AESGCM, InvalidTag)
TEMPLATES = ("a:{x}", "note://{x}/b{y}/c{z}d", "file:///{path}")
STATES = dict.fromkeys(
    [(ItemKind.TOOL, "ok"), (ItemKind.RESOURCE, "a:b"), *((ItemKind.TEMPLATE, template) for template in TEMPLATES)],
    IS_OPEN,
)
SNAPSHOT = Snapshot("1", 1, {"s": Surface(STATES)})
POLICY = Policy.from_config(
    {
        "tools": {"allow": ["*"], "deny": ["a*b*c*", "*secret*"]},
        "prompts": {"allow": ["*"], "deny": ["*x*y*z*"]},
        "resources": {"allow": ["*"], "deny": ["file:///priv/*", "note://x*y*z*", "a:x*y*z*", "*.key"]},
        "methods": {"allow": ["vendor/*"]},
        "rules": [{"consumers": ["alice"], "tools": {"allow": ["ok*"], "deny": ["*no*no*"]}}],
    }
)
VIEW = POLICY.view(WHO)


def _closed(kind, name):
    # Every name is open: an unknown one ends a decision early, and an attacker has known ones.
    SNAPSHOT.refusal("s", kind, name)
    return None if kind is not Kind.RESOURCE or name.isprintable() else (Reason.DENIED_ITEM, "")


def _open_task(token):
    return SEALER.open(token, "s", WHO)


def guard(limits=DEFAULT_LIMITS, closed=_closed):
    """Return what decides over an input of target `request`: lines of headers, an empty line, and the body.

    `closed` is asked about every item that a request names.
    """
    settings = decide.GuardTerms(POLICY, limits=limits)
    caller = decide.Caller(VIEW, open_task=_open_task, closed=closed)

    def run(given):
        lines, body = given
        headers = as_kong(lines)
        return http.check(headers) or decide.decide_post(settings, caller, headers, body)

    return run


@dataclass(frozen=True)
class Cost:
    """One thing that is measured: inputs of `most` bytes at most, which may cost `bar` times the yardstick.

    `prepare` makes of an input what `run` takes, at nobody's cost. `yardstick` is run on honest(size), where size is
    that of the input, or `most` where `whole`: what is scanned has no budget of its own, but one for its length.
    """

    prepare: Callable
    run: Callable
    yardstick: Callable
    honest: Callable
    places: dict[str, tuple[str, str]]
    most: int
    bar: float
    whole: bool = True


_META = json.dumps(
    {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
    }
)


def _modern(method, params, name=None):
    named = "" if name is None else f"mcp-name: {name}\n"
    lines = f"mcp-protocol-version: 2026-07-28\nmcp-method: {method}\n{named}\n"
    return f'{lines}{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params},"_meta":{_META}}}}}'


def _legacy(method, params):
    return f'mcp-protocol-version: 2025-06-18\n\n{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}'


REQUESTS = {
    "arguments": ("values", _modern("tools/call", f'"name":"ok","arguments":{{"a":[{FILL}]}}', "ok")),
    "members of arguments": ("members", _modern("tools/call", f'"name":"ok","arguments":{{{FILL}}}', "ok")),
    "members of params": ("members", _modern("tools/call", f'"name":"ok",{FILL}', "ok")),
    "members of a request": ("members", f'\n\n{{"jsonrpc":"2.0","id":1,"method":"ping",{FILL}}}'),
    "members of _meta": ("members", _legacy("tools/call", f'"name":"ok","_meta":{{{FILL}}}')),
    "subscribed URIs": ("values", _modern("subscriptions/listen", f'"notifications":{{"{LISTEN_URIS}":[{FILL}]}}')),
    "subscribed tasks": ("values", _modern("subscriptions/listen", f'"notifications":{{"{LISTEN_TASKS}":[{FILL}]}}')),
    "members of a subscription": ("members", _modern("subscriptions/listen", f'"notifications":{{{FILL}}}')),
    "a tool's name": ("text", _legacy("tools/call", f'"name":"{FILL}"')),
    "a URI": ("text", _legacy("resources/read", f'"uri":"{FILL}"')),
    "what is completed": ("text", _legacy("completion/complete", f'"ref":{{"type":"ref/resource","uri":"{FILL}"}}')),
    "a task": ("text", _legacy("tasks/get", f'"taskId":"{FILL}"')),
    "a cursor": ("text", _legacy("tools/list", f'"cursor":"{FILL}"')),
    "capabilities": ("members", _legacy("initialize", f'"protocolVersion":"2025-06-18","capabilities":{{{FILL}}}')),
    "an answer": ("values", f'\n\n{{"jsonrpc":"2.0","id":1,"result":{{"content":[{FILL}]}}}}'),
    "an unknown method": ("text", f'\n\n{{"jsonrpc":"2.0","id":1,"method":"vendor/{FILL}"}}'),
    "a batch": ("values", f"mcp-protocol-version: 2025-03-26\n\n[{FILL}]"),
    "anything": ("bare", f"\n\n{FILL}"),
}


def _result(members):
    return f'{{"jsonrpc":"2.0","id":1,"result":{{{members}}}}}'


ANSWERS = {
    **{
        key: ("values", _result(f'"{key}":[{FILL}]'))
        for key in ("tools", "prompts", "resources", "resourceTemplates", "content", "contents", "messages")
    },
    "members of an answer": ("members", f'{{"jsonrpc":"2.0","id":1,{FILL}}}'),
    "members of a result": ("members", _result(FILL)),
    "members of a tool": ("members", _result(f'"tools":[{{"name":"ok",{FILL}}}]')),
    "members of a schema": ("members", _result(f'"tools":[{{"name":"ok","inputSchema":{{{FILL}}}}}]')),
    "_meta": ("members", _result(f'"_meta":{{{FILL}}}')),
    "serverInfo": ("members", _result(f'"serverInfo":{{{FILL}}}')),
    "a name": ("text", _result(f'"tools":[{{"name":"{FILL}"}}]')),
    "a URI": ("text", _result(f'"resources":[{{"uri":"{FILL}"}}]')),
    "a text": ("text", _result(f'"content":[{{"type":"text","text":"{FILL}"}}]')),
    "a cursor": ("text", _result(f'"nextCursor":"{FILL}"')),
    "structured content": ("members", _result(f'"structuredContent":{{{FILL}}}')),
    "an update": (
        "text",
        f'{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"{FILL}"}}}}',
    ),
    "a batch": ("values", f"[{FILL}]"),
    "anything": ("bare", FILL),
}
ITEMS = {
    "a description": ("text", f'{{"name":"t","description":"{FILL}"}}'),
    "a name": ("text", f'{{"name":"{FILL}"}}'),
    "a title": ("text", f'{{"name":"t","title":"{FILL}"}}'),
    "members of an item": ("members", f'{{"name":"t",{FILL}}}'),
    "properties": ("members", f'{{"name":"t","inputSchema":{{"type":"object","properties":{{{FILL}}}}}}}'),
    "an enumeration": ("values", f'{{"name":"t","inputSchema":{{"enum":[{FILL}]}}}}'),
    "annotations": ("members", f'{{"name":"t","annotations":{{{FILL}}}}}'),
    "_meta": ("members", f'{{"name":"t","_meta":{{{FILL}}}}}'),
    "a default": ("text", f'{{"name":"t","inputSchema":{{"properties":{{"a":{{"default":"{FILL}"}}}}}}}}'),
}


def _numbers(size):
    return b"[" + b"-1.5," * (size // 5) + b"0]"


_SENTENCE = "Reads the weather of a city and returns the temperature of the day. "
SCANNER = Scanner()


def _item(data):
    """Return the item that a text is, or None: what is no item is scanned by nobody."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _scan(item):
    return None if item is None else SCANNER.scan_item(ItemKind.TOOL, item)


COSTS = {
    "request": Cost(split, guard(), json.loads, _numbers, REQUESTS, DEFAULT_LIMITS.body - KIB, 3),
    "answer": Cost(
        bytes, lambda body: filter_text(body, VIEW), json.loads, _numbers, ANSWERS, ANSWER_LIMITS.body - KIB, 5
    ),
    "item": Cost(
        _item,
        _scan,
        _scan,
        lambda size: {"name": "t", "description": _SENTENCE * (size // len(_SENTENCE))},
        ITEMS,
        256 * KIB,
        # Prose of one sentence is read twice as fast as what holds nothing twice: see spec/decisions/363.
        100,
        whole=False,
    ),
}
"""Target -> what is measured, and how many times the yardstick's time it may take."""
