"""Filtering of what a server sends: no item of a list that the policy hides ever reaches an agent.

The shape of a message decides, not the request it claims to answer: whatever holds a list of tools, prompts,
resources or templates is filtered, so that a replayed, batched or misnumbered answer is filtered too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from mcp_core import jsonrpc
from mcp_core.jsonrpc import Limits, NotStrictError
from mcp_core.keys import Keys
from mcp_core.methods import LISTEN_ACKNOWLEDGED, LISTEN_URIS, RESOURCE_UPDATED, SURFACE_KEYS, Kind
from mcp_core.outcome import INTERNAL_ERROR, Mutated, Outcome, Pass, Reject
from mcp_core.policy import View

ANSWER_LIMITS: Final = Limits(body=16 * 1024 * 1024, keys=500_000, batch=1000)
"""What one answer of a server may hold: surfaces are larger than requests."""

Revise: TypeAlias = Callable[[dict[str, Any]], bool]
"""Changes a message of a server in place, whatever the policy says, and returns whether it did."""

_ITEM_DEPTH: Final = 3
"""How deep the items of a list lie: in a message, its result, the list."""
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

# What results and items hold besides, as published: it need not be looked at twice.
_RESULT: Final = Keys.of(
    SURFACE_KEYS,
    {
        "_meta",
        "cacheScope",
        "capabilities",
        "completion",
        "content",
        "contents",
        "description",
        "instructions",
        "isError",
        "messages",
        "nextCursor",
        "protocolVersion",
        "resultType",
        "serverInfo",
        "structuredContent",
        "ttlMs",
    },
)
_OF_ITEMS: Final = frozenset(
    {
        "_meta",
        "annotations",
        "arguments",
        "description",
        "execution",
        "icons",
        "inputSchema",
        "mimeType",
        "outputSchema",
        "size",
        "title",
    }
)
_ITEM: Final = {named: Keys.of({named}, _OF_ITEMS) for _, named in SURFACE_KEYS.values()}

_UNREADABLE: Final = "The server's answer could not be read safely and was withheld."


def unreadable(why: str) -> Reject:
    """Return the refusal for an answer that must not pass.

    `why` goes to the log, not to the agent: fixed words, and nothing that a server chose.
    """
    return Reject(INTERNAL_ERROR, _UNREADABLE, f"answer: {why}", status=502)


def keep(_message: dict[str, Any]) -> bool:
    """Change nothing."""
    return False


def filter_text(
    body: bytes, view: View, limits: Limits = ANSWER_LIMITS, *, enforce: bool = True, revise: Revise = keep
) -> bytes | Reject:
    """Return one JSON text from a server as the view allows it, or why nobody may see it.

    What needs no change comes back as the very same bytes, and b"" says that nothing of the text may pass. Without
    `enforce` nothing is hidden, and what cannot be read is refused all the same.
    """
    outcome = filter_answer(body, view, limits, enforce=enforce, revise=revise)
    if isinstance(outcome, Reject):
        return outcome
    if not isinstance(outcome, Mutated):
        return body
    return b"" if outcome.message is None else _dump(outcome.message, _ITEM_DEPTH).encode()


def _dump(value: Any, depth: int) -> str:
    """Return the value as JSON. The encoder lets no other thread run, so it is given one item of a list at a time."""
    if depth and isinstance(value, dict):
        members = (f"{_encode(key)}:{_dump(member, depth - 1)}" for key, member in value.items())
        return f"{{{','.join(members)}}}"
    if depth and isinstance(value, list):
        return f"[{','.join([_dump(member, depth - 1) for member in value])}]"
    return _encode(value)


def filter_answer(
    body: bytes, view: View, limits: Limits = ANSWER_LIMITS, *, enforce: bool = True, revise: Revise = keep
) -> Outcome:
    """Filter one JSON text from a server by what the view allows. Items keep their order and every field.

    Without `enforce` the view is asked about everything, and hides nothing. Mutated(None) says that nothing of the text
    may pass: it only spoke of what is hidden.
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
        if isinstance(hidden, Reject):
            return hidden
        if hidden and enforce:
            changed = True
            continue
        outcome = _filter_result(message, view, enforce=enforce)
        if isinstance(outcome, Reject):
            return outcome
        changed = revise(message) or outcome or changed
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


def _filter_acknowledged(message: dict[str, Any], view: View, *, enforce: bool) -> bool | Reject:
    """Filter in place the resources of which a server says that it will tell. Returns whether anything changed."""
    params = message.get("params")
    honoured = params.get("notifications") if isinstance(params, dict) else None
    uris = honoured.get(LISTEN_URIS) if isinstance(honoured, dict) else None
    if uris is None or not isinstance(honoured, dict):
        return False
    if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
        return unreadable(f"{LISTEN_URIS} is not a list of URIs")
    kept = [uri for uri in uris if view.allows(Kind.RESOURCE, uri)]
    if len(kept) == len(uris) or not enforce:
        return False
    honoured[LISTEN_URIS] = kept
    return True


def _filter_result(message: dict[str, Any], view: View, *, enforce: bool) -> bool | Reject:
    """Filter in place every list that the message holds. Returns whether anything changed."""
    if message.get("method") == LISTEN_ACKNOWLEDGED:
        return _filter_acknowledged(message, view, enforce=enforce)
    result = message.get("result")
    if not isinstance(result, dict):
        return False
    if _RESULT.misread(result) is not None:
        return unreadable("a key that could be taken for a list's")
    changed = False
    for key, (kind, named) in SURFACE_KEYS.items():
        if key not in result:
            continue
        kept = _visible(result[key], key, named, kind, view)
        if isinstance(kept, Reject):
            return kept
        if not enforce:
            continue
        if len(kept) != len(result[key]):
            result[key] = kept
            changed = True
        # What was filtered for one caller must not come from a shared cache (2026-07-28, server/utilities/caching).
        if "cacheScope" in result and result["cacheScope"] != "private":
            result["cacheScope"] = "private"
            changed = True
    return changed


def _visible(items: Any, key: str, named: str, kind: Kind, view: View) -> list[Any] | Reject:
    """Return the items of one list that the view allows."""
    if not isinstance(items, list):
        return unreadable(f"result.{key} is not a list")
    keys = _ITEM[named]
    kept = []
    for item in items:
        name = item.get(named) if isinstance(item, dict) else None
        if not isinstance(name, str):
            return unreadable(f"an item of result.{key} without a {named}")
        if keys.misread(item) is not None:
            return unreadable(f"an item of result.{key} with a key that could be taken for its {named}")
        if view.allows(kind, name):
            kept.append(item)
    return kept
