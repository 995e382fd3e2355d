"""Puts the parts together: plugin servers, runtime, listeners, signals."""

import asyncio
import logging
import signal
import sys

from kong_devkit import declarative
from kong_devkit.admin import Admin
from kong_devkit.kongconf import KongConf
from kong_devkit.processes import Processes
from kong_devkit.runtime import Plugin, Runtime, load_plugins
from kong_devkit.server import Server

_LOG = logging.getLogger("kong_devkit")


class Gateway:
    """A running devkit."""

    def __init__(self, conf: KongConf, plugins: dict[str, Plugin], runtime: Runtime) -> None:
        self._conf = conf
        self._plugins = plugins
        self._runtime = runtime
        self._server = Server(conf, lambda: self._runtime)
        self._admin = Admin(self._replace, lambda: self._runtime)
        self._processes = Processes(conf.servers)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            OSError: a listener's address cannot be had.
        """
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        try:
            port = await self._server.start()
            if self._conf.admin is not None:
                await self._admin.start(*self._conf.admin)
            self._processes.start()
            self._runtime.start()
            print(f"devkit ready on {self._conf.listen[0]}:{port}", file=sys.stderr, flush=True)  # noqa: T201 - the interface
            await stopped.wait()
        finally:
            self._admin.stop()
            await self._server.stop()
            await self._runtime.stop()
            await self._processes.stop()

    async def _replace(self, text: str) -> None:
        # Requests under way keep the runtime they began with.
        old, new = self._runtime, Runtime(declarative.parse(text), self._plugins, self._runtime)
        self._runtime = new
        new.start()
        await old.stop()


def build(conf: KongConf) -> Gateway:
    """Check everything that can be checked before listening.

    Raises:
        ConfigError: kong.conf, a plugin server's description or the declarative file does not fit.
    """
    if conf.ignored:
        _LOG.warning("kong.conf: the devkit ignores %s", ", ".join(conf.ignored))
    snapshot = declarative.load(conf.declarative)
    plugins = load_plugins(conf)
    return Gateway(conf, plugins, Runtime(snapshot, plugins))
