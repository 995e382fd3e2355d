"""The compiled build: what decides over a call as extension modules, of the same sources (spec/decisions/345).

`python hatch_build.py FOLDER` copies the packages into FOLDER, with the modules beside their sources: whoever has it
first on PYTHONPATH runs them (`make compiled`). As a hook of hatchling it puts them into the wheel where the
environment says KONG_MCP_COMPILED=1. Needs mypy, setuptools and a C compiler.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT: Final = Path(__file__).resolve().parent
PACKAGES: Final = ("mcp_core", "mcp_kong")
MODULES: Final = (
    *("mcp_core/decide", "mcp_core/envelope", "mcp_core/jsonrpc", "mcp_core/headers", "mcp_core/question"),
    *("mcp_core/counts", "mcp_core/ids", "mcp_core/keys", "mcp_core/methods", "mcp_core/outcome", "mcp_core/reasons"),
    *("mcp_core/passing", "mcp_core/policy", "mcp_core/principal", "mcp_core/tasks", "mcp_core/tracing"),
    *("mcp_core/extended", "mcp_core/unknown"),
    *("mcp_kong/answers", "mcp_kong/asked", "mcp_kong/guard", "mcp_kong/inspecting"),
    *("mcp_kong/parts", "mcp_kong/proofs"),
)
"""What an allowed call is seen in. Not kong_pluginserver: a deadline must know that package's own frames."""
LIBRARY: Final = "kong_mcp_compiled"
"""The shared library of all modules is called so, with `__mypyc` behind it."""
SWITCH: Final = "KONG_MCP_COMPILED"

NUMBERS: Final = frozenset(
    {
        *("excess", "_exponents", "_long_ones", "_outside", "_excess", "_of_large_exponent", "_is_infinite"),
        *("make_whole", "_blanks", "Reject.http_status", "Hidden.hides", "Policy.view", "Principal.from_json"),
        *("read_parent", "Guard._caller", "Guard._open", "Words.write", "Principals.of", "HttpMethods._proves_post"),
        "_token",
    }
)
"""Functions in which an object becomes a number of the machine. Each was read: what JSON says stays what it is."""
_FUNCTION: Final = re.compile(r"^def ([\w.]+)\(")
_NUMBER: Final = re.compile(r"= unbox\((?:int|float|i\d+|u8),")


class NumberError(Exception):
    """A value would change its kind: mypyc makes 1.0 of 1 for a `float`, and 1 of true for an `int`."""


def compile_into(folder: Path) -> list[Path]:
    """Make the packages in `folder`, with their extension modules, and return the files that Python will load.

    Raises:
        CalledProcessError: mypy or the C compiler fails; what they said stands on standard error.
        NumberError: a function that is not among NUMBERS unboxes a number.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for package in PACKAGES:
        shutil.copytree(ROOT / "plugins" / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    arguments = [*(f"{module}.py" for module in MODULES), f"--config-file={ROOT / 'pyproject.toml'}"]
    program = (
        "import setuptools, mypyc.build\n"
        f"modules = mypyc.build.mypycify({arguments!r}, group_name={LIBRARY!r}, debug_level='0')\n"
        f"setuptools.setup(name={LIBRARY!r}, ext_modules=modules, script_args=['-q', 'build_ext', '--inplace'])\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if ended.returncode:
        sys.stderr.write(ended.stdout)
        ended.check_returncode()
    strange = sorted(set(_unboxing((folder / "build" / "ops.txt").read_text())) - NUMBERS)
    shutil.rmtree(folder / "build")
    if strange:
        shutil.rmtree(folder)
        raise NumberError(
            f"{', '.join(strange)}: an object becomes a number there, and 1, 1.0 and true are one number. Where it "
            f"comes from JSON, write its type as Any or RequestId; where not, add the function to NUMBERS in {__file__}"
        )
    return sorted(path.relative_to(folder) for path in folder.rglob("*.so"))


def _unboxing(ops: str) -> Iterator[str]:
    """Yield the functions in which mypyc's code (its ops.txt) makes a number of an object."""
    function = ""
    for line in ops.splitlines():
        if begun := _FUNCTION.match(line):
            function = begun[1].removesuffix(".__mypyc_generator_helper__").removesuffix("_gen")
        elif _NUMBER.search(line):
            yield function


class CompiledBuildHook(BuildHookInterface[Any]):
    """Puts the extension modules into a wheel, which is then one for this Python and this machine."""

    _folder: tempfile.TemporaryDirectory[str] | None = None

    def dependencies(self) -> list[str]:
        """Return what the build needs beside hatchling."""
        return ["mypy>=2.4", "setuptools>=80"] if _wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, where the environment asks for it."""
        if version == "editable" or not _wanted():
            return
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name) / "compiled"
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"] |= {str(folder / file): str(file) for file in compile_into(folder)}

    def finalize(self, _version: str, _build_data: dict[str, Any], _artifact_path: str) -> None:
        """Remove what was compiled: it is in the wheel now."""
        if self._folder is not None:
            self._folder.cleanup()


def _wanted() -> bool:
    return os.environ.get(SWITCH, "") == "1"


if __name__ == "__main__":
    print("\n".join(map(str, compile_into(Path(sys.argv[1]).resolve()))))
