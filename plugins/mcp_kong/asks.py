"""What the guard asks this node's sidecar while a request waits: the plugin server talks to no one outside."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_core.auth.asks import AskEnd, Asks
from mcp_core.seal import NONCE_BYTES
from mcp_kong.pdk import Kong

ASK_SOCKET_VARIABLE: Final = "KONG_MCP_ASK_SOCKET"
"""Environment variable with the path of the socket at which this node's sidecar listens."""
WAIT_SECONDS: Final = 5.0


class Sidecar:
    """The sidecar of this node. Without a path, or where it does not answer, everything is unavailable."""

    def __init__(self, path: str | None, ring: Sequence[bytes], wall: Callable[[], float]) -> None:
        """Take a clock of Unix time in seconds."""
        self._path = path
        self._asks = Asks(ring, AESGCM, InvalidTag)
        self._wall = wall

    def ask(self, kong: Kong, values: Mapping[str, Any], key: bytes) -> Mapping[str, Any]:
        """Return the answer; its member `state` is one of asks.AskEnd. One question is in flight for a key."""
        if self._path is None:
            return {"state": AskEnd.UNAVAILABLE}
        nonce = secrets.token_bytes(NONCE_BYTES)
        question = self._asks.question(values, nonce, now=self._wall())
        answer = kong.local_socket.ask(
            self._path, key, question, lambda text: self._asks.read_answer(text, nonce), WAIT_SECONDS
        )
        said = answer if isinstance(answer, dict) else {}
        return said if said.get("state") in list(AskEnd) else {"state": AskEnd.UNAVAILABLE}
