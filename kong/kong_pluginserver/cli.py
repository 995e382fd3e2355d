"""The command `mcp-pluginserver`."""

from __future__ import annotations

import gc
import os
import resource
import sys
from pathlib import Path

import click

from kong_pluginserver import loader
from kong_pluginserver.errors import PluginServerError
from kong_pluginserver.listener import Listener
from kong_pluginserver.settings import Settings
from kong_pluginserver.supervisor import Supervisor


@click.command(context_settings={"show_default": True})
@click.option("--plugins", type=click.Path(path_type=Path), required=True, help="Directory of the plugin files, *.py.")
@click.option("--socket", "socket_path", type=click.Path(path_type=Path), help="Unix socket to serve Kong on.")
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
@click.option("--dump", metavar="NAME", help="Print what Kong must know of this plugin as JSON, and end.")
def main(
    plugins: Path,
    socket_path: Path | None,
    workers: int,
    deadline: float,
    upload: float,
    drain: float,
    max_body: int,
    dump: str | None,
) -> None:
    """Serve kong-pdk plugins to Kong over its ProtoBuf:1 plugin protocol; refuse whenever anything goes wrong.

    \b
    In kong.conf, for a plugin in /opt/plugins/my-guard.py:
      pluginserver_names = my-guard
      pluginserver_my_guard_socket = /run/kong/plugins.sock
      pluginserver_my_guard_start_cmd = mcp-pluginserver --plugins /opt/plugins --socket /run/kong/plugins.sock
      pluginserver_my_guard_query_cmd = mcp-pluginserver --plugins /opt/plugins --dump my-guard

    Kong reads one plugin from each query command: give every plugin a name of its own there, and one of them the
    start command.
    """  # noqa: D301 - \b is click's mark for text that is not to be wrapped
    try:
        if dump is not None:
            _dump(plugins, dump)
        elif socket_path is None:
            raise click.UsageError("give --socket PATH to serve, or --dump NAME to describe one plugin")
        else:
            _serve(Settings(plugins, socket_path, workers, deadline, upload, drain, max_body))
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
        listener = Listener(settings.socket)
        # The supervisor holds a descriptor for every connection.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        # What is loaded by now is shared by all workers and never garbage.
        gc.collect()
        gc.freeze()
        Supervisor(plugins, listener, settings).run()
