"""Local servers and REST APIs as streamable HTTP (2025-11-25, basic/transports), each at its own path, for Kong.

Every error about a program is a JSON-RPC error with status 200: the place answers well, and Kong shall not count it as
ill for what one program does. Nobody is asked for a credential here: it listens on loopback only, and refuses what a
page in a browser sends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, Protocol

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from mcp_core import jsonrpc
from mcp_core.methods import (
    INITIALIZE,
    LEGACY_VERSIONS,
    META_VERSION,
    MODERN_VERSIONS,
    ORIGIN_HEADER,
    SESSION_HEADER,
    VERSION_HEADER,
)
from mcp_core.outcome import (
    ACCEPTED,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    SESSION_NOT_FOUND,
    STATUS,
    UNSUPPORTED_VERSION,
    Reject,
)
from mcp_core.stdio import StdioServer
from mcp_sidecar.stdio.program import ProgramGoneError
from mcp_sidecar.stdio.sessions import StdioSession, StdioSessions
from mcp_sidecar.stdio.waiting import JsonObject, WaitingRequest, error_of

SWEEP_SECONDS: Final = 15.0
STREAM_AFTER: Final = 10.0
"""Seconds without a message after which an answer becomes a stream, whose comments keep the connection."""
_LIMITS: Final = jsonrpc.Limits(body=16 * 1024 * 1024)
"""As much as guards can be told to let through: theirs are the limits that hold."""
_SAID_BY_STATUS: Final = frozenset({METHOD_NOT_FOUND, INVALID_PARAMS, UNSUPPORTED_VERSION})
"""Errors that stateless requests are answered with by a status too (2026-07-28, basic/transports)."""
_COMMENT: Final = b": waiting\n\n"
_SSE: Final = {"cache-control": "no-store", "content-type": "text/event-stream"}


class AnsweringApi(Protocol):
    """A server without sessions, which answers each request by itself."""

    async def answer(self, request: jsonrpc.Request) -> JsonObject:
        """Return the JSON-RPC answer to a request."""

    async def close(self) -> None:
        """Let go of what it holds."""


class StdioApp:
    """The ASGI application for some local servers, and for REST APIs by their names."""

    def __init__(self, servers: Sequence[StdioServer], apis: Mapping[str, AnsweringApi] | None = None) -> None:
        self._servers = {server.name: StdioSessions(server) for server in servers}
        self._apis = dict(apis or {})
        routes = [
            Route("/healthz", lambda _: PlainTextResponse("ok\n")),
            Route("/{name}/mcp", self._serve, methods=["GET", "POST", "DELETE"]),
        ]
        self.asgi = Starlette(routes=routes, lifespan=self._lifespan)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            sweeping.cancel()
            await asyncio.gather(*(server.close_all() for server in self._servers.values()))
            await asyncio.gather(*(api.close() for api in self._apis.values()))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            for server in self._servers.values():
                await server.close_idle()

    async def _serve(self, request: Request) -> Response:
        if ORIGIN_HEADER in request.headers or _is_foreign(request.headers.get("host", "")):
            return _refused(403, INVALID_REQUEST, "Only the gateway is answered here.")
        name = request.path_params["name"]
        if (api := self._apis.get(name)) is not None:
            return await _of_api(api, request)
        sessions = self._servers.get(name)
        if sessions is None:
            return _refused(404, INVALID_REQUEST, "There is no local server of this name.")
        if request.method == "POST":
            return await self._post(sessions, request)
        session = sessions.find(request.headers.get(SESSION_HEADER, ""))
        if session is None:
            return _no_session()
        if request.method == "DELETE":
            await sessions.close(session)
            return Response(status_code=204)
        return StreamingResponse(_pushed(session), headers=_SSE)

    async def _post(self, sessions: StdioSessions, request: Request) -> Response:
        message = await _message(request)
        if isinstance(message, Response):
            return message
        if isinstance(message, jsonrpc.Request) and message.method == INITIALIZE:
            opened, answer = await sessions.open(message)
            return JSONResponse(answer, headers={} if opened is None else {SESSION_HEADER: opened.id})
        session = sessions.find(request.headers.get(SESSION_HEADER, ""))
        if session is None:
            return _no_session(message.id if isinstance(message, jsonrpc.Request) else None)
        if isinstance(message, jsonrpc.Request):
            try:
                asked = await sessions.ask(session, message)
            except ProgramGoneError as error:
                return JSONResponse(error_of(message.id, f"{sessions.server.name}: {error}."))
            return await _answer(asked)
        with contextlib.suppress(ProgramGoneError):
            await sessions.tell(session, message)
        return Response(status_code=ACCEPTED)


async def _message(request: Request) -> jsonrpc.Message | Response:
    """Return the message that a request brings to a program, or what refuses it."""
    message = await _read(request)
    return message if isinstance(message, Response) else _modern(message, request) or message


async def _read(request: Request) -> jsonrpc.Message | Response:
    """Return the message that a request brings, or what refuses it."""
    try:
        message = jsonrpc.parse(await _body(request), _LIMITS)
    except ClientDisconnect:
        return Response(status_code=400)
    if isinstance(message, Reject):
        return JSONResponse(error_of(message.id, message.message, message.code), message.http_status())
    if isinstance(message, jsonrpc.Batch):
        return _refused(400, INVALID_REQUEST, "Send one message at a time.")
    return message


async def _of_api(api: AnsweringApi, request: Request) -> Response:
    """Return the answer of a server without sessions, as a stream where it takes long."""
    if request.method != "POST":
        return _refused(405, INVALID_REQUEST, "There are no sessions here: POST requests.")
    message = await _read(request)
    if isinstance(message, Response):
        return message
    if not isinstance(message, jsonrpc.Request):
        return Response(status_code=ACCEPTED)
    answering = asyncio.create_task(api.answer(message))
    try:
        done, _ = await asyncio.wait([answering], timeout=STREAM_AFTER)
    except asyncio.CancelledError:
        answering.cancel()
        raise
    if not done:
        return StreamingResponse(_later(answering), headers=_SSE)
    answer = answering.result()
    status = 200
    if _asked_version(message) is not None and answer.get("error", {}).get("code") in _SAID_BY_STATUS:
        status = STATUS[answer["error"]["code"]]
    return JSONResponse(answer, status)


async def _later(answering: asyncio.Task[JsonObject]) -> AsyncIterator[bytes]:
    """Yield comments until there is an answer. Who goes away meanwhile ends the work for it."""
    try:
        while True:
            yield _COMMENT
            done, _ = await asyncio.wait([answering], timeout=STREAM_AFTER)
            if done:
                yield _event(answering.result())
                return
    finally:
        answering.cancel()


async def _body(request: Request) -> bytes:
    """Return a request's body, of one that is too long only so much that it is seen to be. Raises ClientDisconnect."""
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > _LIMITS.body:
            break
    return b"".join(parts)


