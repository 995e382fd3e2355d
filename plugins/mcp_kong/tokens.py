"""Who calls, by the token of a request: the guard's way to mcp_core.auth, and its answers at the well-known URLs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Final

from mcp_core import methods
from mcp_core.auth import bearer, metadata, proof, tokens, wanted
from mcp_core.auth.asks import Ask, AskEnd
from mcp_core.auth.cache import KnownToken, TokenCache
from mcp_core.auth.config import Auth
from mcp_core.auth.denied import INVALID_PROOF, INVALID_TOKEN, USE_NONCE, Denied, KeysMissing, challenge, unavailable
from mcp_core.auth.facade import POST_ALONE
from mcp_core.auth.judge import Binding
from mcp_core.auth.keysets import ALGORITHMS
from mcp_core.auth.revoked import REVOKED
from mcp_core.auth.scopes import TOO_NARROW
from mcp_core.auth.verify import UNKNOWN_KEY, Verifier
from mcp_core.headers import Headers
from mcp_core.jsonrpc import Message
from mcp_core.outcome import FORBIDDEN, INVALID_REQUEST, Reject, RejectKind, RequestId
from mcp_core.policy import View
from mcp_core.principal import TOKEN, Principal
from mcp_core.reasons import Reason
from mcp_kong import answers, parts
from mcp_kong.asks import Sidecar
from mcp_kong.keyfiles import MISS_SECONDS, KeyFile
from mcp_kong.pdk import Kong
from mcp_kong.revocations import UNKNOWN, Revocations

CREDENTIALS: Final = frozenset({"authorization", "proxy-authorization", "dpop"})
"""Headers that no server and no log gets where tokens are taken, whatever hide_headers says."""
ASK_SECONDS: Final = 10.0
INACTIVE_SECONDS: Final = 5.0
"""How long a token that no issuer knows is remembered: whoever repeats it asks nobody."""
_MOST_INACTIVE: Final = 10_000
_CERTIFICATE: Final = "ssl_client_raw_cert"
"""The nginx variable of the client certificate of a connection, in PEM."""

INACTIVE: Final = Denied(
    INVALID_TOKEN, Reason.TOKEN_INACTIVE, "The access token is not active: its issuer does not know it."
)
NOT_ASKED: Final = KeysMissing(
    Reason.ISSUER_NOT_ASKED,
    "The issuer of this token cannot be asked at present, so nobody knows whose it is. Try again.",
)
NOT_KEPT: Final = KeysMissing(
    Reason.PROOF_NOT_KEPT, "The gateway cannot tell at present whether this proof was used before. Send a new one."
)
_OF_PROOFS: Final = frozenset({INVALID_PROOF, USE_NONCE})
REDACTED: Final = "REDACTED"
"""What Kong's own serializer writes in place of Authorization."""
_RECORDED_QUERY: Final = ("request.uri", "request.url", "request.querystring", "upstream_uri")
"""Where Kong's log records have the query of a request."""


@cache
def _inactive_of_this_process() -> dict[bytes, float]:
    return {}


@cache
def _tokens_of_this_process() -> TokenCache:
    return TokenCache(secrets.token_bytes(32))


