"""Answers for the guard where a token names a key that the node does not have: fetches, and says what came of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import anyio
from starlette.requests import Request
from starlette.responses import Response

from mcp_core import methods
from mcp_core.auth import wanted
from mcp_core.auth.denied import KeysMissing, unavailable
from mcp_core.reasons import Reason
from mcp_sidecar.auth.keeper import IssuerKeeper
from mcp_sidecar.lane.callers import UNSIGNED

WAIT_SECONDS: Final = 5.0
"""How long a request waits for keys at most."""
_JSON: Final = {"Content-Type": "application/json"}
_FETCHED: Final = unavailable(
    KeysMissing(Reason.KEYS_FETCHED, "The issuer of this token has just changed its keys. Send the request again.")
)


class WantedKeys:
    """Takes requests of guards alone: nobody else can sign what they bring."""

    def __init__(self, keeper: IssuerKeeper, ring: Sequence[bytes]) -> None:
        self._keeper = keeper
        self._ring = ring

    async def answer(self, request: Request) -> Response:
        """Answer 503 where the key came, so that the agent asks again, and else with the guard's own refusal."""
        said = wanted.read(request.headers.get(methods.CONTEXT_HEADER, ""), self._ring, now=time.time())
        if said is None:
            return Response(UNSIGNED.body(), UNSIGNED.http_status(), {**_JSON, **UNSIGNED.headers})
        found = False
        with anyio.move_on_after(WAIT_SECONDS):
            found = await self._keeper.want(said.issuer, said.kid, said.algorithm)
        if found:
            return Response(_FETCHED.body(), _FETCHED.http_status(), {**_JSON, **_FETCHED.headers})
        headers = {methods.AUTHENTICATE_HEADER: said.challenge, "Cache-Control": "no-store"}
        return Response(said.body, 401, _JSON | headers)
