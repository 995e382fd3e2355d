"""What other readers would make of a request, beside what the core makes of it.

Each oracle is written from what its reader does, not from what the core does. The official SDK's own functions say what
it would run; READERS say what other JSON readers take one key for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pydantic_core
from mcp.server.streamable_http_manager import HANDSHAKE_PROTOCOL_VERSIONS
from mcp.shared.inbound import InboundModernRoute, classify_inbound_request, find_duplicated_routing_header
from mcp_types import methods as sdk_methods
from mcp_types.jsonrpc import JSONRPCRequest, jsonrpc_message_adapter
from starlette.datastructures import Headers

from fuzz import typescript
from mcp_core import decide, envelope, tasks
from mcp_core import headers as http
from mcp_core.decide import Admitted
from mcp_core.jsonrpc import DEFAULT_LIMITS, Request, Response
from mcp_core.methods import METHODS
from mcp_core.outcome import Reject
from mcp_core.policy import Policy
from mcp_core.principal import NOBODY
from mcp_core.tasks import Task

# `ok...` exists, and nothing else does; vendor methods pass, so that there are some.
POLICY = Policy.from_config(
    {
        "tools": {"allow": ["ok*"]},
        "prompts": {"allow": ["ok*"]},
        "resources": {"allow": ["ok:*"]},
        "methods": {"allow": ["vendor/*"]},
    }
)
VIEW = POLICY.view(NOBODY)
GUARD = decide.GuardTerms(POLICY)
CALLER = decide.Caller(VIEW, open_task=lambda token: Task(token, "") if token.startswith("ok") else None)

# What a server acts on: key of params -> the keys below it that matter, or () where all of it does.
ACTED_ON = {
    "name": (),
    "uri": (),
    "arguments": (),
    "cursor": (),
    "protocolVersion": (),
    "taskId": (),
    "requestState": (),
    "ref": ("type", "name", "uri"),
    "notifications": ("resourceSubscriptions", "taskIds"),
}
RELATED_TASK = "io.modelcontextprotocol/related-task"
META_KEYS = (
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientCapabilities",
    RELATED_TASK,
    "progressToken",
)
ENVELOPE_KEYS = ("jsonrpc", "id", "method", "params", "result", "error")
PROTOTYPES = {"__proto__", "constructor", "prototype"}


class Pairs(list):
    """An object as pairs: every key as often as it stands there."""


def write(value, indent="", *, ascii_=True):
    """Return the value as JSON, with `indent` before each member."""
    if isinstance(value, Pairs):
        inner = (f"{indent}{write(key, ascii_=ascii_)}:{write(one, indent, ascii_=ascii_)}" for key, one in value)
        return "{" + ",".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ",".join(indent + write(one, indent, ascii_=ascii_) for one in value) + "]"
    return json.dumps(value, ensure_ascii=ascii_)


def fold_characters(text):
    """Fold character by character, as Go's encoding/json and Java's equalsIgnoreCase do: both Turkish i's, too."""
    return "".join(one.upper().lower()[:1] if len(one.upper()) == 1 else one for one in text)


# reader -> what it makes of a key before it compares; it takes two keys for one where both give the same
READERS = {
    "one without regard to case": str.lower,
    "one that compares in capitals": str.upper,
    "one that folds by Unicode": str.casefold,
    "Go's encoding/json, or Java's equalsIgnoreCase": fold_characters,
    "C": lambda key: key.partition("\0")[0],
    "C without regard to case": lambda key: key.partition("\0")[0].lower(),
    "one that trims like Python": str.strip,
    "one that trims like Java": lambda key: key.strip("".join(map(chr, range(33)))),
    "one that trims like ECMAScript": lambda key: key.strip("\ufeff\u00a0 \t\n\v\f\r\u2028\u2029\u3000"),
    "one that allows snake_case": lambda key: key.replace("_", "").lower(),
    "one that allows kebab-case": lambda key: key.replace("-", "").lower(),
}


