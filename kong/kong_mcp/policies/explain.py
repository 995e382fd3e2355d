"""Why one principal may or may not use one item, in a sentence, and what would have to be written to change it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from kong_mcp.policies.asking import Wanted, decided
from kong_mcp.policies.source import ServerPolicy
from kong_mcp.policies.surfaces import RULED_BY, KnownSurfaces
from kong_mcp.surface_words import surface_command
from mcp_core.decide import Admitted, Decision
from mcp_core.methods import METHODS, SKILL_METHODS, URI_KINDS, Kind
from mcp_core.outcome import Reject, RejectKind
from mcp_core.pins.states import Pinning
from mcp_core.policy import MAX_NAME, Cause
from mcp_core.principal import TOKEN, Principal
from mcp_core.ruling import GlobPlace, ListName, Ruling, list_path, rule, ruling_kind
from mcp_core.scan.excerpt import escaped
from mcp_core.uris import MAX_LENGTH

_WORDS: Final = {
    Kind.TOOL: "tool",
    Kind.PROMPT: "prompt",
    Kind.RESOURCE: "resource",
    Kind.SKILL: "skill",
    Kind.APP: "app",
}
_SHOWN: Final = 200
_NEAR: Final = 3


@dataclass(frozen=True, slots=True)
class Change:
    """One way to the other verdict: globs to take out, and one to add to a list, for everyone or in a rule of its own.

    `rule` is a whole rule to add to `rules`; else `add` names the list and the glob.
    """

    text: str
    remove: tuple[GlobPlace, ...] = ()
    add: tuple[str, str] | None = None
    rule: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the change as JSON values."""
        value: dict[str, Any] = {"text": self.text, "remove": [glob_place.path for glob_place in self.remove]}
        if self.add is not None:
            value["add"] = {"list": self.add[0], "glob": self.add[1]}
        if self.rule is not None:
            value["rule"] = self.rule
        return value


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict with its reason. `passes` says that a request goes on: in monitor mode one that is refused does.

    `scopes` are those that the request needs, and those of them that the token lacks; None where nothing was asked of a
    token.
    """

    server: str
    policy: ServerPolicy
    principal: Principal
    asked: Wanted
    passes: bool
    allowed: bool
    cause: str
    sentence: str
    by: tuple[GlobPlace, ...]
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    scopes: tuple[tuple[str, ...], tuple[str, ...]] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values; texts are escaped where they are sentences, and exact elsewhere."""
        places = [
            {"field": glob_place.path, "glob": glob_place.glob, "at": self.policy.where(glob_place.path)}
            for glob_place in self.by
        ]
        kind = None if self.asked.kind is None else _WORDS[self.asked.kind]
        principal: dict[str, Any] = {"name": self.principal.name, "groups": sorted(self.principal.groups)}
        value: dict[str, Any] = {
            "server": self.server,
            "principal": principal,
            "method": self.asked.method,
            "kind": kind,
            "name": self.asked.name,
            "allowed": self.allowed,
            "passes": self.passes,
            "cause": self.cause,
            "by": places,
            "sentence": self.sentence,
            "changes": [change.to_json() for change in self.changes],
            "notes": list(self.notes),
        }
        if self.principal.kind == TOKEN:
            principal |= {"issuer": self.principal.issuer, "client": self.principal.client}
            principal["scopes"] = sorted(self.principal.scopes)
        if self.scopes is not None:
            value["scopes"] = {"needed": list(self.scopes[0]), "missing": list(self.scopes[1])}
        return value


