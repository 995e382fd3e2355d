"""The official registry API, v0.1, over the catalog: GET alone, for everybody, with CORS as Copilot needs it.

spec/registry-api.yaml describes it; registry_openapi makes that document. Whoever shows a reader's or reviewer's token
is told of all servers, everybody else of what policies open to everybody. A credential that means nothing here is one
for somebody else: clients send what they have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

import msgspec
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcp_sidecar.catalog.catalog import Catalog
from mcp_sidecar.catalog.registry import RegistryQuery, RegistryQueryError, ServerRegistry, read_flag
from mcp_sidecar.catalog.server_json import card
from mcp_sidecar.catalog.settings import CatalogSettings
from mcp_sidecar.surface.viewers import ANYBODY, Viewer, Viewers

PREFIX: Final = "/registry"
SERVERS: Final = f"{PREFIX}/v0.1/servers"
CARDS: Final = f"{PREFIX}/cards"
CARD_TYPE: Final = "application/mcp-server-card+json"
SERVER_NOT_FOUND: Final = "Server not found"
VERSION_NOT_FOUND: Final = "Server or version not found"
HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Expose-Headers": "ETag",
    "Cache-Control": "no-cache",
    "Vary": "Authorization",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer. A client may keep one, and asks with its ETag whether it still is so."""

_Find = Callable[[Request, Viewer], bytes | None]


class _Anything(Convertor[str]):
    """A name with whatever stands in it, so that every path of these endpoints is answered as its document says."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("any", _Anything())


class RegistryApi:
    """The endpoints."""

    def __init__(self, catalog: Catalog, settings: CatalogSettings, viewers: Viewers) -> None:
        self._catalog = catalog
        self._settings = settings
        self._registry = ServerRegistry(catalog, settings)
        self._viewers = viewers

    def routes(self) -> list[Route]:
        """Return the routes of the API."""
        return [
            self._route(SERVERS, self._list, ""),
            self._route(SERVERS + "/{name:any}/versions", self._versions, SERVER_NOT_FOUND),
            self._route(SERVERS + "/{name:any}/versions/{version}", self._version, VERSION_NOT_FOUND),
            self._route(CARDS + "/{name}", self._card, SERVER_NOT_FOUND, CARD_TYPE),
        ]

    def _route(self, path: str, find: _Find, missing: str, media_type: str = "application/json") -> Route:
        async def endpoint(request: Request) -> Response:
            if request.method == "OPTIONS":
                return Response(status_code=204, headers={**HEADERS, "Access-Control-Max-Age": "600"})
            try:
                body = find(request, self._viewers.who(request) or ANYBODY)
            except RegistryQueryError as error:
                return JSONResponse({"error": str(error)}, 400, HEADERS)
            if body is None:
                return JSONResponse({"error": missing}, 404, HEADERS)
            tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
            if tag in (one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")):
                return Response(status_code=304, headers={**HEADERS, "ETag": tag})
            return Response(body, headers={**HEADERS, "ETag": tag}, media_type=media_type)

        return Route(path, endpoint, methods=["GET", "OPTIONS"])

    def _list(self, request: Request, viewer: Viewer) -> bytes | None:
        return self._registry.page(viewer, RegistryQuery.read(_query(request)))

    def _versions(self, request: Request, viewer: Viewer) -> bytes | None:
        deleted = bool(read_flag(_query(request), "include_deleted"))
        return self._registry.versions(viewer, request.path_params["name"], include_deleted=deleted)

    def _version(self, request: Request, viewer: Viewer) -> bytes | None:
        deleted = bool(read_flag(_query(request), "include_deleted"))
        name, version = request.path_params["name"], request.path_params["version"]
        return self._registry.version(viewer, name, version, include_deleted=deleted)

    def _card(self, request: Request, viewer: Viewer) -> bytes | None:
        entry = self._catalog.entry(viewer, request.path_params["name"])
        return None if entry is None else msgspec.json.encode(card(entry, self._settings))


def _query(request: Request) -> dict[str, str]:
    """Return the query's parameters. Raises QueryError for one that stands there twice: who is to say which counts?"""
    given = request.query_params.multi_items()
    if len({name for name, _ in given}) != len(given):
        raise RegistryQueryError("write each parameter once")
    return dict(given)
