"""What a virtual server is: its members, how their items are named, and how much of them its lists may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from mcp_core.adaptive.flow import FlowRules, FlowRulesError

MOST_MEMBERS: Final = 100
"""Members of one virtual server."""
MOST_TOKENS: Final = 10_000_000
"""Tokens that a budget may name."""
LEAST_OUTPUT: Final = 100
"""Tokens that a budget leaves a result at least: what is cut says where the rest is."""
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


FIND: Final = "find_tools"
DESCRIBE: Final = "describe_tool"
CALL: Final = "call_tool"
OWN_TOOLS: Final = (FIND, DESCRIBE, CALL)
"""What a virtual server offers in place of a list that holds too much. No item of a member gets one of these names."""


class VirtualError(ValueError):
    """The settings cannot be used; the message names the field and what to write."""


class Prefix(StrEnum):
    """When the name of an item begins with that of its member."""

    WHEN_NEEDED = "when-needed"
    """Where two members have an item of that name."""
    ALWAYS = "always"
    NEVER = "never"
    """Of two that have the same name, the one whose member is named first is there alone."""


class BudgetMode(StrEnum):
    """What a list of tools holds."""

    FULL = "full"
    FILTERED = "filtered"
    """As many as the budget holds."""
    SEARCH = "search"
    """Three tools that find, describe and call all others."""
    AUTO = "auto"
    """All that there are where they fit, and search where they do not."""


@dataclass(frozen=True, slots=True)
class ListBudget:
    """How many tokens the tools of one list may take, and what is done where they take more.

    `pinned` names tools that come first where not all fit. `output` is how many tokens the text of one tool's result
    may take, None for as many as it likes.
    """

    tokens: int
    mode: BudgetMode = BudgetMode.AUTO
    pinned: tuple[str, ...] = ()
    output: int | None = None


@dataclass(frozen=True, slots=True)
class Virtual:
    """One virtual server: the names of its members in order, how they are put together, and what may flow where."""

    members: tuple[str, ...]
    prefix: Prefix = Prefix.WHEN_NEEDED
    budget: ListBudget | None = None
    flow: FlowRules | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        said: dict[str, Any] = {"members": list(self.members), "prefix": self.prefix.value}
        if (budget := self.budget) is not None:
            said["budget"] = {"tokens": budget.tokens, "mode": budget.mode.value, "pinned": list(budget.pinned)}
            said["budget"] |= {} if budget.output is None else {"output": budget.output}
        return said if self.flow is None else {**said, "flow": self.flow.to_json()}

    @classmethod
    def from_json(cls, value: Any) -> Virtual:
        """Return what `to_json` wrote, or what stands in a configuration. Raises VirtualError."""
        if not isinstance(value, Mapping):
            raise VirtualError("write members, prefix and budget")
        members = value.get("members")
        if not isinstance(members, list | tuple) or not 1 <= len(members) <= MOST_MEMBERS:
            raise VirtualError(f"members: write the names of 1 to {MOST_MEMBERS} servers")
        if not all(isinstance(member, str) and NAME.fullmatch(member) for member in members) or len(set(members)) < len(
            members
        ):
            raise VirtualError("members: write names of servers, each once")
        prefix = _word(Prefix, value.get("prefix"), Prefix.WHEN_NEEDED, "prefix")
        try:
            flow = FlowRules.from_json(value.get("flow"))
        except FlowRulesError as error:
            raise VirtualError(f"flow.{error}") from None
        return cls(tuple(members), prefix, _budget(value), flow)


def _budget(value: Mapping[str, Any]) -> ListBudget | None:
    said = value.get("budget")
    if said is None:
        return None
    tokens = said.get("tokens") if isinstance(said, Mapping) else None
    if isinstance(said, Mapping) and tokens is None and said.get("mode") is None and said.get("output") is None:
        return None
    if not isinstance(tokens, int) or isinstance(tokens, bool) or not 0 <= tokens <= MOST_TOKENS:
        raise VirtualError(f"budget.tokens: write a whole number from 0 to {MOST_TOKENS}")
    pinned = said.get("pinned") or ()
    if not isinstance(pinned, list | tuple) or not all(isinstance(one, str) and one for one in pinned):
        raise VirtualError("budget.pinned: write a list of names of tools")
    mode = _word(BudgetMode, said.get("mode"), BudgetMode.AUTO, "budget.mode")
    if mode is BudgetMode.SEARCH and tokens == 0:
        raise VirtualError("budget.tokens: with search, write at least 1")
    output = said.get("output")
    whole = isinstance(output, int) and not isinstance(output, bool) and LEAST_OUTPUT <= output <= MOST_TOKENS
    if output is not None and not whole:
        raise VirtualError(f"budget.output: write a whole number from {LEAST_OUTPUT} to {MOST_TOKENS}")
    return ListBudget(tokens, mode, tuple(pinned), output)


def _word(words: Any, value: Any, default: Any, where: str) -> Any:
    if value is None:
        return default
    if value not in list(words):
        raise VirtualError(f"{where}: write one of {', '.join(words)}")
    return words(value)


def read_config(config: Mapping[str, Any]) -> Virtual | None:
    """Return what a guard's configuration says of a virtual server, None for a server of its own. VirtualError."""
    if not config.get("members"):
        return None
    said = {name: config.get(name) for name in ("members", "prefix", "budget", "flow")}
    if isinstance(said["flow"], Mapping) and said["flow"].get("mode") is not None:
        said["flow"] = {**said["flow"], "session_seconds": config.get("session_max_age")}
    return Virtual.from_json(said)
