"""Flow rules: what a caller of a virtual server may no longer send outside, after what it has read.

Text that strangers may have written can make a model do anything with what it holds. Together with private data and a
way out, that is a leak ("the lethal trifecta", Simon Willison, 2025). So items carry labels: what is read with them,
and whether they reach beyond the house. Who has read both kinds may not use what writes outside, unless a permit says
so. An item that no label names may be anything: it counts as if it had all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, TypeVar

from mcp_core.methods import Kind
from mcp_core.policy import Cause, Globs, Matcher, Rule, denied_forms, denying, read_forms
from mcp_core.principal import Principal

KINDS: Final = (Kind.TOOL, Kind.RESOURCE, Kind.PROMPT)
WINDOW_SECONDS: Final = 3_600
"""How long what was read counts for callers of the modern era, unless the settings say otherwise."""
LEAST_WINDOW: Final = 60
MOST_WINDOW: Final = 2_592_000
LONGEST_SESSION: Final = 31_536_000
"""Seconds for which a session may be open, where nothing says for how long."""
MOST_LABELS: Final = 2_000
MOST_PERMITS: Final = 500

_Word = TypeVar("_Word", bound=StrEnum)
_NAMING: Final = ("consumers", "groups", "subjects", "clients")
_LABEL: Final = frozenset({"server", "reads", "writes", *KINDS})
_PERMIT: Final = frozenset({"server", *KINDS, *_NAMING})


class FlowRulesError(ValueError):
    """The rules cannot be used; the message names the field and says what to write."""


class ReadLabel(StrEnum):
    """What somebody reads who uses an item."""

    UNTRUSTED = "untrusted"
    """Text that strangers may have written: mail, issues, pages of the web."""
    PRIVATE = "private"
    """What must not leave the house."""


class WriteLabel(StrEnum):
    """Where something goes that an item is given."""

    EXTERNAL = "external"
    """Beyond the house: other people, the network."""


class FlowMode(StrEnum):
    """What is done with what may not flow."""

    MONITOR = "monitor"
    """It is noted, and goes on."""
    ENFORCE = "enforce"


BOTH: Final = frozenset(ReadLabel)
"""Who has read these may not write outside."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """The labels of one item."""

    reads: frozenset[ReadLabel]
    external: bool


ANYTHING: Final = Labelled(BOTH, external=True)
"""What an item counts as that no label names."""


@dataclass(frozen=True, slots=True)
class FlowLabels:
    """Labels of items of the member `server`: globs by kind, of names as the member has them."""

    server: str
    globs: tuple[tuple[Kind, Globs], ...]
    reads: frozenset[ReadLabel] = frozenset()
    external: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        said: dict[str, Any] = {"server": self.server, **_globs_to_json(self.globs)}
        if self.reads:
            said["reads"] = sorted(self.reads)
        return said | ({"writes": [WriteLabel.EXTERNAL.value]} if self.external else {})


@dataclass(frozen=True, slots=True)
class _Named:
    """What labels say of one member's items of one kind. Those that say the same are asked as one: there may be 2,000.

    `exact` holds the globs of all, `alike` those by which a spelling is known, and what they say.
    """

    exact: Matcher
    alike: tuple[tuple[Matcher, frozenset[ReadLabel], bool], ...]

    @classmethod
    def of(cls, labels: Sequence[FlowLabels], server: str, kind: Kind) -> _Named:
        """Make it of all labels."""
        said: dict[tuple[frozenset[ReadLabel], bool], list[str]] = {}
        for label in labels:
            if label.server == server:
                globs = [glob for other, several in label.globs if other is kind for glob in several]
                said.setdefault((label.reads, label.external), []).extend(globs)
        matchers = ((_alike(kind, tuple(globs)), *what) for what, globs in said.items())
        every = tuple((matcher, reads, external) for matcher, reads, external in matchers if matcher is not None)
        return cls(Matcher([glob for globs in said.values() for glob in globs]), every)

    def labels(self, kind: Kind, read: list[str]) -> Labelled:
        """Return the labels of an item. `read` is its name by `read_forms`."""
        if not all(map(self.exact.matches, read)):
            return ANYTHING
        reads, external, forms = set[ReadLabel](), False, tuple(denied_forms(kind, read))
        for matcher, more, out in self.alike:
            if any(map(matcher.matches, forms)):
                reads, external = reads | more, external or out
        return Labelled(frozenset(reads), external)


@dataclass(frozen=True, slots=True)
class FlowPermit:
    """Items of the member `server` that may be used whatever was read: by everybody, or by those whom `whom` names."""

    server: str
    globs: tuple[tuple[Kind, Globs], ...]
    whom: Rule | None = None

    def lets(self, principal: Principal, server: str, kind: Kind, read: Sequence[str]) -> bool:
        """Return whether it lets somebody use an item: exactly what is written. `read` is its name by `read_forms`."""
        if server != self.server or (self.whom is not None and not self.whom.concerns(principal)):
            return False
        return any(_is_exactly(globs, read) for one, globs in self.globs if one is kind)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        named = {} if self.whom is None else {one: sorted(getattr(self.whom, one)) for one in _NAMING}
        return {"server": self.server, **_globs_to_json(self.globs), **named}


@dataclass(frozen=True, slots=True)
class FlowRules:
    """The flow rules of one virtual server.

    What a caller of the modern era read counts for `window` seconds, what was read in a session as long as that may be
    open, which is `session_seconds` at most. `ask` says that a person may be asked to let one call pass.
    """

    mode: FlowMode = FlowMode.ENFORCE
    labels: tuple[FlowLabels, ...] = ()
    permits: tuple[FlowPermit, ...] = ()
    window: int = WINDOW_SECONDS
    ask: bool = True
    session_seconds: int = LONGEST_SESSION
    _named: dict[tuple[str, Kind], _Named] = field(default_factory=dict, init=False, repr=False, compare=False)

    def labels_of(self, server: str, kind: Kind, name: str) -> Labelled:
        """Return the labels of an item of a member: all that name it, in any of its spellings, count together.

        Only what is written exactly makes an item one that is known: labels name it however it is read.
        """
        read = read_forms(kind, name)
        if isinstance(read, Cause):
            return ANYTHING
        named = self._named.get((server, kind))
        if named is None:
            named = self._named[server, kind] = _Named.of(self.labels, server, kind)
        return named.labels(kind, read)

    def closes(self, labelled: Labelled, read: AbstractSet[ReadLabel]) -> bool:
        """Return whether an item may not be used by somebody who has read so much, permits aside."""
        return labelled.external and read >= BOTH

    def permits_use(self, principal: Principal, server: str, kind: Kind, name: str) -> bool:
        """Return whether a permit lets somebody use an item whatever was read.

        What another reader could take for something else is nothing that a permit is for.
        """
        # A long URI takes milliseconds to read: not once for each permit.
        read = read_forms(kind, name) if self.permits else Cause.ABNORMAL
        return not isinstance(read, Cause) and any(
            permit.lets(principal, server, kind, read) for permit in self.permits
        )

    def to_json(self) -> dict[str, Any]:
        """Return them as JSON values."""
        return {
            "mode": self.mode.value,
            "labels": [label.to_json() for label in self.labels],
            "permits": [permit.to_json() for permit in self.permits],
            "window": self.window,
            "ask": self.ask,
            "session_seconds": self.session_seconds,
        }

    @classmethod
    def from_json(cls, value: Any) -> FlowRules | None:
        """Return what `to_json` wrote, or what stands in a configuration; None where there are no rules.

        Raises:
            FlowRulesError: naming the field that cannot be used.
        """
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise FlowRulesError("write mode: enforce")
        labels = tuple(_label(one, f"labels[{at}]") for at, one in enumerate(_list(value, "labels", MOST_LABELS)))
        permits = tuple(_permit(one, f"permits[{at}]") for at, one in enumerate(_list(value, "permits", MOST_PERMITS)))
        if value.get("mode") is None:
            if labels or permits or value.get("window") is not None or value.get("ask") is not None:
                raise FlowRulesError("mode: write mode: enforce")
            return None  # Kong fills in a record of nothing where there is none
        mode = _words(FlowMode, [value["mode"]], "mode")
        window = _seconds(value.get("window"), "window", WINDOW_SECONDS, LEAST_WINDOW, MOST_WINDOW)
        ask = value.get("ask")
        if ask is not None and not isinstance(ask, bool):
            raise FlowRulesError("ask: write true or false")
        longest = _seconds(value.get("session_seconds"), "session_seconds", LONGEST_SESSION, 1, LONGEST_SESSION)
        return cls(next(iter(mode)), labels, permits, window, ask is not False, longest)


@lru_cache(maxsize=4096)
def _exact(globs: Globs) -> Matcher:
    return Matcher(globs)


def _is_exactly(globs: Globs, read: Sequence[str]) -> bool:
    """Return whether globs name an item however it is read: a URI as it is, and decoded."""
    return all(map(_exact(globs).matches, read))


@lru_cache(maxsize=256)
def _alike(kind: Kind, globs: Globs) -> Matcher | None:
    # What callers of one virtual server are told has the same labels: 2,000 take a tenth of a second to read.
    return denying(kind, globs)


def _globs_to_json(globs: tuple[tuple[Kind, Globs], ...]) -> dict[str, list[str]]:
    return {kind.value: list(several) for kind, several in globs}


def _label(value: Any, where: str) -> FlowLabels:
    value = _record(value, where, _LABEL)
    reads = _words(ReadLabel, _texts(value, "reads", where), f"{where}.reads")
    writes = _words(WriteLabel, _texts(value, "writes", where), f"{where}.writes")
    return FlowLabels(_server(value, where), _globs(value, where), reads, bool(writes))


def _permit(value: Any, where: str) -> FlowPermit:
    value = _record(value, where, _PERMIT)
    named = {name: frozenset(_texts(value, name, where)) for name in _NAMING}
    whom = None
    if any(named.values()):
        whom = Rule(named["consumers"], named["groups"], {}, subjects=named["subjects"], clients=named["clients"])
    return FlowPermit(_server(value, where), _globs(value, where), whom)


def _record(value: Any, where: str, known: frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise FlowRulesError(f"{where}: write an object with server and tools, resources or prompts")
    given: dict[str, Any] = {name: one for name, one in value.items() if one is not None}
    if unknown := set(given) - known:
        raise FlowRulesError(f"{where}: {min(map(str, unknown))!r} is not known; write {', '.join(sorted(known))}")
    return given


def _server(value: Mapping[str, Any], where: str) -> str:
    server = value.get("server")
    if not isinstance(server, str) or not server:
        raise FlowRulesError(f"{where}.server: write the name of a member")
    return server


def _globs(value: Mapping[str, Any], where: str) -> tuple[tuple[Kind, Globs], ...]:
    globs = tuple((kind, tuple(_texts(value, kind.value, where))) for kind in KINDS if value.get(kind.value))
    if not any(several for _, several in globs):
        raise FlowRulesError(f"{where}: name the tools, resources or prompts that it is for")
    return globs


def _list(value: Mapping[str, Any], name: str, most: int) -> Sequence[Any]:
    said = value.get(name) or ()  # Kong's JSON writes an empty list as an empty object
    if not isinstance(said, list | tuple) or len(said) > most:
        raise FlowRulesError(f"{name}: write a list of at most {most}")
    return said


def _texts(value: Mapping[str, Any], name: str, where: str) -> Sequence[str]:
    said = value.get(name) or ()
    if not isinstance(said, list | tuple) or not all(isinstance(one, str) and one for one in said):
        raise FlowRulesError(f"{where}.{name}: write a list of non-empty strings")
    return said


def _words(words: type[_Word], said: Sequence[Any], where: str) -> frozenset[_Word]:
    if not all(isinstance(one, str) and one in list(words) for one in said):
        raise FlowRulesError(f"{where}: write one of {', '.join(words)}")
    return frozenset(map(words, said))


def _seconds(value: Any, where: str, default: int, least: int, most: int) -> int:
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise FlowRulesError(f"{where}: write a whole number of seconds from {least} to {most}")
    return value
