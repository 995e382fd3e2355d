"""The plugin instances of one worker: made where they are first needed, known to all workers by the supervisor."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from kong_pluginserver.control import SupervisorLink
from kong_pluginserver.errors import InstanceFailedError
from kong_pluginserver.loader import LoadedPlugin
from kong_pluginserver.recent import Recent

_MOST: Final = 4096
"""A thousand MCP servers take two thousand: a guard for their endpoint, and one for its stream."""
_LARGEST_ID: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Instance:
    """A plugin with one configuration: its phases, ready to be called."""

    plugin: LoadedPlugin
    phases: dict[str, Callable[[Any], Any]]


class Instances:
    """What this worker has made: beyond `most`, what was used longest ago is dropped, and made again for who asks."""

    def __init__(self, plugins: dict[str, LoadedPlugin], supervisor: SupervisorLink, most: int = _MOST) -> None:
        self._plugins = plugins
        self._supervisor = supervisor
        self._made: Recent[int, Instance] = Recent(most)

    def start(self, name: str, config: bytes) -> int:
        """Make an instance and return its id, known to all workers from now on.

        Raises:
            KeyError: there is no plugin of this name.
            InstanceFailedError: the supervisor gives no answer.
            BaseException: whatever the plugin's constructor raises.
        """
        instance = _make(self._plugins[name], config)
        try:
            instance_id = self._supervisor.register(name, config)
        except OSError as error:
            raise InstanceFailedError from error
        self._made.keep(instance_id, instance)
        return instance_id

    def get(self, instance_id: int) -> Instance | None:
        """Return an instance, made here if another worker started it; None if nobody knows the id.

        Raises:
            InstanceFailedError: the supervisor gives no answer.
            BaseException: whatever the plugin's constructor raises.
        """
        made = self._made.use(instance_id)
        if made is not None:
            return made
        if not 0 < instance_id <= _LARGEST_ID:
            return None
        try:
            found = self._supervisor.find(instance_id)
        except OSError as error:
            raise InstanceFailedError from error
        if found is None:
            return None
        instance = _make(self._plugins[found[0]], found[1])
        self._made.keep(instance_id, instance)
        return instance

    def name(self, instance_id: int) -> str | None:
        """Return the plugin's name of an instance made here."""
        made = self._made.peek(instance_id)
        return made.plugin.name if made else None

    def close(self, instance_id: int) -> None:
        """Have an instance forgotten by all workers.

        Raises:
            InstanceFailedError: the supervisor gives no answer.
        """
        self.forget(instance_id)
        if 0 < instance_id <= _LARGEST_ID:
            try:
                self._supervisor.forget(instance_id)
            except OSError as error:
                raise InstanceFailedError from error

    def forget(self, instance_id: int) -> None:
        """Forget an instance here; events that run on it keep it until they end."""
        self._made.forget(instance_id)


def _make(plugin: LoadedPlugin, config: bytes) -> Instance:
    made = plugin.cls(json.loads(config))
    return Instance(plugin, {phase: getattr(made, phase) for phase in plugin.phases})
