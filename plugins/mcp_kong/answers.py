"""The guard's word to mcp-answers, the Lua plugin that holds answers of the call lane to their questions.

It is a request header of one hop: mcp-answers takes it off, opens the upstream that it names, and judges what comes
back. The token proves to it that a guard wrote the header; it never leaves the node. See spec/decisions/100.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from mcp_core import methods
from mcp_core.answer import ServerMessages
from mcp_core.headers import Headers
from mcp_core.methods import Kind, ServerKind
from mcp_core.policy import Policy
from mcp_core.question import Question
from mcp_core.seal import derive

FORMAT: Final = "1"
"""What mcp-answers announces: the format of the question that it reads."""
PURPOSE: Final = "kong-mcp answers"

_LETTERS: Final = {
    ServerKind.PROGRESS: "p",
    ServerKind.LOG: "l",
    ServerKind.LIST_CHANGED: "c",
    ServerKind.RESOURCE_UPDATED: "u",
    ServerKind.CANCELLED: "x",
    ServerKind.PING: "i",
    ServerKind.SAMPLING: "s",
    ServerKind.ELICITATION: "e",
    ServerKind.ROOTS: "r",
}
"""How the header names kinds. Tasks have no letter: their ids are sealed, which only the inspect lane does."""


def announced(headers: Headers) -> bool:
    """Return whether mcp-answers said that it is there. Where somebody else said so, the route stays closed."""
    return headers.get(methods.ANSWERS_HEADER) == FORMAT


class Questions:
    """Writes the header for the requests of one guarded server."""

    def __init__(self, keys: Sequence[bytes], policy: Policy, told: ServerMessages) -> None:
        self._start = f"{FORMAT} {derive(keys[0], PURPOSE).hex()} "
        kinds = {kind for kind in told.kinds if kind in _LETTERS}
        # Lua does not know who may see which resource.
        if not policy.shows_all(Kind.RESOURCE):
            kinds.discard(ServerKind.RESOURCE_UPDATED)
        self._kinds = "".join(sorted(_LETTERS[kind] for kind in kinds))

    def write(self, question: Question, upstream: str) -> str:
        """Return the header's value for a question that asks one thing, or nothing, of an upstream of Kong."""
        said: dict[str, Any] = {
            "upstream": upstream,
            "era": question.era.value,
            "version": question.version,
            "kinds": self._kinds,
        }
        if (only := question.only) is not None:
            said |= {"id": only.id, "method": only.method}
            if only.token is not None:
                said["token"] = only.token
        return self._start + json.dumps(said, separators=(",", ":"))
