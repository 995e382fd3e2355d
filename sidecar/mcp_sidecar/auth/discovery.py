"""From an issuer to its keys and endpoints: its metadata document, and the key set that this names.

Source: RFC 8414, sections 3 and 3.3; OpenID Connect Discovery 1.0, section 4;
2026-07-28/basic/authorization/authorization-server-discovery, whose order of places this is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from mcp_core.auth import keysets
from mcp_core.auth.keysets import KeySet, KeySetError
from mcp_sidecar.auth.fetch import FetchError


class Documents(Protocol):
    """What fetches documents; see fetch.Fetcher."""

    async def document(self, url: str) -> object: ...  # noqa: D102 - see Fetcher


def places(issuer: str) -> Iterator[str]:
    """Give the URLs at which an issuer's metadata may stand."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.removesuffix("/")
    yield f"{origin}/.well-known/oauth-authorization-server{path}"
    yield f"{origin}/.well-known/openid-configuration{path}"
    if path:
        yield f"{origin}{path}/.well-known/openid-configuration"


async def endpoint(documents: Documents, issuer: str, name: str) -> tuple[str, Mapping[str, Any]]:
    """Return a URL of an issuer by its name in the metadata (RFC 8414, section 2), and the whole metadata.

    Raises:
        FetchError: no document is there that is this issuer's own and says so.
    """
    problems = []
    for url in places(issuer):
        try:
            said = await documents.document(url)
        except FetchError as error:
            problems.append(str(error))
            continue
        if not isinstance(said, dict) or said.get("issuer") != issuer:
            # RFC 8414, section 3.3: what is another's must not be used.
            problems.append(f"{url} is of another issuer: write the issuer exactly as it does itself")
            continue
        found = said.get(name)
        if isinstance(found, str):
            return found, said
        problems.append(f"{url} names no {name}")
    raise FetchError("; ".join(problems))


async def find_keys(documents: Documents, issuer: str, known_uri: str | None) -> KeySet:
    """Return an issuer's keys, by discovery unless the operator said where they are.

    Raises:
        FetchError: they could not be had, or none of them can be used.
    """
    url = known_uri or (await endpoint(documents, issuer, "jwks_uri"))[0]
    try:
        keys = keysets.read(await documents.document(url))
    except KeySetError as error:
        raise FetchError(f"{url} is no key set: {error}") from None
    if not keys.keys:
        why = "; ".join(keys.passed_over) or "there are none"
        raise FetchError(f"{url} has no key that can be used: {why}")
    return keys
