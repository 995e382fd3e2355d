"""Lua patterns as Python regular expressions, for ``match`` and its kin in plugin schemas.

Source: the Lua 5.1 reference manual, section 5.4.1. ``%b`` and ``%f`` have no counterpart and are refused.
"""

import re

_CLASSES = {
    "a": "A-Za-z",
    "d": "0-9",
    "l": "a-z",
    "u": "A-Z",
    "w": "A-Za-z0-9",
    "x": "A-Fa-f0-9",
    "s": r"\s",
    "c": r"\x00-\x1f\x7f",
    "p": r"!-/:-@\[-`{-~",
}


def compile_lua(pattern: str) -> re.Pattern[str]:
    """Translate and compile.

    Raises:
        ValueError: the pattern uses ``%b`` or ``%f``, or ends in the middle of a set or an escape.
    """
    out: list[str] = []
    position = 0
    if pattern.startswith("^"):
        out.append("^")
        position = 1
    while position < len(pattern):
        char = pattern[position]
        if char == "[":
            piece, position = _set(pattern, position)
            out.append(piece)
        elif char == "%":
            out.append(_escape(pattern, position, inside=False))
            position += 2
        elif char == "$":
            out.append("$" if position == len(pattern) - 1 else r"\$")
            position += 1
        else:
            # Lua's "-" is the lazy "*"; "*", "+", "?", "." and parentheses mean the same in both.
            out.append("*?" if char == "-" else char if char in "*+?.()" else re.escape(char))
            position += 1
    return re.compile("".join(out), re.DOTALL)


def _escape(pattern: str, position: int, *, inside: bool) -> str:
    if position + 1 >= len(pattern):
        raise ValueError("the pattern ends with '%'")
    char = pattern[position + 1]
    if char in "bf" and not inside:
        raise ValueError(f"%{char} is not supported")
    if char.lower() in _CLASSES and char.isalpha():
        body = _CLASSES[char.lower()]
        if char.islower():
            return body if inside else f"[{body}]"
        if inside:
            raise ValueError(f"%{char} inside a set is not supported")
        return f"[^{body}]"
    return re.escape(char)


def _set(pattern: str, position: int) -> tuple[str, int]:
    out = ["["]
    position += 1
    if pattern[position : position + 1] == "^":
        out.append("^")
        position += 1
    first = True
    while True:
        char = pattern[position : position + 1]
        if not char:
            raise ValueError("the pattern has an unfinished set")
        if char == "]" and not first:
            return "".join([*out, "]"]), position + 1
        first = False
        if char == "%":
            out.append(_escape(pattern, position, inside=True))
            position += 2
        else:
            out.append("-" if char == "-" else re.escape(char))
            position += 1
