"""How people come in and go out: a one-time link, their organisation's login, and the end of a session."""

from __future__ import annotations

import structlog
from starlette.responses import Response

from mcp_core.principal import NOBODY, consumer
from mcp_sidecar.portal import links
from mcp_sidecar.portal.paper import Paper, away
from mcp_sidecar.portal.provider import SECONDS as SIGN_IN_SECONDS
from mcp_sidecar.portal.provider import Provider, SignInError
from mcp_sidecar.portal.sessions import SECONDS, PortalSessions
from mcp_sidecar.portal.settings import PREFIX, PortalSettings
from mcp_sidecar.portal.visitors import PageAsked, Reception, local, not_found


class SignIn:
    """Makes the pages of sign-in."""

    def __init__(
        self,
        settings: PortalSettings,
        sessions: PortalSessions,
        reception: Reception,
        provider: Provider | None,
        paper: Paper,
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._cookie = reception.cookie
        self._provider = provider
        self._paper = paper

    async def page(self, asked: PageAsked) -> Response:
        """Return the page that says how to sign in."""
        return self._page(asked, "")

    def _page(self, asked: PageAsked, reason: str, status: int = 200) -> Response:
        return self._paper.page(
            asked,
            "sign_in.html",
            status=status,
            title="Sign in",
            here="",
            provider=self._provider is not None,
            reason=reason,
            next=local(asked.query.get("next", "")),
        )

    async def link(self, asked: PageAsked) -> Response:
        """Return the page of a one-time link. It uses nothing up: programs that look at links use GET."""
        token, next_ = asked.query.get("link", ""), local(asked.query.get("next", ""))
        return self._paper.page(asked, "enter.html", title="Sign in", here="", token=token[:200], next=next_)

    async def enter(self, asked: PageAsked) -> Response:
        """Sign somebody in by a link, and use it up."""
        guest = links.use(self._settings.links, asked.form.get("link", "")) if self._settings.links else None
        if guest is None:
            structlog.get_logger().warning("a portal link was not good")
            return self._page(asked, "This link was used, is too old, or was never good. Ask for another one.", 403)
        structlog.get_logger().info("portal sign-in", who=guest.shown, by="link")
        answer = away(local(asked.form.get("next", "")))
        principal = NOBODY if guest.consumer is None else consumer(guest.consumer, guest.groups)
        self._keep(answer, self._sessions.begin(principal, guest.shown, guest.credential, guest.role))
        return answer

    async def login(self, asked: PageAsked) -> Response:
        """Send somebody to their organisation's login."""
        if self._provider is None:
            raise not_found()
        try:
            where, kept = await self._provider.begin(local(asked.query.get("next", "")))
        except SignInError as error:
            return self._page(asked, str(error), 502)
        answer = away(where)
        self._set(answer, f"{self._cookie}-login", kept, SIGN_IN_SECONDS)
        return answer

    async def callback(self, asked: PageAsked) -> Response:
        """Sign in whoever comes back from the login."""
        if self._provider is None:
            raise not_found()
        try:
            known, next_ = await self._provider.end(asked.request.cookies.get(f"{self._cookie}-login", ""), asked.query)
        except SignInError as error:
            return self._page(asked, str(error), 403)
        structlog.get_logger().info("portal sign-in", who=known.principal.name, by="login")
        answer = away(local(next_))
        self._take_away(answer, f"{self._cookie}-login")
        self._keep(answer, self._sessions.begin(known.principal, known.shown, known.credential))
        return answer

    async def leave(self, asked: PageAsked) -> Response:
        """End a session."""
        visitor = asked.need()
        if visitor.session is not None:
            self._sessions.end(visitor.session)
        answer = away(f"{PREFIX}/sign-in")
        self._take_away(answer, self._cookie)
        return answer

    def _keep(self, answer: Response, sealed: str) -> None:
        self._set(answer, self._cookie, sealed, SECONDS)

    def _set(self, answer: Response, name: str, text: str, seconds: int) -> None:
        answer.set_cookie(
            name,
            text,
            max_age=seconds,
            path=PREFIX,
            secure=self._settings.is_secure,
            httponly=True,
            # The way back from the login is another site's link: "strict" would leave the cookie at home.
            samesite="lax",
        )

    def _take_away(self, answer: Response, name: str) -> None:
        answer.delete_cookie(name, path=PREFIX, secure=self._settings.is_secure, httponly=True, samesite="lax")
