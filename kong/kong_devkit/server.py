"""Serves client connections: one task per connection, one exchange at a time on each.

Source: kong/init.lua and kong/runloop/handler.lua for the order of things; nginx for connections (Kong 3.9.1).
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from kong_devkit import phases, proxy, respond
from kong_devkit.exchange import Exchange, PluginExit
from kong_devkit.httpin import Refused, Request
from kong_devkit.kongconf import KongConf
from kong_devkit.router import Match
from kong_devkit.runtime import Runtime
from kong_devkit.source import Body, Gone, Source
from kong_devkit.upstreamio import Pool, UpstreamError
from kong_devkit.uri import normalize

_LOG = logging.getLogger("kong_devkit.server")
_IDLE_SECONDS: Final = 75.0


class Server:
    """The proxy listener. ``runtime`` is asked for anew at every request, so a reload needs nothing else."""

    def __init__(self, conf: KongConf, runtime: Callable[[], Runtime]) -> None:
        self._conf = conf
        self._runtime = runtime
        self._pool = Pool()
        self._folder: Path = conf.prefix / "client_body_temp"
        self._background: set[asyncio.Task[None]] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen; returns the port, which the system chose where kong.conf says 0."""
        host, port = self._conf.listen
        self._listener = await asyncio.start_server(self._connected, host, port, backlog=4096)
        bound: int = self._listener.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Stop listening, end all connections, and let log phases finish."""
        if self._listener is not None:
            self._listener.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._background:
            await asyncio.wait(self._background, timeout=5)
        self._pool.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        client = respond.Client(writer)
        try:
            await self._serve(Source(reader), client, writer)
        except Gone:
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
        except Exception:  # noqa: BLE001 - the outermost edge of a connection
            _LOG.exception("a connection failed")
        finally:
            writer.close()

    async def _serve(self, source: Source, client: respond.Client, writer: asyncio.StreamWriter) -> None:
        remote, local = writer.get_extra_info("peername")[:2], writer.get_extra_info("sockname")[:2]
        keep = True
        while keep:
            request_id = uuid4().hex
            try:
                async with asyncio.timeout(_IDLE_SECONDS):
                    request = await source.request()
                if request is None:
                    return
                exchange = self._exchange(request, source, client, remote, local)
            except TimeoutError:
                return
            except Refused as refusal:
                _LOG.info("client %s: %s", remote[0], refusal)
                await respond.refuse(client, refusal.status, request_id)
                return
            keep = await self._one(exchange, source, client)

    def _exchange(
        self, request: Request, source: Source, client: respond.Client, remote: tuple[str, int], local: tuple[str, int]
    ) -> Exchange:
        limits = (self._conf.body_buffer, self._conf.max_body)
        return Exchange(
            runtime=self._runtime(),
            request=request,
            body=Body(source, request, limits, self._folder, client.proceed),
            headers=request.headers.copy(),
            query=request.query,
            remote=remote,
            local=local,
        )

    async def _one(self, exchange: Exchange, source: Source, client: respond.Client) -> bool:
        keep = exchange.request.keep_alive
        try:
            keep = await self._answer(exchange, source, client, keep=keep)
        except UpstreamError as error:
            _LOG.warning("response cut short: %s (request %s)", error, exchange.request_id)
            keep = False
        finally:
            proxy.finish(exchange)
            self._log(exchange)
        return keep and await exchange.body.discard()

    async def _answer(self, exchange: Exchange, source: Source, client: respond.Client, *, keep: bool) -> bool:
        try:
            match = _route(exchange)
            await phases.access(exchange)
            proxy.prepare(exchange, match)
            await exchange.body.read()
            return await _while_here(source, self._proxy(exchange, match, client, keep=keep))
        except PluginExit as caught:
            ending = caught
        except Refused as refusal:
            ending, keep = exchange.error(refusal.status), False
        await respond.own(exchange, client, ending, keep=keep)
        return keep

    async def _proxy(self, exchange: Exchange, match: Match, client: respond.Client, *, keep: bool) -> bool:
        reply = await proxy.send(exchange, match, self._pool)
        try:
            return await respond.stream(exchange, client, reply, keep=keep)
        finally:
            reply.finish(exchange.upstream.address, self._pool)

    def _log(self, exchange: Exchange) -> None:
        task = asyncio.create_task(_log_phase(exchange))
        self._background.add(task)
        task.add_done_callback(self._background.discard)


async def _log_phase(exchange: Exchange) -> None:
    try:
        await phases.log(exchange)
    finally:
        exchange.body.clean()


def _route(exchange: Exchange) -> Match:
    path = normalize(exchange.request.path)
    found = exchange.runtime.router.match(exchange.request.method, path, exchange.headers)
    if found is None:
        raise exchange.error(404, "no Route matched with those values")
    proxy.aim(exchange, found, path)
    return found


async def _while_here(source: Source, work: Coroutine[Any, Any, bool]) -> bool:
    """Do the work unless the client leaves first: then the upstream request is dropped too."""
    task = asyncio.create_task(work)
    watch = asyncio.create_task(source.until_gone())
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Gone
        return await task
    finally:
        for one in (task, watch):
            one.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)
