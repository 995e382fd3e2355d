"""Who may use the inspect lane: only the guard, whose signed context fits this very request."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import anyio
from starlette.types import Receive, Scope

from mcp_core import methods
from mcp_core.answer import ServerMessages
from mcp_core.headers import Headers
from mcp_core.methods import Era
from mcp_core.outcome import FORBIDDEN, Reject
from mcp_core.policy import View
from mcp_core.question import Question
from mcp_core.seal import Context, ContextSigner
from mcp_sidecar.filtering import Tally

MAX_BODY: Final = 16 * 1024 * 1024
"""Bytes of a request body: the most that a guard can be set to let through."""
BODY_SECONDS: Final = 30.0
"""How long a body may take to arrive: Kong has all of it before it sends, and the context would have expired."""

UNSIGNED: Final = Reject(FORBIDDEN, "Forbidden", "unsigned", status=403, headers={"Connection": "close"})
"""All that anybody else hears."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request of the guard: its context, headers and exact body, and what its answer is held to."""

    context: Context
    question: Question
    server_messages: ServerMessages
    view: Tally
    headers: Headers
    body: bytes


def headers_of(scope: Scope) -> Headers:
    """Return the request's headers as mcp_core takes them."""
    headers: dict[str, str | list[str]] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        known = headers.get(name)
        if known is None:
            headers[name] = value
        else:
            headers[name] = [*([known] if isinstance(known, str) else known), value]
    return headers


class Callers:
    """Tells the guard's requests from all others."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._signer = ContextSigner(keys)

    async def read(self, scope: Scope, receive: Receive, headers: Headers) -> Call | str:
        """Read the whole request and return it, or the word for the log that says why nobody signed it so."""
        signed = headers.get(methods.CONTEXT_HEADER)
        if not isinstance(signed, str):
            return "no-context"
        context = self._signer.verify(signed, now=time.time())
        if context is None:
            return "context-not-believed"
        if context.server != scope["path_params"]["server"] or context.http_method != scope["method"]:
            return "context-of-another-request"
        with anyio.move_on_after(BODY_SECONDS):
            body = await _read_body(receive)
            if body is None:
                return "body-too-large"
            if not context.is_for(body):
                return "context-of-another-body"
            question = Question.from_json(Era(context.era), context.version, context.question)
            told = ServerMessages.from_json(context.server_messages)
            return Call(context, question, told, Tally(_view(json.dumps(context.view))), headers, body)
        return "body-too-slow"


@lru_cache(maxsize=1024)
def _view(text: str) -> View:
    """Return the view of a context. Many requests have the same one, and making its matchers costs more than asking."""
    return View.from_json(json.loads(text))


async def _read_body(receive: Receive) -> bytes | None:
    """Return the body, as far as it came, or None where it is too large."""
    pieces = []
    size = 0
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > MAX_BODY:
            return None
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return b"".join(pieces)
