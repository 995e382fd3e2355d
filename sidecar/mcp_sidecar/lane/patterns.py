"""The expressions of schemas, matched by RE2: in linear time, whoever wrote them."""

from __future__ import annotations

import re
from typing import Final

import re2

from mcp_core.arguments import Matches

LONGEST: Final = 1_000
"""Characters of an expression."""
MEMORY: Final = 1024 * 1024
"""Bytes that one expression may take."""

# ECMA-262 writes code points so; RE2 takes everything else of it but look-arounds and back-references.
_CODE_POINT: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{4}))")


def compile_pattern(pattern: str) -> Matches | None:
    """Return what tells whether an expression matches anywhere in a text, or None where RE2 cannot match it."""
    if len(pattern) > LONGEST:
        return None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY
    translated = _CODE_POINT.sub(lambda found: f"{found[1]}\\x{{{found[2] or found[3]}}}", pattern)
    try:
        compiled = re2.compile(translated, options)
    except re2.error:
        return None
    return lambda text: compiled.search(text) is not None
