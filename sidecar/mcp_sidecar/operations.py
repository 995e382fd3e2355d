"""Is the process up, can it serve, and what has it done: /livez, /readyz, /metrics."""

from __future__ import annotations

import hmac
import time
from importlib.metadata import version
from typing import Final

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from mcp_sidecar.auth.keeper import IssuerKeeper
from mcp_sidecar.metrics import Metrics
from mcp_sidecar.settings import Settings
from mcp_sidecar.surface.surfaces import Surfaces

BELIEVED_SECONDS: Final = 1.0
"""How long one look at Kong is believed, so that probes cannot turn into load."""
CONNECT_SECONDS: Final = 1.0

_STORE: Final = "it cannot be used, the log says why: what is known goes on as it was, what is new stays hidden"
_NOTHING: Final = "it was not read since the start, so nothing can be shown where pins are enforced; the log says why"


class Operations:
    """The endpoints for operators."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        stopping: anyio.Event,
        surfaces: Surfaces | None,
        issuers: IssuerKeeper | None = None,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._stopping = stopping
        self._surfaces = surfaces
        self._issuers = issuers
        self._until = 0.0
        self._kong: str | None = None
        self._looking = anyio.Lock()

    async def livez(self, _request: Request) -> Response:
        """Answer 200 while the process runs its event loop."""
        return PlainTextResponse("ok\n")

    async def readyz(self, _request: Request) -> Response:
        """Answer 200 when requests can be served, else 503 and what is missing. The keys were read at the start.

        A store that fails is a warning once its content is known (spec/decisions/094-ready-without-the-store.md), and
        so is one that is not the store that this node knew.
        """
        problems: dict[str, str] = {}
        warnings: dict[str, str] = {}
        if (kong := await self._kong_problem()) is not None:
            problems["kong"] = kong
        if self._stopping.is_set():
            problems["sidecar"] = "it is stopping"
        if self._surfaces is not None and (other := self._surfaces.other_store) is not None:
            (problems if self._surfaces.generation < 0 else warnings)["store"] = other
        elif self._surfaces is not None and self._surfaces.generation < 0 and self._settings.pins.snapshot is not None:
            problems["store"] = _NOTHING
        elif self._surfaces is not None and self._surfaces.is_failing:
            warnings["store"] = _STORE
        if self._issuers is not None:
            warnings |= {f"issuer {issuer}": problem for issuer, problem in self._issuers.problems().items()}
        told = {"ready": not problems, "release": version("kong-mcp"), "problems": problems}
        told |= {"warnings": warnings} if warnings else {}
        return JSONResponse(told, 503 if problems else 200)

    async def metrics(self, request: Request) -> Response:
        """Answer the metrics to whoever holds the token; where none is set, to nobody."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        token = self._settings.metrics_token
        given = bearer.strip() if scheme.lower() == "bearer" else ""
        if token is None or not hmac.compare_digest(given.encode(), token.encode()):
            text = "Send MCP_SIDECAR_METRICS_TOKEN, which must be set, as a bearer token.\n"
            return PlainTextResponse(text, 401, {"WWW-Authenticate": "Bearer"})
        told, media_type = self._metrics.text(request.headers.get("accept", ""))
        return Response(told, headers={"Content-Type": media_type})

    async def _kong_problem(self) -> str | None:
        async with self._looking:
            if time.monotonic() >= self._until:
                self._kong = await self._look()
                self._until = time.monotonic() + BELIEVED_SECONDS
            return self._kong

    async def _look(self) -> str | None:
        host, port = self._settings.kong_address
        problem = f"nothing takes connections at {host}:{port}: check that Kong runs and MCP_SIDECAR_KONG_URL names it"
        with anyio.move_on_after(CONNECT_SECONDS):
            try:
                async with await anyio.connect_tcp(host, port):
                    return None
            except OSError:
                return problem
        return problem
