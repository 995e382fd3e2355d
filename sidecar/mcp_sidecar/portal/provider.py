"""Sign-in with an OpenID provider: the code flow with PKCE, state and nonce, and an ID token that is verified.

Sources: OpenID Connect Core 1.0 (3.1, and 3.1.3.7 for what is checked of an ID token), RFC 6749, RFC 7636, RFC 9207.
The provider is asked by the sidecar's one client for documents of issuers (auth.fetch), within the same bounds.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import anyio
import jwt
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from mcp_core.principal import TOKEN, Principal
from mcp_core.seal import derive
from mcp_sidecar.auth.addresses import Network
from mcp_sidecar.auth.fetch import Fetcher, FetchError
from mcp_sidecar.auth.secret import SecretError
from mcp_sidecar.portal.settings import PREFIX, LoginProvider

SECONDS: Final = 600
"""How long a sign-in may take, from the first page to the way back."""
DESCRIPTION_KEPT: Final = 60.0
"""Seconds for which the provider is not asked again how it describes itself: whoever is not signed in may begin."""
FAILURE_KEPT: Final = 5.0
"""Seconds for which it is not asked again where that failed."""
ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
_LEEWAY: Final = 30


class SignInError(Exception):
    """Nobody was signed in. The message is for the person; nothing of the provider's answer stands in it."""


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """Who signed in, and the access token with which their agents call, where there is one."""

    shown: str
    principal: Principal
    credential: Mapping[str, str]


