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
from mcp_core.claims import Claims
from mcp_core.principal import Principal
from mcp_core.seal import NONCE_BYTES, REFUSAL_PURPOSE, Sealer
from mcp_sidecar.lane.tasks import Sending

_PREFIX: Final = "kong-mcp-refusal:"
_SAID: Final = "r"


class Refusals:
    """Writes refusals into pings, and reads them from the answers."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._sealer = Sealer(keys, AESGCM, InvalidTag, REFUSAL_PURPOSE, (_SAID,))

    def in_place_of(self, claims: Claims, sending: Sending) -> Sending:
        """Return what goes to the server in place of what was refused (all legacy revisions, ping)."""
        said, server = {_SAID: claims.refusal}, sending.target.server
        token = self._sealer.seal(said, server, claims.principal, os.urandom(NONCE_BYTES))
        message = {"jsonrpc": "2.0", "id": _PREFIX + token, "method": methods.PING}
        headers = {name: value for name, value in sending.headers.items() if name != methods.NAME_HEADER}
        headers[methods.METHOD_HEADER] = methods.PING
        return replace(sending, headers=headers, body=json.dumps(message, separators=(",", ":")).encode())

    def revise(self, principal: Principal, server: str, message: dict[str, Any]) -> bool:
        """Put the refusal in place of the answer to such a ping. Returns whether the message was one."""
        id_ = message.get("id")
        if not isinstance(id_, str) or not id_.startswith(_PREFIX):
            return False
        fields = self._sealer.open(id_.removeprefix(_PREFIX), server, principal)
        if fields is None or not isinstance(fields.get(_SAID), str):
            return False
        message.clear()
        message.update(json.loads(fields[_SAID]))
        return True
