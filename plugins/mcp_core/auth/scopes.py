"""Which scopes a tool, prompt or resource needs, and what becomes of who lacks them.

By `hide` an item does not exist for whoever lacks a scope that it needs; by `challenge` it is listed, and a call of it
is answered with all the scopes that it needs, so that a client can step up (2026-07-28/basic/authorization, scope
challenge handling). A rule's globs hold in every spelling, as what a policy denies does: an item cannot be spelled past
what it needs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mcp_core import methods, uris
from mcp_core.auth.denied import INSUFFICIENT_SCOPE, Denied
from mcp_core.jsonrpc import Message, Response
from mcp_core.keys import alike
from mcp_core.methods import METHODS, Kind
from mcp_core.policy import Access, Globs, View, denying
from mcp_core.reasons import Reason

TOO_NARROW: Final = Denied(
    INSUFFICIENT_SCOPE,
    Reason.INSUFFICIENT_SCOPE,
    "The access token lacks scopes that this request needs: ask for one with them.",
)
_MOST_VIEWS: Final = 1024
_REFERENCES: Final = {"ref/prompt": (Kind.PROMPT, "name"), "ref/resource": (Kind.RESOURCE, "uri")}


class Denial(StrEnum):
    """What becomes of an item for whoever lacks a scope that it needs."""

    HIDE = "hide"
    CHALLENGE = "challenge"


@dataclass(frozen=True, slots=True)
class Need:
    """Items, by kind and globs, that need all of some scopes."""

    items: Mapping[Kind, Globs]
    scopes: frozenset[str]


class Scopes:
    """The scopes of one resource: `required` for whatever is asked, more for some items. `implied`: broad to narrow."""

    def __init__(
        self,
        required: Sequence[str] = (),
        needs: Sequence[Need] = (),
        implied: Mapping[str, Iterable[str]] | None = None,
        denial: Denial = Denial.HIDE,
    ) -> None:
        self.required = tuple(required)
        self.denial = denial
        self._needs = tuple(needs)
        self._by_kind = {kind: _Needs(kind, needs) for kind in Kind if any(need.items.get(kind) for need in needs)}
        self._implied = {scope: frozenset(narrower) for scope, narrower in (implied or {}).items()}
        self._views: dict[tuple[View, tuple[int, ...]], View] = {}

    def rules(self, kind: Kind) -> bool:
        """Return whether any item of a kind needs scopes of its own."""
        return kind in self._by_kind

    def needs(self, kind: Kind, name: str) -> tuple[tuple[int, frozenset[str]], ...]:
        """Return which of the needs an item falls under, by their numbers, each with its scopes."""
        return tuple(
            (number, need.scopes)
            for number, need in enumerate(self._needs)
            if need.items.get(kind) and _Needs(kind, [need]).add(frozenset(), name)
        )

    def granted(self, scopes: frozenset[str]) -> frozenset[str]:
        """Return a token's scopes, and all that they imply."""
        if self._implied.keys().isdisjoint(scopes):
            return scopes
        found, new = scopes, scopes
        while new:
            new = frozenset().union(*(self._implied.get(scope, frozenset()) for scope in new)) - found
            found |= new
        return found

    def lets_in(self, scopes: frozenset[str]) -> bool:
        """Return whether granted scopes hold all that every request needs."""
        return scopes.issuperset(self.required)

    def narrow(self, view: View, scopes: frozenset[str]) -> View:
        """Return a view without what is hidden from whoever has these scopes alone."""
        missing = tuple(number for number, need in enumerate(self._needs) if not need.scopes <= scopes)
        if self.denial is not Denial.HIDE or not missing:
            return view
        narrowed = self._views.get((view, missing))
        if narrowed is None:
            access = dict(view.access)
            for number in missing:
                for kind, globs in self._needs[number].items.items():
                    access[kind] += Access((), globs)
            if len(self._views) >= _MOST_VIEWS:
                self._views.clear()
            narrowed = self._views[view, missing] = View(access)
        return narrowed

    def missing(self, messages: Iterable[Message], scopes: frozenset[str]) -> tuple[str, ...]:
        """Return all the scopes that messages need, in order, where any of those is missing; else nothing.

        One challenge names all of them, so that one step up is enough.
        """
        if self.denial is not Denial.CHALLENGE or not self._needs:
            return ()
        needed = frozenset[str]()
        for kind, name in _items(messages):
            if kind in self._by_kind:
                needed = self._by_kind[kind].add(needed, name)
        if needed <= scopes:
            return ()
        return (*self.required, *sorted(needed.difference(self.required)))


class _Needs:
    """What items of one kind need. A request may name a thousand, so each is spelled once, and looked at no longer."""

    def __init__(self, kind: Kind, needs: Sequence[Need]) -> None:
        own = [(globs, need.scopes) for need in needs if (globs := need.items.get(kind))]
        self._kind = kind
        self._each = [(denying(kind, globs), scopes) for globs, scopes in own]
        self._any = denying(kind, tuple(glob for globs, _ in own for glob in globs))
        self._all = frozenset[str]().union(*(scopes for _, scopes in own))

    def add(self, needed: frozenset[str], name: str) -> frozenset[str]:
        """Return the scopes, and what an item of this name needs besides."""
        if needed >= self._all:
            return needed
        spelled = _spelled(self._kind, name)
        if spelled is None:
            return needed | self._all
        if self._any is None or not any(map(self._any.matches, spelled)):
            return needed
        for matcher, scopes in self._each:
            if not scopes <= needed and matcher is not None and any(map(matcher.matches, spelled)):
                needed |= scopes
        return needed


def _spelled(kind: Kind, name: str) -> Collection[str] | None:
    """Return all that a server could take a name for, as `denying` matches it; None for what could be anything."""
    if kind is not Kind.RESOURCE:
        return {name, alike(name)} if name.isprintable() and name == name.strip() else None
    readings = uris.readings(name)
    return None if readings is None or not all(map(uris.is_normal, readings)) else uris.spellings(readings)


def _items(messages: Iterable[Message]) -> Iterator[tuple[Kind, str]]:
    """Give every item that messages name, as far as it is named rightly: the policy refused everything else."""
    for message in messages:
        if isinstance(message, Response):
            continue
        method = METHODS.get(message.method)
        named: list[tuple[Kind, object]] = []
        if method is not None and method.kind is not None and method.param is not None:
            named.append((method.kind, message.params.get(method.param)))
        elif message.method == methods.COMPLETE and isinstance(reference := message.params.get("ref"), dict):
            kind, member = _REFERENCES.get(str(reference.get("type")), (Kind.PROMPT, ""))
            named.append((kind, reference.get(member)))
        elif message.method == methods.LISTEN and isinstance(wanted := message.params.get("notifications"), dict):
            uris = wanted.get(methods.LISTEN_URIS)
            named += [(Kind.RESOURCE, uri) for uri in uris] if isinstance(uris, list) else []
        yield from ((kind, name) for kind, name in named if isinstance(name, str))
