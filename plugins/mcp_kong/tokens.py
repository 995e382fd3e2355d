"""Who calls, by the token of a request: the guard's way to mcp_core.auth, and its answers at the well-known URLs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Final

from mcp_core import methods
from mcp_core.auth import bearer, metadata, tokens, wanted
from mcp_core.auth.cache import TokenCache
from mcp_core.auth.config import Auth
from mcp_core.auth.denied import Denied, KeysMissing, challenge, unavailable
from mcp_core.auth.facade import POST_ALONE
from mcp_core.auth.scopes import TOO_NARROW
from mcp_core.auth.verify import UNKNOWN_KEY, Verifier
from mcp_core.headers import Headers
from mcp_core.jsonrpc import Message
from mcp_core.outcome import INVALID_REQUEST, Reject, RequestId
from mcp_core.policy import View
from mcp_core.principal import Principal
from mcp_kong.keyfiles import MISS_SECONDS, KeyFile
from mcp_kong.pdk import Kong

CREDENTIALS: Final = frozenset({"authorization", "proxy-authorization", "dpop"})
"""Headers that no server and no log gets where tokens are taken, whatever hide_headers says."""
ASK_SECONDS: Final = 10.0
MAX_HEADERS: Final = 100
REDACTED: Final = "REDACTED"
"""What Kong's own serializer writes in place of Authorization."""
_RECORDED_QUERY: Final = ("request.uri", "request.url", "request.querystring", "upstream_uri")
"""Where Kong's log records have the query of a request."""


@cache
def _tokens_of_this_process() -> TokenCache:
    return TokenCache(secrets.token_bytes(32))


class Tokens:
    """The tokens of one guarded server."""

    def __init__(self, auth: Auth, file: KeyFile, wall: Callable[[], float]) -> None:
        """Take a clock of Unix time in seconds."""
        self._auth = auth
        self._file = file
        self._wall = wall
        self._verifier = Verifier(
            auth.issuers, skew=auth.skew, cache=_tokens_of_this_process(), purpose=auth.fingerprint
        )
        self._asked: dict[str, float] = {}
        self._document = auth.document().decode()

    def principal(self, kong: Kong, headers: Headers) -> Principal | Reject:
        """Return who calls, with all the scopes that its token grants, or the refusal with its challenge."""
        token = bearer.read(headers)
        if isinstance(token, Denied):
            # A query is dropped, never read: it is looked at only to tell its sender where the token belongs.
            if token is bearer.NO_TOKEN and bearer.in_query(kong.request.get_raw_query()):
                token = bearer.IN_QUERY
                for name in _RECORDED_QUERY:
                    kong.log.set_serialize_value(name, REDACTED)
            return self._challenge(token, self._auth.scopes.required)
        found = self._verify(token)
        if isinstance(found, KeysMissing):
            return unavailable(found)
        if isinstance(found, Denied):
            return self._challenge(found, self._auth.scopes.required)
        granted = self._auth.scopes.granted(found.scopes)
        if not self._auth.scopes.lets_in(granted):
            return self._challenge(TOO_NARROW, self._auth.scopes.required)
        return found if granted is found.scopes else replace(found, scopes=granted)

    def wanted(self, headers: Headers, refusal: Reject, ring: Sequence[bytes]) -> str | None:
        """Return the word with which the sidecar fetches a key that a refused token names; None in all other cases.

        Each issuer's keys are asked for once in ASK_SECONDS: whoever invents kids is refused without asking anybody.
        """
        token = bearer.read(headers)
        if refusal.reason != UNKNOWN_KEY.reason or isinstance(token, Denied):
            return None
        read = tokens.parse(token)
        if isinstance(read, Denied):
            return None
        issuer, now = str(read.claims.get("iss")), self._wall()
        if now - self._asked.get(issuer, float("-inf")) < ASK_SECONDS:
            return None
        self._asked[issuer] = now
        challenge, body = refusal.headers[methods.AUTHENTICATE_HEADER], refusal.body().decode()
        return wanted.sign(
            wanted.WantedKey(issuer, read.kid, read.algorithm, challenge, body, int(now) + wanted.SECONDS), ring
        )

    def narrow(self, view: View, principal: Principal) -> View:
        """Return what the principal may see of a view with its scopes."""
        return self._auth.scopes.narrow(view, principal.scopes)

    def step_up(self, principal: Principal, messages: Sequence[Message], id_: RequestId | None) -> Reject | None:
        """Return the challenge for a request that needs more scopes than its token has, or None."""
        missing = self._auth.scopes.missing(messages, principal.scopes)
        return self._challenge(TOO_NARROW, missing, id_) if missing else None

    def answer(self, kong: Kong, http_method: str) -> None:
        """End a request for the metadata document. It is public: neither token nor Origin is asked for."""
        if http_method == "OPTIONS":
            kong.response.exit(204, "", metadata.PREFLIGHT)
        elif http_method in ("GET", "HEAD"):
            kong.response.exit(200, self._document, metadata.HEADERS)
        else:
            refusal = Reject(INVALID_REQUEST, "Use GET here.", "http-method", status=405)
            kong.response.exit(405, refusal.body().decode(), {"Content-Type": "application/json", "Allow": "GET"})

    @property
    def has_facade(self) -> bool:
        """Whether the gateway speaks for a provider, and so answers to more than the metadata of the resource."""
        return self._auth.facade is not None

    def speak_for_provider(self, kong: Kong, http_method: str, path: str) -> bool:
        """End a request at one of the provider's endpoints here, or hand it on, rewritten. False for any other path."""
        facade = self._auth.facade[1] if self._auth.facade else None
        if facade is None or path not in (*facade.paths, facade.token_path):
            return False
        body = _raw_body(kong) if http_method == "POST" else b""
        if path != facade.token_path:
            found = facade.answers(path, http_method, kong.request.get_raw_query(), body)
        elif http_method == "POST":
            kind = kong.request.get_headers(MAX_HEADERS).get("content-type", "")
            rewritten = facade.token_request(kind if isinstance(kind, str) else "", body)
            if isinstance(rewritten, bytes):
                kong.service.request.set_raw_body(rewritten.decode())
                return True
            found = rewritten
        else:
            found = POST_ALONE
        kong.response.exit(found.status, found.body, found.headers)
        return True

    def _verify(self, token: str) -> Principal | Denied | KeysMissing:
        found = self._verifier.verify(token, self._file.keys, now=self._wall())
        missing = found is UNKNOWN_KEY or isinstance(found, KeysMissing)
        if missing and self._file.look(MISS_SECONDS):
            found = self._verifier.verify(token, self._file.keys, now=self._wall())
        return found

    def _challenge(self, denied: Denied, scopes: Sequence[str], id_: RequestId | None = None) -> Reject:
        return challenge(denied, self._auth.metadata_url, scopes, id_)


def _raw_body(kong: Kong) -> bytes:
    body = kong.request.get_raw_body()
    return body.encode() if isinstance(body, str) else body or b""
