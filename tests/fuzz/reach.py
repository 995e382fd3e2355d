"""Which lines of the core an input reaches."""

from __future__ import annotations

import dis
import importlib
import inspect
import sys
from pathlib import Path
from types import CodeType

import mcp_core
from fuzz.checks import CHECKS

CORE = str(Path(mcp_core.__file__).parent)


def reached(target, data):
    """Return (module, line) for whatever of the core runs while an input is checked."""
    found = set()

    def step(frame, event, _):
        if event == "line":
            found.add((Path(frame.f_code.co_filename).stem, frame.f_lineno))
        return step

    def trace(frame, _event, _argument):
        return step if frame.f_code.co_filename.startswith(CORE) else None

    outer = sys.gettrace()
    sys.settrace(trace)
    try:
        CHECKS[target](data)
    finally:
        sys.settrace(outer)
    return found


def possible(modules):
    """Return (module, line) for every line of functions in some modules of the core."""
    lines = set()
    for module in modules:
        path = importlib.import_module(f"mcp_core.{module}").__file__
        todo = [compile(Path(path).read_text(), path, "exec")]
        while todo:
            code = todo.pop()
            todo += [const for const in code.co_consts if isinstance(const, CodeType)]
            if code.co_flags & inspect.CO_OPTIMIZED:  # functions have it; modules and classes run at import
                lines |= {(module, line) for _, line in dis.findlinestarts(code) if line}
    return lines
