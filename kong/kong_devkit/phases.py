"""Runs the plugins of a request, phase by phase.

A plugin that fails ends the request; nothing is proxied after a failure.

Source: kong/init.lua (execute_*_plugins_iterator, Kong.access, Kong.log) (Kong 3.9.1).
"""

import logging

from kong_devkit import pdk
from kong_devkit.exchange import Exchange, PdkError, PluginExit
from kong_devkit.pluginconn import ServerError
from kong_devkit.runtime import Config, Plugin
from kong_devkit.wire import WireError

_LOG = logging.getLogger("kong_devkit.plugin")


async def rewrite(exchange: Exchange) -> None:
    """Run the rewrite phase of the global plugins, before there is a route.

    Raises:
        PluginExit: a plugin ends the request, or failed.
    """
    exchange.phase = "rewrite"
    for plugin, config in exchange.runtime.global_plugins():
        if "rewrite" in plugin.phases:
            await _run(exchange, plugin, config)


async def access(exchange: Exchange) -> None:
    """Run the access phase; all plugins of the request are collected for the later phases even if one ends it.

    Raises:
        PluginExit: a plugin ends the request, or failed.
    """
    exchange.phase = "access"
    ending: PluginExit | None = None
    for plugin, config in exchange.runtime.plugins_for(exchange):
        exchange.collected.append((plugin, config))
        if "response" in plugin.phases:
            exchange.buffered = True
        if ending is None and "access" in plugin.phases:
            try:
                await _run(exchange, plugin, config)
            except PluginExit as error:
                ending = error
    if ending is not None:
        raise ending


async def response(exchange: Exchange) -> None:
    """Run the response phase over the buffered response.

    Raises:
        PluginExit: a plugin replaces the response, or failed.
    """
    exchange.phase = "response"
    for plugin, config in exchange.collected:
        if "response" in plugin.phases:
            await _run(exchange, plugin, config)


def header_filter(exchange: Exchange) -> None:
    """Let built-in plugins touch the response headers."""
    for plugin, config in _later(exchange):
        if plugin.builtin is not None and plugin.builtin.header_filter is not None:
            plugin.builtin.header_filter(exchange, config)


async def log(exchange: Exchange) -> None:
    """Run the log phase, after the response; failures are only logged."""
    exchange.phase = "log"
    for plugin, config in _later(exchange):
        if "log" in plugin.phases:
            try:
                await _run(exchange, plugin, config)
            except PluginExit:
                continue


def _later(exchange: Exchange) -> list[tuple[Plugin, Config]]:
    return exchange.collected or list(exchange.runtime.global_plugins())


async def _run(exchange: Exchange, plugin: Plugin, config: Config) -> None:
    exchange.plugin_memory["name"] = plugin.name
    try:
        if plugin.builtin is not None:
            handler = plugin.builtin.log if exchange.phase == "log" else plugin.builtin.access
            if handler is not None:
                await handler(exchange, config)
        elif plugin.external is not None:
            await plugin.external.handle(config, exchange.phase, pdk.bound(exchange))
    except ServerError as error:
        _LOG.error("[%s] pluginserver error: %s", plugin.name, error)
        raise exchange.error(500) from error
    except (PdkError, WireError) as error:
        _LOG.error("[%s] %s", plugin.name, error)
        exchange.unexpected = True
        raise exchange.error(500) from error
