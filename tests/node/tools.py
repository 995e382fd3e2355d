"""Where `make node` put Node 22 and the programs of the packages in package.json, or None where it has not run."""

import json
import platform
from pathlib import Path

MODULES = Path(__file__).resolve().parents[2] / "build" / "node" / "node_modules"
MISSING = "the Node packages are not installed: make node"
_MACHINES = {"x86_64": "x64", "aarch64": "arm64"}


def node():
    """Return the path of Node 22's program."""
    machine = _MACHINES.get(platform.machine(), platform.machine())
    program = MODULES / f"node-{platform.system().lower()}-{machine}" / "bin" / "node"
    return program if program.exists() else None


def package(name):
    """Return the folder of an installed package."""
    folder = MODULES / name
    return folder if (folder / "package.json").exists() else None


def program(name, command=None):
    """Return how to start a package's program, as the beginning of a command line: [node, script].

    `command` chooses among the programs of a package that has several of them.
    """
    binary, folder = node(), package(name)
    if binary is None or folder is None:
        return None
    programs = json.loads((folder / "package.json").read_text(encoding="utf-8"))["bin"]
    if isinstance(programs, str):
        return [str(binary), str(folder / programs)]
    script = programs[command] if command else next(iter(programs.values()))
    return [str(binary), str(folder / script)]
