"""What is let pass by a verdict that was given for another message: the guard would have let the same pass."""

from __future__ import annotations

import json
from dataclasses import replace

from fuzz.oracles import check_request, decide_request
from mcp_answers.again_hand import AgainHand
from mcp_core.decide import Admitted

_META = (
    '{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},'
    '"progressToken":"p"}'
)
LEGACY = [("content-type", "application/json"), ("mcp-protocol-version", "2025-11-25")]
MODERN = [
    ("content-type", "application/json"),
    *(("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "okay")),
]
BASES = [
    (
        LEGACY,
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"okay","arguments":{"a":[1,{"b":null}]}}}',
    ),
    (
        LEGACY,
        b'{"method": "tools/call", "params": {"arguments": {}, "name": "okay"}, "jsonrpc": "2.0", "id": "x"}',
    ),
    (
        LEGACY,
        (
            b'{"jsonrpc":"2.0","x":{"id":3,"params":{"arguments":{}}},"params":{"_meta":{"id":"\\u0061","arguments":{"id":2}},'
            b'"arguments":{"arguments":{"id":1}},"name":"okay"},"id":5,"method":"tools/call"}'
        ),
    ),
    (
        MODERN,
        b'{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"okay","arguments":{"t":"x"},"_meta":%b}}'
        % _META.encode(),
    ),
]
HAND = AgainHand()
SHAPES = [HAND.shape(body) for _, body in BASES]


def check_again(body):
    """Raise AssertionError where a verdict is used for what the guard decides otherwise. Return whether one is."""
    used = False
    for (lines, base), shape in zip(BASES, SHAPES, strict=True):
        written = HAND.id_of(shape, body)
        if written is None:
            continue
        used, id_ = True, json.loads(written)
        was, decision = decide_request(lines, base), decide_request(lines, body)
        assert isinstance(decision, Admitted), f"the guard refuses it: {decision}"
        assert (decision.id, type(decision.id)) == (id_, type(id_))
        asked = tuple(replace(one, id=id_) for one in was.question.asked)
        assert decision == replace(was, id=id_, question=replace(was.question, asked=asked))
        head = "".join(f"{name}: {value}\n" for name, value in lines)
        assert isinstance(check_request(head.encode() + b"\n" + body), Admitted)
    return used
