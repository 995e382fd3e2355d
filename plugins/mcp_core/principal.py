"""Who calls: the one value that policies, sealed ids and logs know a caller by.

Whoever authenticates says it: Kong's auth plugins (a consumer), or what verified a token (its subject, as its issuer
knows it). The same id is another caller where the kind or the issuer differs: "ann" of one issuer, "ann" of another one
and the consumer "ann" are three (RFC 7519, section 4.1.2: a subject is unique within its issuer).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

CONSUMER: Final = "consumer"
"""The kind of a consumer of Kong: `id` is its username, or "id:" and its id where it has none."""
TOKEN: Final = "token"  # noqa: S105 - a word, no secret
"""The kind of the subject of a verified token: `id` is `sub`, `issuer` is `iss`."""
UNKNOWN: Final = "nobody"
"""The kind of whoever nothing authenticated."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls, with the groups it is in and the scopes that were granted to it; `client` is the OAuth client's id.

    `via` is who acts for it now, by the token's claim act (RFC 8693, section 4.1): a server that calls another, say.
    `actors` is how many act, each for the one before, by all of that claim.
    """

    kind: str
    id: str
    issuer: str = ""
    groups: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    client: str = ""
    via: str = ""
    actors: int = 0

    @property
    def seal_key(self) -> str:
        """What sealed ids are compared by: it differs wherever kind, issuer or id do, and nothing else matters to it.

        It stands in sealed formats: it must stay what it is. Subjects are hashed with their issuers, for a session id
        travels in a header, and both may be long.
        """
        if not self.issuer:
            return f"{self.kind}:{self.id}"
        hashed = hashlib.sha256(json.dumps([self.issuer, self.id]).encode()).digest()
        return f"{self.kind}@{base64.urlsafe_b64encode(hashed).rstrip(b'=').decode()}"

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values, without what is empty."""
        said = {"kind": self.kind, "id": self.id, "issuer": self.issuer, "client": self.client, "via": self.via}
        more = {"actors": self.actors, "groups": sorted(self.groups), "scopes": sorted(self.scopes)}
        return {name: value for name, value in {**said, **more}.items() if value}

    @classmethod
    def from_json(cls, value: Any) -> Principal:
        """Return what `to_json` wrote. Raises KeyError, TypeError or ValueError for what is none."""
        texts = [value["kind"], *(value.get(name, "") for name in ("id", "issuer", "client", "via"))]
        sets = [value.get("groups", []), value.get("scopes", [])]
        actors = value.get("actors", 0)
        if not all(isinstance(one, str) for one in [*texts, *sets[0], *sets[1]]) or type(actors) is not int:
            raise TypeError("not text, or no number")
        kind, id_, issuer, client, via = texts
        return cls(kind, id_, issuer, frozenset(sets[0]), frozenset(sets[1]), client, via, actors)

    @property
    def name(self) -> str | None:
        """What logs call it: a consumer's name, a subject with its issuer; None for nobody."""
        if self.kind == UNKNOWN:
            return None
        return f"{self.id} of {self.issuer}" if self.issuer else self.id


NOBODY: Final = Principal(UNKNOWN, "")


def consumer(name: str, groups: Iterable[str] = ()) -> Principal:
    """Return the consumer of Kong with this name."""
    return Principal(CONSUMER, name, groups=frozenset(groups))
