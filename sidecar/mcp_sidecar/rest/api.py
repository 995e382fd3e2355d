"""One REST API as an MCP server: it has no sessions, and nothing of one agent's request reaches another, or the API.

What reaches the API is made of a call's arguments and of what the operator configured, through Kong's own service for
it, so that Kong's plugins for that API hold: its credentials, limits, balancing, logs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import aiohttp
import structlog
from yarl import URL

from mcp_core import jsonrpc, methods
from mcp_core.arguments import ArgumentSchema, CompilePattern, Matches, Unusable
from mcp_core.outcome import INVALID_PARAMS, METHOD_NOT_FOUND, UNAVAILABLE, UNSUPPORTED_VERSION
from mcp_core.rest.document import OpenApiError, text_of
from mcp_core.rest.operations import RestTools, tools_of
from mcp_core.rest.redaction import Redaction
from mcp_core.rest.request import ArgumentError, RestRequest, request_of
from mcp_core.rest.result import failed, result_of
from mcp_core.rest.schemas import loosened, patterns_of
from mcp_core.rest.server import RestServer
from mcp_core.rest.tools import RestTool
from mcp_core.scan.excerpt import escaped
from mcp_sidecar.auth.addresses import Network
from mcp_sidecar.rest.loading import load

AGAIN_SECONDS: Final = 10.0
"""After which a description that could not be had is asked for again, by the next agent that comes."""
MOST_ANSWER: Final = 4 * 1024 * 1024
_AT_ONCE: Final = 64
_LIST: Final = methods.LIST_METHODS[0][0]
_LEGACY: Final = frozenset({methods.INITIALIZE, methods.PING, _LIST, methods.CALL})
_MODERN: Final = frozenset({methods.DISCOVER, _LIST, methods.CALL})
_SHOWN_LEFT_OUT: Final = 50

JsonObject = dict[str, Any]


class RestApi:
    """Answers the requests of agents for one API. Belongs to one event loop."""

    def __init__(
        self,
        server: RestServer,
        compile_pattern: CompilePattern,
        networks: Sequence[Network] = (),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.server = server
        self._compile = compile_pattern
        self._networks = networks
        self._now = now
        self._log = structlog.get_logger().bind(server=server.name)
        self._lock = asyncio.Lock()
        self._not_before = 0.0
        self._tools: dict[str, RestTool] | None = None
        self._schemas: dict[str, ArgumentSchema | Unusable] = {}
        self._version = ""
        self._redaction = Redaction(server.secrets)
        self._client: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections to Kong."""
        if self._client is not None:
            await self._client.close()

    async def answer(self, request: jsonrpc.Request) -> JsonObject:
        """Return the JSON-RPC answer to an agent's request, of either era."""
        meta = request.params.get("_meta")
        version = meta.get(methods.META_VERSION) if isinstance(meta, dict) else None
        if version is not None and version not in methods.MODERN_VERSIONS:
            data = {"supported": list(methods.VERSIONS), "requested": version}
            return _error(request, UNSUPPORTED_VERSION, "This version is not spoken here.", data)
        answers = _LEGACY if version is None else _MODERN
        if request.method not in answers:
            return _error(request, METHOD_NOT_FOUND, "A REST API has tools, and nothing else.")
        if request.method == methods.PING:
            return _answer(request, {})
        tools = await self._ready()
        if tools is None:
            return _error(request, UNAVAILABLE, f"{self.server.name}: its OpenAPI description cannot be used now.")
        result = await self._result(request, tools)
        if isinstance(result, str):
            return _error(request, INVALID_PARAMS, result)
        return _answer(request, result if version is None else self._modern(request, result))

    async def _result(self, request: jsonrpc.Request, tools: Mapping[str, RestTool]) -> JsonObject | str:
        """Return the result of a request, or what is wrong with its params."""
        about = {"capabilities": {"tools": {}}, "serverInfo": self._about}
        if request.method == methods.INITIALIZE:
            asked = request.params.get("protocolVersion")
            spoken = asked if asked in methods.LEGACY_VERSIONS else methods.LEGACY_VERSIONS[-1]
            return {"protocolVersion": spoken, **about}
        if request.method == methods.DISCOVER:
            return {"supportedVersions": list(methods.VERSIONS), **about}
        if request.method == _LIST:
            return {"tools": [dict(rest_tool.item) for rest_tool in tools.values()]}
        name, arguments = request.params.get("name"), request.params.get("arguments", {})
        tool = tools.get(name) if isinstance(name, str) else None
        if tool is None or not isinstance(arguments, dict):
            return "Unknown tool." if tool is None else "Arguments are an object."
        return await self._call(tool, arguments)

    @property
    def _about(self) -> JsonObject:
        return {"name": self.server.name, "version": self._version or "1"}

    def _modern(self, request: jsonrpc.Request, result: JsonObject) -> JsonObject:
        """Return a result as stateless requests get it. No answer is kept: what may be seen is the policy's to say."""
        kept = {} if request.method == methods.CALL else {"ttlMs": 0, "cacheScope": "private"}
        return {**result, "resultType": "complete", **kept, "_meta": {methods.META_SERVER_INFO: self._about}}

    async def _ready(self) -> dict[str, RestTool] | None:
        """Return the tools by name, read once; None where the description cannot be used, which the log explains."""
        async with self._lock:
            if self._tools is None and self._now() >= self._not_before:
                try:
                    await self._load()
                except OpenApiError as error:
                    self._not_before = self._now() + AGAIN_SECONDS
                    self._log.error("the description cannot be used", why=escaped(str(error))[:500])
            return self._tools

    async def _load(self) -> None:
        document = await load(self.server, self._networks)
        found = await asyncio.to_thread(tools_of, document, self.server.operations, tuple(self.server.headers))
        self._version = text_of(document.part("info"), "version", 60)
        self._tell(found)
        self._tools = {tool.name: tool for tool in found.tools}

    def _tell(self, found: RestTools) -> None:
        self._log.info("the description is read", tools=len(found.tools), left_out=len(found.left_out))
        for tool in found.left_out[:_SHOWN_LEFT_OUT]:
            self._log.warning("an operation is left out", operation=escaped(tool.name)[:80], why=escaped(tool.why))
        for word in found.unmatched:
            self._log.warning("no operation has this id or tag", operations=escaped(word)[:80])

    async def _call(self, tool: RestTool, arguments: JsonObject) -> JsonObject:
        """Return the result of a call. Nothing is sent for arguments that do not fit."""
        if tool.name not in self._schemas:
            schema = tool.item["inputSchema"]
            if any(self._compile(pattern) is None for pattern in patterns_of(schema)):
                schema = loosened(schema)  # the API matches what takes no linear time here
            self._schemas[tool.name] = await asyncio.to_thread(ArgumentSchema.of, schema, self._matches)
        schema = self._schemas[tool.name]
        misfit = schema if isinstance(schema, Unusable) else await asyncio.to_thread(schema.misfit, arguments)
        if isinstance(misfit, Unusable):
            return failed(f"The arguments cannot be held to the tool's input schema: {misfit.why}; send less.")
        if misfit is not None:
            return failed(f"{misfit}: does not fit the tool's input schema; mend it, and call again.")
        try:
            request = request_of(tool, arguments)
        except ArgumentError as error:
            return failed(f"{error}.")
        try:
            return await self._send(request)
        except TimeoutError:
            return failed(f"The API did not answer within {self.server.seconds} seconds.")
        except aiohttp.ClientError as error:
            self._log.warning("the API cannot be reached", why=type(error).__name__)
            return failed("The API cannot be reached.")

    def _matches(self, pattern: str) -> Matches:
        """Return what matches an expression; one that takes no linear time is left to the API."""
        return self._compile(pattern) or (lambda _: True)

    async def _send(self, request: RestRequest) -> JsonObject:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                auto_decompress=False,
                connector=aiohttp.TCPConnector(limit=_AT_ONCE),
                headers={"User-Agent": "kong-mcp"},
                cookie_jar=aiohttp.DummyCookieJar(),  # what the API sets for one agent is none of the next one's
                timeout=aiohttp.ClientTimeout(total=self.server.seconds),
            )
        headers = [*request.headers, *self.server.headers.items(), ("Accept-Encoding", "identity")]
        url = URL(self.server.through.rstrip("/") + request.target, encoded=True)
        async with self._client.request(
            request.method, url, data=request.body, headers=headers, allow_redirects=False
        ) as answer:
            if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
                return failed("The API answered with a Content-Encoding that was not asked for.")
            body = bytearray()
            async for piece in answer.content.iter_any():
                body += piece
                if len(body) > MOST_ANSWER:
                    return failed(f"The answer is longer than {MOST_ANSWER // 1024 // 1024} MiB; ask for less.")
            media, wait = answer.headers.get("Content-Type", ""), answer.headers.get("Retry-After", "")
            return await asyncio.to_thread(result_of, answer.status, media, bytes(body), wait, self._redaction)


def _answer(request: jsonrpc.Request, result: JsonObject) -> JsonObject:
    return {"jsonrpc": "2.0", "id": request.id, "result": result}


def _error(request: jsonrpc.Request, code: int, text: str, data: JsonObject | None = None) -> JsonObject:
    error: JsonObject = {"code": code, "message": text} | ({} if data is None else {"data": data})
    return {"jsonrpc": "2.0", "id": request.id, "error": error}
