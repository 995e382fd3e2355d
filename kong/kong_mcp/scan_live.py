"""Asks a running MCP server at a URL for its surface, as mcp_core.conversation says."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from mcp_core import methods
from mcp_core.conversation import MOST_ITEMS, Conversation, Outgoing, Result, read_lists, read_message, result_of
from mcp_core.sse import Decoder
from mcp_core.surface import ANSWER_LIMITS

if TYPE_CHECKING:
    import httpx

SECONDS: Final = 30.0
"""How long one answer of a server may take."""

_T = TypeVar("_T")


class LiveError(Exception):
    """A server could not be read; the message says what it answered and what to do."""


def fetch_surface(url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the surface of the server at a URL (streamable HTTP).

    Raises:
        LiveError: httpx is not installed, the server does not answer, or it answers what is not MCP.
    """
    try:
        import httpx  # noqa: PLC0415 - only those who scan running servers need it
    except ImportError:
        raise LiveError("scanning a running server needs httpx: pip install 'kong-mcp[sidecar]'") from None
    with httpx.Client(timeout=SECONDS, trust_env=False, headers=dict(headers or {})) as client:
        try:
            server = _Server(client, url)
            surface = server.drive(_surface(server.talk, url))
            if (ending := server.talk.close()) is not None:
                server.result(ending)
        except httpx.HTTPError as error:
            raise LiveError(f"{url} does not answer: {type(error).__name__}") from None
        except httpx.InvalidURL:
            raise LiveError(f"{url} is not a URL") from None
    return surface


def _surface(talk: Conversation, url: str) -> Generator[Outgoing, Result | None, dict[str, Any]]:
    introduction = yield from talk.introduce()
    if introduction is None:
        raise _no_result(url, methods.INITIALIZE)
    instructions = introduction.get("instructions")
    surface: dict[str, Any] = {"instructions": instructions} if isinstance(instructions, str) else {}
    lists = yield from talk.asking(read_lists(introduction))
    if lists.cut:
        raise LiveError(f"{lists.cut[0]} has no end: more than {MOST_ITEMS} items, or too many pages")
    return surface | lists.items


def _no_result(url: str, method: str) -> LiveError:
    return LiveError(f"{url} answers {method} with no result; is it an MCP endpoint, and is a key needed?")


class _Server:
    """The server at a URL, and the conversation with it."""

    def __init__(self, client: httpx.Client, url: str) -> None:
        self._client = client
        self._url = url
        self.talk = Conversation("kong-mcp scan", "1")

    def drive(self, requests: Generator[Outgoing, Result | None, _T]) -> _T:
        """Send each request, and return what they come to. Raises LiveError where one has no result."""
        try:
            outgoing = next(requests)
            while True:
                outgoing = requests.send(self._required(outgoing))
        except StopIteration as end:
            value: _T = end.value
            return value

    def _required(self, outgoing: Outgoing) -> Result | None:
        """Return the result of a request. Servers of the legacy era answer the first one with whatever they like."""
        try:
            result = self.result(outgoing)
        except LiveError:
            if outgoing.method == methods.DISCOVER:
                return None
            raise
        if result is None and outgoing.id is not None and outgoing.method != methods.DISCOVER:
            raise _no_result(self._url, outgoing.method)
        return result

    def result(self, outgoing: Outgoing) -> Result | None:
        """Return the result of a request, or None where there is none. Raises LiveError for what is no answer."""
        headers = {"accept": "application/json, text/event-stream", **outgoing.headers}
        if self.talk.session is not None:
            headers[methods.SESSION_HEADER] = self.talk.session
        with self._client.stream(
            outgoing.http_method, self._url, content=outgoing.body or None, headers=headers
        ) as response:
            if outgoing.id is None:
                return None
            if response.status_code in (401, 403):
                raise LiveError(f"{self._url} answers {response.status_code}: give a key with --header 'NAME: VALUE'")
            self.talk.head(outgoing, response.headers.get_list(methods.SESSION_HEADER))
            streams = response.headers.get("content-type", "").startswith("text/event-stream")
            for text in _events(response) if streams else _body(response):
                message = read_message(text)
                if message is None:
                    raise _no_result(self._url, outgoing.method)
                answered = result_of(outgoing, message)
                if answered is not None:
                    return answered[0]
        raise LiveError(f"{self._url} ended without an answer to {outgoing.method}")


def _body(response: httpx.Response) -> Generator[bytes]:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > ANSWER_LIMITS.body:
            raise LiveError(f"an answer of more than {ANSWER_LIMITS.body} bytes")
    yield bytes(body)


def _events(response: httpx.Response) -> Generator[bytes]:
    decoder = Decoder()
    for chunk in response.iter_bytes():
        for event in decoder.feed(chunk):
            if event.data:
                yield event.data.encode()
