"""Where `make fastmcp4` put fastmcp of its line 4, which needs the official SDK's 2.x line: its line 3 needs 1.x."""

from pathlib import Path

MISSING = "fastmcp 4 is not installed: make fastmcp4"
_HOME = Path(__file__).resolve().parents[2] / "build" / "fastmcp4"


def fastmcp4():
    """Return the path of the Python that has it, or None where it could not be installed."""
    program = _HOME / "bin" / "python"
    return program if (_HOME / "installed.lock").exists() and program.exists() else None