def misreaders(key, meant):
    """Return the readers that take `key` for `meant`, though it is spelled otherwise."""
    return [] if key == meant else [reader for reader, made in READERS.items() if made(key) == made(meant)]


def pairs(text):
    """Return the JSON value with its objects as Pairs. Raises ValueError."""
    return json.loads(text, object_pairs_hook=Pairs)


def values(value, key, readers=misreaders):
    """Return every value that some reader finds under `key` of an object."""
    if not isinstance(value, Pairs):
        return []
    return [member for name, member in value if name == key or readers(name, key)]


@dataclass(frozen=True)
class Call:
    """A request that is run: its method, and what of its params is acted on, as pairs of a key and JSON."""

    method: str
    acted_on: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, method, params):
        kept = set()
        for key, below in ACTED_ON.items():
            value = (params or {}).get(key)
            if below and isinstance(value, dict):
                value = {one: value[one] for one in below if value.get(one) is not None}
            if value is not None:
                kept.add((key, json.dumps(value, sort_keys=True)))
        return cls(method, frozenset(kept))

    def in_ecmascript(self):
        """Return the call as ECMAScript holds it: numbers are floats, and zod leaves a member `__proto__` out."""
        return Call(self.method, frozenset((key, json.dumps(_in_ecmascript(text))) for key, text in self.acted_on))

    def within(self, seen):
        """Return whether whoever runs this acts on nothing but what was seen, or on less of it."""
        return self.method == seen.method and self.acted_on <= seen.acted_on


def _in_ecmascript(text):
    value = json.loads(text, parse_int=lambda digits: float(digits) + 0)  # JSON has no minus zero there
    return {key: one for key, one in value.items() if key != "__proto__"} if isinstance(value, dict) else value


def split(data):
    """Return the header lines and the body of an input: `name: value` lines, an empty line, the body.

    Names are lower-case and values trimmed, as every HTTP server has them; what no server takes is left out.
    """
    head, _, body = data.partition(b"\n\n")
    lines = []
    for line in head.decode("latin-1").split("\n"):
        name, _, value = line.partition(":")
        if name and name.isascii() and name.replace("-", "").replace("_", "").isalnum():
            lines.append((name.lower(), value.strip(" \t").translate({0: None, 13: None})))
    if not any(name == "content-type" for name, _ in lines):
        lines.append(("content-type", "application/json"))
    return lines, body


def as_kong(lines):
    """Return header lines as Kong hands them over: a list where a header stands twice."""
    headers: dict[str, Any] = {}
    for name, value in lines:
        headers[name] = value if name not in headers else [*_listed(headers[name]), value]
    return headers


def _listed(value):
    return value if isinstance(value, list) else [value]


def decide_request(lines, body):
    """Decide as the guard does."""
    headers = as_kong(lines)
    if (refusal := http.check(headers)) is not None:
        return refusal
    return decide.decide_post(GUARD, CALLER, headers, body)


def run_by_python(lines, body):
    """Return what the official Python SDK would run, by the way its session manager chooses."""
    headers = Headers(raw=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines])
    version = headers.get("mcp-protocol-version")
    try:
        if version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS:
            return _modern(headers, body)
        return _legacy(body)
    except (ValueError, RecursionError):  # pydantic's errors are ValueErrors
        return []


def _modern(headers, body):
    decoded = json.loads(body)
    message = JSONRPCRequest.model_validate(decoded)
    if find_duplicated_routing_header(headers.items()) is not None:
        return []
    route = classify_inbound_request(decoded, headers=dict(headers))
    if not isinstance(route, InboundModernRoute):
        return []
    return _typed(message, [route.protocol_version])


def _legacy(body):
    message = jsonrpc_message_adapter.validate_python(pydantic_core.from_json(body), by_name=False)
    # Which revision a session speaks is the server's to know: any of them may run it.
    return _typed(message, HANDSHAKE_PROTOCOL_VERSIONS) if isinstance(message, JSONRPCRequest) else []


