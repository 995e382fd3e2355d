"""The portal as an application: which page is at which path, and what every answer has in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from mcp_sidecar.auth.addresses import Network
from mcp_sidecar.catalog.catalog import Catalog
from mcp_sidecar.portal.finding import Finder
from mcp_sidecar.portal.listing import link
from mcp_sidecar.portal.paper import FOLDER, HEADERS, Paper, away
from mcp_sidecar.portal.provider import Provider
from mcp_sidecar.portal.request_pages import RequestPages
from mcp_sidecar.portal.review_pages import ReviewPages
from mcp_sidecar.portal.server_pages import ServerPages
from mcp_sidecar.portal.sessions import PortalSessions
from mcp_sidecar.portal.settings import PREFIX, PortalSettings
from mcp_sidecar.portal.sign_in import SignIn
from mcp_sidecar.portal.tool_pages import ToolPages
from mcp_sidecar.portal.try_pages import TryPages
from mcp_sidecar.portal.trying import KongWay
from mcp_sidecar.portal.visitors import IsCutOff, PageAsked, PageError, Reception, not_found
from mcp_sidecar.search.embedding import Embedder
from mcp_sidecar.search.models import quick_embedder
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.surface.surfaces import Surfaces

PageMaker = Callable[[PageAsked], Awaitable[Response]]
_STATIC: Final = {"portal.css": "text/css", "portal.js": "text/javascript", "icon.svg": "image/svg+xml"}
_KEPT: Final = {**HEADERS, "Cache-Control": "public, max-age=300"}


class Portal:
    """All pages. `routes` says where they are, under PREFIX."""

    def __init__(
        self,
        settings: PortalSettings,
        keys: Sequence[bytes],
        *,
        kong_url: str,
        catalog: Catalog,
        surfaces: Surfaces | None,
        networks: Sequence[Network] = (),
        is_cut_off: IsCutOff = lambda _principal: False,
        embedder: Callable[[], Embedder | None] = quick_embedder,
    ) -> None:
        self._paper = paper = Paper()
        sessions, url = PortalSessions(keys), settings.url or ""
        self._reception = Reception(settings, keys, sessions, is_cut_off)
        provider = Provider(settings.login, keys, url, networks) if settings.login is not None else None
        self._sign_in = SignIn(settings, sessions, self._reception, provider, paper)
        self._servers = ServerPages(settings, catalog, surfaces, paper)
        self.finder = Finder(catalog, embedder)
        self._tools = ToolPages(catalog, self.finder, paper)
        self._tries = TryPages(KongWay(kong_url, url), self._servers, paper)
        self._requests = RequestPages(paper)
        self._reviews = ReviewPages(catalog, surfaces, paper) if surfaces is not None else None

    def routes(self) -> list[BaseRoute]:
        """Return what is served where."""
        one = "/servers/{server}"
        pages: dict[str, tuple[PageMaker | None, PageMaker | None]] = {
            "/": (self._servers.servers, None),
            "/tools": (self._tools.tools, None),
            one: (self._servers.server, None),
            f"{one}/item": (self._servers.item, None),
            f"{one}/versions": (self._servers.versions, None),
            f"{one}/change": (self._servers.change, None),
            f"{one}/try": (self._tries.form, self._tries.call),
            "/request": (self._requests.form, self._requests.prepare),
            "/sign-in": (self._sign_in.page, None),
            "/enter": (self._sign_in.link, self._sign_in.enter),
            "/login": (self._sign_in.login, None),
            "/callback": (self._sign_in.callback, None),
            "/sign-out": (None, self._sign_in.leave),
        }
        if (reviews := self._reviews) is not None:
            pages["/review"] = (reviews.waiting, None)
            pages["/review/item"] = (reviews.item, reviews.decide)
        routes: list[BaseRoute] = [
            Route(f"{PREFIX}{path}", self._guarded(get, post), methods=["GET", "POST"])
            for path, (get, post) in pages.items()
        ]
        return [
            Route(PREFIX, self._guarded(_home, None), methods=["GET", "POST"]),
            *routes,
            Route(f"{PREFIX}/static/{{name}}", self._guarded(_static, None), methods=["GET", "POST"]),
            Route(f"{PREFIX}/{{rest:path}}", self._guarded(None, None), methods=["GET", "POST"]),
        ]

    def _guarded(self, get: PageMaker | None, post: PageMaker | None) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            asked: PageAsked | None = None
            try:
                asked = await self._reception.read(request)
                make = post if request.method == "POST" else get
                return await (make or _nothing)(asked)
            except PageError as error:
                return self._refused(error, asked)
            except StoreError:
                text = "What servers offer cannot be read now. Try again in a minute."
                return self._paper.error(PageError(503, "The store does not answer", text), asked)
            except Exception:  # noqa: BLE001 - the outermost edge of a page: it says that it failed
                structlog.get_logger().exception("a page failed", path=request.url.path[:200])
                return self._paper.error(
                    PageError(500, "This page failed", "Its operator finds why in the sidecar's log.")
                )

        return answer

    def _refused(self, error: PageError, asked: PageAsked | None) -> Response:
        """Return an error's page. Who is not signed in and opens a page is shown where to sign in."""
        if error.status == 401 and asked is not None and asked.request.method != "POST":
            path, query = asked.request.url.path, asked.request.url.query
            return away(link(f"{PREFIX}/sign-in", {}, next=f"{path}?{query}" if query else path))
        return self._paper.error(error, asked)


async def _nothing(asked: PageAsked) -> Response:
    asked.need()
    raise not_found()


async def _home(_asked: PageAsked) -> Response:
    return away(f"{PREFIX}/")


async def _static(asked: PageAsked) -> Response:
    name = asked.request.path_params["name"]
    if name not in _STATIC:
        raise not_found()
    return FileResponse(FOLDER / "static" / name, headers=_KEPT, media_type=_STATIC[name])
