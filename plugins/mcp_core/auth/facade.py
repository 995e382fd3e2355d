"""What MCP clients need of a provider that lacks it: metadata where they look, and requests without what it refuses.

A provider may refuse `resource` (RFC 8707), which MCP clients must send, have no metadata where they look, not say that
it takes PKCE, or know scopes by longer names. Then the resource's metadata names the gateway as the authorization
server: its document has the gateway's endpoints, and these hand on to the provider what a client sent, rewritten. The
authorization endpoint sends the person's browser on; the token endpoint is a route of Kong's to the provider. Codes,
tokens and secrets are the provider's and the client's: nothing is issued, kept or read here.
Source: RFC 8414, sections 2 and 3; RFC 8707, section 2; RFC 6749, sections 3.1, 3.2 and 5.2; RFC 7591, section 3.2.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_plus, urlsplit

from mcp_core import jsonrpc
from mcp_core.auth.metadata import HEADERS, PREFLIGHT
from mcp_core.jsonrpc import Limits, NotStrictError

WELL_KNOWN: Final = "/.well-known/oauth-authorization-server"
FORM: Final = "application/x-www-form-urlencoded"
MAX_FORM: Final = 64 * 1024
_GRANTS: Final = ("authorization_code", "refresh_token", "client_credentials")
"""What MCP clients come with. Nothing else is handed on: the provider's token endpoint has uses that are not ours."""
_OWN_SCOPES: Final = frozenset({"openid", "profile", "email", "offline_access"})
"""Scopes of OpenID Connect, which providers know by these very names."""
_REGISTRATION: Final = Limits(body=16 * 1024, depth=8, keys=128, values=512)
_NAME: Final = re.compile(r"[A-Za-z0-9_.~-]+")
_VALUE: Final = re.compile(r"(?:[A-Za-z0-9_.~!$'()*+,/:?@-]|%[0-9A-Fa-f]{2})*")
"""What no reader takes for the end of a parameter (";" is one to some), of a line or of a URL."""
_MOST_URIS: Final = 16
_PREFLIGHT: Final = {
    **PREFLIGHT,
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Content-Type, MCP-Protocol-Version",
}
_NO_STORE: Final = {"Content-Type": "application/json", "Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answers itself."""

    status: int
    headers: dict[str, str]
    body: str = ""


@dataclass(frozen=True, slots=True)
class Facade:
    """One provider's, for one resource. `scope_prefix` stands before scopes at the provider.

    `client_id` is for whoever would register, "" where nobody can; `scopes` are those that a client should begin with.
    """

    resource: str
    authorization_endpoint: str
    token_endpoint: str
    scope_prefix: str = ""
    client_id: str = ""
    scopes: tuple[str, ...] = ()

    @property
    def issuer(self) -> str:
        """Whom the resource's metadata names, and the document names itself."""
        return self.resource.removesuffix("/")

    @property
    def metadata_path(self) -> str:
        """Where the document is (RFC 8414, section 3.1)."""
        return WELL_KNOWN + urlsplit(self.issuer).path

    @property
    def token_path(self) -> str:
        """Where clients ask for tokens."""
        return self._path("token")

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths but that of the token endpoint: what the gateway answers itself."""
        own = [self.metadata_path, self._path("authorize")]
        return (*own, self._path("register")) if self.client_id else tuple(own)

    def answers(self, path: str, http_method: str, query: str, body: bytes) -> Answer:
        """Return the answer to a request for one of `paths`."""
        if http_method == "OPTIONS":
            return Answer(204, dict(_PREFLIGHT))
        if path == self._path("register"):
            return self._register(body) if http_method == "POST" else POST_ALONE
        if http_method not in ("GET", "HEAD"):
            return _GET_ALONE
        return Answer(200, dict(HEADERS), self.document()) if path == self.metadata_path else self._authorize(query)

    def document(self) -> str:
        """Return the authorization server's metadata: the provider's endpoints are behind the gateway's."""
        values: dict[str, object] = {
            "issuer": self.issuer,
            "authorization_endpoint": self.issuer + "/oauth/authorize",
            "token_endpoint": self.issuer + "/oauth/token",
            "response_types_supported": ["code"],
            "grant_types_supported": list(_GRANTS),
            # MCP clients go no further where a provider does not say so, and some take it without saying.
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        }
        if self.scopes:
            values["scopes_supported"] = list(self.scopes)
        if self.client_id:
            values["registration_endpoint"] = self.issuer + "/oauth/register"
        return json.dumps(values, separators=(",", ":"))

    def token_request(self, content_type: str, form: bytes) -> bytes | Answer:
        """Return what the provider is asked for in place of a client's form, or why it is not."""
        if content_type.partition(";")[0].strip().lower() != FORM or len(form) > MAX_FORM or not form.isascii():
            return _error("invalid_request", f"send a form of {MAX_FORM} bytes at most, as {FORM}")
        text = form.decode()
        if _value(text, "grant_type") not in _GRANTS:
            return _error("unsupported_grant_type", f"write one of {', '.join(_GRANTS)}")
        rewritten = self._rewritten(text)
        return rewritten if isinstance(rewritten, Answer) else rewritten.encode()

    def _path(self, name: str) -> str:
        return f"{urlsplit(self.issuer).path}/oauth/{name}"

    def _authorize(self, query: str) -> Answer:
        rewritten = self._rewritten(query)
        if isinstance(rewritten, Answer):
            return rewritten
        joint = "&" if "?" in self.authorization_endpoint else "?"
        where = f"{self.authorization_endpoint}{joint}{rewritten}"
        return Answer(302, {"Location": where, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})

    def _rewritten(self, text: str) -> str | Answer:
        """Return parameters without `resource`, and with the provider's names of scopes; all else stays byte for byte.

        What two readers could take otherwise is refused: a parameter that stands twice (RFC 6749, section 3.1), an
        encoded name, a second separator. So is a resource that is another one (RFC 8707, section 2).
        """
        if not text:
            return _error("invalid_request", "send parameters")
        kept, seen = [], set()
        for part in text.split("&"):
            name, _, value = part.partition("=")
            if name in seen or _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
                return _error("invalid_request", "send each parameter once, its name as it is and its value encoded")
            seen.add(name)
            if name == "resource":
                if unquote_plus(value).removesuffix("/") != self.issuer:
                    return _error("invalid_target", f"the resource here is {self.resource}")
                continue
            kept.append(f"{name}={quote(self._scopes(unquote_plus(value)), safe='')}" if name == "scope" else part)
        return "&".join(kept)

    def _scopes(self, text: str) -> str:
        return " ".join(
            word if word in _OWN_SCOPES or word.startswith(self.scope_prefix) else self.scope_prefix + word
            for word in text.split()
        )

    def _register(self, body: bytes) -> Answer:
        """Answer whoever would register with the one client that the provider has for all of them.

        Where a person may be sent back to is the provider's to judge: it has that client's redirect URIs.
        """
        try:
            asked = jsonrpc.load(body, _REGISTRATION)
        except NotStrictError:
            asked = None
        uris = asked.get("redirect_uris") if isinstance(asked, dict) else None
        if (
            not isinstance(uris, list)
            or not 0 < len(uris) <= _MOST_URIS
            or not all(isinstance(one, str) for one in uris)
        ):
            return _error("invalid_client_metadata", "send JSON with redirect_uris")
        values = {
            "client_id": self.client_id,
            "redirect_uris": uris,
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
        }
        return Answer(201, dict(_NO_STORE), json.dumps(values))


def _value(text: str, name: str) -> str | None:
    """Return the first value of a parameter; that there is no second one, `_rewritten` sees to."""
    return next((unquote_plus(part[len(name) + 1 :]) for part in text.split("&") if part.startswith(f"{name}=")), None)


def _error(code: str, text: str) -> Answer:
    """RFC 6749, section 5.2. At the authorization endpoint too: nothing that was sent is trusted to be sent on to."""
    return Answer(400, dict(_NO_STORE), json.dumps({"error": code, "error_description": text}))


POST_ALONE: Final = Answer(405, {**_NO_STORE, "Allow": "POST"}, json.dumps({"error": "invalid_request"}))
_GET_ALONE: Final = Answer(405, {**_NO_STORE, "Allow": "GET"}, json.dumps({"error": "invalid_request"}))
