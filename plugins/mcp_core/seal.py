"""Keys, and what is made with them: the guard's signed word to the sidecar, and sealed ids.

Randomness, clocks and the AEAD cipher are arguments. Every key of a ring opens and verifies; the first one seals and
signs: put a new key in front, and take the old one away once everything it sealed has aged out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from dataclasses import fields as dataclass_fields
from typing import Any, Final, Protocol

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


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes | None:
    """Return the bytes of canonical unpadded base64url, or None."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if _b64(data) == text else None


@dataclass(frozen=True, slots=True)
class Context:
    """What the guard tells the sidecar of one request.

    `server` is the guarded server's name; `method` what Mcp-Method says ("" for a GET); `body` the SHA-256 of the
    request body in hex; `view` the principal's view as JSON values; `session` the upstream's session id; `affinity`
    what Kong hashes to find the replica; `expires` a Unix time in seconds; `lists_tasks` whether the policy lets agents
    ask for all tasks; `question` what Question.to_json wrote, and `server_messages` what ServerMessages.to_json wrote;
    `hide` the globs of headers that no server gets, None for passing.HIDDEN_HEADERS; `pins` a word of
    pins.states.Pinning; `scan` what scan.ScanConfig reads; `results`, `schema` and `secrets` words of inspection.Mode,
    for what results and arguments are searched for. Four fields serve the transport of 2024-11-05: `announce` is the
    path at which the agent would reach the server's message endpoint, on a GET that may open such a stream, and
    `stream_path` the server's own path, on such a GET and wherever it ends in a slash; `endpoint` is the server's own
    URI of the endpoint (path and query), on a POST that goes there, and `refusal` the JSON-RPC error that its sender
    must get instead.
    """

    server: str
    principal: str | None
    era: str
    version: str
    http_method: str
    method: str
    id: str | int | None
    body: str
    enforce: bool
    view: dict[str, Any]
    session: str | None
    affinity: str
    expires: int
    announce: str | None = None
    endpoint: str | None = None
    refusal: str | None = None
    lists_tasks: bool = False
    question: dict[str, Any] = field(default_factory=lambda: {"place": "post", "asked": [], "batch": False})
    server_messages: list[list[str]] = field(default_factory=lambda: [[], []])
    hide: list[str] | None = None
    pins: str = "off"
    results: str = "off"
    schema: str = "off"
    secrets: str = "off"
    scan: dict[str, Any] = field(default_factory=dict)
    stream_path: str | None = None

    def is_for(self, body: bytes) -> bool:
        """Return whether the context was signed for exactly this request body."""
        return self.body == hashlib.sha256(body).hexdigest()


_CONTEXT_FIELDS: Final = frozenset(one.name for one in dataclass_fields(Context))


class ContextSigner:
    """Signs contexts, and believes only what one of its keys signed and time has not passed over."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = [derive(key, "kong-mcp context") for key in keys]

    def sign(self, context: Context) -> str:
        """Return the header value: base64url JSON, a dot, base64url HMAC-SHA256 (RFC 2104)."""
        payload = _b64(json.dumps(asdict(context), separators=(",", ":")).encode())
        return f"{payload}.{_b64(hmac.digest(self._keys[0], payload.encode(), 'sha256'))}"

    def verify(self, value: str, *, now: float) -> Context | None:
        """Return the context, or None for anything not signed here, or expired. Its body must still be compared.

        None too for what was signed with other fields: a guard of another version wrote it.
        """
        payload, dot, mac = value.partition(".")
        given = _unb64(mac)
        if not dot or given is None or not payload.isascii():
            return None
        # Every key is tried, whatever the outcome, so that time does not tell which one it was.
        good = [hmac.compare_digest(hmac.digest(key, payload.encode(), "sha256"), given) for key in self._keys]
        raw = _unb64(payload) if any(good) else None
        if raw is None:
            return None
        fields = json.loads(raw)
        if not isinstance(fields, dict) or fields.keys() != _CONTEXT_FIELDS:
            return None
        context = Context(**fields)
        return None if context.expires < now else context


@dataclass(frozen=True, slots=True)
class Session:
    """A legacy session: who opened it on which server, the upstream's id of it, and the replica's affinity key."""

    server: str
    principal: str | None
    upstream: str
    affinity: str
    opened: int


class Sealer:
    """Seals fields for one purpose and one server: unreadable, unforgeable, and worth nothing anywhere else."""

    def __init__(
        self, keys: Sequence[bytes], cipher: Callable[[bytes], Cipher], forged: type[Exception], purpose: str
    ) -> None:
        """Take the AEAD's constructor, and the exception with which it answers a forgery."""
        self._ciphers = [cipher(derive(key, purpose)) for key in keys]
        self._nonce_key = derive(keys[0], f"{purpose} nonce")
        self._forged = forged

    def seal(self, fields: Sequence[Any], server: str, nonce: bytes | None = None) -> str:
        """Return the fields (JSON values) as base64url. `nonce` is 12 fresh random bytes.

        Without one it is made of the fields themselves, so that the same fields always give the same text (as the
        synthetic IV of RFC 5297 does): for names that an agent compares.
        """
        data = json.dumps(fields, separators=(",", ":")).encode()
        bound = server.encode()
        if nonce is None:
            nonce = hmac.digest(self._nonce_key, bound + b"\0" + data, "sha256")[:NONCE_BYTES]
        return _b64(nonce + self._ciphers[0].encrypt(nonce, data, bound))

    def open(self, token: str, server: str) -> list[Any] | None:
        """Return the fields, or None for a forged, foreign or malformed text."""
        sealed = _unb64(token) if token.isascii() else None
        if sealed is None or len(sealed) <= NONCE_BYTES:
            return None
        for cipher in self._ciphers:
            try:
                fields: list[Any] = json.loads(
                    cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], server.encode())
                )
            except self._forged:
                continue
            return fields
        return None


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
        self._sealer = Sealer(keys, cipher, forged, purpose)

    def seal(self, session: Session, nonce: bytes) -> str:
        """Return the id for the agent. `nonce` is 12 fresh random bytes."""
        fields = [session.principal, session.upstream, session.affinity, session.opened]
        return self._sealer.seal(fields, session.server, nonce)

    def open(self, token: str, server: str, principal: str | None, *, now: float, max_age: int) -> Session | None:
        """Return the session, or None for a forged, foreign, aged or malformed id. `max_age` is in seconds."""
        fields = self._sealer.open(token, server)
        if fields is None:
            return None
        owner, upstream, affinity, opened = fields
        if owner != principal or opened + max_age < now:
            return None
        return Session(server, owner, upstream, affinity, opened)
