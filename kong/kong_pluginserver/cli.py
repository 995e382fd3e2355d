"""The command `mcp-pluginserver`."""

from __future__ import annotations

import gc
import os
import resource
import sys
from pathlib import Path
from typing import Any

import click

from kong_pluginserver import loader
from kong_pluginserver.errors import PluginServerError
from kong_pluginserver.listener import Listener
from kong_pluginserver.settings import Settings
from kong_pluginserver.supervisor import Supervisor


@click.command(context_settings={"show_default": True})
@click.version_option(package_name="kong-mcp")
@click.option("--plugins", type=click.Path(path_type=Path), required=True, help="Directory of the plugin files, *.py.")
@click.option("--socket", "socket_path", type=click.Path(path_type=Path), help="Unix socket to serve Kong on.")
@click.option(
    "--socket-group", metavar="GROUP", help="Group that may connect too. Without it, only the socket's owner may."
)
@click.option("--workers", type=click.IntRange(1, 64), default=Settings.workers, help="Processes that run plugins.")
@click.option(
    "--deadline", type=click.FloatRange(0.05, 60), default=Settings.deadline, help="Seconds that one event may take."
)
@click.option(
    "--upload",
    type=click.FloatRange(0, 3600),
    default=Settings.upload,
    help="Seconds that a client may take to send a request body; the deadline waits for it.",
)
@click.option(
    "--drain",
    type=click.FloatRange(0, 3600),
    default=Settings.drain,
    help="Seconds that events in flight may take once the server is told to end.",
)
@click.option(
    "--max-body",
    type=click.IntRange(1024, 1 << 30),
    default=Settings.max_body,
    help="Bytes of the largest request body that a plugin may read.",
)
@click.option(
    "--end-with-parent", is_flag=True, help="End when whoever started it is gone. For a start command of Kong's."
)
@click.option("--dump", metavar="NAME", help="Print what Kong must know of this plugin as JSON, and end.")
def main(plugins: Path, socket_path: Path | None, dump: str | None, **others: Any) -> None:
    """Serve kong-pdk plugins to Kong over its ProtoBuf:1 plugin protocol; refuse whenever anything goes wrong.

    \b
    Beside Kong, for a plugin in /opt/plugins/my-guard.py:
      mcp-pluginserver --plugins /opt/plugins --dump my-guard > /opt/plugins/my-guard.json
      mcp-pluginserver --plugins /opt/plugins --socket /run/kong/plugins.sock

    \b
    In kong.conf:
      pluginserver_names = my-guard
      pluginserver_my_guard_socket = /run/kong/plugins.sock
      pluginserver_my_guard_query_cmd = cat /opt/plugins/my-guard.json

    Kong reads one plugin from each query command: give every plugin a name of its own there. A start command would have
    Kong run the server, but Kong 3.9 then fails on GET / of its Admin API, which decK asks for first. With a dump of
    another release than the server's, Kong gets no instance, and every request is refused until both are one.
    """  # noqa: D301 - \b is click's mark for text that is not to be wrapped
    try:
        if dump is not None:
            _dump(plugins, dump)
        elif socket_path is None:
            raise click.UsageError("give --socket PATH to serve, or --dump NAME to describe one plugin")
        else:
            _serve(Settings(plugins, socket_path, **others))
    except PluginServerError as error:
        click.echo(f"mcp-pluginserver: {error}", err=True)
        sys.exit(1)


def _dump(directory: Path, name: str) -> None:
    with loader.stdout_on_stderr() as stdout:
        document = loader.dump([loader.load(directory / f"{name}.py")])
        os.write(stdout, document.encode() + b"\n")


def _serve(settings: Settings) -> None:
    with loader.stdout_on_stderr():
        plugins = loader.load_all(settings.plugins)
        listener = Listener(settings.socket, settings.socket_group)
        # The supervisor holds a descriptor for every connection.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        # What is loaded by now is shared by all workers and never garbage.
        gc.collect()
        gc.freeze()
        Supervisor(plugins, listener, settings).run()