def explain(
    policy: ServerPolicy, principal: Principal, asked: Wanted, known: KnownSurfaces, server: str
) -> Explanation:
    """Explain what the guard decides over one request. Raises PolicySourceError where the policy cannot be used."""
    decision = decided(policy, principal, asked, server, known)
    refusal = refusal_of(decision)
    ruling = None
    if asked.kind is not None and asked.name is not None:
        ruling = rule(policy.guard.policy, principal, asked.kind, asked.name)
    what = f"{who(principal)} {may(asked, refusal)} of {escaped(server)}"
    if refusal is None:
        cause, why = ("allowed" if ruling is None else ruling.cause.value), _allowed(policy, asked, ruling)
    else:
        cause, why = refusal.cause or refusal.detail or refusal.reason, _refused(policy, asked, refusal, ruling, known)
    by = () if ruling is None or (refusal is not None and refusal.cause is None) else ruling.by
    return Explanation(
        server,
        policy,
        principal,
        asked,
        passes=isinstance(decision, Admitted),
        allowed=refusal is None,
        cause=cause,
        sentence=f"{what}: {why}.",
        by=by,
        changes=tuple(_changes(policy, principal, asked, refusal, ruling, server)),
        notes=tuple(_notes(policy, asked, decision, known, server)),
    )


def refusal_of(decision: Decision) -> Reject | None:
    """Return why a request is refused, or would be if the policy were enforced."""
    if isinstance(decision, Reject):
        return decision
    return decision.would_refuse[0] if decision.would_refuse else None


def shown(text: str) -> str:
    """Return a name or glob as a sentence has it: in quotes, escaped, and cut."""
    fit = escaped(text).replace('"', '\\"')
    return f'"{fit}"' if len(fit) <= _SHOWN else f'"{fit[:_SHOWN]}..."'


def who(principal: Principal) -> str:
    """Return what a sentence calls a principal."""
    groups = ", ".join(map(escaped, sorted(principal.groups)))
    within = f"in {'group' if len(principal.groups) == 1 else 'groups'} {groups}" if groups else ""
    if principal.name is None:
        return f"whoever is {within}" if within else "whoever no rule names"
    return f"{escaped(principal.name)} ({within})" if within else escaped(principal.name)


def may(asked: Wanted, refusal: Reject | None) -> str:
    """Return what somebody may do, or may not."""
    verb, link = ("may", "and") if refusal is None else ("may not", "or")
    if asked.kind is None or asked.name is None:
        return f"{verb} send {shown(asked.method)}"
    return f"{verb} see {link} use the {_WORDS[asked.kind]} {shown(asked.name)}"


def _listed(policy: ServerPolicy, places: Sequence[GlobPlace]) -> str:
    return " and ".join(f"{place.path} {shown(place.glob)} ({policy.where(place.path)})" for place in places)


def _allowed(policy: ServerPolicy, asked: Wanted, ruling: Ruling | None) -> str:
    if ruling is None:
        known = asked.method in METHODS
        return (
            "MCP defines the method" if known else f"a glob of methods.allow has it ({policy.where('methods.allow')})"
        )
    verb = "allow" if len(ruling.by) > 1 else "allows"
    return f"{_listed(policy, ruling.by)} {verb} it, and nothing denies it"


def _refused(policy: ServerPolicy, asked: Wanted, refusal: Reject, ruling: Ruling | None, known: KnownSurfaces) -> str:
    if refusal.kind is RejectKind.APPROVAL:
        at = policy.where("pins.mode")
        if refusal.detail == "unknown":
            return f"pins hold the server to what is approved ({at}), and {escaped(known.source)} does not have it"
        return f"pins hold the server to what is approved ({at}), and in {escaped(known.source)} it is {refusal.detail}"
    if ruling is None or asked.kind is None or asked.name is None or refusal.cause is None:
        if asked.method in SKILL_METHODS and refusal.kind is RejectKind.POLICY:
            return f"skills pass only where the policy names some, and skills.allow is empty ({policy.where('skills')})"
        if refusal.kind is RejectKind.POLICY:
            return f"MCP defines no such method, and no glob of methods.allow has it ({policy.where('methods.allow')})"
        return f"whatever the policy says, the guard answers {shown(refusal.message)}"
    return _POLICY_WORDS[Cause(refusal.cause)](policy, ruling_kind(asked.kind, asked.name), ruling)


