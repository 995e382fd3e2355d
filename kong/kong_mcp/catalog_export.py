"""The catalog as files that clients and their administrators take."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from mcp_sidecar.catalog.entry import CatalogEntry
from mcp_sidecar.catalog.server_json import remote, response
from mcp_sidecar.catalog.settings import CatalogSettings

FORMATS: Final = ("github", "vscode", "mcp-json", "registry")
"""managed-settings.json of GitHub Copilot, settings of VS Code, VS Code's mcp.json, and the registry's own list."""
_VARIABLE: Final = re.compile(r"[^a-z0-9]+")


def exported(kind: str, entries: Sequence[CatalogEntry], settings: CatalogSettings) -> dict[str, Any]:
    """Return the file of one of FORMATS."""
    if kind == "github":
        # https://docs.github.com/en/copilot/how-tos/administer-copilot/manage-mcp-usage/configure-enterprise-allowlist
        return {
            "allowedMcpServers": [{"serverUrl": remote(catalog_entry, settings)["url"]} for catalog_entry in entries]
        }
    if kind == "vscode":
        # https://code.visualstudio.com/docs/enterprise/ai-settings
        return {"chat.mcp.access": "registry", "chat.mcp.gallery.serviceUrl": f"{settings.public_url}/registry"}
    if kind == "mcp-json":
        return _mcp_json(entries, settings)
    names = {catalog_entry.name for catalog_entry in entries}
    told = [
        response(
            catalog_entry, settings, catalog_entry.record.successor if catalog_entry.record.successor in names else ""
        )
        for catalog_entry in entries
    ]
    return {"servers": told, "metadata": {"count": len(entries)}}


def _mcp_json(entries: Sequence[CatalogEntry], settings: CatalogSettings) -> dict[str, Any]:
    servers: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    for catalog_entry in entries:
        found = remote(catalog_entry, settings)
        server = servers[catalog_entry.name] = {"type": "http", "url": found["url"]}
        for header in found.get("headers", ()):
            key = _VARIABLE.sub("-", header["name"].lower())
            inputs[key] = {"id": key, "type": "promptString", "description": header["description"], "password": True}
            server.setdefault("headers", {})[header["name"]] = f"${{input:{key}}}"
    return {"inputs": list(inputs.values()), "servers": servers} if inputs else {"servers": servers}
