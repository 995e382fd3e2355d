"""How people's clients are told of a server behind the gateway: commands, files, and links that install it.

Sources: the clients' own documentation, as of November 2026; tests/portal holds the shapes.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Snippet:
    """What somebody pastes: `where` says into what. `link` installs by itself, where the client has such links."""

    client: str
    where: str
    text: str
    link: str | None = None


def snippets(name: str, url: str, header: str | None) -> list[Snippet]:
    """Return the snippets of a server. `header` is the header of a key that agents must send, where they must."""
    headers = {header: "YOUR-KEY"} if header else {}
    return [
        Snippet("Claude", "in a terminal (Claude Code)", _claude(name, url, header)),
        Snippet(
            "Cursor",
            "in .cursor/mcp.json",
            _json({"mcpServers": {name: _remote(url, headers)}}),
            _cursor(name, url, headers),
        ),
        Snippet(
            "VS Code",
            "in .vscode/mcp.json",
            _json({"servers": {name: {"type": "http", **_remote(url, headers)}}}),
            f"vscode:mcp/install?{quote(json.dumps({'name': name, 'type': 'http', **_remote(url, headers)}))}",
        ),
        Snippet("Codex", "in ~/.codex/config.toml", _codex(name, url, headers)),
        Snippet("Inspector", "in a terminal", _inspector(url, header)),
        Snippet("Python", "with the official SDK, mcp", _python(url, headers)),
        Snippet("TypeScript", "with the official SDK, @modelcontextprotocol/sdk", _typescript(url, headers)),
    ]


def _remote(url: str, headers: dict[str, str]) -> dict[str, Any]:
    return {"url": url, **({"headers": headers} if headers else {})}


def _json(given: Any) -> str:
    return json.dumps(given, indent=2)


def _claude(name: str, url: str, header: str | None) -> str:
    return f"claude mcp add --transport http {name} {url}" + (f' --header "{header}: YOUR-KEY"' if header else "")


def _cursor(name: str, url: str, headers: dict[str, str]) -> str:
    config = base64.b64encode(json.dumps(_remote(url, headers)).encode()).decode()
    return f"cursor://anysphere.cursor-deeplink/mcp/install?name={quote(name)}&config={quote(config, safe='')}"


def _codex(name: str, url: str, headers: dict[str, str]) -> str:
    lines = [f"[mcp_servers.{name}]", f'url = "{url}"']
    if headers:
        lines.append("http_headers = { " + ", ".join(f'"{key}" = "{one}"' for key, one in headers.items()) + " }")
    return "\n".join(lines)


def _inspector(url: str, header: str | None) -> str:
    key = f' --header "{header}: YOUR-KEY"' if header else ""
    return f"npx @modelcontextprotocol/inspector --cli {url} --transport http{key} --method tools/list"


def _python(url: str, headers: dict[str, str]) -> str:
    client = "" if not headers else f", http_client=httpx.AsyncClient(headers={headers!r})"
    imports = "import asyncio\n\n" + ("import httpx\n" if headers else "")
    return (
        f"{imports}from mcp import ClientSession\nfrom mcp.client.streamable_http import streamable_http_client\n\n\n"
        "async def main():\n"
        f'    async with streamable_http_client("{url}"{client}) as streams:\n'
        "        async with ClientSession(streams[0], streams[1]) as session:\n"
        "            await session.initialize()\n"
        "            print([tool.name for tool in (await session.list_tools()).tools])\n\n\n"
        "asyncio.run(main())"
    )


def _typescript(url: str, headers: dict[str, str]) -> str:
    options = f", {{ requestInit: {{ headers: {json.dumps(headers)} }} }}" if headers else ""
    return (
        'import { Client } from "@modelcontextprotocol/sdk/client/index.js";\n'
        'import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";\n\n'
        'const client = new Client({ name: "example", version: "1.0.0" });\n'
        f'await client.connect(new StreamableHTTPClientTransport(new URL("{url}"){options}));\n'
        "console.log((await client.listTools()).tools.map((tool) => tool.name));"
    )
