"""The gateway as a client of its issuers: their endpoints, found by discovery, asked with a secret of its own."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import quote_plus

import anyio

from mcp_sidecar.auth.discovery import Documents, endpoint
from mcp_sidecar.auth.fetch import FetchError
from mcp_sidecar.auth.secret import IssuerClient, SecretError

KNOWN_SECONDS: Final = 300.0
"""How long an endpoint is taken for unchanged."""
MOST: Final = 32
"""Requests to one issuer at once; beyond, nobody waits."""
_METHODS: Final = ("client_secret_basic", "client_secret_post")
_DEFAULT: Final = ("client_secret_basic",)
"""RFC 8414, section 2: where the metadata does not say."""


class Forms(Documents, Protocol):
    """What fetches documents and sends forms; see fetch.Fetcher."""

    async def post(self, url: str, fields: Mapping[str, str], credentials: str | None) -> tuple[int, Any]: ...  # noqa: D102 - see Fetcher


class Providers:
    """Asks issuers. `clients` are the gateway's own, by issuer."""

    def __init__(
        self, forms: Forms, clients: Mapping[str, IssuerClient], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take a monotonic clock in seconds."""
        self._forms = forms
        self._clients = clients
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[float, str, str]] = {}
        self._places: dict[str, anyio.CapacityLimiter] = {}

    async def ask(self, issuer: str, name: str, fields: Mapping[str, str]) -> tuple[int, Any]:
        """Send a form to an endpoint of an issuer, by its name in the metadata. Returns status and JSON value.

        Raises:
            FetchError: it could not be asked; the message says why, and nothing of what was sent.
        """
        client = self._clients.get(issuer)
        if client is None:
            raise FetchError(f"no client of the gateway at {issuer} is set: write it in MCP_SIDECAR_ISSUER_CLIENTS")
        places = self._places.setdefault(issuer, anyio.CapacityLimiter(MOST))
        try:
            places.acquire_on_behalf_of_nowait(place := object())
        except anyio.WouldBlock:
            raise FetchError(f"{issuer} is being asked {MOST} things already") from None
        try:
            url, method = await self._endpoint(issuer, name)
            secret = client.secret.read()
            if method == "client_secret_post":
                return await self._forms.post(url, {**fields, "client_id": client.id, "client_secret": secret}, None)
            # RFC 6749, section 2.3.1: each is encoded as a form's value before.
            pair = f"{quote_plus(client.id)}:{quote_plus(secret)}".encode()
            return await self._forms.post(url, fields, f"Basic {base64.b64encode(pair).decode()}")
        except SecretError as error:
            raise FetchError(str(error)) from None
        finally:
            places.release_on_behalf_of(place)

    async def _endpoint(self, issuer: str, name: str) -> tuple[str, str]:
        """Return where an endpoint is, and how it wants its clients to say who they are."""
        known = self._known.get((issuer, name))
        if known is not None and self._clock() < known[0]:
            return known[1], known[2]
        url, metadata = await endpoint(self._forms, issuer, name)
        said = metadata.get(f"{name}_auth_methods_supported") or metadata.get("token_endpoint_auth_methods_supported")
        offered = said if isinstance(said, list) else _DEFAULT
        method = next((one for one in _METHODS if one in offered), None)
        if method is None:
            raise FetchError(f"{url} knows clients neither by {_METHODS[0]} nor by {_METHODS[1]}")
        self._known[issuer, name] = self._clock() + KNOWN_SECONDS, url, method
        return url, method
