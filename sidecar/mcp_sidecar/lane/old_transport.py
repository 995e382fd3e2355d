"""The transport of 2024-11-05 in the inspect lane: a GET whose stream names where messages go, and those messages.

Which process holds the stream nobody knows. So what a message is refused for goes to the server in a ping, whose id
holds the refusal, sealed; its answer comes on the stream, and whoever filters that puts the refusal in its place.
Nothing is remembered. Source: 2024-11-05/basic/transports (HTTP with SSE).
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_core import endpoint, methods
from mcp_core.claims import Claims, Target
from mcp_core.methods import Place
from mcp_core.outcome import Reject
from mcp_core.seal import ENDPOINT_PURPOSE, NONCE_BYTES, REFUSAL_PURPOSE, Sealer, SessionSealer
from mcp_core.sse import Event
from mcp_core.surface import Revise, unreadable
from mcp_sidecar.lane.filtering import AnswerView, Filter, Filtered
from mcp_sidecar.lane.sessions import opened
from mcp_sidecar.lane.streams import EventStream
from mcp_sidecar.lane.tasks import Sending

_PREFIX: Final = "kong-mcp-refusal:"
_SAID: Final = "r"

Announce = Callable[[str], str | None]
"""Gives the URI that the agent is told in place of the server's, or None for one that leads nowhere."""


class OldStream(EventStream):
    """The events of a GET's stream, of which one may name the server's message endpoint."""

    def __init__(self, filter_: Filter, sight: AnswerView, *, max_event: int, announce: Announce) -> None:
        super().__init__(filter_, sight, max_event=max_event)
        self._announce = announce

    async def judge(self, event: Event) -> Filtered | Reject | None:
        """Judge an event as on any stream, and have the agent told of the gateway's endpoint, not the server's."""
        if event.event != endpoint.EVENT or not event.data:
            return await super().judge(event)
        self.note(event)
        announced = self._announce(event.data)
        if announced is None:
            return unreadable("an endpoint that is no plain path and query")
        # From here on this is a stream of 2024-11-05, which brings the answers to all messages.
        judge = self._sight.judge
        judge.question = replace(judge.question, place=Place.ENDPOINT)
        return Filtered(b"", Counter(), event=replace(event, data=announced))


class OldTransport:
    """Serves all streams and messages of a process that are of this transport, or may be."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._endpoints = SessionSealer(keys, AESGCM, InvalidTag, ENDPOINT_PURPOSE)
        self._refusals = Sealer(keys, AESGCM, InvalidTag, REFUSAL_PURPOSE, (_SAID,))

    def stream(
        self, claims: Claims, target: Target, filter_: Filter, sight: AnswerView, *, max_event: int
    ) -> OldStream:
        """Return how a stream is read that may be of this transport: one whose claims say what to announce."""
        revise = partial(self._revise, claims, target, sight.revise)
        announce = partial(self._announced, claims, target)
        return OldStream(filter_, replace(sight, revise=revise), max_event=max_event, announce=announce)

    def message(self, claims: Claims, sending: Sending) -> Sending:
        """Return what goes to the server for a message: itself, or a ping where it was refused (legacy, ping)."""
        if claims.refusal is None:
            return sending
        said, server = {_SAID: claims.refusal}, sending.target.server
        token = self._refusals.seal(said, server, claims.principal, os.urandom(NONCE_BYTES))
        message = {"jsonrpc": "2.0", "id": _PREFIX + token, "method": methods.PING}
        headers = {name: value for name, value in sending.headers.items() if name != methods.NAME_HEADER}
        headers[methods.METHOD_HEADER] = methods.PING
        return replace(sending, headers=headers, body=json.dumps(message, separators=(",", ":")).encode())

    def _announced(self, claims: Claims, target: Target, said: str) -> str | None:
        uri = endpoint.read_uri(said, None if target.address is None else target.address.path)
        if uri is None or claims.announce is None:
            return None
        session = opened(claims, target, uri, time.time())
        token = self._endpoints.seal(session, os.urandom(NONCE_BYTES), claims.format)
        return endpoint.announced_uri(claims.announce, token)

    def _revise(self, claims: Claims, target: Target, otherwise: Revise, message: dict[str, Any]) -> bool:
        """Put a refusal in place of the answer to its ping; everything else is revised as on any stream."""
        id_ = message.get("id")
        if not isinstance(id_, str) or not id_.startswith(_PREFIX):
            return otherwise(message)
        fields = self._refusals.open(id_.removeprefix(_PREFIX), target.server, claims.principal)
        if fields is None or not isinstance(fields.get(_SAID), str):
            return otherwise(message)
        message.clear()
        message.update(json.loads(fields[_SAID]))
        return True


def refused_on_stream(claims: Claims, target: Target, refusal: Reject) -> Claims | None:
    """Return the claims of the ping by which a refusal reaches a message's sender, or None where it is the answer."""
    if target.endpoint is None or refusal.id is None:
        return None
    return replace(claims, method=methods.PING, refusal=refusal.body().decode())