class Provider:
    """One provider. Everything of a sign-in that is under way is in a sealed cookie of its browser."""

    def __init__(self, login: LoginProvider, keys: Sequence[bytes], url: str, networks: Sequence[Network]) -> None:
        self._login = login
        self._back = f"{url}{PREFIX}/callback"
        self._networks = networks
        sealing = [base64.urlsafe_b64encode(derive(key, "kong-mcp portal sign-in")) for key in keys]
        self._sealer = MultiFernet([Fernet(key) for key in sealing])
        self.clock = time.monotonic
        self._described: tuple[float, Mapping[str, Any] | SignInError] | None = None
        self._describing = anyio.Lock()

    async def begin(self, next_: str) -> tuple[str, str]:
        """Return where the browser is sent, and what its cookie holds until it comes back. Raises SignInError."""
        said = await self._metadata()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._login.client,
            "redirect_uri": self._back,
            "scope": self._login.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        kept = {"state": state, "nonce": nonce, "verifier": verifier, "next": next_}
        where = str(said["authorization_endpoint"])
        sealed = self._sealer.encrypt(json.dumps(kept).encode()).decode()
        return f"{where}{'&' if '?' in where else '?'}{urlencode(asked)}", sealed

    async def end(self, cookie: str, query: Mapping[str, str]) -> tuple[KnownPerson, str]:
        """Return who came back, and where they wanted to go. Raises SignInError."""
        try:
            kept = json.loads(self._sealer.decrypt(cookie.encode("ascii", "replace"), ttl=SECONDS))
        except InvalidToken:
            raise SignInError("This sign-in was not begun in this browser, or took too long. Begin again.") from None
        if not hmac.compare_digest(kept["state"].encode(), query.get("state", "").encode("utf-8", "replace")):
            raise SignInError("This answer belongs to another sign-in. Begin again.")
        if query.get("iss", self._login.issuer) != self._login.issuer:
            raise SignInError("This answer is another provider's. Begin again.")
        if "error" in query or not query.get("code"):
            raise SignInError("The provider did not sign you in.")
        said = await self._metadata()
        tokens = await self._exchange(said, query["code"], kept["verifier"])
        claims = await self._verified(said, str(tokens.get("id_token", "")), kept["nonce"])
        return _known(self._login.issuer, claims, tokens), kept["next"]

    async def _metadata(self) -> Mapping[str, Any]:
        """Return how the provider describes itself, asked once in a while. Raises SignInError, for as long."""
        async with self._describing:
            if self._described is None or self._described[0] <= self.clock():
                said: Mapping[str, Any] | SignInError
                try:
                    said = await self._ask_metadata()
                except SignInError as error:
                    said = error
                kept = FAILURE_KEPT if isinstance(said, SignInError) else DESCRIPTION_KEPT
                self._described = (self.clock() + kept, said)
            said = self._described[1]
        if isinstance(said, SignInError):
            raise SignInError(*said.args)
        return said

    async def _ask_metadata(self) -> Mapping[str, Any]:
        said = await self._document(f"{self._login.issuer.rstrip('/')}/.well-known/openid-configuration")
        needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if said.get("issuer") != self._login.issuer or not all(isinstance(said.get(name), str) for name in needed):
            raise SignInError("The provider describes itself as another one. Tell your administrator.")
        return said

    async def _document(self, url: str) -> Mapping[str, Any]:
        try:
            async with Fetcher(self._networks) as fetcher:
                said = await fetcher.document(url)
        except FetchError:
            raise SignInError("The provider cannot be reached. Try again in a minute.") from None
        if not isinstance(said, Mapping):
            raise SignInError("The provider's answer cannot be read. Tell your administrator.")
        return said

    async def _exchange(self, said: Mapping[str, Any], code: str, verifier: str) -> Mapping[str, Any]:
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": verifier,
            "client_id": self._login.client,
        }
        try:
            # RFC 6749, section 2.3.1: both are form-encoded first.
            pair = f"{quote(self._login.client, safe='')}:{quote(self._login.secret.read(), safe='')}"
            credentials = f"Basic {base64.b64encode(pair.encode()).decode()}"
            async with Fetcher(self._networks) as fetcher:
                status, tokens = await fetcher.post(str(said["token_endpoint"]), fields, credentials)
        except (FetchError, SecretError):
            raise SignInError("The provider cannot be asked. Tell your administrator.") from None
        if status != 200 or not isinstance(tokens, Mapping):
            raise SignInError("The provider did not accept this sign-in. Begin again.")
        return tokens

    async def _verified(self, said: Mapping[str, Any], token: str, nonce: str) -> Mapping[str, Any]:
        """Return the claims of an ID token. Raises SignInError."""
        keys = await self._document(str(said["jwks_uri"]))
        try:
            head = jwt.get_unverified_header(token)
            fitting = [key for key in jwt.PyJWKSet.from_dict(dict(keys)).keys if key.key_id == head.get("kid")]
            claims: Mapping[str, Any] = jwt.decode(
                token,
                fitting[0],
                algorithms=list(ALGORITHMS),
                audience=self._login.client,
                issuer=self._login.issuer,
                leeway=_LEEWAY,
                options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"]},
            )
        except (jwt.PyJWTError, IndexError, KeyError, ValueError):
            raise SignInError("The provider's word about you is not good. Tell your administrator.") from None
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()) or (
            (several or "azp" in claims) and claims.get("azp") != self._login.client
        ):
            raise SignInError("The provider's word about you is of another sign-in. Begin again.")
        if claims["iat"] > time.time() + _LEEWAY:
            raise SignInError("The provider's clock is ahead. Tell your administrator.")
        return claims


def _known(issuer: str, claims: Mapping[str, Any], tokens: Mapping[str, Any]) -> KnownPerson:
    groups = claims.get("groups")
    named = frozenset(group for group in groups if isinstance(group, str)) if isinstance(groups, list) else frozenset()
    scopes = frozenset(str(tokens.get("scope", "")).split())
    access = tokens.get("access_token")
    credential = {"authorization": f"Bearer {access}"} if isinstance(access, str) and access.isascii() else {}
    name = claims.get("name") or claims.get("preferred_username") or claims.get("email") or claims["sub"]
    return KnownPerson(str(name)[:80], Principal(TOKEN, str(claims["sub"]), issuer, named, scopes), credential)