def _typed(message, versions):
    if message.method not in sdk_methods.SPEC_CLIENT_METHODS:
        return [Call.of(message.method, message.params)]
    runs = set()
    for version in versions:
        try:
            typed = sdk_methods.parse_client_request(message.method, version, message.params)
        except (KeyError, ValueError):
            continue
        runs.add(Call.of(message.method, typed.model_dump(by_alias=True, mode="json").get("params")))
    return list(runs)


def check_request(data):
    """Raise AssertionError where a reader would run, or read, something else than the core saw. Return the decision."""
    lines, body = split(data)
    decision = decide_request(lines, body)
    if isinstance(decision, Reject):
        if decision.http_status() == 202:  # a notification that goes no further: nobody waits for an answer
            assert decision.body() == b""
            return decision
        assert decision.http_status() >= 200
        json.loads(decision.body())
        return decision
    read = envelope.read(as_kong(lines), body, DEFAULT_LIMITS)
    assert not isinstance(read, Reject)
    seen = [Call.of(one.method, one.params) for one in read.messages if isinstance(one, Request)]
    _check_truth(decision, read, lines)
    for call in run_by_python(lines, body):
        assert [call.method] == [one.method for one in seen], f"the Python SDK runs {call}"
        assert call.within(seen[0]), f"the Python SDK runs {call}"
    if (sdk := typescript.running()) is not None:
        left = iter([call.in_ecmascript() for call in seen])
        for one in sdk.ask("request", body) or ():
            call = Call.of(one["method"], one["params"]).in_ecmascript()
            assert any(call.within(seen) for seen in left), f"the TypeScript SDK runs {call}"
    _check_policy(read)
    whole = pairs(body)
    for message in [whole] if isinstance(whole, Pairs) else whole:
        check_readings(message)
    return decision


def _check_truth(decision: Admitted, read, lines):
    """Whatever header a reader goes by, in whatever way it reads repeated ones, says what the core saw."""
    only = read.messages[0]
    request = not read.batch and not isinstance(only, Response)
    if request:
        assert (decision.method, decision.name) == (only.method, envelope.item_name(only))
    truth = {
        "mcp-protocol-version": decision.version,
        "mcp-method": decision.method if request else None,
        "mcp-name": decision.name if request else None,
    }
    for name, value in lines:
        said = name.replace("_", "-")
        if said in truth:
            assert http.decode_value(value) == truth[said], f"the header {name} says {value!r}"


def _check_policy(read):
    for message in read.messages:
        method = None if isinstance(message, Response) else METHODS.get(message.method)
        if method is not None and method.kind is not None:
            assert VIEW.allows(method.kind, message.params[method.param])
        if isinstance(message, Request):
            named = [tasks.related(message.params), *([message.params["taskId"]] if "tasks/" in message.method else ())]
            assert all(task is None or task.startswith("ok") for task in named)


def check_readings(message):
    """Raise AssertionError where some reader takes a key of a message for another one."""
    _check_object(message, ENVELOPE_KEYS)
    for params in values(message, "params"):
        _check_object(params, (*ACTED_ON, "_meta"))
        for key, below in (*ACTED_ON.items(), ("_meta", META_KEYS)):
            for value in values(params, key) if below else ():
                _check_object(value, below)
        for meta in values(params, "_meta"):
            for related in values(meta, RELATED_TASK):
                _check_object(related, ("taskId",))


def _check_object(value, meant):
    names = [name for name, _ in value] if isinstance(value, Pairs) else []
    assert len(set(names)) == len(names), "a key twice"
    assert PROTOTYPES.isdisjoint(names), "a prototype"
    for name in names:
        for key in meant:
            assert not misreaders(name, key), f"{name!r} is taken for {key!r} by {misreaders(name, key)}"
