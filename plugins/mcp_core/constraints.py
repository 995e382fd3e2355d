r"""What single arguments of tools may say, by policy: refused at call time, with what would be allowed.

    constraints:
    - tool: send_*                  # whatever a server could take for such a name, as with deny
      argument: [to]                # keys that lead from the call's arguments to the value
      pattern: '[a-z.]{1,40}@acme\.example'
    - {tool: transfer, argument: [amount], minimum: 1, maximum: 500, required: true}
    - {tool: deploy, argument: [stage], one_of: [test, staging]}

A value that is a list is held member by member. The expressions are a subset that is always linear (scan.linear), and
fit the whole value. A key that a lax server could take for a constrained one is refused: Amount beside amount would be
a way past.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_core.jsonrpc import Request
from mcp_core.keys import Keys
from mcp_core.methods import CALL, Era, Kind
from mcp_core.outcome import INVALID_PARAMS, Reject, RejectKind, params_status
from mcp_core.policy import Cause, Matcher, denied_forms, denying, read_forms
from mcp_core.reasons import Reason
from mcp_core.scan.linear import LinearError, check_linear

MOST: Final = 200
"""Constraints of one server."""
LONGEST: Final = 10_000
"""Characters of a value that a pattern is held against: a longer one does not fit."""
_SHOWN: Final = 300
_FIELDS: Final = frozenset({"tool", "argument", "one_of", "pattern", "minimum", "maximum", "max_length", "required"})


class ConstraintError(ValueError):
    """A constraint cannot be used; the message names the field and says what to write."""


@dataclass(frozen=True)
class Constraint:
    """What one argument of some tools may say. None, and no words, stand for no bound."""

    tools: Matcher
    path: tuple[str, ...]
    one_of: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    required: bool = False

    def concerns(self, tool: str) -> bool:
        """Return whether a server could take a tool's name for one that the constraint is for."""
        read = read_forms(Kind.TOOL, tool)
        return isinstance(read, Cause) or any(map(self.tools.matches, denied_forms(Kind.TOOL, read)))

    def problem(self, arguments: Any) -> str | None:
        """Return what is allowed in the place of what the arguments say, or None where they fit."""
        value: Any = {} if arguments is None else arguments
        for key in self.path:
            if not isinstance(value, Mapping):
                return "is an object" if value is not None else self._missing()
            if Keys.of({key}).misread(value) is not None:
                return f"is spelled {key!a}, once"
            if key not in value:
                return self._missing()
            value = value[key]
        if value is None:
            return self._missing()
        members = value if isinstance(value, list) else [value]
        return None if all(map(self._fits, members)) else self._allowed()

    def _missing(self) -> str | None:
        return f"must be there, and {self._allowed()}" if self.required else None

    def _fits(self, value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if (self.minimum is not None or self.maximum is not None) and not is_number:
            return False
        if (self.minimum is not None and value < self.minimum) or (self.maximum is not None and value > self.maximum):
            return False
        text = _text(value)
        if text is None or (self.one_of and text not in self.one_of):
            return False
        if self.max_length is not None and len(text) > self.max_length:
            return False
        return self.pattern is None or (len(text) <= LONGEST and self.pattern.fullmatch(text) is not None)

    def _allowed(self) -> str:
        said = []
        if self.one_of:
            said.append(f"is one of {', '.join(f'{one!a}' for one in self.one_of)}")
        if self.minimum is not None:
            said.append(f"is a number of at least {self.minimum:g}")
        if self.maximum is not None:
            said.append(f"is a number of at most {self.maximum:g}")
        if self.max_length is not None:
            said.append(f"has {self.max_length} characters at most")
        if self.pattern is not None:
            said.append(f"fits {self.pattern.pattern}")
        return " and ".join(said or ["is a text, a number or a truth value"])[:_SHOWN]


def check(constraints: Sequence[Constraint], message: object, era: Era) -> Iterator[Reject]:
    """Give the refusal of a call for each of its arguments that says what it may not."""
    if not constraints or not isinstance(message, Request) or message.method != CALL:
        return
    tool = message.params.get("name")
    for constraint in constraints:
        if not isinstance(tool, str) or not constraint.concerns(tool):
            continue
        if (said := constraint.problem(message.params.get("arguments"))) is not None:
            argument = ".".join(constraint.path)
            text = f"The gateway's policy does not let this tool be called so: the argument {argument} {said}."
            status = params_status(era)
            yield Reject(
                INVALID_PARAMS,
                text,
                Reason.CONSTRAINT,
                id=message.id,
                status=status,
                kind=RejectKind.POLICY,
                name=tool[:256],
            )


def read_config(value: Any) -> tuple[Constraint, ...]:
    """Read the field `constraints` of the guard's configuration.

    Raises:
        ConstraintError: naming the entry that cannot be used.
    """
    if value is None or value == {}:  # Kong's JSON writes an empty list as an empty object
        return ()
    if not isinstance(value, list | tuple) or len(value) > MOST:
        raise ConstraintError(f"constraints: write a list of at most {MOST}")
    return tuple(_read(one, f"constraints[{number}]") for number, one in enumerate(value))


def _read(entry: Any, where: str) -> Constraint:
    if not isinstance(entry, Mapping) or not entry.keys() <= _FIELDS:
        raise ConstraintError(f"{where}: write an object with some of {', '.join(sorted(_FIELDS))}")
    said = {name: one for name, one in entry.items() if one is not None and one not in ({}, [])}
    tool, path = said.get("tool"), said.get("argument")
    if not isinstance(tool, str) or not tool:
        raise ConstraintError(f"{where}.tool: write the name of a tool, or a glob")
    if not isinstance(path, list | tuple) or not path or not all(isinstance(key, str) and key for key in path):
        raise ConstraintError(f"{where}.argument: write a list of keys, outermost first")
    if said.keys() <= {"tool", "argument"} or (
        said.keys() <= {"tool", "argument", "required"} and not said["required"]
    ):
        raise ConstraintError(f"{where}: it holds nothing; write one_of, pattern, minimum, maximum or max_length")
    one_of = said.get("one_of", ())
    if not isinstance(one_of, list | tuple) or (found := [_text(one) for one in one_of]).count(None):
        raise ConstraintError(f"{where}.one_of: write a list of texts, numbers or truth values")
    for name in ("minimum", "maximum", "max_length"):
        if not isinstance(said.get(name, 0), int | float) or isinstance(said.get(name), bool):
            raise ConstraintError(f"{where}.{name}: write a number")
    if not isinstance(said.get("required", False), bool):
        raise ConstraintError(f"{where}.required: write true or false")
    return Constraint(
        denying(Kind.TOOL, (tool,)) or Matcher(()),
        tuple(path),
        tuple(str(one) for one in found),
        _pattern(said.get("pattern"), f"{where}.pattern"),
        said.get("minimum"),
        said.get("maximum"),
        said.get("max_length"),
        said.get("required", False),
    )


def _pattern(said: Any, where: str) -> re.Pattern[str] | None:
    if said is None:
        return None
    try:
        check_linear(said)
    except LinearError as error:
        raise ConstraintError(f"{where}: {error}") from None
    return re.compile(said, re.ASCII)


def _text(value: Any) -> str | None:
    """Return a scalar of JSON as it is compared, None for what is no scalar."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) and value.is_integer() else str(value)
    return value if isinstance(value, str) else None
