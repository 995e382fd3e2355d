"""Bodies of answers, as they come: in pieces, whole, and the little of a refusal that its operator is shown."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import anyio
import anyio.lowlevel

from mcp_core.scan import credentials
from mcp_core.scan.excerpt import escaped
from mcp_sidecar.upstream.encodings import EncodingError, inflater, is_known

THREAD_BYTES: Final = 64 * 1024
"""From here on a thread reads what came: some 5 ms of work, for which other streams need not wait."""
WORDS: Final = 200
"""Characters of a refusal that are logged."""
_WORDS_BYTES: Final = 4096
_WORDS_SECONDS: Final = 1.0
_TAG: Final = re.compile(r"<[^<>]{0,1000}>")
_NOT_SHOWN: Final = "(not shown: it seems to hold a credential)"


async def chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    """Yield the body piece by piece, without its Content-Encoding. Raises EncodingError."""
    inflate = inflater(response.headers)
    async for chunk in response.content.iter_any():
        if inflate is None:
            yield chunk
            continue
        for piece in inflate.feed(chunk):
            yield piece
            # What was small on the network may be much work: others have their turn.
            await anyio.lowlevel.checkpoint()
    if inflate is not None:
        inflate.end()


async def read(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """Return the body, or None as soon as it is larger than `limit` bytes. Raises EncodingError."""
    pieces, size = [], 0
    async with aclosing(chunks(response)) as parts:
        async for chunk in parts:
            size += len(chunk)
            if size > limit:
                return None
            pieces.append(chunk)
    return b"".join(pieces)


async def read_beginning(response: aiohttp.ClientResponse) -> bytes:
    """Return what comes first of a body that nobody waits for, within a second."""
    pieces: list[bytes] = []
    if not is_known(response.headers.get("content-encoding", "")):
        return b""
    # What came before it broke off is still worth reading.
    with contextlib.suppress(aiohttp.ClientError, EncodingError), anyio.move_on_after(_WORDS_SECONDS):
        async with aclosing(chunks(response)) as parts:
            async for chunk in parts:
                pieces.append(chunk)
                if sum(map(len, pieces)) >= _WORDS_BYTES:
                    break
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
