"""What the store tells: items, their versions and where they stand, and what it cannot tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mcp_core.pins.snapshot import IS_OPEN
from mcp_core.pins.states import OPEN, State
from mcp_core.scan import ItemKind
from mcp_sidecar.store.forget import OFTEN
from mcp_sidecar.store.lineage import Anchor
from mcp_sidecar.store.rows import REVIEWED


class UnknownItemError(LookupError):
    """There is no such item, or no such version of it; the message names it."""


class DecidedMeanwhileError(Exception):
    """A version is not as its reviewer saw it: somebody decided since. The message says who, and what."""


@dataclass(frozen=True, slots=True)
class ItemId:
    """Which item: of which server, in which list, by which name."""

    server: str
    kind: ItemKind
    name: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One version of an item, without its content. Times are Unix milliseconds."""

    id: ItemId
    digest: str
    state: State
    reason: str
    rules: tuple[str, ...]
    first_seen: int
    last_seen: int
    differs: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """An item with its versions, the one that was seen last first, and whether agents may see and use it."""

    id: ItemId
    open: bool
    versions: tuple[Seen, ...]

    @property
    def changes_often(self) -> bool:
        """Return whether it has more versions that nobody decided on than anybody would review."""
        return sum(version.reason != REVIEWED for version in self.versions) >= OFTEN

    @property
    def state(self) -> str:
        """Return "open", or the state of the version that keeps the item closed."""
        if self.open:
            return IS_OPEN
        return next(version.state.value for version in self.versions if version.state not in OPEN)


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed in a store after a generation. `head` is the last entry of its chain.

    `follows` says whether the chain goes through the entry that was asked for, and `accepted` whether, where it does
    not, a person accepted this store all the same. `settings` are the scanner's, by server, of servers where they
    changed or that were first heard of.
    """

    generation: int
    head: Anchor
    follows: bool = True
    accepted: bool = False
    standings: Sequence[Standing] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
