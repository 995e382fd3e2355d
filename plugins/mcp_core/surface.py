"""Filtering of what a server sends: no item of a list that the policy hides ever reaches an agent.

A message is held to its question first (`answer`). Then its shape decides, not the request it answers: whatever holds a
list of tools, prompts, resources or templates is filtered, so that a replayed one is filtered too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Protocol, TypeAlias

from mcp_core import loosejson
from mcp_core.allowance import Allowance
from mcp_core.answer import Fit, Judge
from mcp_core.beside import CURSOR, is_cursor
from mcp_core.jsonrpc import Limits, NotStrictError
from mcp_core.keys import PARAMS, Keys
from mcp_core.loosejson import Doubled, TooMuchError
from mcp_core.methods import (
    APPS_EXTENSION,
    LISTEN_ACKNOWLEDGED,
    LISTEN_URIS,
    RESOURCE_UPDATED,
    SKILL,
    SKILLS_EXTENSION,
    SURFACE_KEYS,
    Era,
    Kind,
    Place,
)
from mcp_core.outcome import INTERNAL_ERROR, Mutated, Outcome, Pass, Reject
from mcp_core.question import Question
from mcp_core.reasons import Reason

ANSWER_LIMITS: Final = Limits(body=16 * 1024 * 1024, keys=500_000, batch=1000)
"""What one answer of a server may hold: surfaces are larger than requests."""


class Sees(Protocol):
    """What a caller may see: policy.View, or what counts beside it."""

    def allows(self, kind: Kind, name: str) -> bool:
        """Return whether an item of this kind and name exists for the caller."""

    def names(self, kind: Kind) -> bool:
        """Return whether the policy names any item of a kind."""


Revise: TypeAlias = Callable[[dict[str, Any]], bool]
"""Changes a message of a server in place, whatever the policy says, and returns whether it did."""

_ITEM_DEPTH: Final = 3
"""How deep the items of a list lie: in a message, its result, the list."""
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

# What results and items hold besides, as published: it need not be looked at twice.
_RESULT: Final = Keys.of(
    {*SURFACE_KEYS, SKILL},
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

_BEYOND: Final = "an item beyond what one answer may list"
"""What is said of an item that was left out without a look at it: `allowance` has too little left."""

ANY_QUESTION: Final = Question(Era.LEGACY, "", Place.REPLAY)
"""What was asked where nobody knows: any response may come."""


def unreadable(why: str, reason: Reason = Reason.ANSWER) -> Reject:
    """Return the refusal for an answer that must not pass.

    `why` says what it is, in fixed words that hold nothing that a server chose.
    """
    text = f"The server's answer was withheld, because it is or holds {why}. The server's operator must look into it."
    return Reject(INTERNAL_ERROR, text, reason, status=502, detail=why)


def keep(_message: dict[str, Any]) -> bool:
    """Change nothing."""
    return False


def filter_text(
    body: bytes,
    view: Sees,
    *,
    enforce: bool = True,
    revise: Revise = keep,
    judge: Judge | None = None,
) -> bytes | Reject:
    """Return one JSON text from a server as the view allows it, or why nobody may see it.

    What needs no change comes back as the very same bytes, and b"" says that nothing of the text may pass. Without
    `enforce` nothing is hidden, and what cannot be read is refused all the same.
    """
    outcome = filter_answer(body, view, enforce=enforce, revise=revise, judge=judge)
    if isinstance(outcome, Reject):
        return outcome
    if not isinstance(outcome, Mutated):
        return body
    return b"" if outcome.message is None else written(outcome.message)


def written(value: Any) -> bytes:
    """Return a value as JSON, as clients read it. In a thread, others run meanwhile."""
    return _dump(value, _ITEM_DEPTH).encode()


def _dump(value: Any, depth: int) -> str:
    """Return the value as JSON. The encoder lets no other thread run, so it is given one item of a list at a time."""
    if depth and isinstance(value, dict):
        members = (f"{_encode(key)}:{_dump(member, depth - 1)}" for key, member in value.items())
        return f"{{{','.join(members)}}}"
    if depth and isinstance(value, list):
        return f"[{','.join([_dump(member, depth - 1) for member in value])}]"
    return _encode(value)


def filter_answer(
    body: bytes,
    view: Sees,
    *,
    enforce: bool = True,
    revise: Revise = keep,
    judge: Judge | None = None,
) -> Outcome:
    """Filter one JSON text from a server by its question and the view. Items keep their order and every field.

    Without `enforce` the view is asked about everything, and hides nothing. Mutated(None) says that nothing of the text
    may pass: it holds no message, or only spoke of what is hidden.
    """
    judge = judge or Judge(ANY_QUESTION)
    judge.begin()
    if b"{" not in body:
        judge.leave_out("no message")
        return Mutated(None)
    try:
        read = loosejson.load(body, ANSWER_LIMITS)
    except TooMuchError as error:
        return unreadable(f"more than the gateway reads of one answer ({error})")
    except NotStrictError:
        return unreadable("a text that is not one JSON message")
    value = read.value
    if isinstance(value, list) and not judge.question.takes_batches:
        return unreadable("a batch, though none was asked")
    if not isinstance(value, dict | list):
        judge.leave_out("no message")
        return Mutated(None)
    messages = value if isinstance(value, list) else [value]
    if len(messages) > ANSWER_LIMITS.batch:
        return unreadable("a batch of too many messages")
    one_by_one = _Messages(view, judge, ANSWER_LIMITS.depth, revise, enforce=enforce, odd=read.odd)
    changed = read.text is not body
    kept = []
    for message in messages:
        change = one_by_one.filter(message)
        if isinstance(change, Reject):
            return change
        changed = changed or change is not _Change.NONE
        if change is not _Change.GONE:
            kept.append(message)
    if not changed:
        return Pass()
    if not kept:
        return Mutated(None)
    return Mutated(kept if isinstance(value, list) else kept[0])


class _Change(Enum):
    """What became of a message."""

    NONE = "none"
    INSIDE = "inside"
    GONE = "gone"


@dataclass(slots=True)
class _Messages:
    """How the messages of one text are filtered. `odd` says that items may hold what readers read differently."""

    view: Sees
    judge: Judge
    depth: int
    revise: Revise
    enforce: bool
    odd: bool
    allowance: Allowance = field(default_factory=Allowance)

    def filter(self, message: Any) -> _Change | Reject:
        """Judge a message, and filter it in place."""
        judged = self.judge.judge(message)
        if judged.fit is Fit.FAIL:
            return unreadable(judged.why)
        if judged.fit is Fit.DROP:
            return _Change.GONE
        hidden = self._tells_of_hidden(message)
        if hidden is None or (hidden and self.enforce):
            return _Change.GONE
        completed = self.judge.complete(message, judged)
        outcome = self._result(message)
        if isinstance(outcome, Reject):
            return outcome
        revised = self.revise(message)
        if not message:  # what revises a message empties one that nobody may see
            return _Change.GONE
        return _Change.INSIDE if completed or outcome or revised else _Change.NONE

    def _tells_of_hidden(self, message: dict[str, Any]) -> bool | None:
        """Return whether a message tells that a hidden resource changed, or None where it does not say of which."""
        if message.get("method") != RESOURCE_UPDATED:
            return False
        params = message.get("params")
        uri = params.get("uri") if isinstance(params, dict) else None
        twice = isinstance(params, Doubled) and "uri" in params.twice
        if not isinstance(uri, str) or twice or (params and PARAMS.misread(params) is not None):
            self.judge.leave_out("an update that does not say of one resource")
            return None
        if not self.allowance.uri(uri):
            self.judge.leave_out(_BEYOND)
            return None
        return not self.view.allows(Kind.RESOURCE, uri)

    def _result(self, message: dict[str, Any]) -> bool | Reject:
        """Filter in place every list that the message holds. Returns whether anything changed."""
        if message.get("method") == LISTEN_ACKNOWLEDGED:
            return self._acknowledged(message)
        result = message.get("result")
        if not isinstance(result, dict):
            return False
        if (why := self._unreadable(result)) is not None:
            return unreadable(why)
        changed = self.enforce and _without_extensions(result, self.view)
        if CURSOR in result and not is_cursor(result[CURSOR]) and not result.keys().isdisjoint(SURFACE_KEYS):
            self.judge.leave_out("a cursor that is no token")
            del result[CURSOR]
            changed = True
        for key, (kind, named) in SURFACE_KEYS.items():
            if key not in result:
                continue
            items = result[key]
            if not isinstance(items, list):
                return unreadable(f"a result whose {key} are no list")
            looked_at = items[: self.allowance.items(len(items))]
            if len(looked_at) < len(items):
                self.judge.leave_out(_BEYOND, len(items) - len(looked_at))
            kept = [one for one in looked_at if self._is_sound(one, named) and self._is_affordable(kind, one[named])]
            shown = [one for one in kept if self.view.allows(kind, one[named])]
            if self.enforce:
                kept = shown
            if len(kept) != len(items):
                result[key] = kept
                changed = True
            # What was filtered for one caller must not come from a shared cache (2026-07-28, utilities/caching).
            if self.enforce and "cacheScope" in result and result["cacheScope"] != "private":
                result["cacheScope"] = "private"
                changed = True
        return changed

    def _is_sound(self, item: Any, named: str) -> bool:
        """Return whether every reader reads an item alike; one that is not is left out, alone."""
        if (
            isinstance(item, dict)
            and isinstance(item.get(named), str)
            and _ITEM[named].misread(item) is None
            and (not self.odd or loosejson.sound(item, self.depth - _ITEM_DEPTH))
        ):
            return True
        self.judge.leave_out("an item of a list that clients could read differently")
        return False

    def _unreadable(self, result: dict[str, Any]) -> str | None:
        """Return why a result must not pass as a whole, or None."""
        if _RESULT.misread(result) is not None:
            return "a key that could be taken for a list's"
        if isinstance(result, Doubled) and not result.twice.isdisjoint(_RESULT.deciding):
            return "a list that stands twice"
        if SKILL in result and not self._is_seen(result[SKILL]):
            return "a skill that is hidden, or that clients could read differently"
        return None

    def _is_seen(self, item: Any) -> bool:
        """Return whether a single skill may be seen."""
        return self._is_sound(item, "uri") and (self.view.allows(Kind.RESOURCE, item["uri"]) or not self.enforce)

    def _is_affordable(self, kind: Kind, name: str) -> bool:
        """Return whether there is enough left to look at an item by its name; one that is beyond is left out, alone."""
        if kind is not Kind.RESOURCE or self.allowance.uri(name):
            return True
        self.judge.leave_out(_BEYOND)
        return False

    def _acknowledged(self, message: dict[str, Any]) -> bool | Reject:
        """Filter in place the resources of which a server says that it will tell. Returns whether anything changed."""
        params = message.get("params")
        honoured = params.get("notifications") if isinstance(params, dict) else None
        uris = honoured.get(LISTEN_URIS) if isinstance(honoured, dict) else None
        if uris is None or not isinstance(honoured, dict):
            return False
        if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
            return unreadable(f"{LISTEN_URIS} that are not a list of URIs")
        looked_at = [uri for uri in uris[: self.allowance.items(len(uris))] if self._is_affordable(Kind.RESOURCE, uri)]
        kept = [uri for uri in looked_at if self.view.allows(Kind.RESOURCE, uri)]
        if not self.enforce:
            kept = looked_at
        if len(kept) == len(uris):
            return False
        honoured[LISTEN_URIS] = kept
        return True


_NAMED_EXTENSIONS: Final = ((SKILLS_EXTENSION, Kind.SKILL), (APPS_EXTENSION, Kind.APP))


def _without_extensions(result: dict[str, Any], view: Sees) -> bool:
    """Take out in place what a server says of extensions that the policy does not name. Returns whether it said so."""
    capabilities = result.get("capabilities")
    said = capabilities.get("extensions") if isinstance(capabilities, dict) else None
    if not isinstance(said, dict):
        return False
    hidden = [name for name, kind in _NAMED_EXTENSIONS if name in said and not view.names(kind)]
    for name in hidden:
        del said[name]
    return bool(hidden)
