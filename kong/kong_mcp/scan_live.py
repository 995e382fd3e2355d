"""Asks a running MCP server at a URL for its surface, as mcp_core.conversation says."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from mcp_core import jsonrpc, methods
from mcp_core.conversation import (
    MOST_ITEMS,
    MOST_PAGES,
    Ask,
    Conversation,
    Lists,
    Outgoing,
    Result,
    read_lists,
    read_message,
    result_of,
)
from mcp_core.jsonrpc import NotStrictError
from mcp_core.sse import Decoder
from mcp_core.surface import ANSWER_LIMITS

if TYPE_CHECKING:
    import httpx

SECONDS: Final = 30.0
"""How long one answer of a server may take."""
LIST_SECONDS: Final = 15.0
"""How long the pages of one list may take after the first, unless somebody says otherwise."""
TOTAL_SECONDS: Final = 120.0
TOTAL_BYTES: Final = 64 * 1024 * 1024
"""What a whole look at a server may take; more seconds where somebody gives its lists more."""
_FIRST_TOLD: Final = 8
"""Pages of a list from which on it is told how many there are: at this number, and whenever there are twice as many."""

_T = TypeVar("_T")


class LiveError(Exception):
    """A server could not be read; the message says what it answered and what to do."""


def fetch_surface(
    url: str,
    headers: Mapping[str, str] | None = None,
    *,
    place: tuple[str, str] | None = None,
    seconds: float = LIST_SECONDS,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Return the surface of the server at a URL (streamable HTTP).

    `place` is where it is reached, an address in the place of the URL's host, and the host that is asked for there: for
    servers of which nobody knows yet whether they may be looked at. `seconds` are for the pages of each list after its
    first; `tell` is told now and then how far a long list is. All of a look is bound in time and size.

    Raises:
        LiveError: httpx is not installed, the server does not answer, or it answers what is not MCP.
    """
    try:
        import httpx  # noqa: PLC0415 - only those who scan running servers need it
    except ImportError:
        raise LiveError("scanning a running server needs httpx: pip install 'kong-mcp[sidecar]'") from None
    with httpx.Client(timeout=SECONDS, trust_env=False, headers=dict(headers or {})) as client:
        try:
            server = _Server(client, url, place, max(TOTAL_SECONDS, seconds * len(methods.LIST_METHODS)))
            surface = server.drive(_surface(server.talk, url, _Pages(url, seconds, tell)))
            if (ending := server.talk.close()) is not None:
                server.result(ending)
        except httpx.HTTPError as error:
            raise LiveError(f"{url} does not answer: {type(error).__name__}") from None
        except httpx.InvalidURL:
            raise LiveError(f"{url} is not a URL") from None
    return surface


def _surface(talk: Conversation, url: str, pages: _Pages) -> Generator[Outgoing, Result | None, dict[str, Any]]:
    introduction = yield from talk.introduce()
    if introduction is None:
        raise _no_result(url, methods.INITIALIZE)
    instructions = introduction.get("instructions")
    surface: dict[str, Any] = {"instructions": instructions} if isinstance(instructions, str) else {}
    lists = yield from talk.asking(pages.counted(read_lists(introduction)))
    if lists.cut:
        raise LiveError(f"{lists.cut[0]} of {url} has no end: more than {MOST_ITEMS} items, or {MOST_PAGES} pages")
    return surface | lists.items


