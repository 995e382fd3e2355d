"""Where the files that come with the package are: in a checkout beside the code, else inside the installed package."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent.parent
_INSTALLED = _PACKAGE / "share"


def plugins_folder() -> Path:
    """Return the folder with the Kong plugin files."""
    return _folder("plugins", "mcp-guard.py")


def lua_folder() -> Path:
    """Return the folder that Kong's lua_package_path must name for our plugins in Lua."""
    return plugins_folder() / "lua"


def short_folder() -> Path:
    """Return the folder that lua_package_path must name too where mcp-guard is to be asked in the short way."""
    return lua_folder() / "short"


def deck_folder() -> Path:
    """Return the folder with the decK files."""
    return _folder("deck", "shared.yaml")


def kong_folder() -> Path:
    """Return the folder with kong.conf, the systemd units and the Helm values."""
    return _folder("kong", "kong.conf")


def _folder(name: str, witness: str) -> Path:
    for base in (_INSTALLED, _CHECKOUT):
        if (base / name / witness).is_file():
            return base / name
    raise FileNotFoundError(f"the installation is incomplete: {name}/{witness} is missing; install kong-mcp again")


def program(name: str) -> str:
    """Return the path of a program of ours, or of Kong's, by name.

    Raises:
        FileNotFoundError: it stands neither beside this Python nor on the PATH.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: `pip install 'kong-mcp[sidecar,devkit]'` brings it")
    return found
