"""An external plugin: starts instances on its server, runs events there, restarts an instance whose server went away.

Source: kong/runloop/plugin_servers/plugin.lua and rpc/pb_rpc.lua (Kong 3.9.1).
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kong_devkit.pluginconn import PdkCall, PluginSocket, ServerError

_LOG = logging.getLogger("kong_devkit.plugin")
# Kong tries for ever while a server closes every connection; the devkit gives up, with a 500, after this many.
_TRIES: Final = 100


@dataclass(slots=True)
class _Instance:
    number: int
    sequence: int


class ExternalPlugin:
    """One plugin of a plugin server, with the instances that were started for its configurations."""

    def __init__(self, name: str, socket: PluginSocket) -> None:
        self.name = name
        self._socket = socket
        self._running: dict[str, _Instance] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def handle(self, config: Mapping[str, Any], phase: str, pdk: PdkCall) -> None:
        """Run one phase of one configuration.

        Raises:
            ServerError: the server gave no answer; the request must end with a 500.
        """
        for _ in range(_TRIES):
            number = await self._instance(config)
            try:
                await self._socket.call("cmd_handle_event", {"instance_id": number, "event_name": phase}, pdk)
            except ServerError as error:
                if not error.closed:
                    raise
                # The same server runs all instances of this plugin, so all of them are gone.
                self._running.clear()
                _LOG.warning("[%s] the plugin server closed the connection; restarting the instance", self.name)
            else:
                return
        raise ServerError(f"closed the connection {_TRIES} times")

    async def _instance(self, config: Mapping[str, Any]) -> int:
        key = config["__plugin_id"]
        async with self._locks.setdefault(key, asyncio.Lock()):
            running = self._running.get(key)
            if running is not None and running.sequence == config["__seq__"]:
                return running.number
            try:
                answer = await self._socket.call(
                    "cmd_start_instance", {"name": self.name, "config": json.dumps(config)}
                )
            except ServerError as error:
                self._running.pop(key, None)
                raise ServerError(f"starting instance: {error}") from error
            number: int = answer.get("instance_status", {}).get("instance_id", 0)
            self._running[key] = _Instance(number, config["__seq__"])
            if running is not None:
                await self._close(running.number)
            return number

    async def _close(self, number: int) -> None:
        try:
            await self._socket.call("cmd_close_instance", {"instance_id": number})
        except ServerError as error:
            _LOG.info("[%s] closing instance %d: %s", self.name, number, error)
