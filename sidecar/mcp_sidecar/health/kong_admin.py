"""Kong's Admin API, as far as health needs it: which replicas there are, and what Kong shall think of each.

A Kong with a database hands a verdict on to its cluster, so one URL is enough; a Kong without one keeps it to itself.
A control plane has no such endpoints (kong/api/routes/upstreams.lua), and its data planes no Admin API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from yarl import URL

from mcp_core import jsonrpc
from mcp_core.errand import Address
from mcp_core.jsonrpc import Limits, NotStrictError
from mcp_sidecar.health.replicas import Replica
from mcp_sidecar.upstream.bodies import read
from mcp_sidecar.upstream.encodings import EncodingError

TAG: Final = "kong-mcp-probed"
"""The tag of upstreams whose replicas are probed: decK gives it to servers whose file says health.probes."""
SECONDS: Final = 5.0
_PAGE: Final = 500
_MOST_PAGES: Final = 40
_MAX_PAGE: Final = 8 * 1024 * 1024
_LIMITS: Final = Limits(body=_MAX_PAGE)


class AdminError(Exception):
    """An Admin API could not be asked; the message says which and why, and holds no token."""


@dataclass(frozen=True, slots=True)
class ToProbe:
    """The replicas of all servers that are to be probed, and the upstreams of each server."""

    replicas: frozenset[Replica]
    upstreams: Mapping[str, tuple[str, ...]]


class KongAdmin:
    """One Admin API. Belongs to one event loop, and is closed by aclose."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        self._headers = {} if token is None else {"Kong-Admin-Token": token}
        self._client: aiohttp.ClientSession | None = None

    async def aclose(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.close()

    async def find(self) -> ToProbe:
        """Return what is to be probed: the targets of guards' upstreams that have the tag. Raises AdminError."""
        # Kong 3.9 without a database fails at ?tags= where anything has none (kong/db/strategies/off/init.lua).
        tagged = {one["name"] for one in await self._all("/upstreams") if TAG in (one.get("tags") or ())}
        replicas: set[Replica] = set()
        upstreams: dict[str, tuple[str, ...]] = {}
        for plugin in await self._all("/plugins") if tagged else ():
            config = plugin.get("config") or {}
            if plugin.get("name") != "mcp-guard" or config.get("server") in upstreams:
                continue
            names = [str(config.get("upstream")), str(config.get("session_upstream"))]
            mine = tuple(dict.fromkeys(name for name in names if name in tagged))
            if mine:
                upstreams[config["server"]] = mine
                replicas.update(await self._replicas(config, mine))
        return ToProbe(frozenset(replicas), upstreams)

    async def _replicas(self, config: Mapping[str, Any], upstreams: Sequence[str]) -> set[Replica]:
        usual = Address(upstreams[0])
        scheme, path = config.get("scheme") or usual.scheme, config.get("path") or usual.path
        found = set()
        for upstream in upstreams:
            for target in await self._all(f"/upstreams/{quote(upstream)}/targets"):
                if target.get("weight"):
                    name = str(target["target"])
                    found.add(Replica(config["server"], name, f"{scheme}://{name}{path}"))
        return found

    async def mark(self, upstream: str, target: str, *, well: bool) -> None:
        """Have Kong take a target for well or ill, until its own checks or somebody else say otherwise.

        Raises:
            AdminError: Kong cannot be asked, or has no such target.
        """
        word = "healthy" if well else "unhealthy"
        await self._send("PUT", f"/upstreams/{quote(upstream)}/targets/{quote(target, safe='')}/{word}")

    async def _all(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        page: str | None = f"{path}?size={_PAGE}"
        for _ in range(_MOST_PAGES):
            answer = await self._send("GET", page) if page else None
            if not isinstance(answer, dict):
                break
            found += [one for one in answer.get("data") or () if isinstance(one, dict)]
            page = answer.get("next")
        return found

    async def _send(self, http_method: str, path: str) -> Any:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                trust_env=False,
                headers=self._headers,
                skip_auto_headers=("content-type",),
                timeout=aiohttp.ClientTimeout(total=SECONDS),
            )
        url = URL(self.url + path, encoded=True)
        try:
            async with self._client.request(http_method, url, allow_redirects=False) as answer:
                if answer.status >= 300:
                    raise AdminError(f"{self.url} answered {http_method} {path} with HTTP {answer.status}")
                body = await read(answer, _MAX_PAGE)
                return jsonrpc.load(body, _LIMITS) if body else None
        except (aiohttp.ClientError, OSError, EncodingError) as error:
            raise AdminError(f"{self.url} cannot be asked: {type(error).__name__}") from error
        except NotStrictError:
            raise AdminError(f"{self.url} answered {http_method} {path} with what is no JSON") from None
