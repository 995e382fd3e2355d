"""Keys, and what is sealed with them: ids that agents hold.

Randomness, clocks and the AEAD cipher are arguments. Every key of a ring opens and verifies; the first one seals and
signs: put a new key in front, and take the old one away once everything it sealed has aged out.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from mcp_core.formats import is_understood
from mcp_core.principal import CONSUMER, NOBODY, UNKNOWN, Principal, consumer

MIN_KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12

SESSION_PURPOSE: Final = "kong-mcp session"
"""Of the ids in Mcp-Session-Id; Session.upstream is the server's id."""
ENDPOINT_PURPOSE: Final = "kong-mcp endpoint"
"""Of the ids in 2024-11-05's message URIs; Session.upstream is the server's own URI (path and query)."""
TASK_PURPOSE: Final = "kong-mcp task"
"""Of task ids."""
REFUSAL_PURPOSE: Final = "kong-mcp refusal"
"""Of the ids of pings that bring a refusal to 2024-11-05's stream."""


class KeyRingError(ValueError):
    """The keys cannot be used. The message says what to write, and shows none of them."""


class Cipher(Protocol):
    """An AEAD as `cryptography` shapes it (RFC 5116): 12-byte nonce, tag at the end, an exception on forgery."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...  # noqa: D102 - RFC 5116
    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...  # noqa: D102 - RFC 5116


def parse_keys(text: str) -> tuple[bytes, ...]:
    """Read a ring of keys: base64, at least 32 bytes each, comma between them.

    Raises:
        KeyRingError: there is no key, or one that is short or not base64.
    """
    keys = []
    for number, part in enumerate(filter(None, (piece.strip() for piece in text.split(","))), 1):
        try:
            key = base64.b64decode(part, validate=True)
        except ValueError:
            raise KeyRingError(f"key {number} is not base64: make one with `openssl rand -base64 32`") from None
        if len(key) < MIN_KEY_BYTES:
            raise KeyRingError(f"key {number} is shorter than {MIN_KEY_BYTES} bytes: `openssl rand -base64 32`")
        keys.append(key)
    if not keys:
        raise KeyRingError("there is no key: make one with `openssl rand -base64 32`")
    return tuple(keys)


def derive(key: bytes, purpose: str) -> bytes:
    """Return a 32-byte key for one purpose only, so that no use of a key can serve another (RFC 5869, expand)."""
    return hmac.digest(key, purpose.encode() + b"\x01", "sha256")


def is_signed(keys: Iterable[bytes], text: bytes, mac: bytes) -> bool:
    """Return whether one of the keys made the HMAC-SHA256 of a text (RFC 2104).

    Every key is tried, whatever the outcome, so that time does not tell which one it was.
    """
    good = [hmac.compare_digest(hmac.digest(key, text, "sha256"), mac) for key in keys]
    return any(good)


def base64url(data: bytes) -> str:
    """Return bytes as unpadded base64url (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes | None:
    """Return the bytes of canonical unpadded base64url, or None."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64url(data) == text else None


class Signer:
    """Signs texts for one purpose. What anybody else signed, or signed for another purpose, does not open."""

    def __init__(self, keys: Sequence[bytes], purpose: str) -> None:
        self._keys = [derive(key, purpose) for key in keys]

    def sign(self, data: bytes) -> str:
        """Return base64url of the data, a dot, base64url HMAC-SHA256 (RFC 2104)."""
        payload = base64url(data)
        return f"{payload}.{base64url(hmac.digest(self._keys[0], payload.encode(), 'sha256'))}"

    def open(self, value: str) -> bytes | None:
        """Return the data, or None for anything not signed here."""
        payload, dot, mac = value.partition(".")
        given = from_base64url(mac) if mac.isascii() else None
        if not dot or given is None or not payload.isascii():
            return None
        return from_base64url(payload) if is_signed(self._keys, payload.encode(), given) else None


@dataclass(frozen=True, slots=True)
class Session:
    """A legacy session: who opened it on which server, the upstream's id of it, and the replica's affinity key.

    `hello` is the JSON text of the params of the initialize that opened it, where the gateway may open it again.
    """

    server: str
    principal: Principal
    upstream: str
    affinity: str
    opened: int
    hello: str | None = None

    def under(self, *, resumes: bool) -> Session:
        """Return the session as a policy has it that may not be the one under which it was opened."""
        return self if resumes or self.hello is None else replace(self, hello=None)


FORMAT: Final = 2
"""The format of sealed texts: its number, a dot, and base64url of the nonce and of what is encrypted, a JSON object."""
_PREFIX: Final = f"{FORMAT}."
_OWNER: Final = "p"


class Sealer:
    """Seals fields for one purpose, server and principal: unreadable, unforgeable, and worth nothing anywhere else.

    Format 1 had no number, its fields were a list with the name of a consumer (null for nobody) at its head, and it was
    bound to the server alone.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        cipher: Callable[[bytes], Cipher],
        forged: type[Exception],
        purpose: str,
        names: Sequence[str],
    ) -> None:
        """Take the AEAD's constructor, the exception with which it answers a forgery, and the names of the fields.

        The names stand in the order in which format 1 had its values.
        """
        self._ciphers = [cipher(derive(key, purpose)) for key in keys]
        self._nonce_key = derive(keys[0], f"{purpose} nonce")
        self._forged = forged
        self._names = (_OWNER, *names)

    def seal(
        self,
        fields: Mapping[str, Any],
        server: str,
        principal: Principal,
        nonce: bytes | None = None,
        number: int = FORMAT,
    ) -> str:
        """Return the fields (JSON values) as visible ASCII. `nonce` is 12 fresh random bytes.

        Without one it is made of all that is sealed and bound, so that the same always gives the same text, and nothing
        else gives the same nonce (as the synthetic IV of RFC 5297 does): for names that an agent compares. `number` is
        that of the format to write: a reader of the last release gets what it reads.
        """
        owner: str | None = principal.seal_key
        first = number < FORMAT and principal.kind in (CONSUMER, UNKNOWN)
        if first:
            owner = None if principal.kind == UNKNOWN else principal.id
        named = {_OWNER: owner, **fields}
        value = [named[name] for name in self._names] if first else named
        data = json.dumps(value, separators=(",", ":")).encode()
        bound = server.encode() if first else _bound(server)
        if nonce is None:
            # JSON holds no NUL, so the last one tells where the two meet.
            nonce = hmac.digest(self._nonce_key, bound + b"\0" + data, "sha256")[:NONCE_BYTES]
        return ("" if first else _PREFIX) + base64url(nonce + self._ciphers[0].encrypt(nonce, data, bound))

    def open(self, token: str, server: str, principal: Principal) -> Mapping[str, Any] | None:
        """Return the fields, or None for a text that is forged, another one's, malformed, or of another format."""
        number, dot, rest = token.partition(".")
        if not dot:
            return self._open_first(token, server, principal)
        if number != str(FORMAT):
            return None
        fields = self._decrypted(rest, _bound(server))
        if not isinstance(fields, dict) or not is_understood(fields, self._names):
            return None
        return fields if fields.get(_OWNER) == principal.seal_key else None

    def _open_first(self, token: str, server: str, principal: Principal) -> Mapping[str, Any] | None:
        values = self._decrypted(token, server.encode())
        if not isinstance(values, list) or len(values) != len(self._names):
            return None
        fields = dict(zip(self._names, values, strict=True))
        name = fields[_OWNER]
        owner = NOBODY if name is None else consumer(str(name))
        return fields if owner.seal_key == principal.seal_key else None

    def _decrypted(self, text: str, bound: bytes) -> Any:
        """Return the JSON value that a text holds, or None."""
        sealed = from_base64url(text) if text.isascii() else None
        if sealed is None or len(sealed) <= NONCE_BYTES:
            return None
        for cipher in self._ciphers:
            try:
                data = cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
            except self._forged:
                continue
            return json.loads(data.decode())  # of bytes, it would guess the encoding first
        return None


