"""Writes responses to the client: Kong's own, nginx's error pages, and what the upstream says, as it says it.

Source: kong/runloop/handler.lua (header_filter), kong/error_handlers.lua, ngx_http_header_filter (Kong 3.9.1).
"""

import asyncio
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from kong_devkit import phases
from kong_devkit.errors import JSON, PLAIN, SERVER, error_body, message_of, response_type
from kong_devkit.exchange import Exchange, PluginExit
from kong_devkit.headers import Headers
from kong_devkit.source import Gone
from kong_devkit.upstreamio import Reply, head

_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
_BODILESS: Final = frozenset({204, 304})


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


def error_page(accept: str | None, status: int, request_id: str) -> tuple[int, Headers, bytes]:
    """Kong's page for an error that nginx found: status, headers and body; 494 becomes 400."""
    kind = response_type(accept)
    body = error_body(kind, message_of(status), request_id)
    return 400 if status == 494 else status, Headers([("Content-Type", kind)]), body


def accept_of(headers: Headers, default: str) -> str:
    """What error pages go by: Accept, else the request's Content-Type, else error_default_type."""
    return headers.get("accept") or headers.get("content-type") or default


async def refuse(client: Client, page: tuple[int, Headers, bytes], request_id: str) -> None:
    """Answer a request that never became one, and say that the connection ends."""
    status, headers, body = page
    lines = Headers(
        [
            ("Date", formatdate(usegmt=True)),
            *headers,
            ("Connection", "close"),
            ("Content-Length", str(len(body))),
            ("X-Kong-Response-Latency", "0"),
            ("Server", SERVER),
            ("X-Kong-Request-Id", request_id),
        ]
    )
    await client.write(head(f"HTTP/1.1 {status} {_phrase(status)}", lines) + body)


def from_exit(exchange: Exchange, ending: PluginExit) -> tuple[int, Headers, bytes]:
    """Turn a PluginExit into status, headers and body."""
    headers = exchange.early.copy()
    for name, value in ending.headers.items():
        if name.lower().replace("_", "-") not in {"transfer-encoding", "content-length"}:
            headers.set(name, value)
    if ending.message is None:
        return ending.status, headers, ending.body or b""
    kind = headers.get("content-type") or response_type(exchange.headers.get("accept"))
    headers.set("Content-Type", kind)
    template = next((one for one in (JSON, PLAIN) if kind.startswith(one.split(";")[0])), response_type(kind))
    return ending.status, headers, error_body(template, ending.message, exchange.request_id)


async def own(exchange: Exchange, client: Client, page: tuple[int, Headers, bytes], *, keep: bool) -> None:
    """Send a response that Kong made itself."""
    status, headers, body = page
    exchange.exited = True
    exchange.response_status, exchange.response_headers = status, headers
    phases.header_filter(exchange)
    lines = exchange.response_headers
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
        lines.add("Date", formatdate(usegmt=True))
    lines.set("Connection", "keep-alive" if keep else "close")
    exchange.sent = 0
    await client.write(
        head(f"HTTP/1.1 {exchange.response_status} {reason or _phrase(exchange.response_status)}", lines)
    )


def take(exchange: Exchange, reply: Reply) -> None:
    """Make the upstream's headers the response's, without the hop-by-hop ones."""
    exchange.upstream_headers = reply.headers
    exchange.response_status = reply.status
    named = {part.strip().lower() for value in reply.headers.values("connection") for part in value.split(",")}
    kept = [(name, value) for name, value in reply.headers if name.lower() not in _HOP and name.lower() not in named]
    exchange.response_headers = Headers([*exchange.early, *kept])


def _finish_headers(exchange: Exchange) -> None:
    phases.header_filter(exchange)
    _latencies(exchange)
    if "server" not in exchange.response_headers:
        exchange.response_headers.set("Server", SERVER)
    exchange.response_headers.set("X-Kong-Request-Id", exchange.request_id)


async def stream(exchange: Exchange, client: Client, reply: Reply, *, keep: bool) -> bool:
    """Pass an upstream response on, piece by piece. Returns whether the client connection may live on.

    Raises:
        Gone: the client has left.
        UpstreamError: the upstream broke off; the response is cut short.
    """
    take(exchange, reply)
    _finish_headers(exchange)
    bodiless = exchange.request.method == "HEAD" or exchange.method == "HEAD" or reply.status in _BODILESS
    length = reply.headers.get("content-length") if "transfer-encoding" not in reply.headers else None
    chunked = False
    if length is not None:
        exchange.response_headers.set("Content-Length", length)
    elif not bodiless:
        chunked = exchange.request.version == 11
        keep = keep and chunked
        if chunked:
            exchange.response_headers.set("Transfer-Encoding", "chunked")
    await _head(exchange, client, reply.reason, keep=keep)
    async for piece in reply.chunks():
        exchange.sent += len(piece)
        await client.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
    if chunked:
        await client.write(b"0\r\n\r\n")
    return keep


async def buffered(exchange: Exchange, client: Client, reply: Reply, *, keep: bool) -> None:
    """Read the whole upstream response, run the response phase over it, then send it.

    Raises:
        Gone: the client has left.
        PluginExit: a plugin replaces the response, or failed.
        UpstreamError: the upstream broke off.
    """
    take(exchange, reply)
    exchange.response_body = b"".join([piece async for piece in reply.chunks()])
    await phases.response(exchange)
    _finish_headers(exchange)
    if exchange.response_status not in _BODILESS:
        exchange.response_headers.set("Content-Length", str(len(exchange.response_body)))
    await _head(exchange, client, "", keep=keep)
    if exchange.request.method != "HEAD":
        exchange.sent += len(exchange.response_body)
        await client.write(exchange.response_body)
