"""Which globs of a policy decide over one item for one principal, and what would have to be written to change that.

The verdict is the view's own: here is only found which of its globs it comes from. Whoever takes the globs of a refusal
away, or adds the glob that is named, gets the other verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from mcp_core.extensions import kind_of
from mcp_core.keys import alike
from mcp_core.methods import Kind
from mcp_core.policy import Access, Cause, Matcher, Policy, denied_forms, denying, read_forms
from mcp_core.principal import Principal

ListName: TypeAlias = Literal["allow", "deny"]
_NOTHING: Final = Access()
_KNOWN_GLOBS: Final = 4096
"""Globs that are kept as they are asked: a change of many servers' policies repeats few of them."""


@dataclass(frozen=True, slots=True)
class GlobPlace:
    """Where one glob stands: in which rule (None beside the rules), under which kind, in which list, as which one."""

    rule: int | None
    kind: Kind
    which: ListName
    index: int
    glob: str

    @property
    def path(self) -> str:
        """The field of the guard's configuration, as in `rules[1].tools.deny[0]`."""
        return f"{self.list_path}[{self.index}]"

    @property
    def list_path(self) -> str:
        """The list that the glob stands in, as in `rules[1].tools.deny`."""
        return list_path(self.rule, self.kind, self.which)


def list_path(rule: int | None, kind: Kind, which: ListName) -> str:
    """Return the path of a list of globs in the guard's configuration."""
    return f"{'' if rule is None else f'rules[{rule}].'}{kind.value}.{which}"


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict of a policy, and where it comes from.

    `by` are the globs that decide: all that allow the item, or all that deny it; none where no glob decides. Of an item
    that is not allowed, `denies` are globs that would deny it all the same, `elsewhere` those that allow it to others,
    and `nearly` those that would allow it in another spelling.
    """

    cause: Cause
    by: tuple[GlobPlace, ...] = ()
    denies: tuple[GlobPlace, ...] = ()
    elsewhere: tuple[GlobPlace, ...] = ()
    nearly: tuple[GlobPlace, ...] = ()


def rule(policy: Policy, principal: Principal, kind: Kind, name: str) -> Ruling:
    """Return what decides whether an item exists for a principal."""
    cause = policy.view(principal).cause(kind, name)
    asked, kind = kind, ruling_kind(kind, name)
    mine, others = _split(policy, principal)
    match cause:
        case Cause.OPEN | Cause.ALLOWED:
            return Ruling(cause, tuple(_allowing(mine, kind, name)))
        case Cause.DENIED:
            # What is denied of resources is denied of files of skills and pages of apps.
            denying_kinds = dict.fromkeys((kind, asked))
            return Ruling(cause, tuple(place for each in denying_kinds for place in _denying(mine, each, name)))
        case Cause.NOT_ALLOWED:
            folded = alike(name)
            return Ruling(
                cause,
                denies=tuple(_denying(mine, kind, name)),
                elsewhere=tuple(_allowing(others, kind, name)),
                nearly=tuple(
                    place for place in _places(mine, kind, "allow") if _allows(alike(place.glob)).matches(folded)
                ),
            )
        case _:
            return Ruling(cause)


def ruling_kind(kind: Kind, name: str) -> Kind:
    """Return whose lists of a policy allow an item: files of skills and pages of apps are no plain resources."""
    return kind_of(name) if kind is Kind.RESOURCE else kind


_Holder: TypeAlias = tuple[int | None, Mapping[Kind, Access]]


def _split(policy: Policy, principal: Principal) -> tuple[list[_Holder], list[_Holder]]:
    """Return what concerns a principal and what does not: numbers of rules, and their globs."""
    mine: list[_Holder] = [(None, policy.access)]
    others: list[_Holder] = []
    for number, one in enumerate(policy.rules):
        (mine if one.concerns(principal) else others).append((number, one.access))
    return mine, others


def _places(holders: Iterable[_Holder], kind: Kind, which: ListName) -> Iterator[GlobPlace]:
    for number, access in holders:
        globs = getattr(access.get(kind, _NOTHING), which)
        yield from (GlobPlace(number, kind, which, index, glob) for index, glob in enumerate(globs))


def _allowing(holders: Iterable[_Holder], kind: Kind, name: str) -> Iterator[GlobPlace]:
    return (place for place in _places(holders, kind, "allow") if _allows(place.glob).matches(name))


def _denying(holders: Iterable[_Holder], kind: Kind, name: str) -> Iterator[GlobPlace]:
    read = read_forms(kind, name)
    if isinstance(read, Cause):
        return
    forms = tuple(denied_forms(kind, read))
    for place in _places(holders, kind, "deny"):
        if any(map(_denies(kind, place.glob).matches, forms)):
            yield place


@lru_cache(_KNOWN_GLOBS)
def _allows(glob: str) -> Matcher:
    return Matcher((glob,))


@lru_cache(_KNOWN_GLOBS)
def _denies(kind: Kind, glob: str) -> Matcher:
    return denying(kind, (glob,)) or Matcher(())
