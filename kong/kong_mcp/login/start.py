"""Starts the provider of `kong-mcp dev --login`, and has servers take its tokens.

The provider is npm's oidc-provider, a certified one that others build theirs on. It comes with no Python package: in a
checkout `make node` brings it and Node; elsewhere KONG_MCP_NODE_MODULES names the folder that it was installed into.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from kong_mcp.processes import Child
from kong_mcp.reaper import Reaper
from kong_mcp.servers import DevServer

MODULES_VARIABLE: Final = "KONG_MCP_NODE_MODULES"
_SCRIPT: Final = Path(__file__).with_name("provider.mjs")
_CHECKOUT: Final = Path(__file__).resolve().parents[3] / "build" / "node" / "node_modules"
_MINIMUM: Final = (22, 19)
"""What oidc-provider 9 runs on."""
_START_SECONDS: Final = 30.0

SCOPE: Final = "mcp"
MORE_SCOPE: Final = "mcp:write"
CHANGING: Final = tuple(f"{verb}_*" for verb in ("add", "create", "delete", "remove", "set", "update", "write"))
"""Tools that need MORE_SCOPE: what they are called says that they change something."""


class NoProviderError(RuntimeError):
    """The provider cannot be started here; the message says what to install."""


def modules() -> Path:
    """Return the folder of node packages that has the provider. Raises NoProviderError."""
    named = os.environ.get(MODULES_VARIABLE)
    for folder in [Path(named)] if named else [_CHECKOUT, Path.cwd() / "node_modules"]:
        if (folder / "oidc-provider" / "package.json").is_file():
            return folder.resolve()
    raise NoProviderError(
        "--login needs npm's oidc-provider. In a checkout: make node. Elsewhere: npm install oidc-provider@9, and run "
        f"this in the same folder, or name its node_modules in {MODULES_VARIABLE}"
    )


def node(folder: Path) -> str:
    """Return the program of a Node that runs the provider. Raises NoProviderError."""
    inside = sorted(folder.glob("node-*/bin/node"))
    found = str(inside[0]) if inside else shutil.which("node")
    if found is None:
        raise NoProviderError("--login needs Node 22.19 or later, and there is no node on the PATH")
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - found above
    version = told.stdout.strip().removeprefix("v")
    numbers = tuple(int(part) if part.isdigit() else 0 for part in version.split(".")[:2])
    if numbers < _MINIMUM:
        raise NoProviderError(f"--login needs Node 22.19 or later, and {found} is {version or 'none that runs'}")
    return found


@contextlib.contextmanager
def provider(port: int, scopes: tuple[str, ...] = (SCOPE, MORE_SCOPE)) -> Iterator[str]:
    """Run the provider on a loopback port for as long as the context lasts, and give its issuer.

    Raises:
        NoProviderError: it cannot be started here.
        ChildFailedError: it did not start; the message holds the end of its log.
    """
    folder = modules()
    command = [node(folder), str(_SCRIPT), str(folder), str(port), " ".join(scopes)]
    issuer = f"http://127.0.0.1:{port}"
    place = Path(tempfile.mkdtemp(prefix="kong-mcp-login-"))
    with Reaper(place) as reaper:
        child = Child("the login's provider", command, os.environ, place / "provider.log")
        reaper.watch(child.pid)
        try:
            child.wait_until(lambda: _answers(f"{issuer}/.well-known/openid-configuration"), _START_SECONDS)
            yield issuer
        finally:
            child.stop()


def guarded(values: Mapping[str, Any], server: DevServer, issuer: str, port: int) -> Mapping[str, Any]:
    """Return a server's policy with the section `auth` for this issuer, unless it has one of its own."""
    if values.get("auth"):
        return values
    rules = [{"scopes": [MORE_SCOPE], "tools": list(CHANGING)}]
    auth = {
        "resource": f"http://127.0.0.1:{port}{server.public_path}",
        "issuers": [{"issuer": issuer}],
        "required_scopes": [SCOPE],
        "scope_rules": rules,
        "denial": "challenge",
    }
    return {**values, "auth": auth}


def _answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
