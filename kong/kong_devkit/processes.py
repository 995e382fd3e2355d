"""Runs the plugin servers that kong.conf names a start_cmd for, and asks each query_cmd what its plugin is.

Source: kong/runloop/plugin_servers/process.lua (Kong 3.9.1): respawn no sooner than a second after the last start,
stdout and stderr to the log.
"""

import asyncio
import contextlib
import logging
import subprocess
from typing import Any, Final

from kong_devkit.errors import ConfigError
from kong_devkit.kongconf import PluginServer, decode_dump

_LOG = logging.getLogger("kong_devkit.pluginserver")
_QUERY_LIMIT: Final = 60.0
_STOP_LIMIT: Final = 5.0


def query(server: PluginServer) -> dict[str, Any]:
    """Run a query_cmd and return its first plugin (Name, Phases, Priority, Version, Schema, Protocol).

    Raises:
        ConfigError: the command failed to print a usable description.
    """
    key = server.name.replace("-", "_")
    try:
        done = subprocess.run(  # noqa: S602 - Kong runs it through the shell too; the command is the operator's own
            server.query_command, shell=True, stdout=subprocess.PIPE, check=False, timeout=_QUERY_LIMIT
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"pluginserver_{key}_query_cmd: still running after {_QUERY_LIMIT:.0f} s") from error
    info = decode_dump(server.name, done.stdout.decode("utf-8", "replace"))
    if info["Protocol"] != "ProtoBuf:1":
        raise ConfigError(f"pluginserver_{key}_query_cmd: speaks {info['Protocol']}; the devkit speaks ProtoBuf:1 only")
    return info


class Processes:
    """The plugin server processes of this devkit."""

    def __init__(self, servers: tuple[PluginServer, ...]) -> None:
        self._servers = [server for server in servers if server.start_command]
        self._tasks: list[asyncio.Task[None]] = []
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = False

    def start(self) -> None:
        """Start every server and keep it running."""
        self._tasks = [asyncio.create_task(self._keep(server), name=server.name) for server in self._servers]

    async def stop(self) -> None:
        """Send SIGTERM to every server, SIGKILL to one that stays, and wait."""
        self._stopping = True
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in list(self._running.values()):
            try:
                async with asyncio.timeout(_STOP_LIMIT):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, server: PluginServer) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping:
            earliest = loop.time() + 1
            process = await asyncio.create_subprocess_shell(
                f"exec {server.start_command}",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running[server.name] = process
            _LOG.info("[pluginserver] started %s, pid %d", server.name, process.pid)
            await _log_lines(process, server.name)
            status = await process.wait()
            if not self._stopping:
                _LOG.warning("plugin server %s terminated with status %d; it is respawned", server.name, status)
            await asyncio.sleep(max(0.0, earliest - loop.time()))


async def _log_lines(process: asyncio.subprocess.Process, name: str) -> None:
    output = process.stdout
    while output is not None:
        try:
            line = await output.readline()
        except ValueError:  # longer than the reader's limit: asyncio has dropped it
            continue
        if not line:
            return
        _LOG.info("[%s:%d] %s", name, process.pid, line.decode("utf-8", "replace").rstrip())