def _denied(policy: ServerPolicy, _kind: Kind, ruling: Ruling) -> str:
    verb = "deny" if len(ruling.by) > 1 else "denies"
    return f"{_listed(policy, ruling.by)} {verb} it, as in every spelling, whatever allows it"


def _not_allowed(policy: ServerPolicy, kind: Kind, ruling: Ruling) -> str:
    where = policy.where(list_path(None, kind, "allow"))
    why = f"no glob of {kind.value}.allow ({where}), nor of a rule for this caller, has it"
    if ruling.nearly:
        why += f"; {_listed(policy, ruling.nearly)} is spelled otherwise, and what is allowed is compared exactly"
    return why


def _too_long(_policy: ServerPolicy, kind: Kind, _ruling: Ruling) -> str:
    most = MAX_LENGTH if kind in URI_KINDS else MAX_NAME
    return f"its name has more than {most} characters, which no header could hold"


def _abnormal(policy: ServerPolicy, kind: Kind, _ruling: Ruling) -> str:
    return (
        "other readers take this URI for another one (RFC 3986, section 6.2.2), so it is no resource as long as not "
        f"all resources are allowed and none denied ({policy.where(kind.value)})"
    )


def _unprintable(policy: ServerPolicy, kind: Kind, _ruling: Ruling) -> str:
    return (
        f"the name does not print, or has blanks at its ends, so it is no item as long as not all {kind.value} are "
        f"allowed and none denied ({policy.where(kind.value)})"
    )


_POLICY_WORDS: Final = {
    Cause.DENIED: _denied,
    Cause.NOT_ALLOWED: _not_allowed,
    Cause.TOO_LONG: _too_long,
    Cause.ABNORMAL: _abnormal,
    Cause.UNPRINTABLE: _unprintable,
}


def _changes(
    policy: ServerPolicy,
    principal: Principal,
    asked: Wanted,
    refusal: Reject | None,
    ruling: Ruling | None,
    server: str,
) -> Iterator[Change]:
    """Say what leads to the other verdict of the policy; what pins hold back is for `kong-mcp surface approve`."""
    if refusal is not None and refusal.kind is RejectKind.APPROVAL:
        kind = "" if asked.kind is None else _WORDS[asked.kind]
        approve = surface_command("approve", server, kind, str(asked.name or ""), " --why ...")
        yield Change(f"have it listed once through the gateway, then {approve}")
    elif ruling is None or asked.kind is None or asked.name is None:
        if refusal is not None and asked.method in SKILL_METHODS:
            yield Change('add the skills that are meant to skills.allow, as "skill://NAME/*"')
        elif refusal is not None and refusal.kind is RejectKind.POLICY:
            yield (
                _starred("method", "methods.allow", asked.method)
                or Change(f"add {shown(asked.method)} to methods.allow", add=("methods.allow", asked.method))
            )
    elif refusal is None:
        yield from _additions(principal, ruling_kind(asked.kind, asked.name), asked.name, "deny")
    elif ruling.cause is Cause.DENIED:
        yield Change(f"take {_listed(policy, ruling.by)} out, or narrow it: what denies wins", remove=ruling.by)
    elif ruling.cause is Cause.NOT_ALLOWED:
        first = f"take {_listed(policy, ruling.denies)} out, which denies it, and " if ruling.denies else ""
        kind = ruling_kind(asked.kind, asked.name)
        if starred := _starred(_WORDS[asked.kind], list_path(None, kind, "allow"), asked.name):
            yield starred
        else:
            yield from _additions(principal, kind, asked.name, "allow", first, ruling.denies)
        for place in ruling.elsewhere:
            yield from _memberships(policy, place)
    elif ruling.cause in (Cause.ABNORMAL, Cause.UNPRINTABLE):
        yield Change("have the server name it in the one form that all readers take alike")
    elif ruling.cause is Cause.TOO_LONG:
        yield Change("have the server give it a shorter name")


