"""Who gains and loses what, when one state of policies takes the place of another.

What is compared is what the guard and the sidecar show: an item exists for a caller where the policy allows it or only
monitors, and where pins, if they are enforced, know it as open. Callers are compared by class: each consumer and each
group that a rule concerns, and everyone else; a class that is served as everyone else is, is not named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from kong_mcp.policies.source import Policies, ServerPolicy, principal
from kong_mcp.policies.surfaces import RULED_BY, WORDS, KnownSurfaces, Offer
from mcp_core.methods import Kind
from mcp_core.pins.snapshot import IS_OPEN
from mcp_core.pins.states import Pinning
from mcp_core.policy import Access, Globs, Matcher, View
from mcp_core.principal import Principal
from mcp_core.ruling import ListName, rule

Direction: TypeAlias = Literal["gain", "loss"]
EVERYONE: Final = "everyone"
EVERYONE_ELSE: Final = "everyone else"
EVERY_SERVER: Final = "every server"
"""What stands for the servers that a policy for all of them is for, where none is known."""


class ItemChange(NamedTuple):
    """One item that some callers gain or lose. `by` is what decides it now, with its place, or decided it before."""

    direction: Direction
    server: str
    kind: str
    name: str
    who: tuple[str, ...]
    by: str


class GlobChange(NamedTuple):
    """A change that reaches beyond the known items: of a glob (`field` names the list), of mode, or of pins.

    `change` says whether the glob is added, removed or, for modes, set. `known` counts the known items that it stands
    for.
    """

    direction: Direction
    server: str
    change: Literal["added", "removed", "set"]
    field: str
    value: str
    who: tuple[str, ...]
    at: str
    known: int | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences. `servers` counts those that were looked at, `known` their known items."""

    items: tuple[ItemChange, ...]
    globs: tuple[GlobChange, ...]
    servers_added: tuple[str, ...]
    servers_removed: tuple[str, ...]
    consumers_added: tuple[str, ...]
    consumers_removed: tuple[str, ...]
    servers: int
    known: int

    @property
    def gains(self) -> bool:
        """Whether anybody gains anything."""
        gained = any(item.direction == "gain" for item in self.items) or any(
            glob.direction == "gain" for glob in self.globs
        )
        return bool(gained or self.consumers_added or self.servers_added)

    @property
    def differs(self) -> bool:
        """Whether there is any difference."""
        return bool(self.gains or self.items or self.globs or self.servers_removed or self.consumers_removed)


class _Sight(NamedTuple):
    """How one class of callers sees one server. Two that are equal see the same."""

    policy: ServerPolicy
    view: View
    enforced: bool
    pinned: bool

    def shows(self, offer: Offer) -> bool:
        if self.pinned and offer.state != IS_OPEN:
            return False
        return not self.enforced or self.view.allows(RULED_BY[offer.kind], offer.name)

    def alike(self, other: _Sight) -> bool:
        """Return whether two policies show the same items, whatever a server offers."""
        return (self.view.access, *self[2:]) == (other.view.access, *other[2:])


_Pair: TypeAlias = tuple[_Sight | None, _Sight | None, Principal, Principal]


def compare(old: Policies, new: Policies, known: KnownSurfaces) -> Comparison:
    """Compare two states over the known surfaces."""
    every = list(known.servers) or [EVERY_SERVER] if old.every or new.every else []
    servers = sorted({*old.servers, *new.servers, *every})
    items: list[ItemChange] = []
    globs: list[GlobChange] = []
    moved = {name for name in old.consumers.keys() & new.consumers.keys() if old.consumers[name] != new.consumers[name]}
    for server in servers:
        was, now = old.of(server), new.of(server)
        if was is not None and now is not None and not moved and was.config == now.config:
            continue
        pairs = _pairs(was, now, old, new, known)
        offers = known.servers.get(server.partition("@")[0], [])
        items += _items(server, pairs, offers)
        globs += _globs(server, pairs, offers)
        globs += _methods(server, was, now)
    both = bool(old.consumers and new.consumers)
    return Comparison(
        items=tuple(items),
        globs=tuple(globs),
        servers_added=tuple(one for one in servers if old.of(one) is None),
        servers_removed=tuple(one for one in servers if new.of(one) is None),
        consumers_added=tuple(sorted(new.consumers.keys() - old.consumers.keys())) if both else (),
        consumers_removed=tuple(sorted(old.consumers.keys() - new.consumers.keys())) if both else (),
        servers=len(servers),
        known=sum(map(len, known.servers.values())),
    )


