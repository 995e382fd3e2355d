"""The snapshot: which items of every server are open, as one small file that guards read.

It is a sealed file (see `sealed_file`), of the values

    {"format": 1, "version": TEXT, "generation": N, "servers": {SERVER: {KIND: {NAME: [STATE, DIGEST]}}},
     "head": [SEQ, HASH], "also": {SERVER: {KIND: {NAME: [DIGEST, ...]}}}, "foreign": [SERVER, ...]}

KIND is a list's key or "instructions", DIGEST the 32 bytes of the version seen last, STATE "open", or the word for why
not. "head" is the last entry of the store's chain that the writer knew, and "also" holds the other open versions of
items that have several: a sidecar that starts knows by them what this node knew. Guards need neither, and a file may
lack both. "foreign" names the servers of which nothing is open but what a person opened; it is left out where there is
none. A guard that says so of its server believes nothing else of it. A reader passes over kinds, and over what stands
behind a digest, that it does not know; see `formats` for "crit" and for how releases read each other (there was no
format before 1). Nothing in it is secret; the HMAC keeps a file from being believed that was cut, or that somebody
else wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_core import uris
from mcp_core.extensions import kind_of, skills_above
from mcp_core.methods import Kind
from mcp_core.pins.templates import Template
from mcp_core.scan.items import ItemKind
from mcp_core.sealed_file import SealedFileError, SealedFormat, Unpack

FILE: Final = SealedFormat(
    b"KMS1",
    "kong-mcp snapshot",
    1,
    frozenset({"format", "version", "generation", "servers", "head", "also", "foreign"}),
)
IS_OPEN: Final = "open"
"""The state of an item that agents may see and use; any other says why not."""

REJECTED: Final = "rejected"

_DIGEST_BYTES: Final = 32
_UNKNOWN: Final = "unknown"
_NO_ITEM: Final = "an item is not a state with a digest"


@dataclass(slots=True)
class Surface:
    """The items of one server. `states` maps kind and name to IS_OPEN or the word for why not.

    `digests` are those of the versions seen last, `also` those of other open versions. Of a server that is held as
    `foreign` a person opened all that is open.
    """

    states: dict[tuple[ItemKind, str], str] = field(default_factory=dict)
    digests: dict[tuple[ItemKind, str], bytes] = field(default_factory=dict)
    also: dict[tuple[ItemKind, str], tuple[bytes, ...]] = field(default_factory=dict)
    foreign: bool = False
    _templates: list[Template] | None = None

    def refusal(self, kind: Kind, name: str) -> str | None:
        """Return None where an item may be used, or the word for why not: "unknown", or its state.

        A resource is known by its URI, or by an open template that stands for it. A template's own text counts as its
        name, because completions give it so.
        """
        state = self.states.get((_ITEM[kind], name))
        if kind is not Kind.RESOURCE:
            return None if state == IS_OPEN else state or _UNKNOWN
        above = [one for one in skills_above(name) if (ItemKind.SKILL, one) in self.states]
        if above or kind_of(name) is not Kind.RESOURCE:
            return self._extension_refusal(name, above)
        if state is not None:
            return None if state == IS_OPEN else state
        return self._resource_refusal(name)

    def _extension_refusal(self, uri: str, above: Sequence[str]) -> str | None:
        """Return None where a skill's file or an app's page may be asked for, or the word for why not.

        It is closed where any skill is of which it is a part, and where a person rejected it. Only the
        sidecar sees its content: so a read of a file that waits goes there, which also notices a change taken back.
        """
        states = [self.states[ItemKind.SKILL, one] for one in above]
        closed = next((state for state in states if state != IS_OPEN), None)
        template = self.states.get((ItemKind.TEMPLATE, uri), IS_OPEN)
        if template != IS_OPEN:
            return template
        own = [self.states.get((kind, uri)) for kind in (ItemKind.FILE, ItemKind.RESOURCE)]
        return closed or (REJECTED if REJECTED in own else None)

    def _resource_refusal(self, uri: str) -> str | None:
        state = self.states.get((ItemKind.TEMPLATE, uri))
        if state is not None:
            return None if state == IS_OPEN else state
        readings = uris.readings(uri)
        if readings is None or not all(map(uris.is_normal, readings)):
            return _UNKNOWN
        # A server may decode a URI before it looks the resource up: no reading may be one that is closed.
        for reading in readings:
            closed = self.states.get((ItemKind.RESOURCE, reading), IS_OPEN)
            if closed != IS_OPEN:
                return closed
        if self._templates is None:
            self._templates = [
                Template(name)
                for (kind, name), state in self.states.items()
                if kind is ItemKind.TEMPLATE and state == IS_OPEN
            ]
        return None if any(template.matches(uri) for template in self._templates) else _UNKNOWN


_KINDS: Final = {item_kind.value: item_kind for item_kind in ItemKind if item_kind is not ItemKind.RESULT}
_ITEM: Final = {Kind.TOOL: ItemKind.TOOL, Kind.PROMPT: ItemKind.PROMPT, Kind.RESOURCE: ItemKind.RESOURCE}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All servers' surfaces as they stood at one generation of the store. `version` is the writer's release.

    `head` is where the store's chain ended: the number of its last entry and that entry's hash.
    """

    version: str
    generation: int
    servers: dict[str, Surface]
    head: tuple[int, str] | None = None

    def refusal(self, server: str, kind: Kind, name: str, *, foreign: bool = False) -> str | None:
        """Return None where an item may be used, or the word for why not.

        What opened before anybody said that the server is `foreign` has waited for nobody, and is as good as unknown.
        """
        surface = self.servers.get(server)
        return _UNKNOWN if surface is None or (foreign and not surface.foreign) else surface.refusal(kind, name)

    def to_values(self) -> dict[str, Any]:
        """Return the snapshot as values that MessagePack packs."""
        servers: dict[str, dict[str, dict[str, list[Any]]]] = {}
        also: dict[str, dict[str, dict[str, list[bytes]]]] = {}
        for server, surface in self.servers.items():
            kinds = servers.setdefault(server, {})
            for (kind, name), state in surface.states.items():
                kinds.setdefault(kind.value, {})[name] = [state, surface.digests[kind, name]]
            for (kind, name), digests in surface.also.items():
                also.setdefault(server, {}).setdefault(kind.value, {})[name] = list(digests)
        values = {"format": FILE.number, "version": self.version, "generation": self.generation, "servers": servers}
        foreign = sorted(server for server, surface in self.servers.items() if surface.foreign)
        head = {} if self.head is None else {"head": list(self.head)}
        return values | head | ({"also": also} if also else {}) | ({"foreign": foreign} if foreign else {})

    @classmethod
    def from_values(cls, top: Mapping[str, Any]) -> Snapshot:
        """Return the snapshot that `to_values` wrote.

        Raises:
            SealedFileError: anything else.
        """
        version, generation = top.get("version"), top.get("generation")
        if not isinstance(version, str) or not isinstance(generation, int):
            raise SealedFileError("its version or generation is missing")
        servers = {}
        for server, kinds in _mapping(top.get("servers"), "servers").items():
            surface = servers[server] = Surface()
            for kind, items in _known(kinds):
                _read_items(surface, kind, items)
        for server, kinds in _mapping(top.get("also", {}), "the other versions").items():
            surface = servers.get(server, Surface())
            for kind, items in _known(kinds):
                surface.also |= {(kind, name): _digests(value) for name, value in items.items()}
        for server in _names(top.get("foreign", [])):
            if server in servers:
                servers[server].foreign = True
        return cls(version, generation, servers, _head(top.get("head")))