def _starred(word: str, path: str, name: str) -> Change | None:
    """Return what is proposed of a name that a list would take for a glob, and open more by it than was asked about."""
    if "*" not in name:
        return None
    return Change(
        f"ask about one {word} by its whole name: in {path} a * stands for any run of characters, and {shown(name)} "
        "would open all that it fits"
    )


def _additions(
    principal: Principal, kind: Kind, name: str, which: ListName, first: str = "", remove: tuple[GlobPlace, ...] = ()
) -> Iterator[Change]:
    path = list_path(None, kind, which)
    star = "" if "*" not in name else " (its star stands for anything)"
    yield Change(f"{first}add {shown(name)} to {path}, for everyone{star}", remove, add=(path, name))
    if principal.kind == TOKEN:
        one: dict[str, Any] = {"subjects": [principal.id], "issuer": principal.issuer}
        whom = who(principal)
        written = f"subjects: [{escaped(principal.id)}], issuer: {escaped(principal.issuer)}"
    elif principal.name is not None:
        one = {"consumers": [principal.name]}
        whom = escaped(principal.name)
        written = f"consumers: [{whom}]"
    elif principal.groups:
        one = {"groups": sorted(principal.groups)}
        whom = f"whoever is in {' or '.join(map(escaped, one['groups']))}"
        written = f"groups: [{', '.join(map(escaped, one['groups']))}]"
    else:
        return
    text = f"{first}add a rule for {whom} alone: {{{written}, {kind.value}: {{{which}: [{shown(name)}]}}}}"
    yield Change(text, remove, rule={**one, kind.value: {which: [name]}})


def _memberships(policy: ServerPolicy, place: GlobPlace) -> Iterator[Change]:
    if place.rule is None:
        return
    named = policy.guard.policy.rules[place.rule]
    group = "whoever is in the group " if policy.config.get("auth") else "a consumer tagged group:"
    whom = [f"{group}{escaped(one)}" for one in sorted(named.groups)]
    whom += [f"the consumer {escaped(consumer)}" for consumer in sorted(named.consumers)]
    whom += [f"the subject {escaped(subject)}" for subject in sorted(named.subjects)]
    whom += [f"the client {escaped(client)}" for client in sorted(named.clients)]
    whom += [f"whoever has the scope {escaped(scope)}" for scope in sorted(named.scopes)]
    yield Change(f"ask as {' or '.join(whom)}: {_listed(policy, [place])} allows it to them")


def _notes(policy: ServerPolicy, asked: Wanted, decision: Decision, known: KnownSurfaces, server: str) -> Iterator[str]:
    if not policy.guard.enforce:
        passes = isinstance(decision, Admitted) and bool(decision.would_refuse)
        told = (
            "the request passes all the same, and the log says that it would be refused"
            if passes
            else ("what the policy refuses passes, and is only logged")
        )
        yield f"mode is monitor ({policy.where('mode')}): {told}"
    if asked.kind is None or asked.name is None:
        return
    if not known.states and policy.pinning is Pinning.ENFORCE:
        at = policy.where("pins.mode")
        yield f"pins.mode is enforce ({at}): it must be approved too; --lock FILE or --store ADDRESS tells"
    elif known.states and policy.pinning is not Pinning.ENFORCE:
        yield f"pins.mode is {policy.pinning.value} ({policy.where('pins')}): nothing is refused for not being approved"
    names = [offer.name for offer in known.servers.get(server, ()) if RULED_BY[offer.kind] is asked.kind]
    if names and asked.name not in names and asked.kind is not Kind.RESOURCE:
        near = ", ".join(map(shown, get_close_matches(asked.name, names, n=_NEAR)))
        yield f"{escaped(known.source)} knows no such {_WORDS[asked.kind]}" + (
            f"; did you mean {near}?" if near else ""
        )
