"""Descriptions brought in: from a file, or from a URL, with the documents that they may refer to and no others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from mcp_core.rest.document import ApiDocument, OpenApiError
from mcp_core.rest.server import RestServer, is_url
from mcp_sidecar.auth.addresses import CheckedResolver, ForbiddenAddressError, Network, check, really
from mcp_sidecar.rest.text import MOST_BYTES, values_in, values_of

FETCH_SECONDS: Final = 30.0


async def load(server: RestServer, networks: Sequence[Network]) -> ApiDocument:
    """Return the description of an API.

    `networks` are those that documents may be fetched from beside public addresses.

    Raises:
        OpenApiError: it cannot be had or used; the message is for the operator, and names file or URL.
    """
    root = await _values(server.description, networks)
    others = {name: await _values(place_of(server.description, name), networks) for name in server.references}
    try:
        return ApiDocument(root, others)
    except OpenApiError as error:
        raise OpenApiError(f"{server.description}: {error}") from None


def place_of(description: str, reference: str) -> str:
    """Return file or URL of another document, as a description names it."""
    if is_url(reference):
        return reference
    return urljoin(description, reference) if is_url(description) else str(Path(description).parent / reference)


async def _values(place: str, networks: Sequence[Network]) -> Any:
    if not is_url(place):
        return await asyncio.to_thread(values_in, place)
    raw = await _fetched(place, networks)
    try:
        return await asyncio.to_thread(values_of, raw)
    except OpenApiError as error:
        raise OpenApiError(f"{place}: {error}") from None


async def _fetched(url: str, networks: Sequence[Network]) -> bytes:
    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    headers = {"Accept": "application/json, application/yaml, */*;q=0.5", "Accept-Encoding": "identity"}
    try:
        _check_literal(url, networks)
        connector = aiohttp.TCPConnector(resolver=CheckedResolver(networks), use_dns_cache=False, force_close=True)
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=timeout, headers=headers, auto_decompress=False
            ) as client,
            client.get(URL(url, encoded=True), allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise OpenApiError(f"{url}: answers with status {answer.status}; redirects are not followed")
            raw = bytearray()
            async for piece in answer.content.iter_any():
                raw += piece
                if len(raw) > MOST_BYTES:
                    break
            return bytes(raw)
    except TimeoutError:
        raise OpenApiError(f"{url}: took longer than {FETCH_SECONDS:.0f} seconds") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if isinstance(error, OpenApiError):
            raise
        if _is_forbidden(error):
            raise OpenApiError(
                f"{url}: leads inside the network; where it is meant to, name it: kong-mcp stdio serve --network CIDR"
            ) from None
        raise OpenApiError(f"{url}: cannot be reached: {type(error).__name__}") from None


def _check_literal(url: str, networks: Sequence[Network]) -> None:
    """Look at an address that stands in a URL: no resolver is asked for it."""
    host = urlsplit(url).hostname or ""
    try:
        address = really(host)
    except ValueError:
        return
    check(host, str(address), networks)


def _is_forbidden(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ForbiddenAddressError) or isinstance(
            getattr(error, "os_error", None), ForbiddenAddressError
        ):
            return True
        error = error.__cause__ or error.__context__
    return False
