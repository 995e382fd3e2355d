"""Filtering of what a server sends: no item of a list that the policy hides ever reaches an agent.

The shape of a message decides, not the request it claims to answer: whatever holds a list of tools, prompts,
resources or templates is filtered, so that a replayed, batched or misnumbered answer is filtered too.
"""

from __future__ import annotations

from typing import Any, Final

from mcp_core import jsonrpc
from mcp_core.jsonrpc import Limits, NotStrictError
from mcp_core.methods import RESOURCE_UPDATED, SURFACE_KEYS, Kind
from mcp_core.outcome import INTERNAL_ERROR, Mutated, Outcome, Pass, Reject
from mcp_core.policy import View

ANSWER_LIMITS: Final = Limits(body=16 * 1024 * 1024, keys=500_000, batch=1000)
"""What one answer of a server may hold: surfaces are larger than requests."""

_UNREADABLE: Final = "The server's answer could not be read safely and was withheld."


def unreadable(why: str) -> Reject:
    """Return the refusal for an answer that must not pass.

    `why` goes to the log, not to the agent: fixed words, and nothing that a server chose.
    """
    return Reject(INTERNAL_ERROR, _UNREADABLE, f"answer: {why}", status=502)


def filter_answer(body: bytes, view: View, limits: Limits = ANSWER_LIMITS) -> Outcome:
    """Filter one JSON text from a server by what the view allows. Items keep their order and every field.

    Mutated(None) says that nothing of the text may pass: it only spoke of what is hidden.
    """
    try:
        value = jsonrpc.load(body, limits)
    except NotStrictError as error:
        return unreadable(str(error))
    messages = value if isinstance(value, list) else [value]
    if not messages or len(messages) > limits.batch:
        return unreadable("an empty or too long batch")
    changed = False
    kept = []
    for message in messages:
        if isinstance(refusal := jsonrpc.message(message, limits), Reject):
            return unreadable(refusal.reason)
        hidden = _tells_of_hidden(message, view)
        outcome = hidden if hidden is not False else _filter_result(message, view)
        if isinstance(outcome, Reject):
            return outcome
        changed = changed or outcome
        if hidden is False:
            kept.append(message)
    if not changed:
        return Pass()
    if not kept:
        return Mutated(None)
    return Mutated(kept if isinstance(value, list) else kept[0])


def _tells_of_hidden(message: dict[str, Any], view: View) -> bool | Reject:
    """Return whether a message tells that a hidden resource changed."""
    if message.get("method") != RESOURCE_UPDATED:
        return False
    params = message.get("params")
    uri = params.get("uri") if isinstance(params, dict) else None
    if not isinstance(uri, str):
        return unreadable("an update without the resource's uri")
    return not view.allows(Kind.RESOURCE, uri)


def _filter_result(message: dict[str, Any], view: View) -> bool | Reject:
    """Filter in place every list that the message's result holds. Returns whether anything changed."""
    result = message.get("result")
    if not isinstance(result, dict):
        return False
    changed = False
    for key in result:
        if key not in SURFACE_KEYS and jsonrpc.fold(key) in _FOLDED:
            return unreadable("a key that could be taken for a list's")
    for key, (kind, named) in SURFACE_KEYS.items():
        if key not in result:
            continue
        items = result[key]
        if not isinstance(items, list):
            return unreadable(f"result.{key} is not a list")
        kept = []
        for item in items:
            name = item.get(named) if isinstance(item, dict) else None
            if not isinstance(name, str):
                return unreadable(f"an item of result.{key} without a {named}")
            if any(one != named and jsonrpc.fold(one) == named.casefold() for one in item):
                return unreadable(f"an item of result.{key} with a key that could be taken for its {named}")
            if view.allows(kind, name):
                kept.append(item)
        if len(kept) != len(items):
            result[key] = kept
            changed = True
        # What was filtered for one caller must not come from a shared cache (2026-07-28, server/utilities/caching).
        if "cacheScope" in result and result["cacheScope"] != "private":
            result["cacheScope"] = "private"
            changed = True
    return changed


_FOLDED: Final = frozenset(key.casefold() for key in SURFACE_KEYS)
