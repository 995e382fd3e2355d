"""Tasks belong to who started them: an agent gets their ids sealed, and only what opens for it goes back to the server.

A server behind the gateway sees one caller, so it cannot tell whose task is whose. The gateway can: a sealed id opens
for the principal that it was sealed for, on its server, and says which replica has the task. Nothing is remembered.
Sources: 2025-11-25/basic/utilities/tasks (security, task isolation), and extensions/tasks for 2026-07-28.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mcp_core import methods
from mcp_core.methods import Era
from mcp_core.principal import Principal
from mcp_core.seal import FORMAT, TASK_PURPOSE, Cipher, Sealer

_Place: TypeAlias = tuple[Any, Any]
"""A container and the key or index at which a task's id stands in it."""


@dataclass(frozen=True, slots=True)
class Task:
    """The server's own id of a task, and the affinity key of the replica that has it."""

    upstream: str
    affinity: str


class TaskSealer:
    """Makes the task ids that agents hold: the same task has the same id in every message."""

    def __init__(self, keys: Sequence[bytes], cipher: Callable[[bytes], Cipher], forged: type[Exception]) -> None:
        """Take the AEAD's constructor, and the exception with which it answers a forgery."""
        self._sealer = Sealer(keys, cipher, forged, TASK_PURPOSE, ("u", "a"))

    def seal(self, task: Task, server: str, principal: Principal, number: int = FORMAT) -> str:
        """Return the id for the principal, in the format of this number."""
        return self._sealer.seal({"u": task.upstream, "a": task.affinity}, server, principal, number=number)

    def open(self, token: str, server: str, principal: Principal) -> Task | None:
        """Return the task, or None for an id that was not sealed for this principal on this server."""
        match self._sealer.open(token, server, principal):
            case {"u": str(upstream), "a": str(affinity)}:
                return Task(upstream, affinity)
        return None


def may_start(params: dict[str, Any], era: Era) -> bool:
    """Return whether a tools/call with these params may be answered with a task.

    Legacy agents ask for one; modern ones say in each request that they can wait for one.
    """
    return methods.TASK_PARAM in params if era is Era.LEGACY else declared(params)


def declared(params: dict[str, Any]) -> bool:
    """Return whether a modern request says that its agent knows tasks."""
    meta = params.get("_meta")
    capabilities = meta.get(methods.META_CAPABILITIES) if isinstance(meta, dict) else None
    extensions = capabilities.get("extensions") if isinstance(capabilities, dict) else None
    return isinstance(extensions, dict) and methods.TASKS_EXTENSION in extensions


def asked(method: str, params: dict[str, Any]) -> list[object] | None:
    """Return the ids that a request asks about, as they stand there; None for a request that asks about no task."""
    if method in methods.TASK_METHODS:
        return [params.get(methods.TASK_ID)]
    wanted = params.get("notifications")
    if method != methods.LISTEN or not isinstance(wanted, dict) or methods.LISTEN_TASKS not in wanted:
        return None
    ids = wanted[methods.LISTEN_TASKS]
    return ids if isinstance(ids, list) else [ids]


def related(members: object) -> object:
    """Return the id of the task that a message belongs to, by its params or its result; None where there is none."""
    return next((container[key] for container, key in _related(members)), None)


def open_ids(message: dict[str, Any], known: Callable[[str], Task | None]) -> list[tuple[str, Task]]:
    """Put the server's ids in place of sealed ones in an agent's message, and return what was opened.

    What does not open stays: an agent has tasks of its own, which it names to the server as it likes.
    """
    opened = []
    for container, key in _asked(message):
        token = container[key]
        task = known(token) if isinstance(token, str) else None
        if task is not None:
            container[key] = task.upstream
            opened.append((token, task))
    return opened


def seal_ids(message: dict[str, Any], seal: Callable[[str], str]) -> bool:
    """Put sealed ids in place of the server's in a message of the server. Returns whether there were any."""
    found = False
    for container, key in _told(message):
        if isinstance(container[key], str):
            container[key] = seal(container[key])
            found = True
    return found


def hide_listing(message: dict[str, Any]) -> bool:
    """Take back a server's word that tasks can be listed. Returns whether it had said so.

    It would list the tasks of all agents: who cannot tell them apart should not offer it (2025-11-25, tasks, security).
    """
    result = message.get("result")
    capabilities = result.get("capabilities") if isinstance(result, dict) else None
    tasks = capabilities.get("tasks") if isinstance(capabilities, dict) else None
    return isinstance(tasks, dict) and tasks.pop("list", None) is not None


def _asked(message: dict[str, Any]) -> Iterator[_Place]:
    """Give every place where an agent's message names a task of the server."""
    params = message.get("params")
    if isinstance(params, dict):
        if message.get("method") in methods.TASK_METHODS:
            yield from _in(params, methods.TASK_ID)
        yield from _related(params)
        yield from _listened(params)
    yield from _related(message.get("result"))


def _told(message: dict[str, Any]) -> Iterator[_Place]:
    """Give every place where a server's message names a task of its own."""
    params = message.get("params")
    if isinstance(params, dict):
        if message.get("method") in methods.TASK_NOTIFICATIONS:
            yield from _in(params, methods.TASK_ID)
        yield from _related(params)
        yield from _listened(params)
    result = message.get("result")
    if isinstance(result, dict):
        yield from _in(result, methods.TASK_ID)
        yield from _in(result.get("task"), methods.TASK_ID)
        tasks = result.get("tasks")
        for task in tasks if isinstance(tasks, list) else ():
            yield from _in(task, methods.TASK_ID)
        yield from _related(result)


def _in(container: object, key: str) -> Iterator[_Place]:
    if isinstance(container, dict) and key in container:
        yield container, key


def _related(members: object) -> Iterator[_Place]:
    meta = members.get("_meta") if isinstance(members, dict) else None
    if isinstance(meta, dict):
        yield from _in(meta.get(methods.META_RELATED_TASK), methods.TASK_ID)


def _listened(params: dict[str, Any]) -> Iterator[_Place]:
    wanted = params.get("notifications")
    ids = wanted.get(methods.LISTEN_TASKS) if isinstance(wanted, dict) else None
    if isinstance(ids, list):
        yield from ((ids, at) for at in range(len(ids)))
