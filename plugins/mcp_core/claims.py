"""The guard's signed word to the sidecar: who asks, by which policy an answer is judged, and what is asked where.

It travels in one header, as `FORMAT.TERMS.CLAIMS.MAC`: the number of the format, two JSON objects and an HMAC-SHA256
(RFC 2104) over all that stands before it, each but the first in base64url. Members that say what they say by default
are left out. TERMS is the same for every request of principals with the same policy, so both ends keep what they made
of it. Terms that no header can carry are in a file of the node: TERMS is `~` and their digest. See `formats` for how
releases read each other. Format 1 was one object with exactly 26 members, and the HMAC.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import lru_cache
from typing import Any, Final, TypeAlias

from mcp_core.answer import ServerMessages
from mcp_core.errand import Address
from mcp_core.methods import Era
from mcp_core.outcome import RequestId
from mcp_core.pins.states import Pinning
from mcp_core.policy import View
from mcp_core.principal import NOBODY, Principal, consumer
from mcp_core.question import Question
from mcp_core.seal import base64url, derive, from_base64url, is_signed
from mcp_core.terms import (
    NAMED,
    Terms,
    dumped,
    inspection_of,
    loaded,
    object_of,
    read_terms,
    scan_of,
    text_of,
    texts_of,
    understood,
    write_terms,
)

FORMAT: Final = 2


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked: a server, in an era, in the upstream's session, and which of its replicas.

    `affinity` is what Kong hashes to find the replica. `endpoint` is the server's own URI (path and query) of its
    message endpoint, where 2024-11-05's transport sends a message there. `address` is where the server is, None in what
    a guard of format 1 signed, which could not say. `authorization` is what the server gets in Authorization, None for
    nothing of the gateway's. `hello` is what opens the session again (seal.Session), None where nothing may.
    """

    server: str
    era: Era
    affinity: str
    session: str | None = None
    endpoint: str | None = None
    address: Address | None = None
    authorization: str | None = field(default=None, repr=False)
    hello: str | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """Who asks, by which policy, and what: true for one request until it expires, where a key signed it.

    `method` is what Mcp-Method says ("" for a GET); `body` the SHA-256 of the request body in hex; `expires` a Unix
    time in seconds; `format` that in which the guard wrote, and reads. Two fields serve the transport of 2024-11-05:
    `announce` is the path at which the agent would reach the server's message endpoint, on a GET that may open such a
    stream; `refusal` is the JSON-RPC error that the sender of a message must get in place of its answer.
    `cuts` are the digests by any of which the request is cut off while it is open (auth.revoked.marks_of).
    """

    principal: Principal
    terms: Terms
    http_method: str
    method: str
    id: RequestId | None
    question: Question
    body: str
    expires: int
    announce: str | None = None
    refusal: str | None = None
    cuts: tuple[str, ...] = ()
    format: int = FORMAT

    def is_for(self, body: bytes) -> bool:
        """Return whether the claims were signed for exactly this request body."""
        return self.body == hashlib.sha256(body).hexdigest()


class Disbelief(Enum):
    """Why nobody acts on what stands in the header."""

    UNSIGNED = "not signed here, or expired"
    OTHER_RELEASE = "signed here, in a format that this release does not read"
    TERMS_MISSING = "signed here, by terms that cannot be read on this node"


FindTerms: TypeAlias = Callable[[str], Terms | None]


class _TermsMissingError(Exception):
    """The terms that a digest names are not there."""


