"""Who may see and call what: allow and deny globs for tools, prompts and resources, by who asks.

Deny wins over allow, and what nothing allows is denied. A glob is text in which `*` stands for any run of characters,
an empty one too; everything else stands for itself. Allowed is exactly what is written: no case folding, no
normalisation, no trimming. Denied is whatever a server could take for it: in other case or width too, and a resource in
all its `uris.spellings`. Wherever anything is denied, so are a resource URI that other readers would normalise, and a
name that does not print or has blanks at its ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias

from mcp_core import uris
from mcp_core.extensions import kind_of
from mcp_core.keys import alike
from mcp_core.methods import URI_KINDS, Kind
from mcp_core.principal import CONSUMER, TOKEN, Principal

Globs: TypeAlias = tuple[str, ...]

MAX_NAME: Final = 1024
"""Characters of a tool's or prompt's name: more would not fit into the header that names it."""

_LIST_KEYS: Final = frozenset({"allow", "deny"})
_NAMING: Final = ("consumers", "groups", "subjects", "clients", "scopes", "via")
"""The fields of a rule that say whom it is for: those of Rule with the same names."""


class PolicyError(ValueError):
    """The policy cannot be used; the message names the field and says what to write instead."""


class Cause(StrEnum):
    """What decides whether an item exists for a principal: the first two say that it does, the others why not."""

    OPEN = "open"
    """All items of the kind are allowed, and none is denied."""
    ALLOWED = "allowed"
    """A glob allows it, and none denies it."""
    NOT_ALLOWED = "not-allowed"
    """No glob allows it."""
    DENIED = "denied"
    """A glob allows it, and one denies it in one of its spellings."""
    TOO_LONG = "too-long"
    """No header could name it."""
    ABNORMAL = "abnormal"
    """A URI that other readers would take for another one, where not all resources are open."""
    UNPRINTABLE = "unprintable"
    """A name that does not print or has blanks at its ends, where not all items of the kind are open."""

    @property
    def allows(self) -> bool:
        """Whether the item exists for the principal."""
        return self is _OPEN or self is _ALLOWED


# An enum's members are dear to look up, and lists have thousands of items.
_OPEN: Final = Cause.OPEN
_ALLOWED: Final = Cause.ALLOWED
_NOT_ALLOWED: Final = Cause.NOT_ALLOWED


@dataclass(frozen=True, slots=True)
class Access:
    """The globs of one kind of item."""

    allow: Globs = ()
    deny: Globs = ()

    def __add__(self, other: Access) -> Access:
        """Return what both together allow and deny."""
        return Access(self.allow + other.allow, self.deny + other.deny)


@dataclass(frozen=True, slots=True)
class Rule:
    """Globs for some principals only: whoever any of these names; with `issuer`, of this issuer's subjects alone.

    Consumers are Kong's, by their names. Subjects, clients and scopes are those of verified tokens, and one of several
    scopes is enough; `via` names who acts for a subject now. Groups are either's.
    """

    consumers: frozenset[str]
    groups: frozenset[str]
    access: Mapping[Kind, Access]
    subjects: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    issuer: str = ""
    via: frozenset[str] = frozenset()

    def concerns(self, principal: Principal) -> bool:
        """Return whether the rule speaks of this principal."""
        if self.issuer and principal.issuer != self.issuer:
            return False
        if principal.kind == CONSUMER and principal.id in self.consumers:
            return True
        token = principal.kind == TOKEN and (
            principal.id in self.subjects
            or principal.client in self.clients
            or principal.via in self.via
            or not self.scopes.isdisjoint(principal.scopes)
        )
        return token or not self.groups.isdisjoint(principal.groups)


class Matcher:
    """Many globs, asked as one. The cost of an answer is linear in the name for each glob with a `*`."""

    __slots__ = ("_any", "_exact", "_split")

    def __init__(self, globs: Sequence[str]) -> None:
        self._any = "*" in globs
        self._exact = frozenset(glob for glob in globs if "*" not in glob)
        self._split = tuple(tuple(glob.split("*")) for glob in globs if "*" in glob)

    def matches(self, name: str) -> bool:
        """Return whether any of the globs stands for this name."""
        return self._any or name in self._exact or any(_matches(parts, name) for parts in self._split)


def _matches(parts: tuple[str, ...], name: str) -> bool:
    """Place the literal parts of a glob leftmost in turn: if any placing fits, this one does."""
    first, *middle, last = parts
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def denying(kind: Kind, globs: Globs) -> Matcher | None:
    """Return what denies: globs as they are written, and as what they stand for is folded. None where nothing does."""
    if not globs:
        return None
    folded = uris.denied if kind in URI_KINDS else lambda glob: {glob, alike(glob)}
    return Matcher(sorted(set().union(*map(folded, globs))))


def read_forms(kind: Kind, name: str) -> Cause | list[str]:
    """Return how readers could read a name: a URI as it is and decoded. Or why none is sure to read it alike."""
    if kind not in URI_KINDS:
        # A server that holds names as C strings cuts them at NUL; others trim them, and drop what does not print.
        return [name] if name.isprintable() and name == name.strip() else Cause.UNPRINTABLE
    # A server may decode a URI before it looks the resource up: every reading of it has to pass.
    readings = uris.readings(name)
    return Cause.ABNORMAL if readings is None or not all(map(uris.is_normal, readings)) else readings


def denied_forms(kind: Kind, read: list[str]) -> Iterable[str]:
    """Return what a name, as `read_forms` gives it, is denied by: one of these matches a glob of `denying`."""
    if kind in URI_KINDS:
        return uris.spellings(read)
    folded = alike(read[0])
    return read if folded == read[0] else (read[0], folded)


class View:
    """What one principal may see and call: the same answer in both directions and both eras."""

    __slots__ = ("_all", "_matchers", "access")

    def __init__(self, access: Mapping[Kind, Access]) -> None:
        self.access = {kind: access.get(kind, Access()) for kind in Kind}
        self._all = frozenset(kind for kind, one in self.access.items() if "*" in one.allow and not one.deny)
        self._matchers = {kind: (Matcher(one.allow), denying(kind, one.deny)) for kind, one in self.access.items()}

    def allows(self, kind: Kind, name: str) -> bool:
        """Return whether an item of this kind and name exists for the principal."""
        cause = self.cause(kind, name)
        return cause is _ALLOWED or cause is _OPEN

    def cause(self, kind: Kind, name: str) -> Cause:
        """Return what decides whether an item of this kind and name exists for the principal.

        A resource of a skill or an app is ruled by the globs of those, and what is denied of resources is denied of it.
        """
        if len(name) > (uris.MAX_LENGTH if kind in URI_KINDS else MAX_NAME):
            return Cause.TOO_LONG
        if kind is Kind.RESOURCE and (own := kind_of(name)) is not kind:
            cause, deny = self.cause(own, name), self._matchers[kind][1]
            if not cause.allows or deny is None:
                return cause
            read = read_forms(kind, name)
            if isinstance(read, Cause):
                return read
            return Cause.DENIED if any(map(deny.matches, denied_forms(kind, read))) else cause
        allow, deny = self._matchers[kind]
        if kind in self._all:
            return _OPEN
        read = read_forms(kind, name)
        if isinstance(read, Cause):
            return read
        if not allow.matches(name):
            return _NOT_ALLOWED
        if deny is not None:
            # A loop: `any` costs more than one form does, and few names have two.
            for form in denied_forms(kind, read):
                if deny.matches(form):
                    return Cause.DENIED
        return _ALLOWED

    def names(self, kind: Kind) -> bool:
        """Return whether the policy names any item of a kind."""
        return bool(self.access[kind].allow)

    @property
    def skills_anywhere(self) -> bool:
        """Return whether files of skills may have URIs of any scheme, so that any resource could be one."""
        return any(not glob.startswith("skill:") for glob in self.access[Kind.SKILL].allow)

    def to_json(self) -> dict[str, dict[str, list[str]]]:
        """Return the view as JSON values: kind -> allow and deny globs."""
        return {kind.value: {"allow": list(one.allow), "deny": list(one.deny)} for kind, one in self.access.items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> View:
        """Return the view that `to_json` wrote. Raises PolicyError on anything else."""
        return cls({kind: _access(value.get(kind.value), kind.value) for kind in Kind})


@dataclass(frozen=True)
class Policy:
    """A server's whole policy. `methods` are globs of methods and notifications beyond those MCP defines."""

    access: Mapping[Kind, Access]
    rules: tuple[Rule, ...] = ()
    methods: Matcher = field(default_factory=lambda: Matcher(()))
    _views: dict[tuple[int, ...], View] = field(default_factory=dict, repr=False, compare=False)

    @property
    def by_principal(self) -> bool:
        """Whether the answer depends on who asks."""
        return bool(self.rules)

    def shows_all(self, kind: Kind) -> bool:
        """Return whether everybody may see every item of a kind."""
        denied = any(kind in rule.access and rule.access[kind].deny for rule in self.rules)
        access = self.access.get(kind, Access())
        return "*" in access.allow and not access.deny and not denied

    def view(self, principal: Principal) -> View:
        """Return what this principal may see and call. Views are kept by the rules they come from."""
        concerned = tuple(number for number, rule in enumerate(self.rules) if rule.concerns(principal))
        view = self._views.get(concerned)
        if view is None:
            access = {kind: self.access.get(kind, Access()) for kind in Kind}
            for number in concerned:
                for kind, more in self.rules[number].access.items():
                    access[kind] += more
            view = self._views[concerned] = View(access)
        return view

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Policy:
        """Read the policy fields of the guard's configuration: tools, prompts, resources, methods, rules.

        Raises:
            PolicyError: naming the field that cannot be used.
        """
        rules = config.get("rules") or ()  # Kong's JSON writes an empty list as an empty object
        if not isinstance(rules, list | tuple):
            raise PolicyError("rules: write a list of rules")
        return cls(
            {kind: _access(config.get(kind.value), kind.value) for kind in Kind},
            tuple(_rule(rule, f"rules[{number}]") for number, rule in enumerate(rules)),
            Matcher(_access(config.get("methods"), "methods").allow),
        )


