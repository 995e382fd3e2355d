"""Pages as answers: templates with everything escaped, the headers that every page carries, and errors as pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import RedirectResponse, Response

from mcp_core.pins.effects import Effect, Effects
from mcp_sidecar.portal.listing import link
from mcp_sidecar.portal.settings import PREFIX
from mcp_sidecar.portal.shown import plain, value
from mcp_sidecar.portal.visitors import PageAsked, PageError
from mcp_sidecar.surface.viewers import Permission

FOLDER: Final = Path(__file__).parent
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""What every answer carries: nothing runs or loads but the two files of the portal, and nobody frames it."""

_REACH: Final = {
    Effect.READS: "reads",
    Effect.WRITES: "writes",
    Effect.DESTROYS: "may destroy",
    Effect.OUTSIDE: "reaches outside",
}


class Paper:
    """Makes pages of templates."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(home=f"{PREFIX}/", base=PREFIX, link=link)
        self._templates.filters.update(date=date, day=day, plain=plain, value=value, reach=reach)

    def page(self, asked: PageAsked | None, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page for whoever asked; None where that is not known."""
        visitor = asked.visitor if asked is not None else None
        text = self._templates.get_template(template).render(
            visitor=visitor,
            decides=visitor is not None and visitor.may(Permission.DECIDE),
            query=asked.query if asked is not None else {},
            **values,
        )
        return Response(text, status, HEADERS, "text/html")

    def error(self, error: PageError, asked: PageAsked | None = None) -> Response:
        """Return the page of an error."""
        return self.page(asked, "error.html", status=error.status, title=error.title, advice=error.advice, here="")


def away(url: str) -> Response:
    """Send somebody to another page, which is asked for with GET."""
    return RedirectResponse(url, 303, dict(HEADERS))


def reach(effects: Effects) -> str:
    """Return in words what an item may reach."""
    said = [_REACH[effect] for effect in Effect if effect in effects.labels]
    return ", ".join(said) + (" (nothing is said; MCP presumes so)" if effects.said == "nobody" else "")


def date(milliseconds: int) -> str:
    """Return a moment as people read it, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC") if milliseconds else "never"


def day(milliseconds: int) -> str:
    """Return the day of a moment in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d") if milliseconds else "never"
