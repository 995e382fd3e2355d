"""The ids of tasks, opened on the way to a server and sealed on the way to the agent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_core import headers as http
from mcp_core import jsonrpc, methods, tasks
from mcp_core.headers import Headers
from mcp_core.jsonrpc import NotStrictError
from mcp_core.outcome import INVALID_REQUEST, Reject
from mcp_core.seal import Context
from mcp_core.surface import ANSWER_LIMITS, Revise
from mcp_core.tasks import Task, TaskSealer


@dataclass(frozen=True, slots=True)
class Sending:
    """What goes to the server, and `revise` for each message of its answer."""

    context: Context
    headers: Headers
    body: bytes
    revise: Revise


class Tasks:
    """Translates the task ids of all requests of a process."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._sealer = TaskSealer(keys, AESGCM, InvalidTag)

    def open(self, context: Context, headers: Headers, body: bytes) -> Sending | Reject:
        """Return the request as the server must get it, on its way to the replica that has the task."""
        if b"task" not in body:
            return Sending(context, headers, body, self._revise(context, {}))
        try:
            value = jsonrpc.load(body, ANSWER_LIMITS)
        except NotStrictError as error:
            # The guard may be set to let more pass than the sidecar reads.
            return Reject(INVALID_REQUEST, f"Too much for a message that names a task: {error}.", "task-limits")

        def known(token: str) -> Task | None:
            return self._sealer.open(token, context.server, context.principal)

        messages = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]
        opened = [pair for message in messages for pair in tasks.open_ids(message, known)]
        if not opened:
            return Sending(context, headers, body, self._revise(context, {}))
        if context.session is None and context.endpoint is None:
            context = replace(context, affinity=opened[0][1].affinity)
        tokens = {task.upstream: token for token, task in opened}
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        return Sending(context, _named(headers, tokens), body, self._revise(context, tokens))

    def _revise(self, context: Context, tokens: Mapping[str, str]) -> Revise:
        """Seal the server's ids for the context's principal; those that the agent named come back as it named them."""

        def seal(upstream: str) -> str:
            task = Task(upstream, context.affinity)
            return tokens.get(upstream) or self._sealer.seal(task, context.server, context.principal)

        def revise(message: dict[str, Any]) -> bool:
            hidden = not context.lists_tasks and tasks.hide_listing(message)
            return tasks.seal_ids(message, seal) or hidden

        return revise


def _named(headers: Headers, tokens: Mapping[str, str]) -> Headers:
    """Return the headers with the server's own id where Mcp-Name holds the agent's (extensions/tasks)."""
    name = http.single(headers, methods.NAME_HEADER)
    own = next((upstream for upstream, token in tokens.items() if token == name), None)
    return headers if own is None else {**headers, methods.NAME_HEADER: http.encode_value(own)}
