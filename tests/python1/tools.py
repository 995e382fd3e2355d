"""Where `make python1` put the official Python SDK of the 1.x line, and fastmcp 3 and mcp-proxy, which need it.

One environment cannot hold both lines.
"""

from pathlib import Path

MISSING = "the Python SDK of the 1.x line is not installed: make python1"
_HOME = Path(__file__).resolve().parents[2] / "build" / "python1"


def python1():
    """Return the path of the Python that has it, or None where it could not be installed."""
    program = _HOME / "bin" / "python"
    return program if (_HOME / "installed.lock").exists() and program.exists() else None
