"""What a request is: its era, its revision, and whether its headers and body tell the same story.

The ladder of the modern era follows 2026-07-28, basic/transports/streamable-http (server validation) and
basic/index (per-request protocol fields); the legacy rules follow basic/transports of each older revision.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcp_core import headers as http
from mcp_core import methods
from mcp_core.jsonrpc import Batch, Limits, Message, Notification, Request, Response, parse
from mcp_core.methods import Era
from mcp_core.outcome import HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, UNSUPPORTED_VERSION, Reject
from mcp_core.reasons import Reason


@dataclass(frozen=True, slots=True)
class Envelope:
    """A request that was read: `messages` holds what its body says (one, or several of a batch)."""

    era: Era
    version: str
    messages: tuple[Message, ...]
    batch: bool
    session: str | None


def read(http_headers: http.Headers, body: bytes, limits: Limits) -> Envelope | Reject:
    """Read the headers and body of one POST, whose headers passed `headers.check`, or say why not."""
    if (refusal := http.check_body_headers(http_headers)) is not None:
        return refusal
    parsed = parse(body, limits)
    if isinstance(parsed, Reject):
        return parsed
    version = http.single(http_headers, methods.VERSION_HEADER)
    if isinstance(parsed, Batch):
        return _read_batch(parsed, http_headers, version)
    if version in methods.MODERN_VERSIONS:
        return _read_modern(parsed, http_headers, version)
    if version is None or version in methods.LEGACY_VERSIONS:
        return _read_legacy(parsed, http_headers, version)
    return unsupported(version, request_id(parsed), modern=_is_modern(parsed))


def _is_modern(message: Message) -> bool:
    """Return whether a message names its revision itself, as those of the modern era do."""
    meta = None if isinstance(message, Response) else message.params.get("_meta")
    return isinstance(meta, dict) and methods.META_VERSION in meta


def unsupported(requested: str, id_: str | int | None = None, *, modern: bool = False) -> Reject:
    """Refuse a revision that the gateway does not know (2026-07-28, basic/versioning).

    Who speaks the modern era is told its revisions, as by server/discover; who may speak the legacy one, all.
    """
    supported = methods.MODERN_VERSIONS if modern else methods.VERSIONS
    return Reject(
        UNSUPPORTED_VERSION,
        "Unsupported protocol version",
        Reason.VERSION,
        id=id_,
        data={"supported": list(supported), "requested": requested},
    )


def request_id(message: Message) -> str | int | None:
    """Return the id that a refusal of this message must carry."""
    return message.id if isinstance(message, Request) else None


def item_name(message: Message) -> str | None:
    """Return the name that Mcp-Name must carry for this message, where it has one."""
    if isinstance(message, Response):
        return None
    method = methods.METHODS.get(message.method)
    if method is None or method.param is None:
        return None
    name = message.params.get(method.param)
    return name if isinstance(name, str) else None


def _says_version(message: Message) -> bool:
    """Return whether the body carries the modern era's version key, with whatever value."""
    if isinstance(message, Response):
        return False
    meta = message.params.get("_meta")
    return isinstance(meta, dict) and methods.META_VERSION in meta


def _agree(message: Message | None, http_headers: http.Headers, *, required: bool) -> Reject | None:
    """Refuse Mcp-Method and Mcp-Name where they differ from the body. None is a batch, which has neither."""
    if message is None or isinstance(message, Response):
        method = name = id_ = None
    else:
        method, name, id_ = message.method, item_name(message), request_id(message)
    refusal = http.agree(http_headers, methods.METHOD_HEADER, method, required=required, id_=id_)
    if refusal is not None:
        return refusal
    named = required and method in methods.NAME_HEADER_METHODS
    return http.agree(http_headers, methods.NAME_HEADER, name, required=named, id_=id_)


def _read_batch(batch: Batch, http_headers: http.Headers, version: str | None) -> Envelope | Reject:
    spoken = methods.ASSUMED_VERSION if version is None else version
    if spoken not in methods.BATCH_VERSIONS:
        return Reject(INVALID_REQUEST, "This revision has no batches: send one message per POST.", Reason.BATCH)
    for message in batch.messages:
        if isinstance(message, Request) and message.method == methods.INITIALIZE:
            return Reject(
                INVALID_REQUEST, "Send initialize alone, and not in a batch.", Reason.BATCH_INITIALIZE, id=message.id
            )
        if _says_version(message):
            return _version_mismatch(message)
    if (refusal := _agree(None, http_headers, required=False)) is not None:
        return refusal
    session = http.single(http_headers, methods.SESSION_HEADER)
    return Envelope(Era.LEGACY, spoken, batch.messages, batch=True, session=session)


def _read_legacy(message: Message, http_headers: http.Headers, version: str | None) -> Envelope | Reject:
    if _says_version(message):
        return _version_mismatch(message)
    if (refusal := _agree(message, http_headers, required=False)) is not None:
        return refusal
    # Who initializes has no session yet: an id that a client did not forget means nothing (2025-11-25,
    # basic/transports, session management: the server assigns one at initialization).
    initializes = isinstance(message, Request) and message.method == methods.INITIALIZE
    session = None if initializes else http.single(http_headers, methods.SESSION_HEADER)
    return Envelope(Era.LEGACY, version or methods.ASSUMED_VERSION, (message,), batch=False, session=session)


def _read_modern(message: Message, http_headers: http.Headers, version: str) -> Envelope | Reject:
    if isinstance(message, Response):
        return Reject(
            INVALID_REQUEST,
            "Send requests and notifications: in this revision a client sends no responses.",
            Reason.MODERN_RESPONSE,
        )
    notification = isinstance(message, Notification)
    # A notification need not say its version, but may not say another.
    if (not notification or _says_version(message)) and (refusal := _check_meta(message, version)) is not None:
        return refusal
    if (refusal := _agree(message, http_headers, required=not notification)) is not None:
        return refusal
    # A session id that is left over from another era means nothing here; the guard takes it off.
    return Envelope(Era.MODERN, version, (message,), batch=False, session=None)


def _check_meta(message: Request | Notification, version: str) -> Reject | None:
    meta = message.params.get("_meta")
    id_ = request_id(message)
    if not isinstance(meta, dict) or methods.META_VERSION not in meta or methods.META_CAPABILITIES not in meta:
        wanted = f"{methods.META_VERSION} and {methods.META_CAPABILITIES}"
        return Reject(INVALID_PARAMS, f"params._meta must carry {wanted}.", Reason.MODERN_META, id=id_)
    if meta[methods.META_VERSION] != version:
        return _version_mismatch(message)
    if not isinstance(meta[methods.META_CAPABILITIES], dict):
        return Reject(INVALID_PARAMS, f"{methods.META_CAPABILITIES} is an object.", Reason.MODERN_META, id=id_)
    return None


def _version_mismatch(message: Message) -> Reject:
    text = "Header mismatch: MCP-Protocol-Version does not say what the body says."
    return Reject(HEADER_MISMATCH, text, Reason.VERSION_MISMATCH, id=request_id(message))