class ClaimSigner:
    """Signs claims, and believes only what one of its keys signed and time has not passed over."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = [derive(key, "kong-mcp context") for key in keys]

    def sign(self, claims: Claims, target: Target, terms: str | None = None) -> str:
        """Return the header value. `terms` is what TERMS is to be, where the caller has kept it."""
        kept = base64url(write_terms(claims.terms)) if terms is None else terms
        signed = f"{FORMAT}.{kept}.{_written(_values(claims, target))}"
        return f"{signed}.{base64url(hmac.digest(self._keys[0], signed.encode(), 'sha256'))}"

    def verify(
        self, value: str, *, now: float, find: FindTerms = lambda _digest: None
    ) -> tuple[Claims, Target] | Disbelief:
        """Return what the guard said, or why it is not believed. Claims must still be compared with the body.

        `find` returns the terms that a digest names, None where they are not there.
        """
        signed, _, mac = value.rpartition(".")
        given = from_base64url(mac)
        if not signed or given is None or not signed.isascii():
            return Disbelief.UNSIGNED
        if not is_signed(self._keys, signed.encode(), given):
            return Disbelief.UNSIGNED
        try:
            claims, target = _read(signed.split("."), find)
        except _TermsMissingError:
            return Disbelief.TERMS_MISSING
        except (KeyError, TypeError, ValueError):
            return Disbelief.OTHER_RELEASE
        return Disbelief.UNSIGNED if claims.expires < now else (claims, target)


_CLAIMS: Final = frozenset(
    {"server", "era", "version", "affinity", "session", "endpoint", "kind", "who", "issuer", "http", "method", "id"}
    | {"body", "expires", "place", "asked", "batch", "announce", "refusal", "address"}
    | {"authorization", "cuts", "hello", "all_of_who"}
)


def _values(claims: Claims, target: Target) -> dict[str, Any]:
    principal, question = claims.principal, claims.question
    values: dict[str, Any] = {
        "server": target.server,
        "era": target.era,
        "version": question.version,
        "affinity": target.affinity,
        "session": target.session,
        "endpoint": target.endpoint,
        "address": None if target.address is None else target.address.to_wire(),
        "authorization": target.authorization,
        "hello": target.hello,
        "kind": principal.kind,
        "who": principal.id or None,
        "issuer": principal.issuer or None,
        "all_of_who": None if claims.terms.virtual is None else principal.to_json(),
        "http": claims.http_method,
        "method": claims.method or None,
        "id": claims.id,
        "body": claims.body,
        "expires": claims.expires,
        "announce": claims.announce,
        "refusal": claims.refusal,
        "place": question.place,
        "asked": question.to_json()["asked"] or None,
        "batch": question.batch or None,
        "cuts": claims.cuts or None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _read(parts: Sequence[str], find: FindTerms) -> tuple[Claims, Target]:
    """Return what was signed.

    Raises _TermsMissingError, and KeyError, TypeError or ValueError for what this release does not read.
    """
    if len(parts) == 1:
        return _read_first(loaded(parts[0]))
    number, terms, claims = parts
    if number != str(FORMAT):
        raise ValueError(number)
    found = find(terms.removeprefix(NAMED)) if terms.startswith(NAMED) else read_terms(terms)
    if found is None:
        raise _TermsMissingError
    return _read_claims(understood(claims, _CLAIMS), found)


def _read_claims(values: Mapping[str, Any], terms: Terms) -> tuple[Claims, Target]:
    era, version = Era(values["era"]), text_of(values["version"])
    target = Target(
        text_of(values["server"]),
        era,
        text_of(values["affinity"]),
        _text_or_none(values.get("session")),
        _text_or_none(values.get("endpoint")),
        _address(values.get("address")),
        _text_or_none(values.get("authorization")),
        _text_or_none(values.get("hello")),
    )
    who = values["kind"], values.get("who", ""), values.get("issuer", "")
    all_of_who = values.get("all_of_who")
    asked = {"place": values["place"], "asked": values.get("asked", []), "batch": values.get("batch", False)}
    claims = Claims(
        _principal(*who) if all_of_who is None else Principal.from_json(object_of(all_of_who)),
        terms,
        text_of(values["http"]),
        text_of(values.get("method", "")),
        _id(values.get("id")),
        Question.from_json(era, version, asked),
        text_of(values["body"]),
        int(values["expires"]),
        _text_or_none(values.get("announce")),
        _text_or_none(values.get("refusal")),
        tuple(texts_of(values.get("cuts", ()))),
    )
    return claims, target


_FIRST: Final = frozenset(
    {"server", "principal", "era", "version", "http_method", "method", "id", "body", "enforce", "view", "session"}
    | {"affinity", "expires", "announce", "endpoint", "refusal", "lists_tasks", "question", "server_messages", "hide"}
    | {"pins", "results", "schema", "secrets", "scan", "stream_path"}
)


def _read_first(values: Mapping[str, Any]) -> tuple[Claims, Target]:
    """Read what a guard of format 1 signed: exactly these members, of which it left none out."""
    if values.keys() != _FIRST:
        raise ValueError("other members")
    hide, name = values["hide"], values["principal"]
    terms = Terms(
        view=View.from_json(object_of(values["view"])),
        enforce=bool(values["enforce"]),
        lists_tasks=bool(values["lists_tasks"]),
        server_messages=ServerMessages.from_json(values["server_messages"]),
        hide=None if hide is None else tuple(texts_of(hide)),
        pins=Pinning(values["pins"]),
        inspection=inspection_of(values),
        scan=scan_of(values),
    )
    who = NOBODY if name is None else consumer(text_of(name))
    said = {"http": values["http_method"], "kind": who.kind, "who": who.id, **object_of(values["question"])}
    claims, target = _read_claims({**values, **said}, terms)
    return replace(claims, format=1), target


def _written(values: Mapping[str, Any]) -> str:
    return base64url(dumped(values))


def _text_or_none(value: Any) -> str | None:
    return None if value is None else text_of(value)


def _address(value: Any) -> Address | None:
    return None if value is None else _read_address(*value)


# The same few come again and again.
_read_address = lru_cache(1024)(Address.read)


@lru_cache(1024)
def _principal(kind: str, id_: str, issuer: str) -> Principal:
    return Principal.from_json({"kind": kind, "id": id_, "issuer": issuer})


def _id(value: Any) -> RequestId | None:
    if value is not None and not isinstance(value, str | int):
        raise TypeError("not an id")
    return value