def read_file(file: bytes, keys: Sequence[bytes], unpack: Unpack) -> Snapshot:
    """Return the snapshot of a file's bytes.

    Raises:
        SealedFileError: the file cannot be believed or read.
    """
    return Snapshot.from_values(FILE.read(file, keys, unpack))


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not set(map(type, value)) <= {str}:
        raise SealedFileError(f"{what} is not a map with text for keys")
    return value


def _known(kinds: Any) -> Iterator[tuple[ItemKind, Mapping[str, Any]]]:
    """Give the lists of a server. Kinds that only another release knows are left out: no guard here asks for them."""
    for word, items in _mapping(kinds, "a server").items():
        if (kind := _KINDS.get(word)) is not None:
            yield kind, _mapping(items, "a list")


def _read_items(surface: Surface, kind: ItemKind, items: Mapping[str, Any]) -> None:
    states, digests = surface.states, surface.digests
    for name, value in items.items():
        # Some 100,000 times in a large file: no function of its own.
        if type(value) is not list or len(value) < 2:
            raise SealedFileError(_NO_ITEM)
        state, digest = value if len(value) == 2 else value[:2]
        if type(state) is not str or type(digest) is not bytes or len(digest) != _DIGEST_BYTES:
            raise SealedFileError(_NO_ITEM)
        key = kind, name
        states[key], digests[key] = state, digest


def _digests(value: Any) -> tuple[bytes, ...]:
    if not isinstance(value, list) or not all(isinstance(one, bytes) and len(one) == _DIGEST_BYTES for one in value):
        raise SealedFileError("the other versions of an item are no digests")
    return tuple(value)


def _names(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise SealedFileError("the foreign servers are no names")
    return value


def _head(value: Any) -> tuple[int, str] | None:
    match value:
        case None:
            return None
        case [int(seq), str(last)]:
            return seq, last
    raise SealedFileError("its head is not the number and hash of an entry")
