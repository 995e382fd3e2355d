"""The review API: what `kong-mcp surface` does, over HTTP, for reviewers who hold a token.

spec/review-api.yaml describes it; review_openapi makes that document, and a test holds both to each other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

import anyio
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcp_core import jsonrpc
from mcp_core.jsonrpc import Limits, NotStrictError
from mcp_core.pins.states import State
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.store import Store
from mcp_sidecar.store.values import ItemId, UnknownItemError
from mcp_sidecar.surface import review
from mcp_sidecar.surface.review_openapi import ANCHOR, BODY_BYTES, DIGEST, PREFIX, STATES, TEXT_LENGTH
from mcp_sidecar.surface.surfaces import NOT_TOLD, Surfaces
from mcp_sidecar.surface.viewers import Permission, Viewers

_LIMITS: Final = Limits(body=BODY_BYTES, depth=4, keys=20)
_ITEM: Final = ("server", "kind", "name", "digest")
_DECISION: Final = frozenset({"server", "kind", "name", "digest", "state", "why"})

NEEDS: Final = {
    "/items": Permission.READ,
    "/item": Permission.READ,
    "/diff": Permission.READ,
    "/decisions": Permission.DECIDE,
    "/audit": Permission.READ,
}
"""Path of each endpoint -> what whoever asks there must be allowed to do."""

_Answer = Callable[[Request, str], Awaitable[Any]]


class _RefusalError(Exception):
    """A request that cannot be answered: status and what to do."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class ReviewApi:
    """The endpoints."""

    def __init__(self, surfaces: Surfaces, viewers: Viewers) -> None:
        self._surfaces = surfaces
        self._viewers = viewers

    def routes(self) -> list[Route]:
        """Return the routes of the API."""
        return [
            self._route("/items", "GET", self._items, "server", "state"),
            self._route("/item", "GET", self._item, *_ITEM),
            self._route("/diff", "GET", self._diff, *_ITEM),
            self._route("/decisions", "POST", self._decide),
            self._route("/audit", "GET", self._audit, "anchor"),
        ]

    def _route(self, path: str, method: str, answer: _Answer, *parameters: str) -> Route:
        need = NEEDS[path]

        async def endpoint(request: Request) -> Response:
            viewer = self._viewers.who(request)
            if viewer is None:
                text = "Send a reviewer's token as a bearer token."
                return JSONResponse({"error": text}, 401, {"WWW-Authenticate": "Bearer"})
            if need not in viewer.may:
                return JSONResponse({"error": f"This token may not {need}: ask a reviewer."}, 403)
            if unknown := sorted(request.query_params.keys() - set(parameters)):
                return JSONResponse({"error": f"{unknown[0][:40]!a} is no parameter here"}, 400)
            try:
                return JSONResponse(await answer(request, viewer.name), headers={"Cache-Control": "no-store"})
            except _RefusalError as error:
                return JSONResponse({"error": str(error)}, error.status)
            except UnknownItemError as error:
                return JSONResponse({"error": str(error)}, 404)
            except StoreError as error:
                structlog.get_logger().error("the review API has no store", problem=str(error))
                return JSONResponse({"error": "The store cannot be used now: its operator's log says why."}, 503)

        return Route(PREFIX + path, endpoint, methods=[method])

    async def _items(self, request: Request, _reviewer: str) -> Any:
        server, state = _text(request, "server"), _text(request, "state")
        if state is not None and state not in STATES:
            raise _RefusalError(400, f"state: write one of {', '.join(STATES)}")
        standings = await self._surfaces.ask(lambda store: store.standings(server))
        return {"items": [review.standing_json(standing) for standing in standings if state in (None, standing.state)]}

    async def _item(self, request: Request, _reviewer: str) -> Any:
        id_, digest = _id(request.query_params), _digest(_text(request, "digest"))
        return await self._surfaces.ask(lambda store: review.show(store, id_, digest))

    async def _diff(self, request: Request, _reviewer: str) -> Any:
        id_, digest = _id(request.query_params), _digest(_text(request, "digest"))
        return (await self._surfaces.ask(lambda store: review.diff(store, id_, digest))).to_json()

    async def _decide(self, request: Request, reviewer: str) -> Any:
        value = await _body(request)
        if not isinstance(value, dict) or value.keys() - {"name"} != _DECISION - {"name"}:
            raise _RefusalError(400, f"write an object with {', '.join(sorted(_DECISION))}")
        id_, digest, why = _id(value), _digest(value["digest"]), value["why"]
        if value["state"] not in (State.APPROVED.value, State.REJECTED.value):
            raise _RefusalError(400, "state: write approved or rejected")
        if digest is None or not isinstance(why, str) or not why.strip() or len(why) > TEXT_LENGTH or "\0" in why:
            raise _RefusalError(400, f"digest and why are text; the reason has {TEXT_LENGTH} characters at most")
        state = State(value["state"])

        def decide(store: Store) -> dict[str, Any]:
            return review.version_json(review.decide(store, id_, state, reviewer=reviewer, why=why, digest=digest))

        # Whoever is told of a decision finds it made, also where the reviewer did not wait.
        with anyio.CancelScope(shield=True):
            decided = await self._surfaces.ask(decide)
            are_told = await self._surfaces.decided()
        structlog.get_logger().info("decision", reviewer=reviewer, server=id_.server, state=state.value)
        if not are_told:
            raise _RefusalError(503, NOT_TOLD)
        return decided

    async def _audit(self, request: Request, _reviewer: str) -> Any:
        text = _text(request, "anchor")
        if text is not None and ANCHOR.fullmatch(text) is None:
            raise _RefusalError(400, "anchor: write SEQ:HASH, as it was printed")
        seq, _, last = (text or "").partition(":")
        anchor = (int(seq), last) if text else None
        return asdict(await self._surfaces.ask(lambda store: store.verify(anchor)))


def _text(request: Request, name: str) -> str | None:
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise _RefusalError(400, f"{name}: write it once")
    if values and ("\0" in values[0] or (not values[0] and name != "name")):
        raise _RefusalError(400, f"{name}: write what you mean, without a NUL")
    return values[0] if values else None


def _id(values: Mapping[str, Any]) -> ItemId:
    server, kind, name = values.get("server"), values.get("kind"), values.get("name", "")
    if not isinstance(server, str) or not isinstance(kind, str) or not isinstance(name, str) or not server:
        raise _RefusalError(400, "write server, kind and name as text")
    if "\0" in server + name:
        raise UnknownItemError("there is no such item")
    try:
        return ItemId(server, review.item_kind(kind), name)
    except UnknownItemError as error:
        raise _RefusalError(400, f"kind: {error}") from None


def _digest(value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or DIGEST.fullmatch(value) is None):
        raise _RefusalError(400, "digest: write 8 to 64 hexadecimal digits, the beginning of the version's digest")
    return value


async def _body(request: Request) -> Any:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise _RefusalError(415, "send application/json")
    pieces, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES:
            raise _RefusalError(413, f"a decision has {BODY_BYTES} bytes at most")
        pieces.append(chunk)
    try:
        return jsonrpc.load(b"".join(pieces), _LIMITS)
    except NotStrictError as error:
        raise _RefusalError(400, f"not strict JSON: {error}") from None
