"""Refusals on the stream of 2024-11-05's transport, where an agent waits for the answers to its messages.

Which process holds the stream nobody knows. So the server is sent a ping whose id holds the refusal, sealed; its answer
comes on the stream, and whoever filters that puts the refusal in its place. Nothing is remembered.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_core import methods
from mcp_core.seal import NONCE_BYTES, REFUSAL_PURPOSE, Context, Sealer
from mcp_sidecar.tasks import Sending

_PREFIX: Final = "kong-mcp-refusal:"


class Refusals:
    """Writes refusals into pings, and reads them from the answers."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._sealer = Sealer(keys, AESGCM, InvalidTag, REFUSAL_PURPOSE)

    def in_place_of(self, sending: Sending) -> Sending:
        """Return what goes to the server in place of what was refused (all legacy revisions, ping)."""
        context = sending.context
        token = self._sealer.seal([context.principal, context.refusal], context.server, os.urandom(NONCE_BYTES))
        message = {"jsonrpc": "2.0", "id": _PREFIX + token, "method": methods.PING}
        headers = {name: value for name, value in sending.headers.items() if name != methods.NAME_HEADER}
        headers[methods.METHOD_HEADER] = methods.PING
        return replace(sending, headers=headers, body=json.dumps(message, separators=(",", ":")).encode())

    def revise(self, context: Context, message: dict[str, Any]) -> bool:
        """Put the refusal in place of the answer to such a ping. Returns whether the message was one."""
        id_ = message.get("id")
        if not isinstance(id_, str) or not id_.startswith(_PREFIX):
            return False
        fields = self._sealer.open(id_.removeprefix(_PREFIX), context.server)
        if fields is None or fields[0] != context.principal:
            return False
        message.clear()
        message.update(json.loads(fields[1]))
        return True
