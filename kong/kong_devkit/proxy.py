"""Sends a request to its upstream: the choice of target, retries, and the head that Kong writes.

Source: kong/init.lua (Kong.balancer), kong/runloop/handler.lua (access.after), nginx_kong.lua (proxy_set_header),
ngx_http_upstream_next (which failures may be retried).
"""

import logging
import time
from typing import Final

from kong_devkit.balancer import hash_value
from kong_devkit.entities import is_ip
from kong_devkit.errors import SERVER
from kong_devkit.exchange import Exchange
from kong_devkit.headers import Headers
from kong_devkit.router import Match, upstream_path
from kong_devkit.upstreamio import Pool, Reply, UpstreamError, head
from kong_devkit.uri import escape

_LOG = logging.getLogger("kong_devkit.proxy")
_UNSAFE: Final = frozenset({"POST", "LOCK", "PATCH"})
_SET_BY_KONG: Final = frozenset(
    {
        *("host", "connection", "keep-alive", "te", "transfer-encoding", "content-length", "expect", "upgrade", "via"),
        *("proxy", "proxy-connection", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"),
        *("x-forwarded-path", "x-forwarded-prefix", "x-real-ip", "x-kong-request-id"),
    }
)


def aim(exchange: Exchange, match: Match, path: str) -> None:
    """Point the exchange at its service, before plugins may point it elsewhere."""
    exchange.match = match
    exchange.upstream.host = match.service["host"]
    exchange.upstream.uri = escape(upstream_path(match, path))


def prepare(exchange: Exchange, match: Match) -> None:
    """Choose the first target and the Host header, at the end of the access phase.

    Raises:
        PluginExit: 503 where the upstream has no usable target; 500 where a plugin named an upstream for a service
            whose host is an IP address.
    """
    upstream, service = exchange.upstream, match.service
    upstream.balancer = exchange.runtime.balancers.get(upstream.host)
    if upstream.balancer is not None:
        upstream.hash_value = hash_value(upstream.balancer.upstream, exchange)
    if is_ip(service["host"]) and not is_ip(upstream.host):
        # Kong looks names up only for services whose own host is a name.
        raise exchange.error(500)
    if not _choose(exchange, service["port"]):
        raise exchange.error(503, "failure to get a peer from the ring-balancer")
    if exchange.request.target.endswith("?") or exchange.query:
        upstream.uri = f"{upstream.uri}?{exchange.query or ''}"


def _choose(exchange: Exchange, port: int) -> bool:
    upstream = exchange.upstream
    if upstream.balancer is None:
        upstream.address = (upstream.host, port)
    else:
        handle = upstream.balancer.pick(upstream.handle, upstream.hash_value)
        if handle is None:
            return False
        upstream.handle = handle
        upstream.address = (handle.address.host, handle.address.port)
    name, port = upstream.address
    upstream.host_header = name if port == 80 else f"{name}:{port}"
    return True


async def send(exchange: Exchange, match: Match, pool: Pool) -> Reply:
    """Send the request and wait for the response head, trying further targets where that is safe.

    Raises:
        PluginExit: every allowed try failed.
    """
    upstream, service = exchange.upstream, match.service
    tries = service["retries"] + 1
    exchange.proxied = True
    while True:
        entry = {"ip": upstream.address[0], "port": upstream.address[1], "balancer_start": int(time.time() * 1000)}
        upstream.tries.append(entry)
        exchange.proxy_ms = exchange.elapsed_ms()
        reply: Reply | None = None
        try:
            connection = await pool.take(upstream.address, service["connect_timeout"] / 1000)
            reply = Reply(connection, exchange.request.method, service["read_timeout"] / 1000)
            # All of it is handed over at once: an upstream may answer before it has read everything, or anything.
            connection[1].write(_request(exchange))
            await reply.start()
        except UpstreamError as error:
            entry.update(state="failed", code=error.status)
            exchange.upstream_status = error.status
            _LOG.warning("%s:%d: %s (request %s)", *upstream.address, error, exchange.request_id)
            tries -= 1
            if not tries or (reply is not None and exchange.request.method in _UNSAFE):
                raise exchange.error(error.status) from error
            _report(exchange, error.status)
            if not _choose(exchange, service["port"]):
                raise exchange.error(503) from error
        else:
            exchange.waited_ms = exchange.elapsed_ms() - exchange.proxy_ms
            exchange.upstream_status = reply.status
            return reply
        finally:
            if reply is not None and not reply.status:
                reply.close()


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


def _request(exchange: Exchange) -> bytes:
    """The request as it goes upstream: Kong's own headers, then the client's without the hop-by-hop ones."""
    request, upstream, body = exchange.request, exchange.upstream, exchange.body.data or b""
    dropped = _SET_BY_KONG | exchange.headers.of_this_hop()
    forwarded, via = exchange.headers.get("x-forwarded-for"), exchange.headers.get("via")
    inbound = f"{request.version / 10} {SERVER}"
    prefix = exchange.match.prefix if exchange.match else None
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
        ("X-Forwarded-Prefix", prefix if prefix != "/" else ""),
        ("X-Real-IP", exchange.remote[0]),
        ("X-Kong-Request-Id", exchange.request_id),
        ("Content-Length", str(len(body)) if body or request.length is not None or request.chunked else ""),
    ]
    kept = [(name, value) for name, value in exchange.headers if name.lower() not in dropped]
    lines = Headers([(name, value) for name, value in own if value] + kept)
    return head(f"{request.method} {upstream.uri} HTTP/1.1", lines) + body
