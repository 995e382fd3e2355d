"""The request body as Kong gives it: in the reply, or in a file on this host when it is larger than Kong's buffer."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from kong_pluginserver import wire
from kong_pluginserver.errors import BodyUnreadable


def body_reader(max_body: int) -> Callable[[bytes], bytes]:
    """Return the reader of get_raw_body's reply, which gives the body as bytes.

    A body above Kong's client_body_buffer_size is in a file on this host, and is read here if it is a regular file of
    at most `max_body` bytes.
    """

    def read(data: bytes) -> bytes:
        for number, value in wire.scan(data):
            if number == 1:
                return wire.raw(value)
            if number == 2:
                return _read_body_file(wire.text(value), max_body)
            if number == 3:
                raise BodyUnreadable("Kong cannot read the request body")
        return b""

    return read


def _read_body_file(path: str, max_body: int) -> bytes:
    if not Path(path).is_absolute():
        raise BodyUnreadable("the path of the request body is not absolute")
    try:
        # O_NONBLOCK: opening a named pipe must not wait for its writer.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError):
        raise BodyUnreadable("the file of the request body cannot be opened") from None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise BodyUnreadable("the request body is in no regular file")
        if found.st_size > max_body:
            raise BodyUnreadable("the request body is larger than --max-body")
        body = bytearray()
        while piece := os.read(handle, max_body + 1 - len(body)):
            body += piece
    except OSError:
        raise BodyUnreadable("the file of the request body cannot be read") from None
    finally:
        os.close(handle)
    if len(body) != found.st_size:
        raise BodyUnreadable("the file of the request body changed while it was read")
    return bytes(body)
