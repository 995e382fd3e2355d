"""Sends a request to its upstream: the choice of target, retries, and the head that Kong writes.

Source: kong/init.lua (Kong.balancer), kong/runloop/handler.lua (access.after, header_filter), nginx_kong.lua
(proxy_set_header),
ngx_http_upstream_next (which failures may be retried).
"""

import asyncio
import logging
import time
from typing import Final

from kong_devkit.balancer import hash_value
from kong_devkit.entities import is_ip
from kong_devkit.errors import SERVER
from kong_devkit.exchange import Exchange
from kong_devkit.headers import Headers
from kong_devkit.upstreamio import Connection, Pool, Reply, UpstreamError, head

_LOG = logging.getLogger("kong_devkit.proxy")
_UNSAFE: Final = frozenset({"POST", "LOCK", "PATCH"})
_SET_BY_KONG: Final = frozenset(
    {
        "host",
        "connection",
        "keep-alive",
        "te",
        "transfer-encoding",
        "content-length",
        "expect",
        "upgrade",
        "via",
        "proxy",
        "proxy-connection",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-path",
        "x-forwarded-prefix",
        "x-real-ip",
        "x-kong-request-id",
    }
)


class NoResponse(Exception):  # noqa: N818 - names what is missing
    """nginx's own answer to an upstream failure: 502, 503 or 504."""

    def __init__(self, status: int) -> None:
        super().__init__(f"upstream failure {status}")
        self.status = status


def prepare(exchange: Exchange) -> None:
    """Choose the first target and the Host header, at the end of the access phase.

    Raises:
        PluginExit: 503 where the upstream has no usable target.
        NoResponse: 500 where a plugin named an upstream or host for a service whose host is an IP address.
    """
    upstream = exchange.upstream
    upstream.preserve_host = bool(upstream.host_header)
    if upstream.is_name and upstream.host in exchange.runtime.balancers:
        upstream.balancer = exchange.runtime.balancers[upstream.host]
        upstream.hash_value = hash_value(upstream.balancer.upstream, exchange)
    if not upstream.is_name and not is_ip(upstream.host):
        # Kong looks names up only for services whose own host is a name.
        raise NoResponse(500)
    if not _choose(exchange):
        raise exchange.error(503, "failure to get a peer from the ring-balancer")
    if exchange.request.target.endswith("?") or exchange.query:
        upstream.uri = f"{upstream.uri}?{exchange.query or ''}"


def _choose(exchange: Exchange) -> bool:
    upstream = exchange.upstream
    if upstream.balancer is None:
        upstream.address, name = (upstream.host, upstream.port), upstream.host
    else:
        handle = upstream.balancer.pick(upstream.handle, upstream.hash_value or "")
        if handle is None:
            return False
        upstream.handle = handle
        upstream.address = (handle.address.host, handle.address.port)
        name = upstream.balancer.upstream.get("host_header") or handle.address.host
    if not upstream.preserve_host:
        port = upstream.address[1]
        upstream.host_header = name if port == 80 else f"{name}:{port}"
    return True


async def send(exchange: Exchange, pool: Pool, sent: asyncio.Event) -> "Attempt":
    """Send the request and wait for the response head, trying further targets where that is safe.

    Args:
        exchange: after ``prepare``.
        pool: upstream connections.
        sent: set once the request body has been read to its end.

    Raises:
        NoResponse: every allowed try failed.
    """
    upstream = exchange.upstream
    tries = upstream.retries + 1
    exchange.proxied = True
    while True:
        entry = {"ip": upstream.address[0], "port": upstream.address[1], "balancer_start": int(time.time() * 1000)}
        upstream.tries.append(entry)
        attempt = Attempt(exchange, pool, sent)
        exchange.proxy_ms = exchange.elapsed_ms()
        try:
            await attempt.run()
        except UpstreamError as error:
            entry.update(state="failed", code=error.status)
            exchange.upstream_status = error.status
            _LOG.warning("%s:%d: %s (request %s)", *upstream.address, error, exchange.request_id)
            tries -= 1
            streamed = attempt.request_sent and not exchange.body.whole
            if not tries or streamed or (attempt.request_sent and exchange.method in _UNSAFE):
                raise NoResponse(error.status) from error
            _report(exchange, error.status)
            if not _choose(exchange):
                raise NoResponse(503) from error
            continue
        exchange.waited_ms = exchange.elapsed_ms() - exchange.proxy_ms
        exchange.upstream_status = attempt.reply.status
        return attempt


def _report(exchange: Exchange, status: int) -> None:
    upstream = exchange.upstream
    if upstream.balancer is None or upstream.handle is None:
        return
    checker = exchange.runtime.health[upstream.balancer.name]
    if status == 504:
        checker.timeout(upstream.handle.address)
    else:
        checker.tcp_failure(upstream.handle.address)