def _bound(server: str) -> bytes:
    """Return what a sealed text is bound to beside its purpose: its format and its server."""
    return f"{FORMAT}\0{server}".encode()


class SessionSealer:
    """Makes the session id that an agent holds: all that any gateway node must know, unreadable and unforgeable.

    A session is not authentication: it opens only for the principal that it was sealed for. What was sealed for one
    purpose (SESSION_PURPOSE, ENDPOINT_PURPOSE) does not open for another.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        cipher: Callable[[bytes], Cipher],
        forged: type[Exception],
        purpose: str = SESSION_PURPOSE,
    ) -> None:
        """Take the AEAD's constructor, and the exception with which it answers a forgery."""
        self._sealer = Sealer(keys, cipher, forged, purpose, ("u", "a", "t"))

    def seal(self, session: Session, nonce: bytes, number: int = FORMAT) -> str:
        """Return the id for the agent. `nonce` is 12 fresh random bytes, `number` that of the format to write."""
        fields: dict[str, Any] = {"u": session.upstream, "a": session.affinity, "t": session.opened}
        if session.hello is not None:
            fields["h"] = session.hello
        return self._sealer.seal(fields, session.server, session.principal, nonce, number)

    def open(self, token: str, server: str, principal: Principal, *, now: float, max_age: int) -> Session | None:
        """Return the session, or None for one that is forged, foreign, aged, malformed or of another format.

        `max_age` is in seconds.
        """
        fields = self._sealer.open(token, server, principal)
        if fields is None:
            return None
        upstream, affinity, opened, hello = (fields.get(name) for name in ("u", "a", "t", "h"))
        if not (isinstance(upstream, str) and isinstance(affinity, str) and isinstance(opened, int)):
            return None
        hello = hello if isinstance(hello, str) else None
        return None if opened + max_age < now else Session(server, principal, upstream, affinity, opened, hello)
