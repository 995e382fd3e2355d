"""Calls a tool through the gateway, as the agent of whoever is signed in: Kong's own route, with their own credential.

Nothing is decided here: Kong's plugins, the guard, limits and the record of calls see a call as of any other agent.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import aiohttp
import anyio
from yarl import URL

from mcp_core import methods
from mcp_core.conversation import Conversation, Outgoing, Result, read_message
from mcp_core.headers import encode_value
from mcp_core.jsonrpc import Response as Message
from mcp_core.sse import Decoder, StreamTooLargeError
from mcp_sidecar.upstream.bodies import chunks, read
from mcp_sidecar.upstream.encodings import EncodingError

SECONDS: Final = 120.0
"""How long one call may take: nobody watches a page for longer."""
MAX_ANSWER: Final = 8 * 1024 * 1024
_MAX_HEAD: Final = 64 * 1024
_T = TypeVar("_T")


class RefusedError(Exception):
    """The gateway or the server refused; the message is what it said."""


@dataclass(frozen=True, slots=True)
class KongWay:
    """Where the gateway's Kong is, and what it knows itself as: a host name that its guards take."""

    kong_url: str
    public_url: str


async def call(
    way: KongWay, path: str, credential: Mapping[str, str], tool: str, arguments: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Call a tool of the server at a path of the gateway, and return its result. Raises RefusedError."""
    host = urlsplit(way.public_url).netloc
    client = aiohttp.ClientSession(
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=SECONDS),
        max_line_size=_MAX_HEAD,
        max_field_size=_MAX_HEAD,
    )
    async with client:
        visit = _Visit(client, URL(f"{way.kong_url}{path}", encoded=True), {**credential, "host": host})
        try:
            return await visit.drive(_calling(visit.talk, tool, arguments))
        except TimeoutError:
            raise RefusedError(f"No answer came within {SECONDS:g} seconds.") from None
        except aiohttp.ClientError as error:
            raise RefusedError(f"The gateway does not answer ({type(error).__name__}).") from None
        except (EncodingError, StreamTooLargeError):
            raise RefusedError("What came back cannot be read.") from None
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(5):
                await visit.leave()


def _calling(talk: Conversation, tool: str, arguments: Mapping[str, Any]) -> Generator[Outgoing, Result | None, Result]:
    if (yield from talk.introduce()) is None:
        raise RefusedError("The server does not introduce itself.")
    asked = talk.request(methods.CALL, {"name": tool, "arguments": dict(arguments)})
    if talk.era is methods.Era.MODERN:
        asked = replace(asked, headers={**asked.headers, methods.NAME_HEADER: encode_value(tool)})
    result = yield asked
    if result is None:
        raise RefusedError("The server answered nothing.")
    return result


class _Visit:
    """One conversation by way of the gateway."""

    def __init__(self, client: aiohttp.ClientSession, url: URL, headers: Mapping[str, str]) -> None:
        self._client = client
        self._url = url
        self._headers = headers
        self.talk = Conversation("kong-mcp portal", version("kong-mcp"))

    async def drive(self, requests: Generator[Outgoing, Result | None, _T]) -> _T:
        """Send each request, and return what they come to."""
        try:
            outgoing = next(requests)
            while True:
                outgoing = requests.send(await self._result(outgoing))
        except StopIteration as end:
            value: _T = end.value
            return value

    async def leave(self) -> None:
        """End the session, where there is one."""
        if (ending := self.talk.close()) is not None:
            try:
                async with self._send(ending):
                    pass
            except (aiohttp.ClientError, TimeoutError):
                return

    def _send(self, outgoing: Outgoing) -> Any:
        headers = {"accept": "application/json, text/event-stream", **outgoing.headers, **self._headers}
        if self.talk.session is not None:
            headers[methods.SESSION_HEADER] = self.talk.session
        return self._client.request(
            outgoing.http_method, self._url, headers=headers, data=outgoing.body or None, allow_redirects=False
        )

    async def _result(self, outgoing: Outgoing) -> Result | None:
        """Return the result of a request; None where none is expected, or the era of the first one is not spoken."""
        async with self._send(outgoing) as response:
            if outgoing.id is None:
                return None
            self.talk.head(outgoing, response.headers.getall(methods.SESSION_HEADER, ()))
            streams = response.headers.get("content-type", "").startswith("text/event-stream")
            async for text in _stream(response) if streams else _whole(response):
                message = read_message(text)
                if isinstance(message, Message) and message.id == outgoing.id and message.error is None:
                    return message.result if isinstance(message.result, dict) else None
                said = _refusal(text)
                if said is not None or not streams:
                    if outgoing.method == methods.DISCOVER and response.status not in (401, 403, 429):
                        return None
                    raise RefusedError(said or f"The gateway answered with status {response.status}.")
        if outgoing.method == methods.DISCOVER:
            return None
        raise RefusedError("The answer broke off.")


async def _whole(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    body = await read(response, MAX_ANSWER)
    if body is None:
        raise RefusedError(f"The answer has more than {MAX_ANSWER} bytes.")
    yield body


async def _stream(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    decoder = Decoder(MAX_ANSWER)
    async with aclosing(chunks(response)) as pieces:
        async for chunk in pieces:
            for event in decoder.feed(chunk):
                if event.data:
                    yield event.data.encode()


def _refusal(text: bytes) -> str | None:
    """Return what a refusal says, of JSON-RPC or of Kong's own; None for what is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        return str(error["message"])
    return str(value["message"]) if isinstance(value.get("message"), str) else None