class Tokens:
    """The tokens of one guarded server."""

    def __init__(
        self,
        auth: Auth,
        file: KeyFile,
        wall: Callable[[], float],
        sidecar: Sidecar,
        ring: Sequence[bytes],
        revoked: Revocations | None = None,
    ) -> None:
        """Take a clock of Unix time in seconds."""
        self._revoked = revoked
        self._auth = auth
        self._file = file
        self._sidecar = sidecar
        self._introspecting = [name for name, one in auth.issuers.items() if one.introspect]
        dpop = auth.dpop
        self._proofs = proof.Proofs(ring, required=dpop.required, nonces=dpop.nonces, seconds=dpop.seconds)
        self._cache = _tokens_of_this_process()
        self._inactive = _inactive_of_this_process()
        self._origin = auth.resource[: auth.resource.index("/", auth.resource.index("://") + 3)]
        self._wall = wall
        self._verifier = Verifier(auth.issuers, skew=auth.skew, cache=self._cache, purpose=auth.fingerprint)
        self._asked: dict[str, float] = {}
        self._document = auth.document().decode()

    def principal(self, kong: Kong, headers: Headers, http_method: str) -> Principal | Reject:
        """Return who calls, with all the scopes that its token grants, or the refusal with its challenge."""
        token = bearer.read(headers)
        if isinstance(token, Denied):
            # A query is dropped, never read: it is looked at only to tell its sender where the token belongs.
            if token is bearer.NO_TOKEN and bearer.in_query(kong.request.get_raw_query()):
                token = bearer.IN_QUERY
                for name in _RECORDED_QUERY:
                    kong.log.set_serialize_value(name, REDACTED)
            return self._challenge(token, self._auth.scopes.required)
        known = self._verify(token)
        if self._introspecting and known in (tokens.NOT_A_JWT, tokens.ENCRYPTED):
            known = self._introspect(kong, token)
        if isinstance(known, KnownToken) and self._revoked is not None:
            cut = self._revoked.cuts(known.principal)
            known = UNKNOWN if cut is None else REVOKED if cut else known
        if isinstance(known, KnownToken):
            known = self._held(kong, headers, http_method, token, known)
        if isinstance(known, KeysMissing):
            return unavailable(known)
        if isinstance(known, Denied):
            return self._challenge(known, self._auth.scopes.required)
        found = known.principal
        if (refusal := self.too_far(found)) is not None:
            return refusal
        granted = self._auth.scopes.granted(found.scopes)
        if not self._auth.scopes.lets_in(granted):
            return self._challenge(TOO_NARROW, self._auth.scopes.required)
        return found if granted is found.scopes else replace(found, scopes=granted)

    def knows(self, principal: Principal) -> bool:
        """Return whether a principal is the subject of a token of one of the issuers here."""
        return principal.kind == TOKEN and principal.issuer in self._auth.issuers

    def too_far(self, principal: Principal) -> Reject | None:
        """Return the refusal of whoever comes for somebody through more servers than this one takes, or None.

        It is no challenge: another token that came the same way would not help.
        """
        most = self._auth.max_actors
        if principal.actors <= most:
            return None
        text = (
            f"This token came through {principal.actors} that act one for the other, and this server takes {most} at "
            "most: have an agent that is nearer to the person call it."
        )
        return Reject(FORBIDDEN, text, Reason.TOKEN_ACTORS, status=403, kind=RejectKind.POLICY)

    def has_cut(self, principal: Principal) -> bool:
        """Return whether what a principal was granted is revoked, or may be: nobody can tell without the file."""
        return self._revoked is not None and self._revoked.cuts(principal) is not False

    def acted_for(self, principal: Principal) -> Principal | None:
        """Return a principal whose token another guard has verified, with the scopes that count here, or None."""
        granted = self._auth.scopes.granted(principal.scopes)
        if not self.knows(principal) or self.has_cut(principal) or not self._auth.scopes.lets_in(granted):
            return None
        if self.too_far(principal) is not None:
            return None
        return replace(principal, scopes=granted)

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

    def brought(self, headers: Headers) -> tuple[str, float] | None:
        """Return the token that a request whose principal is known brought, and the Unix time until which it holds."""
        token = bearer.read(headers)
        if isinstance(token, Denied):
            return None
        known = self._cache.get(self._cache.digest(self._auth.fingerprint, token), now=self._wall())
        return None if known is None else (token, known.until)

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
            refusal = Reject(INVALID_REQUEST, "Use GET here.", Reason.HTTP_METHOD, status=405)
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
        body = parts.body(kong) if http_method == "POST" else b""
        if path != facade.token_path:
            found = facade.answers(path, http_method, kong.request.get_raw_query(), body)
        elif http_method == "POST":
            kind = kong.request.get_headers(answers.MAX_HEADERS).get("content-type", "")
            rewritten = facade.token_request(kind if isinstance(kind, str) else "", body)
            if isinstance(rewritten, bytes):
                kong.service.request.set_raw_body(rewritten.decode())
                return True
            found = rewritten
        else:
            found = POST_ALONE
        kong.response.exit(found.status, found.body, found.headers)
        return True

    def _introspect(self, kong: Kong, token: str) -> KnownToken | Denied | KeysMissing:
        """Ask the issuers whose a token is that is no signed JWT (RFC 7662)."""
        now = self._wall()
        digest = self._cache.digest(self._auth.fingerprint, token)
        if now < self._inactive.get(digest, 0.0):
            return INACTIVE
        question = {"ask": Ask.INTROSPECT, "issuers": self._introspecting, "token": token}
        answer = self._sidecar.ask(kong, question, digest)
        issuer, claims = answer.get("issuer"), answer.get("claims")
        if answer["state"] == AskEnd.SAID and isinstance(issuer, str) and isinstance(claims, dict):
            seconds = self._auth.introspection_seconds.get(issuer, 0)
            return self._verifier.introspected(token, issuer, claims, now=now, seconds=seconds)
        if answer["state"] != AskEnd.REFUSED:
            return NOT_ASKED
        if len(self._inactive) >= _MOST_INACTIVE:
            self._inactive.clear()
        self._inactive[digest] = now + INACTIVE_SECONDS
        return INACTIVE

    def _held(
        self, kong: Kong, headers: Headers, http_method: str, token: str, known: KnownToken
    ) -> KnownToken | Denied | KeysMissing:
        """Return what is known of a token, where whoever brings it holds what it is bound to."""
        bound, by_dpop = known.bound or Binding(), bearer.is_dpop(headers)
        if bool(bound.jkt) != by_dpop:
            return proof.NOT_BOUND if by_dpop else proof.NOT_BEARER
        if self._auth.dpop.required and not bound.jkt:
            return proof.MUST_BE_BOUND
        if bound.x5t and not proof.holds_certificate(bound, kong.nginx.get_var(_CERTIFICATE)):
            return proof.NO_CERTIFICATE
        if not bound.jkt:
            return known
        urls = {self._auth.resource, self._origin + kong.request.get_path()}
        shown = self._proofs.check(headers, bound.jkt, proof.ProofTarget(http_method, urls, token), now=self._wall())
        if isinstance(shown, Denied):
            return shown
        question = {"ask": Ask.PROOF, "proof": shown.id, "until": shown.until}
        # Two who bring one proof at once must not share an answer: one of them is the second.
        state = self._sidecar.ask(kong, question, secrets.token_bytes(16))["state"]
        if state == AskEnd.REFUSED:
            return proof.USED
        return known if state == AskEnd.SAID else NOT_KEPT

    def _verify(self, token: str) -> KnownToken | Denied | KeysMissing:
        found = self._verifier.verify(token, self._file.keys, now=self._wall())
        missing = found is UNKNOWN_KEY or isinstance(found, KeysMissing)
        if missing and self._file.look(MISS_SECONDS):
            found = self._verifier.verify(token, self._file.keys, now=self._wall())
        return found

    def _challenge(self, denied: Denied, scopes: Sequence[str], id_: RequestId | None = None) -> Reject:
        dpop = self._auth.dpop
        by_proof = denied.error in _OF_PROOFS or denied in (proof.NOT_BEARER, proof.MUST_BE_BOUND, proof.OTHER_KEY)
        algorithms = " ".join(ALGORITHMS) if by_proof or dpop.required else ""
        refusal = challenge(denied, self._auth.metadata_url, scopes, id_, algorithms=algorithms)
        if dpop.nonces and algorithms:
            fresh = {methods.NONCE_HEADER: self._proofs.nonce(self._wall())}
            refusal = replace(refusal, headers={**refusal.headers, **fresh})
        return refusal