class _Pages:
    """The pages of a server's lists, told as they come: a server may always promise another one."""

    def __init__(self, url: str, seconds: float, tell: Callable[[str], None]) -> None:
        self._url = url
        self._seconds = seconds
        self._tell = tell

    def counted(self, questions: Generator[Ask, Result | None, Lists]) -> Generator[Ask, Result | None, Lists]:
        """Ask the questions of `read_lists`. Raises LiveError where the pages of a list take too long."""
        pages, until = 0, 0.0
        try:
            ask = next(questions)
            while True:
                method, params = ask
                result = yield ask
                if "cursor" not in params:
                    pages, until = 0, time.monotonic() + self._seconds
                pages += 1
                # A power of two.
                if pages >= _FIRST_TOLD and not pages & (pages - 1):
                    self._tell(f"{self._url}: {method} goes on behind page {pages}")
                ask = questions.send(result)
                if "cursor" in ask[1] and time.monotonic() > until:
                    raise LiveError(
                        f"{method} of {self._url} has no end within {self._seconds:g} seconds: {pages} pages, and more "
                        "to come; `kong-mcp scan --seconds N` gives it longer"
                    )
        except StopIteration as end:
            lists: Lists = end.value
            return lists


def _no_result(url: str, method: str) -> LiveError:
    return LiveError(f"{url} answers {method} with no result; is it an MCP endpoint, and is a key needed?")


def _unread(url: str, method: str, text: bytes) -> LiveError:
    try:
        jsonrpc.load(text, ANSWER_LIMITS)
    except NotStrictError as error:
        return LiveError(f"the answer of {url} to {method} is not strict JSON: {error}")
    return _no_result(url, method)


class Bounds:
    """How long a whole look may take, and how many bytes all its answers may have."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds, self._most = seconds, most
        self._until = time.monotonic() + seconds
        self._left = most

    def held(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield chunks while the bounds hold. Raises LiveError."""
        for chunk in chunks:
            self._left -= len(chunk)
            if self._left < 0:
                raise LiveError(f"the server says too much: the look was ended after {self._most} bytes")
            if time.monotonic() > self._until:
                raise LiveError(f"the server is too slow: the look was ended after {self._seconds:g} seconds")
            yield chunk


class _Server:
    """The server at a URL, and the conversation with it."""

    def __init__(self, client: httpx.Client, url: str, place: tuple[str, str] | None, seconds: float) -> None:
        self._client = client
        self._url = url
        self._reached, host = place or (url, "")
        # The certificate is that of the host, whatever address stands in its place.
        self._host = {"host": host, "accept-encoding": "identity"} if host else {}
        self._more = {"sni_hostname": urlsplit(url).hostname} if host else {}
        self._bounds = Bounds(seconds, TOTAL_BYTES)
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
        headers = {"accept": "application/json, text/event-stream", **self._host, **outgoing.headers}
        if self.talk.session is not None:
            headers[methods.SESSION_HEADER] = self.talk.session
        with self._client.stream(
            outgoing.http_method, self._reached, content=outgoing.body or None, headers=headers, extensions=self._more
        ) as response:
            if outgoing.id is None:
                return None
            if response.is_redirect:
                raise LiveError(f"{self._url} points elsewhere (HTTP {response.status_code}): give the URL itself")
            if self._host and response.headers.get("content-encoding", "identity") != "identity":
                raise LiveError(f"{self._url} answers in an encoding that was not asked for")
            if response.status_code in (401, 403):
                raise LiveError(f"{self._url} answers {response.status_code}: give a key with --header 'NAME: VALUE'")
            self.talk.head(outgoing, response.headers.get_list(methods.SESSION_HEADER))
            streams = response.headers.get("content-type", "").startswith("text/event-stream")
            chunks = self._bounds.held(response.iter_bytes())
            for text in _events(chunks) if streams else _body(chunks):
                message = read_message(text)
                if message is None:
                    raise _unread(self._url, outgoing.method, text)
                answered = result_of(outgoing, message)
                if answered is not None:
                    return answered[0]
        raise LiveError(f"{self._url} ended without an answer to {outgoing.method}")


def _body(chunks: Iterable[bytes]) -> Generator[bytes]:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > ANSWER_LIMITS.body:
            raise LiveError(f"an answer of more than {ANSWER_LIMITS.body} bytes")
    yield bytes(body)


def _events(chunks: Iterable[bytes]) -> Generator[bytes]:
    decoder = Decoder()
    for chunk in chunks:
        for event in decoder.feed(chunk):
            if event.data:
                yield event.data.encode()