def finish(exchange: Exchange) -> None:
    """Report the outcome to the passive health checks and release the target, when the request is over."""
    upstream = exchange.upstream
    if upstream.balancer is None or upstream.handle is None:
        return
    if exchange.proxied and exchange.upstream_status:
        checker = exchange.runtime.health[upstream.balancer.name]
        if exchange.upstream_status == 504:
            checker.timeout(upstream.handle.address)
        else:
            checker.http_status(upstream.handle.address, exchange.upstream_status)
    upstream.balancer.release(upstream.handle)


class Attempt:
    """One try on one target; the request body may still be on its way when the reply begins."""

    def __init__(self, exchange: Exchange, pool: Pool, sent: asyncio.Event) -> None:
        self._exchange = exchange
        self._pool = pool
        self._sent = sent
        self.request_sent = False
        self.connection: Connection
        self.reply: Reply
        self.writing: asyncio.Task[None]

    async def run(self) -> None:
        """Send the request and read the head of the reply.

        Raises:
            UpstreamError: this try failed.
        """
        upstream = self._exchange.upstream
        self.connection = await self._pool.take(upstream.address, upstream.connect_timeout / 1000)
        self.request_sent = True
        self.reply = Reply(self.connection, self._exchange.method, upstream.read_timeout / 1000)
        self.writing = asyncio.create_task(self._write())
        reading = asyncio.create_task(self.reply.start())
        try:
            await asyncio.wait({self.writing, reading}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                await self.writing
            await reading
        except BaseException:
            self.connection[1].close()
            for task in (self.writing, reading):
                task.cancel()
            await asyncio.gather(self.writing, reading, return_exceptions=True)
            raise

    async def finish(self) -> None:
        """Give the connection back if both directions are complete, else close it."""
        done = self.writing.done() and not self.writing.cancelled() and self.writing.exception() is None
        if done and self.reply.reusable:
            self._pool.give(self._exchange.upstream.address, self.connection)
            return
        self.connection[1].close()
        self.writing.cancel()
        await asyncio.gather(self.writing, return_exceptions=True)

    async def _write(self) -> None:
        exchange, writer = self._exchange, self.connection[1]
        body = exchange.body
        length = body.length if body.whole or exchange.request.length is not None else None
        chunked = not body.whole and exchange.request.chunked
        try:
            writer.write(
                head(
                    f"{exchange.method} {exchange.upstream.uri} HTTP/1.1",
                    request_headers(exchange, length, chunked=chunked),
                )
            )
            async for piece in body.chunks():
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                async with asyncio.timeout(exchange.upstream.write_timeout / 1000):
                    await writer.drain()
            if chunked:
                writer.write(b"0\r\n\r\n")
        except TimeoutError as error:
            raise UpstreamError(504, "sending took too long") from error
        except OSError:
            # An upstream may answer and stop reading; what it answered decides.
            await asyncio.Future()
        self._sent.set()


def request_headers(exchange: Exchange, length: int | None, *, chunked: bool) -> Headers:
    """The headers that Kong sends upstream: its own, then the client's without the hop-by-hop ones."""
    request, upstream = exchange.request, exchange.upstream
    named = {part.strip().lower() for value in exchange.headers.values("connection") for part in value.split(",")}
    forwarded, via = exchange.headers.get("x-forwarded-for"), exchange.headers.get("via")
    inbound = f"{request.version / 10} {SERVER}"
    own = [
        ("Host", upstream.host_header),
        ("Connection", "keep-alive"),
        ("TE", "trailers" if "trailers" in (exchange.headers.get("te") or "").lower() else ""),
        ("Via", f"{via}, {inbound}" if via else inbound),
        ("X-Forwarded-For", f"{forwarded}, {exchange.remote[0]}" if forwarded else exchange.remote[0]),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", request.host),
        ("X-Forwarded-Port", str(exchange.local[1])),
        ("X-Forwarded-Path", request.path),
        ("X-Forwarded-Prefix", exchange.forwarded_prefix or ""),
        ("X-Real-IP", exchange.remote[0]),
        ("X-Kong-Request-Id", exchange.request_id),
    ]
    if chunked:
        own.append(("Transfer-Encoding", "chunked"))
    elif length is not None and (length or request.length is not None or request.chunked):
        own.append(("Content-Length", str(length)))
    kept = [
        (name, value)
        for name, value in exchange.headers
        if name.lower() not in _SET_BY_KONG and name.lower() not in named
    ]
    return Headers([(name, value) for name, value in own if value] + kept)


def aim(exchange: Exchange) -> None:
    """Point the exchange at its service, before plugins may point it elsewhere."""
    service, upstream = exchange.service, exchange.upstream
    if service is None:
        return
    upstream.host, upstream.port = service["host"], service["port"]
    upstream.is_name = not is_ip(service["host"])
    upstream.retries = service["retries"]
    upstream.connect_timeout = service["connect_timeout"]
    upstream.write_timeout = service["write_timeout"]
    upstream.read_timeout = service["read_timeout"]
