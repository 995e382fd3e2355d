"""Asking an issuer for one JSON document, within bounds: what is asked for, from where, how long, how much."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from mcp_core import jsonrpc, methods
from mcp_core.auth.keysets import MAX_BYTES
from mcp_core.jsonrpc import Limits, NotStrictError
from mcp_sidecar.auth.addresses import CheckedResolver, ForbiddenAddressError, Network, check, really

SECONDS: Final = 10.0
"""How long one document may take, from the first look at its name to its last byte."""
_LIMITS: Final = Limits(body=MAX_BYTES, depth=16, keys=10_000, values=20_000)
_MAX_HEAD: Final = 16 * 1024
_SAYS: Final = frozenset({200, 400, 401, 403})
"""Statuses whose body is read: RFC 6749, section 5.2, and RFC 7662, section 2.3."""


class FetchError(Exception):
    """A document could not be had. The message says why, for the log: nothing of the document stands in it."""


class Fetcher:
    """Fetches documents. Belongs to one event loop, and is closed by leaving its context."""

    def __init__(
        self, networks: Sequence[Network], *, seconds: float = SECONDS, trust: ssl.SSLContext | None = None
    ) -> None:
        """Take the networks that are allowed beside public addresses, and what vouches for certificates."""
        self._networks = networks
        self._client = aiohttp.ClientSession(
            # Neither proxies nor .netrc of the environment.
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(
                ssl=trust or True, resolver=CheckedResolver(networks), use_dns_cache=False, limit=16, force_close=True
            ),
            timeout=aiohttp.ClientTimeout(total=seconds),
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            max_line_size=_MAX_HEAD,
            max_field_size=_MAX_HEAD,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def document(self, url: str) -> Any:
        """Return the JSON value at a URL.

        Raises:
            FetchError: it is not there, not JSON, too large, too slow, elsewhere, or where nobody may be asked.
        """
        status, value = await self._ask("GET", url)
        if status != 200:
            raise FetchError(f"{url} answers with status {status}{_redirected(status)}")
        return value

    async def post(self, url: str, fields: Mapping[str, str], credentials: str | None) -> tuple[int, Any]:
        """Send a form, with a value of Authorization. Returns the status and the JSON value of what comes back.

        Raises:
            FetchError: as of `document`, but for the status: providers say with 400 and JSON what they refuse.
        """
        return await self._ask("POST", url, fields, credentials)

    async def _ask(
        self, method: str, url: str, fields: Mapping[str, str] | None = None, credentials: str | None = None
    ) -> tuple[int, Any]:
        """Return status and JSON value; of a status that is none of JSON's, None for its value."""
        self._check(url)
        headers = {} if credentials is None else {methods.AUTHORIZATION_HEADER: credentials}
        try:
            async with self._client.request(
                method, URL(url, encoded=True), data=fields, headers=headers, allow_redirects=False
            ) as answer:
                if answer.status not in _SAYS:
                    return answer.status, None
                if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
                    raise FetchError(f"{url} answers with a Content-Encoding that was not asked for")
                data, status = await _read(answer, url), answer.status
        except ForbiddenAddressError as error:
            raise FetchError(str(error)) from None
        except TimeoutError:
            raise FetchError(f"{url} took too long") from None
        except aiohttp.ClientError as error:
            cause = error.__cause__ if isinstance(error.__cause__, ForbiddenAddressError) else None
            inner = getattr(error, "os_error", None)
            told = cause or (inner if isinstance(inner, ForbiddenAddressError) else None)
            raise FetchError(str(told) if told else f"{url} cannot be reached: {type(error).__name__}") from None
        except ValueError:  # a name that no resolver takes
            raise FetchError("a URL cannot be read") from None
        try:
            return status, jsonrpc.load(data, _LIMITS)
        except NotStrictError as error:
            if status != 200:
                return status, None
            raise FetchError(f"{url} is not strict JSON: {error}") from None

    def _check(self, url: str) -> None:
        """Refuse what is no plain https URL; http only where its host is an address of this machine that is allowed."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise FetchError("a URL cannot be read") from None
        extra = parts.fragment or "@" in parts.netloc or port == 0 or not url.isascii() or not url.isprintable()
        if not host or extra or " " in url:
            raise FetchError("a URL is no plain one with host and path")
        try:
            address = really(host)
        except ValueError:
            address = None
        if address is not None:
            try:
                check(host, str(address), self._networks)
            except ForbiddenAddressError as error:
                raise FetchError(str(error)) from None
        local = host == "localhost" if address is None else address.is_loopback
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            raise FetchError(f"{host} is to be asked by https: http is for this machine's own addresses alone")


def _redirected(status: int) -> str:
    return ", and redirects are not followed: name the URL itself" if 300 <= status < 400 else ""


async def _read(answer: aiohttp.ClientResponse, url: str) -> bytes:
    data = bytearray()
    async for piece in answer.content.iter_any():
        data += piece
        if len(data) > MAX_BYTES:
            raise FetchError(f"{url} has more than {MAX_BYTES} bytes")
    return bytes(data)


def network(text: str) -> Network:
    """Return a network by its CIDR notation. Raises ValueError."""
    return ipaddress.ip_network(text, strict=True)
