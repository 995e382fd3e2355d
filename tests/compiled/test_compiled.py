"""The compiled build: it says what plain Python says, and what mypyc would change in silence stops the build."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import same

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def build():
    """Return the module that builds."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# As mypyc writes it: a float that is wanted, an int within a generator, and a length, which is one already.
OPS = """\
def Reader.number(self, value):
L0:
    r1 = unbox(float, value)
def items_gen.__mypyc_generator_helper__(__mypyc_self__, type):
L0:
    r7 = unbox(int, r6)
def size(text):
L0:
    r0 = CPyStr_Size_size_t(text)
    r1 = unbox(bool, r0)
"""


@pytest.mark.requirement("FAST-008")
def test_a_function_that_makes_a_number_of_an_object_is_found(build):
    assert list(build._unboxing(OPS)) == ["Reader.number", "items"]


@pytest.mark.requirement("FAST-008")
def test_nothing_that_is_compiled_calls_itself(build):
    """C code has no limit of recursion: what an agent nests would end in the stack, and the process with it."""
    found = [
        f"{module}: {node.name}"
        for module in build.MODULES
        for node in ast.walk(ast.parse((ROOT / "plugins" / f"{module}.py").read_text()))
        if isinstance(node, ast.FunctionDef)
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == node.name
    ]
    assert not found


@pytest.fixture(scope="module")
def compiled(build, tmp_path_factory):
    """Return a folder with the compiled build of this tree."""
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler on the PATH")
    folder = tmp_path_factory.mktemp("compiled") / "packages"
    build.compile_into(folder)
    return folder


def run(program, folder):
    """Return what a program prints that runs on the packages of a folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.requirement("FAST-008")
def test_all_of_it_is_compiled_and_operators_can_tell(build, compiled):
    names = [module.replace("/", ".") for module in build.MODULES]
    program = (
        "import importlib\n"
        "from pathlib import Path\n"
        "from kong_mcp.doctor.machine import check_build\n"
        "from kong_pluginserver.loader import load\n"
        f"guard = load(Path({str(ROOT / 'plugins' / 'mcp-guard.py')!r}))\n"
        "print(check_build().seen, guard.is_compiled, sep=': ')\n"
        f"for name in {names}: print(importlib.import_module(name).__file__)"
    )
    said, *files = run(program, compiled).splitlines()
    assert said == "what decides over a call is compiled: True"
    assert len(files) == len(names)
    assert all(file.startswith(str(compiled)) and file.endswith(".so") for file in files)
    assert run(program, "").startswith("what decides over a call is plain Python; ")
    assert run(program, "").splitlines()[0].endswith(": False")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.requirement("FAST-008")
def test_it_says_what_plain_python_says(compiled, monkeypatch):
    monkeypatch.setattr(same, "COMPILED", compiled)
    assert same.differences(0, 5000) == []
