"""Bodies of answers, as they come: whole ones, events, and the little of a refusal that its operator is shown."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import anyio

from mcp_core.outcome import Reject
from mcp_core.scan import credentials
from mcp_core.scan.excerpt import escaped
from mcp_core.sse import Event
from mcp_sidecar.streams import EventStream

WORDS: Final = 200
"""Characters of a refusal that are logged."""
_WORDS_BYTES: Final = 4096
_WORDS_SECONDS: Final = 1.0
_TAG: Final = re.compile(r"<[^<>]{0,1000}>")
_NOT_SHOWN: Final = "(not shown: it seems to hold a credential)"


async def events(stream: EventStream, response: aiohttp.ClientResponse) -> AsyncGenerator[Event | Reject]:
    """Yield the events of a stream as they complete, and why it must end where it cannot be read on."""
    async for chunk in response.content.iter_any():
        found = stream.decode(chunk)
        if isinstance(found, Reject):
            yield found
            return
        for event in found:
            yield event
    for event in stream.end():
        yield event


async def read(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """Return the body, or None as soon as it is larger than `limit` bytes."""
    pieces = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > limit:
            return None
        pieces.append(chunk)
    return b"".join(pieces)


async def read_beginning(response: aiohttp.ClientResponse) -> bytes:
    """Return what comes first of a body that nobody waits for, within a second."""
    pieces, size = [], 0
    try:
        with anyio.move_on_after(_WORDS_SECONDS):
            async for chunk in response.content.iter_any():
                pieces.append(chunk)
                size += len(chunk)
                if size >= _WORDS_BYTES:
                    break
    except aiohttp.ClientError:
        pass  # What came before it broke off is still worth reading.
    return b"".join(pieces)


def words(response: aiohttp.ClientResponse, body: bytes) -> str:
    """Return what a server says when it refuses: its challenge and the beginning of its text, fit to print.

    Nothing of it where a credential seems to stand in it: some servers repeat the one that they refuse.
    """
    challenge = response.headers.get("www-authenticate", "")
    text = f"{challenge} {body[:_WORDS_BYTES].decode(errors='replace')}"
    return _fit(" ".join(_TAG.sub(" ", text).split()))


def target(response: aiohttp.ClientResponse) -> str:
    """Return where a redirect points, fit to print: without user, query and fragment, in which secrets stand."""
    try:
        url = urlsplit(response.headers.get("location", ""))
        host = url.hostname or ""
        port = "" if url.port is None else f":{url.port}"
    except ValueError:
        return ""
    origin = f"{url.scheme}://{host}{port}" if url.scheme and host else ""
    return _fit(f"{origin}{url.path}{'?...' if url.query else ''}")


def _fit(text: str) -> str:
    if credentials.find({"text": text[: 2 * _WORDS_BYTES]}):
        return _NOT_SHOWN
    return escaped("".join(filter(str.isprintable, text))[:WORDS])[:WORDS]
