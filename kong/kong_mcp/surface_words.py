"""The commands of `kong-mcp surface` that a person is told to run, as a shell takes them."""

from __future__ import annotations

import shlex
from typing import Final

from mcp_core.scan.excerpt import escaped

_LONGEST: Final = 200
"""Characters of a name as it is shown from which no person could tell what the command is about."""


def surface_command(verb: str, server: str, kind: str, name: str, options: str = "") -> str:
    """Return the command about one item. `options` begin with a blank.

    Servers choose names, and people paste commands: a shell takes the name for one word, and the command takes it for
    no option. What does not print stands escaped, as `kong-mcp surface list` shows it, and is found by that.
    """
    word = escaped(name)
    if len(word) > _LONGEST:
        return f"kong-mcp surface review --server {server}{options}"
    named = f" {shlex.quote(word)}" if word else ""
    if word.startswith("-"):
        return f"kong-mcp surface {verb}{options} -- {server} {kind}{named}"
    return f"kong-mcp surface {verb} {server} {kind}{named}{options}"
