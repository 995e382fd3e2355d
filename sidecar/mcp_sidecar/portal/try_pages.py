"""Try it: a form from a tool's schema, and the answer to a call through the gateway as the person signed in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from starlette.responses import Response

from mcp_core.pins.effects import effects_of
from mcp_core.scan import ItemKind
from mcp_sidecar.portal import forms, trying
from mcp_sidecar.portal.forms import Filled
from mcp_sidecar.portal.paper import Paper
from mcp_sidecar.portal.server_pages import ServerPages
from mcp_sidecar.portal.shown import Text, shown
from mcp_sidecar.portal.trying import KongWay, RefusedError
from mcp_sidecar.portal.visitors import PageAsked, PageError, not_found

_MOST_TEXTS: Final = 20
_NOTHING: Final = Text(())
_OF_KONG: Final = (
    "You came in by Kong's own login, so the portal holds no credential of yours; call it with your own client."
)


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What a call came to, as a page shows it."""

    title: str
    failed: bool
    texts: tuple[Text, ...] = ()
    json: Text = _NOTHING


class TryPages:
    """Makes the pages on which tools are tried."""

    def __init__(self, way: KongWay, servers: ServerPages, paper: Paper) -> None:
        self._way = way
        self._servers = servers
        self._paper = paper

    async def form(self, asked: PageAsked) -> Response:
        """Return the form of a tool."""
        return await self._page(asked, {}, None)

    async def call(self, asked: PageAsked) -> Response:
        """Call a tool with what a form holds."""
        visitor = asked.need()
        entry, item, said, _ = await self._servers.read_item(asked, ItemKind.TOOL)
        filled = forms.read(said.get("inputSchema"), asked.form)
        if filled.problems:
            return await self._page(asked, filled.problems, None, 422)
        if visitor.session is None:
            raise PageError(409, "This tool cannot be tried here", _OF_KONG)
        structlog.get_logger().info("portal call", who=visitor.answerable, server=entry.name, tool=item.name[:100])
        return await self._page(
            asked, {}, await self._answer(entry.record.path, visitor.session.credential, item.name, filled)
        )

    async def _answer(self, path: str, credential: Mapping[str, str], tool: str, filled: Filled) -> ToolAnswer:
        try:
            result = await trying.call(self._way, path, credential, tool, filled.arguments)
        except RefusedError as error:
            return ToolAnswer("It was refused, or failed.", failed=True, texts=(shown(str(error)),))
        content = result.get("content")
        parts = content if isinstance(content, list) else []
        texts = [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
        failed = result.get("isError") is True
        title = "The tool answered, and says that it failed." if failed else "The tool answered."
        whole = json.dumps(result, indent=2, ensure_ascii=False)
        return ToolAnswer(title, failed, tuple(map(shown, texts[:_MOST_TEXTS])), shown(whole))

    async def _page(
        self, asked: PageAsked, problems: Mapping[str, str], answer: ToolAnswer | None, status: int = 200
    ) -> Response:
        asked.need()
        entry, item, said, _ = await self._servers.read_item(asked, ItemKind.TOOL)
        if not item.usable:
            raise not_found()
        schema: Any = said.get("inputSchema")
        return self._paper.page(
            asked,
            "try.html",
            status=status,
            title=f"Try {item.name[:60]}",
            here="tools",
            one=entry,
            item=item,
            fields=forms.fields(schema, asked.form, problems),
            whole=asked.form.get(forms.WHOLE, ""),
            whole_problem=problems.get(forms.WHOLE, ""),
            effects=effects_of(item.kind, said),
            answer=answer,
        )
