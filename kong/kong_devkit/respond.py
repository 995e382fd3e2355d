"""Writes responses to the client: Kong's own, and what the upstream says, as it says it.

Source: kong/runloop/handler.lua (header_filter), kong/error_handlers.lua, ngx_http_header_filter (Kong 3.9.1).
"""

import asyncio
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from kong_devkit.errors import JSON, MESSAGES, SERVER, error_body
from kong_devkit.exchange import Exchange, PluginExit
from kong_devkit.headers import Headers
from kong_devkit.source import Gone
from kong_devkit.upstreamio import Reply, head

_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
_BODILESS: Final = frozenset({204, 304})
_TOO_LARGE: Final = 494
"""nginx's own status of a head that is too large; clients hear 400."""


class Client:
    """The writing half of a client connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def write(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            Gone: the client has left.
        """
        if self._writer.is_closing():
            raise Gone
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise Gone from error

    def proceed(self) -> None:
        """Tell a waiting client to send its body."""
        self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


async def refuse(client: Client, status: int, request_id: str) -> None:
    """Answer a request that never became one, and say that the connection ends."""
    body = error_body(MESSAGES[status], request_id)
    status = 400 if status == _TOO_LARGE else status
    lines = Headers(
        [
            ("Date", formatdate(usegmt=True)),
            ("Content-Type", JSON),
            ("Connection", "close"),
            ("Content-Length", str(len(body))),
            ("X-Kong-Response-Latency", "0"),
            ("Server", SERVER),
            ("X-Kong-Request-Id", request_id),
        ]
    )
    await client.write(head(f"HTTP/1.1 {status} {_phrase(status)}", lines) + body)


async def own(exchange: Exchange, client: Client, ending: PluginExit, *, keep: bool) -> None:
    """Send a response that Kong or a plugin made itself."""
    exchange.exited = True
    lines, body, status = Headers(), ending.body, ending.status
    for name, value in ending.headers.items():
        if name.lower().replace("_", "-") not in {"transfer-encoding", "content-length"}:
            lines.set(name, value)
    if ending.message is not None:
        lines.set("Content-Type", JSON)
        body = error_body(ending.message, exchange.request_id)
    exchange.response_status, exchange.response_headers = status, lines
    if exchange.proxied:
        _latencies(exchange)
    else:
        lines.set("X-Kong-Response-Latency", str(exchange.elapsed_ms()))
    lines.set("Server", SERVER)
    lines.set("X-Kong-Request-Id", exchange.request_id)
    if status not in _BODILESS:
        lines.set("Content-Length", str(len(body)))
    await _head(exchange, client, _phrase(status), keep=keep)
    if exchange.request.method != "HEAD" and status not in _BODILESS:
        exchange.sent += len(body)
        await client.write(body)


def _latencies(exchange: Exchange) -> None:
    headers = exchange.response_headers
    headers.set("X-Kong-Upstream-Latency", str(max(exchange.waited_ms, 0)))
    headers.set("X-Kong-Proxy-Latency", str(exchange.proxy_ms))
    via = exchange.upstream_headers.get("via")
    headers.set("Via", f"{via}, 1.1 {SERVER}" if via else f"1.1 {SERVER}")


async def _head(exchange: Exchange, client: Client, reason: str, *, keep: bool) -> None:
    lines = exchange.response_headers.copy()
    if "date" not in lines:
        lines.set("Date", formatdate(usegmt=True))
    lines.set("Connection", "keep-alive" if keep else "close")
    exchange.sent = 0
    await client.write(
        head(f"HTTP/1.1 {exchange.response_status} {reason or _phrase(exchange.response_status)}", lines)
    )


async def stream(exchange: Exchange, client: Client, reply: Reply, *, keep: bool) -> bool:
    """Pass an upstream response on, piece by piece. Returns whether the client connection may live on.

    Raises:
        Gone: the client has left.
        UpstreamError: the upstream broke off; the response is cut short.
    """
    exchange.upstream_headers, exchange.response_status = reply.headers, reply.status
    dropped = _HOP | reply.headers.of_this_hop()
    lines = Headers([(name, value) for name, value in reply.headers if name.lower() not in dropped])
    exchange.response_headers = lines
    _latencies(exchange)
    if "server" not in lines:
        lines.set("Server", SERVER)
    lines.set("X-Kong-Request-Id", exchange.request_id)
    bodiless = exchange.request.method == "HEAD" or reply.status in _BODILESS
    length = reply.headers.get("content-length") if "transfer-encoding" not in reply.headers else None
    chunked = False
    if length is not None:
        lines.set("Content-Length", length)
    elif not bodiless:
        chunked = exchange.request.version == 11
        keep = keep and chunked
        if chunked:
            lines.set("Transfer-Encoding", "chunked")
    await _head(exchange, client, reply.reason, keep=keep)
    async for piece in reply.chunks():
        exchange.sent += len(piece)
        await client.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
    if chunked:
        await client.write(b"0\r\n\r\n")
    return keep
