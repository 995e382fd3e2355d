"""Which scopes a tool, prompt or resource needs, and what becomes of who lacks them.

By `hide` an item does not exist for whoever lacks a scope that it needs; by `challenge` it is listed, and a call of it
is answered with all the scopes that it needs, so that a client can step up (2026-07-28/basic/authorization, scope
challenge handling). A rule's globs hold in every spelling, as what a policy denies does: an item cannot be spelled past
what it needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mcp_core import methods
from mcp_core.auth.denied import INSUFFICIENT_SCOPE, Denied
from mcp_core.jsonrpc import Message, Response
from mcp_core.methods import METHODS, Kind
from mcp_core.policy import Access, Globs, View

TOO_NARROW: Final = Denied(
    INSUFFICIENT_SCOPE,
    "insufficient-scope",
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

    @property
    def denying(self) -> View:
        """Return a view in which exactly the need's items do not exist."""
        return View({kind: Access(("*",), self.items.get(kind, ())) for kind in Kind})


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
        self._denying = tuple(need.denying for need in needs)
        self._implied = {scope: frozenset(narrower) for scope, narrower in (implied or {}).items()}
        self._views: dict[tuple[View, tuple[int, ...]], View] = {}

    def rules(self, kind: Kind) -> bool:
        """Return whether any item of a kind needs scopes of its own."""
        return any(need.items.get(kind) for need in self._needs)

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
        needed = frozenset[str]().union(*(self._needed(kind, name) for kind, name in _items(messages)))
        if needed <= scopes:
            return ()
        return (*self.required, *sorted(needed.difference(self.required)))

    def _needed(self, kind: Kind, name: str) -> frozenset[str]:
        found = frozenset[str]()
        for need, denying in zip(self._needs, self._denying, strict=True):
            if need.items.get(kind) and not denying.allows(kind, name):
                found |= need.scopes
        return found


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
