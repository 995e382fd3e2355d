"""Asks a running MCP server for its surface: in the modern era first, and in the legacy one where it knows no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from mcp_core import jsonrpc, methods
from mcp_core.jsonrpc import NotStrictError
from mcp_core.sse import Decoder
from mcp_core.surface import ANSWER_LIMITS

if TYPE_CHECKING:
    import httpx

SECONDS: Final = 30.0
"""How long one answer of a server may take."""
MOST_PAGES: Final = 200
"""Pages of one list that are asked for."""

_CLIENT: Final = {"name": "kong-mcp scan", "version": "1"}


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
            session = _Session(client, url)
            answer = session.open()
            surface: dict[str, Any] = {}
            if isinstance(instructions := answer.get("instructions"), str):
                surface["instructions"] = instructions
            capabilities = answer.get("capabilities")
            offered = capabilities if isinstance(capabilities, dict) else {}
            for method, key, capability in methods.LIST_METHODS:
                if capability in offered:
                    surface[key] = session.every(key, method)
            session.close()
        except httpx.HTTPError as error:
            raise LiveError(f"{url} does not answer: {type(error).__name__}") from None
        except httpx.InvalidURL:
            raise LiveError(f"{url} is not a URL") from None
    return surface


class _Session:
    """One conversation with a server, in the era that it speaks."""

    def __init__(self, client: httpx.Client, url: str) -> None:
        self._client = client
        self._url = url
        self._number = 0
        self._modern = True
        self._headers: dict[str, str] = {}

    def open(self) -> dict[str, Any]:
        """Say hello. Returns what the server says of itself: capabilities, and perhaps instructions."""
        try:
            return self.ask(methods.DISCOVER, {})
        except LiveError:
            self._modern = False
        answer = self.ask(
            methods.INITIALIZE,
            {"protocolVersion": methods.LEGACY_VERSIONS[-1], "capabilities": {}, "clientInfo": _CLIENT},
        )
        self._headers[methods.VERSION_HEADER] = str(answer.get("protocolVersion", methods.ASSUMED_VERSION))
        self._post({"jsonrpc": "2.0", "method": methods.INITIALIZED}, {})
        return answer

    def close(self) -> None:
        """End the session, where there is one."""
        if methods.SESSION_HEADER in self._headers:
            self._client.delete(self._url, headers=self._headers)

    def every(self, key: str, method: str) -> list[Any]:
        """Return every item of a list, page by page."""
        items: list[Any] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            answer = self.ask(method, {} if cursor is None else {"cursor": cursor})
            page = answer.get(key)
            items += page if isinstance(page, list) else []
            following = answer.get("nextCursor")
            if not isinstance(following, str) or following == cursor:
                return items
            cursor = following
        raise LiveError(f"{method} has more than {MOST_PAGES} pages")

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the result of a request. Raises LiveError on anything else."""
        self._number += 1
        headers = {}
        if self._modern:
            version = methods.MODERN_VERSIONS[-1]
            params = params | {
                "_meta": {
                    methods.META_VERSION: version,
                    methods.META_CAPABILITIES: {},
                    methods.META_CLIENT_INFO: _CLIENT,
                }
            }
            headers = {methods.VERSION_HEADER: version, methods.METHOD_HEADER: method}
        message = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        answer = self._post(message, headers)
        if not isinstance(answer, dict) or not isinstance(result := answer.get("result"), dict):
            raise LiveError(f"{self._url} answers {method} with no result; is it an MCP endpoint, and is a key needed?")
        return result

    def _post(self, message: dict[str, Any], headers: dict[str, str]) -> Any:
        accept = {"accept": "application/json, text/event-stream"}
        with self._client.stream("POST", self._url, json=message, headers=accept | self._headers | headers) as response:
            if session := response.headers.get(methods.SESSION_HEADER):
                self._headers[methods.SESSION_HEADER] = session
            if "id" not in message:
                return None
            if response.status_code in (401, 403):
                raise LiveError(f"{self._url} answers {response.status_code}: give a key with --header 'NAME: VALUE'")
            streams = response.headers.get("content-type", "").startswith("text/event-stream")
            return _from_stream(response, message["id"]) if streams else _from_body(response)


def _from_body(response: httpx.Response) -> Any:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > ANSWER_LIMITS.body:
            raise LiveError(f"an answer of more than {ANSWER_LIMITS.body} bytes")
    return _loaded(bytes(body))


def _from_stream(response: httpx.Response, id_: int) -> Any:
    decoder = Decoder()
    for chunk in response.iter_bytes():
        for event in decoder.feed(chunk):
            if event.data:
                value = _loaded(event.data.encode())
                if isinstance(value, dict) and value.get("id") == id_ and "method" not in value:
                    return value
    raise LiveError("the server's stream ended without an answer")


def _loaded(body: bytes) -> Any:
    try:
        return jsonrpc.load(body, ANSWER_LIMITS)
    except NotStrictError as error:
        raise LiveError(f"an answer that is not strict JSON: {error}") from None
