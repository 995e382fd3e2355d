"""Requesting a server: a form whose end is the command that looks at it and makes the change in Git."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import Response

from mcp_sidecar.portal.paper import Paper
from mcp_sidecar.portal.visitors import PageAsked

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ASKED: Final = (
    ("url", "URL of the MCP endpoint", "https://HOST/PATH, of a replica; no user, password or query", True),
    ("name", "Name", "a-z, 0-9 and - between them: agents find it at /NAME/mcp", True),
    ("title", "Title", "what people call it", True),
    ("owner", "Owner", "the team that answers for it", True),
    ("description", "What it is good for", "in a sentence or two", False),
)


class RequestPages:
    """Makes the page of requests. It asks nobody anything: who runs the command looks at the server, in bounds."""

    def __init__(self, paper: Paper) -> None:
        self._paper = paper

    async def form(self, asked: PageAsked) -> Response:
        """Return the form."""
        asked.need()
        return self._page(asked, {})

    async def prepare(self, asked: PageAsked) -> Response:
        """Return the command of what was filled in."""
        asked.need()
        given = {name: " ".join(asked.form.get(name, "").split()) for name, *_ in _ASKED}
        problems = _problems(given)
        return self._page(asked, problems, given, 422) if problems else self._page(asked, {}, given, done=True)

    def _page(
        self,
        asked: PageAsked,
        problems: Mapping[str, str],
        given: Mapping[str, str] | None = None,
        status: int = 200,
        *,
        done: bool = False,
    ) -> Response:
        given = given or {}
        return self._paper.page(
            asked,
            "request.html",
            status=status,
            title="Request a server",
            here="request",
            rows=_ASKED,
            given=given,
            problems=problems,
            command=_command(given) if done else "",
        )


def _problems(given: Mapping[str, str]) -> dict[str, str]:
    problems = {name: "This must be filled in." for name, _, _, must in _ASKED if must and not given[name]}
    if given["url"] and not _is_url(given["url"]):
        problems["url"] = "Write https://HOST/PATH, without user, password, query and fragment."
    if given["name"] and _NAME.fullmatch(given["name"]) is None:
        problems["name"] = "Write a DNS label: a-z, 0-9 and - between them, 63 characters at most."
    return problems


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return False
    plain = (
        url.scheme in ("http", "https") and bool(url.hostname) and port != 0 and text.isascii() and text.isprintable()
    )
    return plain and "@" not in url.netloc and not url.query and not url.fragment and " " not in text


def _command(given: Mapping[str, str]) -> str:
    """Return the command that looks at the server, and makes the change in Git."""
    said = [f"--{name} {shlex.quote(given[name])}" for name in ("title", "description", "owner") if given[name]]
    return " ".join(["kong-mcp server request", given["name"], shlex.quote(given["url"]), *said])
