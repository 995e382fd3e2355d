"""What a person is shown of a call before it may pass: all that would leave by it, or nobody is asked.

The law: what is sent after a yes is what was shown. So what is shown is neither cut nor hidden, and what changes from
one request to the next without saying anything is not sent at all.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from mcp_core import methods, tracing
from mcp_core.outcome import RequestId
from mcp_core.scan.characters import INVISIBLE
from mcp_sidecar.adaptive.flows import FlowItem

MOST_SHOWN: Final = 2_000
"""Characters of what a person is shown of a call: what takes more nobody reads to its end."""
_NOT_SENT: Final = frozenset({methods.PROGRESS_TOKEN, tracing.TRACEPARENT, tracing.TRACESTATE, tracing.BAGGAGE})
"""Keys of `_meta` that are new in each request. The state of a question and its answer are the gateway's own."""
_MOST_MARKS: Final = 2
"""Combining marks in a row: more cover what stands around them."""
_SAFE_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,36}")
_MOST_ID: Final = 2**53
# What shows nothing; what a client that takes text for markup would not show; and blanks that push text away.
_HIDING: Final = re.compile(rf"[{INVISIBLE}<>]|(?<= ) |(?<=\])\(")
_FORM: Final = {
    "type": "object",
    "properties": {"allow": {"type": "boolean", "title": "Let this one call pass", "default": False}},
    "required": ["allow"],
}


def without_answer(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the params of a call as they were before a person was asked."""
    return {name: one for name, one in params.items() if name not in (methods.REQUEST_STATE, methods.INPUT_RESPONSES)}


def as_shown(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of the params of a call is shown to a person, and then sent: in the order in which it is shown."""
    said = without_answer(params)
    meta = said.get("_meta")
    if isinstance(meta, Mapping):
        said["_meta"] = {name: one for name, one in meta.items() if name not in _NOT_SENT}
    sorted_: dict[str, Any] = json.loads(json.dumps(said, sort_keys=True))
    return sorted_


def question(item: FlowItem, params: Mapping[str, Any], id_: RequestId | None, *, known: bool) -> dict[str, Any] | None:
    """Return the params of elicitation/create that ask a person for one call; None where it cannot be shown whole.

    `params` are as `as_shown` has them. `known`: what was read is known.
    """
    named = {"name": item.name, "uri": item.name}
    rest = {key: one for key, one in params.items() if key != "arguments" and named.get(key) != one}
    texts = [shown(item.name), shown(params.get("arguments", {})), shown(rest)]
    if sum(map(len, texts)) > MOST_SHOWN or not says_nothing(id_):
        return None
    name, given, beside = texts
    has = "has read" if known else "may have read"
    text = (
        f"{name} of {item.member} writes outside. The agent {has} untrusted text and private data before, which could "
        f"leave by this call. It is called with: {given}"
    )
    text = f"{text} Beside them is sent: {beside}" if rest else text
    return {"mode": "form", "message": text, "requestedSchema": _FORM}


def shown(value: Any) -> str:
    """Return a JSON value as text in which a person sees all of it: what would not be seen is written as an escape."""
    text = "".join(
        character if character.isprintable() else _escaped(character)
        for character in json.dumps(value, ensure_ascii=False, sort_keys=True)
    )
    text = _HIDING.sub(lambda found: _escaped(found[0]), text)
    return text if text.isascii() else _with_few_marks(text)


def _with_few_marks(text: str) -> str:
    found, marks = list[str](), 0
    for one in text:
        marks = marks + 1 if unicodedata.category(one).startswith("M") else 0
        found.append(one if marks <= _MOST_MARKS else _escaped(one))
    return "".join(found)


def _escaped(one: str) -> str:
    written = json.dumps(one)[1:-1]
    return written if written.startswith("\\") else f"\\u{ord(one):04x}"


def says_nothing(id_: RequestId | None) -> bool:
    """Return whether the id of a request, which nobody is shown, is one that programs number requests by."""
    if isinstance(id_, int):
        return abs(id_) < _MOST_ID
    return isinstance(id_, str) and _SAFE_ID.fullmatch(id_) is not None