def _pairs(
    was: ServerPolicy | None, now: ServerPolicy | None, old: Policies, new: Policies, known: KnownSurfaces
) -> dict[tuple[str, ...], _Pair]:
    """Return classes of callers -> how they see the server before and after; those who see it alike are one entry.

    The first entry is that of everyone else.
    """
    rules = [one for policy in (was, now) if policy is not None for one in policy.guard.policy.rules]
    groups = sorted({group for one in rules for group in one.groups})
    named = {name for one in rules for name in one.consumers}
    named.update(*(state.members.get(group, ()) for state in (old, new) for group in groups))
    classes = {EVERYONE_ELSE: (principal(None), principal(None))}
    classes |= {f"group {group}": (principal(None, [group]), principal(None, [group])) for group in groups}
    for name in sorted(named):
        if not _is_missing(name, old) and not _is_missing(name, new):
            groups_before, groups_after = (one.consumers.get(name, frozenset()) for one in (old, new))
            classes[f"consumer {name}"] = principal(name, groups_before), principal(name, groups_after)
    found: dict[tuple[int, int], tuple[list[str], _Pair]] = {}
    for word, (before_who, after_who) in classes.items():
        before, after = _sight(was, before_who, known), _sight(now, after_who, known)
        key = id(before and before.view), id(after and after.view)
        found.setdefault(key, ([], (before, after, before_who, after_who)))[0].append(word)
    return {tuple(words): pair for words, pair in found.values()}


def _is_missing(consumer: str, state: Policies) -> bool:
    """Return whether a state that names its consumers does not name this one."""
    return bool(state.consumers) and consumer not in state.consumers


def _sight(policy: ServerPolicy | None, who: Principal, known: KnownSurfaces) -> _Sight | None:
    if policy is None:
        return None
    guard = policy.guard
    pinned = known.states and policy.pinning is Pinning.ENFORCE
    return _Sight(policy, guard.policy.view(who), guard.enforce, pinned)


def _words(classes: list[tuple[str, ...]], of: int) -> tuple[str, ...]:
    """Return whom a change concerns: of so many sets of classes, those that are given."""
    if len(classes) == of:
        return (EVERYONE,)
    return tuple(word for one in classes for word in (one[:1] if one[0] == EVERYONE_ELSE else one))


def _items(server: str, pairs: Mapping[tuple[str, ...], _Pair], offers: list[Offer]) -> Iterator[ItemChange]:
    changes: dict[tuple[Direction, Offer], list[tuple[str, ...]]] = {}
    for classes, (was, now, _, _) in pairs.items():
        if was is not None and now is not None and was.alike(now):
            continue
        for offer in offers:
            before, after = was is not None and was.shows(offer), now is not None and now.shows(offer)
            if before != after:
                changes.setdefault(("gain" if after else "loss", offer), []).append(classes)
    for (direction, offer), several in sorted(changes.items(), key=lambda one: (one[0][1][:2], one[0][0])):
        by = _by(offer, pairs[several[0]])
        yield ItemChange(direction, server, WORDS[offer.kind], offer.name, _words(several, len(pairs)), by)


def _by(offer: Offer, pair: _Pair) -> str:
    """Return what decides over an item now; where that is nothing that is written, what decided before."""
    was, now, was_who, who = pair
    if now is None:
        return "the server is gone"
    if now.pinned and offer.state != IS_OPEN:
        return f"pins.mode ({now.policy.where('pins.mode')}): {offer.state}"
    if now.enforced:
        ruling = rule(now.policy.guard.policy, who, RULED_BY[offer.kind], offer.name)
        if ruling.by:
            return f"{ruling.by[0].path} ({now.policy.where(ruling.by[0].path)})"
    else:
        return f"mode ({now.policy.where('mode')})"
    if was is None or not was.enforced:
        return "nothing allows it"
    before = rule(was.policy.guard.policy, was_who, RULED_BY[offer.kind], offer.name)
    gone = f": before, {before.by[0].path} ({was.policy.where(before.by[0].path)}) did" if before.by else ""
    return f"nothing allows it{gone}"


_NOTHING: Final = {kind: Access() for kind in Kind}


