"""The commands that the package installs, each by a name of its own here: what pyproject.toml's scripts start.

Each imports what it runs only once it runs. Until that is there, Ctrl-C ends the process as it ends any that has no
Python in it, by the signal (SIGINT) and without a word: a KeyboardInterrupt among imports would print where it was.
"""

from __future__ import annotations

import signal
from importlib import import_module


def kong_mcp() -> None:
    """Run `kong-mcp`."""
    _run("kong_mcp.cli")


def kong_devkit() -> None:
    """Run `kong-devkit`."""
    _run("kong_devkit.cli")


def mcp_pluginserver() -> None:
    """Run `mcp-pluginserver`."""
    _run("kong_pluginserver.cli")


def mcp_sidecar() -> None:
    """Run `mcp-sidecar`."""
    _run("mcp_sidecar.cli")


def _run(module: str) -> None:
    """Run `main` of the module, a click command that ends the process."""
    # What the parent had ignored (nohup, a shell's `&`) stays ignored.
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    main = import_module(module).main
    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
