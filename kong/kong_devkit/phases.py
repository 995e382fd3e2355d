"""Runs the plugins of a request: before it goes on, and when it has ended.

A plugin that fails ends the request; nothing is proxied after a failure.

Source: kong/init.lua (execute_*_plugins_iterator, Kong.access, Kong.log) (Kong 3.9.1).
"""

import logging

from kong_devkit import pdk
from kong_devkit.exchange import Exchange, PdkError
from kong_devkit.pluginconn import ServerError
from kong_devkit.runtime import Config, Plugin
from kong_devkit.wire import WireError

_LOG = logging.getLogger("kong_devkit.plugin")


async def access(exchange: Exchange) -> None:
    """Run the access phase.

    Raises:
        PluginExit: a plugin ends the request, or failed.
    """
    for plugin, config in exchange.runtime.plugins_for(exchange):
        await _access(exchange, plugin, config)


async def _access(exchange: Exchange, plugin: Plugin, config: Config) -> None:
    try:
        if plugin.external is not None:
            await plugin.external.handle(config, "access", pdk.bound(exchange))
        elif plugin.builtin is not None and plugin.builtin.access is not None:
            await plugin.builtin.access(exchange, config)
    except ServerError as error:
        _LOG.error("[%s] pluginserver error: %s", plugin.name, error)
        raise exchange.error(500) from error
    except (PdkError, WireError) as error:
        _LOG.error("[%s] %s", plugin.name, error)
        raise exchange.error(500) from error


async def log(exchange: Exchange) -> None:
    """Run the log phase, after the response."""
    for plugin, config in exchange.runtime.plugins_for(exchange):
        if plugin.builtin is not None and plugin.builtin.log is not None:
            await plugin.builtin.log(exchange, config)