async def _answer(asked: WaitingRequest) -> Response:
    """Return the answer alone where nothing comes before it, else a stream of all."""
    try:
        async with asyncio.timeout(STREAM_AFTER):
            first = await asked.next()
    except TimeoutError:
        return StreamingResponse(_messages(asked, None), headers=_SSE)
    return JSONResponse(first) if "method" not in first else StreamingResponse(_messages(asked, first), headers=_SSE)


async def _messages(asked: WaitingRequest, message: JsonObject | None) -> AsyncIterator[bytes]:
    if message is not None:
        yield _event(message)
    while message is None or "method" in message:
        try:
            async with asyncio.timeout(STREAM_AFTER):
                message = await asked.next()
        except TimeoutError:
            yield _COMMENT
        else:
            yield _event(message)


async def _pushed(session: StdioSession) -> AsyncIterator[bytes]:
    queue = session.listen()
    yield _COMMENT  # the headers are sent at once
    try:
        while True:
            try:
                async with asyncio.timeout(STREAM_AFTER):
                    message = await queue.get()
            except TimeoutError:
                yield _COMMENT
                continue
            if message is None:
                return
            yield _event(message)
    finally:
        if session.stream is queue:
            session.stream = None


def _event(message: JsonObject) -> bytes:
    return b"event: message\ndata: " + json.dumps(message, separators=(",", ":")).encode() + b"\n\n"


def _modern(message: jsonrpc.Message, request: Request) -> Response | None:
    """Refuse a stateless request: stdio servers are initialized (2026-07-28, versioning: agents then fall back)."""
    asked = _asked_version(message) or request.headers.get(VERSION_HEADER)
    if asked not in MODERN_VERSIONS:
        return None
    error = error_of(
        message.id if isinstance(message, jsonrpc.Request) else None,
        "Local servers are initialized: this version is not spoken here.",
        UNSUPPORTED_VERSION,
    )
    error["error"]["data"] = {"supported": list(LEGACY_VERSIONS), "requested": asked}
    return JSONResponse(error, 400)


def _asked_version(message: jsonrpc.Message) -> object:
    """Return the version that a stateless request names, None where it names none."""
    meta = message.params.get("_meta") if isinstance(message, jsonrpc.Request) else None
    return meta.get(META_VERSION) if isinstance(meta, dict) else None


def _is_foreign(host: str) -> bool:
    """Return whether a request's Host is one by which a page reaches this machine: a name of the network's."""
    name = host.rpartition(":")[0] or host
    return "." in name and name != "127.0.0.1"


def _refused(status: int, code: int, text: str) -> Response:
    return JSONResponse(error_of(None, text, code), status)


def _no_session(id_: str | int | None = None) -> Response:
    return JSONResponse(error_of(id_, "Session not found.", SESSION_NOT_FOUND), 404)
