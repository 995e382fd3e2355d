"""How supervisor and worker talk: two sockets for each worker.

`control`, SOCK_SEQPACKET, one message a packet, neither side ever waits on it:

    supervisor -> worker   c + token + a descriptor   serve this connection
                           f + id                     forget this instance
                           d                          drain
    worker -> supervisor   b                          still alive
                           e + tokens                 these connections have ended

`ask`, SOCK_STREAM, frames of length, number and body; the worker waits for the answer of the same number:

    R + length of name + name + configuration   register   -> id
    A + id                                      ask        -> length of name + name + configuration, nothing if unknown
    F + id                                      forget     -> nothing

Pure but for `Supervisor`, the worker's end of `ask`.
"""

from __future__ import annotations

import socket
import struct
from time import monotonic
from typing import Final

CONNECTION: Final = b"c"
FORGET: Final = b"f"
DRAIN: Final = b"d"
BEAT: Final = b"b"
ENDED: Final = b"e"
REGISTER: Final = b"R"
ASK: Final = b"A"
FORGOTTEN: Final = b"F"

NUMBER: Final = struct.Struct("<I")
HEAD: Final = struct.Struct("<II")
MOST_TOKENS: Final = 256
LARGEST_PACKET: Final = 1 + 4 * MOST_TOKENS
_NAME: Final = struct.Struct("<H")
_PATIENCE: Final = 2.0


def pack_instance(name: str, config: bytes) -> bytes:
    """Return plugin name and configuration as one body."""
    encoded = name.encode()
    return _NAME.pack(len(encoded)) + encoded + config


def unpack_instance(body: bytes) -> tuple[str, bytes]:
    """Return plugin name and configuration of such a body."""
    end = _NAME.size + _NAME.unpack_from(body)[0]
    return body[_NAME.size : end].decode(), body[end:]


class SupervisorLink:
    """The worker's view of its supervisor. It waits for each answer, for two seconds at most: the supervisor only keeps
    a dict, and a worker that goes on without an answer would have to guess.
    """  # noqa: D205 - one thought, two sentences

    def __init__(self, ask: socket.socket) -> None:
        self._ask = ask
        self._asked = 0
        self._input = b""

    def register(self, name: str, config: bytes) -> int:
        """Return the id of a new instance.

        Raises:
            OSError: the supervisor is gone or gives no answer.
        """
        found: int = NUMBER.unpack(self._call(REGISTER + pack_instance(name, config)))[0]
        return found

    def find(self, instance_id: int) -> tuple[str, bytes] | None:
        """Return plugin name and configuration of an instance, None if nobody knows it.

        Raises:
            OSError: the supervisor is gone or gives no answer.
        """
        body = self._call(ASK + NUMBER.pack(instance_id))
        return unpack_instance(body) if body else None

    def forget(self, instance_id: int) -> None:
        """Have the instance forgotten everywhere.

        Raises:
            OSError: the supervisor is gone or gives no answer.
        """
        self._call(FORGOTTEN + NUMBER.pack(instance_id))

    def _call(self, body: bytes) -> bytes:
        self._asked = self._asked + 1 & 0xFFFFFFFF
        until = monotonic() + _PATIENCE
        self._ask.settimeout(_PATIENCE)
        self._ask.sendall(HEAD.pack(len(body), self._asked) + body)
        while True:
            while len(self._input) >= HEAD.size:
                length, number = HEAD.unpack_from(self._input)
                end = HEAD.size + length
                if len(self._input) < end:
                    break
                answer, self._input = self._input[HEAD.size : end], self._input[end:]
                if number == self._asked:
                    return answer
            left = until - monotonic()
            if left <= 0:
                raise TimeoutError("the supervisor gives no answer")
            self._ask.settimeout(left)
            received = self._ask.recv(65536)
            if not received:
                raise ConnectionError("the supervisor is gone")
            self._input += received
