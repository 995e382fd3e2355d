"""HTTP/1.1 towards upstreams: pooled connections, request heads, and h11 to read what comes back.

Source: ngx_http_proxy_module.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Final

import h11

from kong_devkit.headers import Headers, decode, encode
from kong_devkit.idle import Connection, IdleConnections

_BLOCK: Final = 65536
_LARGEST_HEAD: Final = 65536


class UpstreamError(Exception):
    """An upstream that could not be reached or broke off. ``status`` is what nginx would answer: 502 or 504."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Pool:
    """Idle upstream connections by address."""

    def __init__(self) -> None:
        self._idle: defaultdict[tuple[str, int], IdleConnections] = defaultdict(IdleConnections)

    async def take(self, address: tuple[str, int], timeout: float) -> Connection:  # noqa: ASYNC109 - becomes a status
        """An idle connection, or a new one.

        Raises:
            UpstreamError: 504 after the timeout, 502 for anything else.
        """
        if (idle := self._idle[address].take()) is not None:
            return idle
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.open_connection(address[0].strip("[]"), address[1], limit=_LARGEST_HEAD)
        except TimeoutError as error:
            raise UpstreamError(504, "connecting took too long") from error
        except OSError as error:
            raise UpstreamError(502, f"connect() failed: {error.strerror or error}") from error

    def give(self, address: tuple[str, int], connection: Connection) -> None:
        """Keep a connection that is ready for another request."""
        self._idle[address].give(connection)

    def close(self) -> None:
        """Close all idle connections."""
        for idle in self._idle.values():
            idle.close()


def clean(text: str) -> bytes:
    """Header text as bytes; what could end the line early is percent-escaped, as OpenResty does."""
    data = encode(text)
    if b"\r" in data or b"\n" in data or b"\0" in data:
        data = data.replace(b"\r", b"%0D").replace(b"\n", b"%0A").replace(b"\0", b"%00")
    return data


def head(first: str, headers: Headers) -> bytes:
    """A message head from its first line and headers."""
    lines = [clean(first), *(clean(name) + b": " + clean(value) for name, value in headers), b"", b""]
    return b"\r\n".join(lines)


class Reply:
    """The response on one upstream connection."""

    def __init__(self, connection: Connection, method: str, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)
        # The request was written by us; h11 only needs to know its method to frame the response.
        self._parser.send(h11.Request(method=method, target="/", headers=[("Host", "-")]))
        self._parser.send(h11.EndOfMessage())
        self.status = 0
        self.reason = ""
        self.headers = Headers()
        self._complete = False

    async def start(self) -> None:
        """Read the response head, past any 1xx.

        Raises:
            UpstreamError: it does not come, or is not HTTP.
        """
        while True:
            event = await self._event()
            if isinstance(event, h11.Response):
                self.status, self.reason = event.status_code, decode(bytes(event.reason))
                self.headers = Headers((decode(name), decode(value)) for name, value in event.headers.raw_items())
                return
            if not isinstance(event, h11.InformationalResponse) or event.status_code == 101:
                raise UpstreamError(502, "no response head")

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives.

        Raises:
            UpstreamError: it ends early or stalls.
        """
        while True:
            event = await self._event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self._complete = True
                return
            else:
                raise UpstreamError(502, "the body ended early")

    def close(self) -> None:
        """Close the connection."""
        self._connection[1].close()

    def finish(self, address: tuple[str, int], pool: Pool) -> None:
        """Give the connection to the pool if both directions are complete, else close it."""
        written = self._connection[1].transport.get_write_buffer_size() == 0
        if written and self._complete and self._parser.our_state is self._parser.their_state is h11.DONE:
            pool.give(address, self._connection)
        else:
            self.close()

    async def _event(self) -> h11.Event | type[h11.PAUSED]:
        try:
            while (event := self._parser.next_event()) is h11.NEED_DATA:
                async with asyncio.timeout(self._timeout):
                    self._parser.receive_data(await self._connection[0].read(_BLOCK))
        except TimeoutError as error:
            raise UpstreamError(504, "the upstream is too slow") from error
        except (h11.RemoteProtocolError, OSError) as error:
            raise UpstreamError(502, f"the upstream broke off: {error}") from error
        return event  # type: ignore[return-value]  # NEED_DATA was handled above