def _globs(server: str, pairs: Mapping[tuple[str, ...], _Pair], offers: list[Offer]) -> Iterator[GlobChange]:
    changes: dict[tuple[Direction, Kind, ListName, str], list[tuple[str, ...]]] = {}
    modes: dict[tuple[Direction, str, str, str], list[tuple[str, ...]]] = {}
    for classes, (was, now, _, _) in pairs.items():
        if was is not None and now is not None:
            for mode in _modes(was, now):
                modes.setdefault(mode, []).append(classes)
        before = _NOTHING if was is None else was.view.access
        after = _NOTHING if now is None else now.view.access
        for kind in Kind:
            for direction, which, glob in _between(before[kind], after[kind]):
                changes.setdefault((direction, kind, which, glob), []).append(classes)
    for (direction, field, value, at), several in modes.items():
        yield GlobChange(direction, server, "set", field, value, _words(several, len(pairs)), at)
    for (direction, kind, which, glob), several in changes.items():
        matcher = Matcher((glob,))
        caught = sum(RULED_BY[offer.kind] is kind and matcher.matches(offer.name) for offer in offers)
        if caught and "*" not in glob:
            continue  # the item itself is among the known ones
        added = (direction == "gain") == (which == "allow")
        at = _place(pairs[several[0]], kind, which, glob, added=added)
        change: Literal["added", "removed"] = "added" if added else "removed"
        who = _words(several, len(pairs))
        yield GlobChange(direction, server, change, f"{kind.value}.{which}", glob, who, at, caught)


def _modes(was: _Sight, now: _Sight) -> Iterator[tuple[Direction, str, str, str]]:
    if was.enforced != now.enforced:
        mode = "enforce" if now.enforced else "monitor"
        yield "loss" if now.enforced else "gain", "mode", mode, now.policy.where("mode")
    before, after = was.policy.pinning, now.policy.pinning
    if (before is Pinning.ENFORCE) != (after is Pinning.ENFORCE):
        yield "loss" if after is Pinning.ENFORCE else "gain", "pins.mode", after.value, now.policy.where("pins.mode")


def _between(before: Access, after: Access) -> Iterator[tuple[Direction, ListName, str]]:
    """Give each glob that one side has and nothing on the other side stands for all of."""
    yield from (("gain", "allow", glob) for glob in _beyond(after.allow, before.allow))
    yield from (("gain", "deny", glob) for glob in _beyond(before.deny, after.deny))
    yield from (("loss", "allow", glob) for glob in _beyond(before.allow, after.allow))
    yield from (("loss", "deny", glob) for glob in _beyond(after.deny, before.deny))


def _beyond(globs: Globs, covering: Globs) -> Iterator[str]:
    # A glob that matches another one's text, with its stars as they stand, stands for all that the other one does.
    covered = Matcher(covering)
    return (glob for glob in dict.fromkeys(globs) if not covered.matches(glob))


def _place(pair: _Pair, kind: Kind, which: ListName, glob: str, *, added: bool) -> str:
    """Return where a glob stands: in the new state where it was added, else in the old one."""
    was, now, was_who, who = pair
    sight, caller = (now, who) if added else (was, was_who)
    if sight is None:
        return ""
    holders = [("", sight.policy.guard.policy.access)]
    for number, one in enumerate(sight.policy.guard.policy.rules):
        if one.concerns(caller):
            holders.append((f"rules[{number}].", one.access))
    for prefix, access in holders:
        globs: Globs = getattr(access.get(kind, Access()), which)
        if glob in globs:
            return sight.policy.where(f"{prefix}{kind.value}.{which}[{globs.index(glob)}]")
    return ""


def _methods(server: str, was: ServerPolicy | None, now: ServerPolicy | None) -> Iterator[GlobChange]:
    before, after = (_method_globs(server_policy) for server_policy in (was, now))
    field, at = (
        "methods.allow",
        ["" if server_policy is None else server_policy.where("methods.allow") for server_policy in (was, now)],
    )
    yield from (GlobChange("gain", server, "added", field, one, (EVERYONE,), at[1]) for one in _beyond(after, before))
    yield from (GlobChange("loss", server, "removed", field, one, (EVERYONE,), at[0]) for one in _beyond(before, after))


def _method_globs(policy: ServerPolicy | None) -> Globs:
    return () if policy is None else tuple((policy.config.get("methods") or {}).get("allow") or ())
