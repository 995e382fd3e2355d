"""Who looks at a page, and what they may: a request counts where Kong signed for it, a person where they signed in."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

import anyio
from starlette.requests import Request

from mcp_core import methods
from mcp_core.page_word import MAX_BODY, Page, PageSigner
from mcp_core.principal import NOBODY, Principal
from mcp_sidecar.portal.sessions import PortalSessions, SignedIn
from mcp_sidecar.portal.settings import PREFIX, PortalSettings
from mcp_sidecar.store.tables import SERVER as MAX_ACTOR
from mcp_sidecar.surface.viewers import MAY, Permission, Viewer, ViewerRole

IsCutOff: TypeAlias = Callable[[Principal], bool]
"""Says whether somebody was cut off (kong-mcp revoke) since they signed in."""
BODY_SECONDS: Final = 30.0
FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 2000


class PageError(Exception):
    """What is answered in place of a page: `status`, what went wrong, and what to do."""

    def __init__(self, status: int, title: str, advice: str) -> None:
        super().__init__(title)
        self.status, self.title, self.advice = status, title, advice


NOT_FOUND: Final = (
    "There is no such page",
    "It may have been taken away, or you may not see it. Look at the list of servers.",
)


def not_found() -> PageError:
    """Return the answer for what is not there, and for what somebody may not see: the same."""
    return PageError(404, *NOT_FOUND)


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who is signed in. `session` is None where Kong's own plugins said who it is."""

    principal: Principal
    shown: str
    role: ViewerRole
    session: SignedIn | None
    form_token: str

    @property
    def viewer(self) -> Viewer:
        """Return them as the table of permissions knows them."""
        return Viewer(self.principal.name or self.shown, MAY[self.role], self.principal)

    @property
    def answerable(self) -> str:
        """Return by what name they answer for what they do: one that people give themselves only where it is all.

        One that is longer than the store takes is told by its digest.
        """
        name = self.principal.name or self.shown
        return name if len(name) <= MAX_ACTOR else self.principal.seal_key

    def may(self, permission: Permission) -> bool:
        """Return whether they may do something with every server."""
        return permission in MAY[self.role]


@dataclass(frozen=True, slots=True)
class PageAsked:
    """One request that Kong signed: who Kong says it is, and what was sent with it, each name once but for lists."""

    request: Request
    principal: Principal
    visitor: Visitor | None
    query: dict[str, str]
    form: dict[str, str]

    def need(self) -> Visitor:
        """Return who is signed in. Raises PageError."""
        if self.visitor is None:
            raise PageError(401, "You are not signed in", "Sign in, and open this page again.")
        return self.visitor

    def need_permission(self, permission: Permission) -> Visitor:
        """Return who is signed in and may do something. Raises PageError: to others there is no such page."""
        visitor = self.need()
        if not visitor.may(permission):
            raise not_found()
        return visitor


class Reception:
    """Reads requests, and refuses those that did not come by Kong or that another site's page made."""

    def __init__(
        self, settings: PortalSettings, keys: Sequence[bytes], sessions: PortalSessions, is_cut_off: IsCutOff
    ) -> None:
        self._is_cut_off = is_cut_off
        self._settings = settings
        self._signer = PageSigner(keys)
        self._sessions = sessions
        self.cookie = "__Secure-portal" if settings.is_secure else "portal"

    async def read(self, request: Request) -> PageAsked:
        """Return the request. Raises PageError."""
        body = await _body(request) if request.method == "POST" else b""
        scope = request.scope
        page = Page(request.method, scope["path"], scope["query_string"].decode("latin-1"), body)
        words = request.headers.getlist(methods.CONTEXT_HEADER)
        said = self._signer.verify(words[0], page, now=time.time()) if len(words) == 1 else None
        if said is None:
            raise PageError(
                403, "This page is reached through the gateway alone", "Open the gateway's address instead."
            )
        visitor = self._visitor(request, said)
        form = self._form(request, body, visitor) if request.method == "POST" else {}
        return PageAsked(request, said, visitor, _fields(page.query), form)

    def _visitor(self, request: Request, said: Principal) -> Visitor | None:
        if said is not NOBODY:
            # Kong knows them at each request: there is nothing to sign out of, and forms are theirs by their name.
            kept = SignedIn(said.seal_key, said, said.name or "")
            return self._known(said, said.name or "", None, self._sessions.form_token(kept))
        session = self._sessions.read(request.cookies.get(self.cookie, ""))
        if session is None or self._is_cut_off(session.principal):
            return None
        return self._known(session.principal, session.shown, session, self._sessions.form_token(session))

    def _known(self, principal: Principal, shown: str, session: SignedIn | None, token: str) -> Visitor:
        said = None if session is None else session.role
        role = self._settings.role_of(principal) if said is None else _role(said)
        return Visitor(principal, shown, role, session, token)

    def _form(self, request: Request, body: bytes, visitor: Visitor | None) -> dict[str, str]:
        """Return the fields of a form of ours. Raises PageError for another site's, and for one of another session."""
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site", "same-origin")
        if (origin is not None and origin != self._settings.url) or site not in ("same-origin", "none"):
            raise PageError(403, "This form was sent by another site", "Open the page here, and send its form.")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
            raise PageError(415, "This is not a form of these pages", "Open the page here, and send its form.")
        form = _fields(body.decode("utf-8", "replace"))
        if visitor is None:
            return form
        given = form.pop("form_token", "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), visitor.form_token.encode()):
            raise PageError(403, "This form is of another session", "Open the page again, and send its form anew.")
        return form


def _role(word: str) -> ViewerRole:
    try:
        return ViewerRole(word)
    except ValueError:
        return ViewerRole.VIEWER


def _fields(text: str) -> dict[str, str]:
    """Return names and values. Of a name that comes more than once the last value counts, joined lines for lists."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="replace")
    except ValueError:
        raise PageError(400, "There are too many fields", "Send the form as the page has it.") from None
    return {name: value.replace("\0", "\N{REPLACEMENT CHARACTER}") for name, value in pairs}


async def _body(request: Request) -> bytes:
    pieces, size = [], 0
    with anyio.move_on_after(BODY_SECONDS):
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY:
                raise PageError(413, "This form is too long", f"A form has {MAX_BODY} bytes at most.")
            pieces.append(chunk)
        return b"".join(pieces)
    raise PageError(408, "This form took too long to arrive", "Send it again.")


def local(path: str) -> str:
    """Return a path of these pages to which somebody may be sent after sign-in, else the first page's.

    Nothing that a browser could take for another host: no scheme, no //, no backslash, no control character.
    """
    good = (
        path.startswith(f"{PREFIX}/")
        and "//" not in path
        and "\\" not in path
        and path.isascii()
        and path.isprintable()
    )
    return path if good else f"{PREFIX}/"
