"""The ids of tasks, opened on the way to a server and sealed on the way to the agent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_core import headers as http
from mcp_core import jsonrpc, methods, tasks
from mcp_core.claims import Claims, Target
from mcp_core.headers import Headers
from mcp_core.jsonrpc import NotStrictError
from mcp_core.outcome import INVALID_REQUEST, Reject
from mcp_core.reasons import Reason
from mcp_core.surface import ANSWER_LIMITS, Revise
from mcp_core.tasks import Task, TaskSealer


@dataclass(frozen=True, slots=True)
class Sending:
    """What goes to the server, and where; `tokens` are the ids of tasks that the agent named, by the server's own."""

    target: Target
    headers: Headers
    body: bytes
    tokens: Mapping[str, str] = field(default_factory=dict)


class Tasks:
    """Translates the task ids of all requests of a process."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._sealer = TaskSealer(keys, AESGCM, InvalidTag)

    def open(self, claims: Claims, target: Target, headers: Headers, body: bytes) -> Sending | Reject:
        """Return the request as the server must get it, on its way to the replica that has the task."""
        if b"task" not in body:
            return Sending(target, headers, body)
        try:
            value = jsonrpc.load(body, ANSWER_LIMITS)
        except NotStrictError as error:
            # The guard may be set to let more pass than the sidecar reads.
            return Reject(INVALID_REQUEST, f"Send less in a message that names a task: {error}.", Reason.TASK_LIMITS)

        def known(token: str) -> Task | None:
            return self._sealer.open(token, target.server, claims.principal)

        messages = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]
        opened = [pair for message in messages for pair in tasks.open_ids(message, known)]
        if not opened:
            return Sending(target, headers, body)
        if target.session is None and target.endpoint is None:
            target = replace(target, affinity=opened[0][1].affinity)
        tokens = {task.upstream: token for token, task in opened}
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        return Sending(target, _named(headers, tokens), body, tokens)

    def revise(self, claims: Claims, target: Target, tokens: Mapping[str, str]) -> Revise:
        """Return what seals the ids in an answer of `target`; those that the agent named come back as it did."""

        def seal(upstream: str) -> str:
            task, number = Task(upstream, target.affinity), claims.format
            return tokens.get(upstream) or self._sealer.seal(task, target.server, claims.principal, number)

        def revise(message: dict[str, Any]) -> bool:
            hidden = not claims.terms.lists_tasks and tasks.hide_listing(message)
            return tasks.seal_ids(message, seal) or hidden

        return revise


def _named(headers: Headers, tokens: Mapping[str, str]) -> Headers:
    """Return the headers with the server's own id where Mcp-Name holds the agent's (extensions/tasks)."""
    name = http.single(headers, methods.NAME_HEADER)
    own = next((upstream for upstream, token in tokens.items() if token == name), None)
    return headers if own is None else {**headers, methods.NAME_HEADER: http.encode_value(own)}