def _access(value: Any, where: str) -> Access:
    if value is None:
        return Access()
    if not isinstance(value, Mapping):
        raise PolicyError(f"{where}: write {{allow: [...], deny: [...]}}")
    if unknown := set(value) - _LIST_KEYS:
        raise PolicyError(f"{where}: {min(map(str, unknown))!r} is not known; write allow and deny")
    return Access(_names(value.get("allow"), f"{where}.allow"), _names(value.get("deny"), f"{where}.deny"))


def _names(value: Any, where: str) -> tuple[str, ...]:
    if value is None or value == {}:  # Kong's JSON writes an empty list as an empty object
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) and one for one in value):
        raise PolicyError(f"{where}: write a list of non-empty strings")
    return tuple(value)


def _rule(value: Any, where: str) -> Rule:
    if not isinstance(value, Mapping):
        raise PolicyError(
            f"{where}: write an object with consumers or groups, and tools, prompts, resources, skills or apps"
        )
    value = {name: one for name, one in value.items() if one is not None}
    known = {*_NAMING, "issuer", *(kind.value for kind in Kind)}
    if unknown := set(value) - known:
        raise PolicyError(f"{where}: {min(map(str, unknown))!r} is not known; write {', '.join(sorted(known))}")
    named = {name: frozenset(_names(value.get(name), f"{where}.{name}")) for name in _NAMING}
    if not any(named.values()):
        raise PolicyError(
            f"{where}: name the consumers or groups it is for (or subjects, clients, scopes, via of tokens); rules for "
            "everyone stand beside rules"
        )
    issuer = value.get("issuer", "")
    if not isinstance(issuer, str):
        raise PolicyError(f"{where}.issuer: write the issuer whose tokens it is for")
    access = {kind: _access(value[kind.value], f"{where}.{kind.value}") for kind in Kind if value.get(kind.value)}
    return Rule(access=access, issuer=issuer, **named)
