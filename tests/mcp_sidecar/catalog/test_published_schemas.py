"""What the registry tells, held to what the official registry publishes: its module for Go holds schema and OpenAPI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml

from mcp_core.servers import LifeCycle
from mcp_sidecar.catalog.registry import RegistryQuery, ServerRegistry
from mcp_sidecar.catalog.settings import CatalogSettings
from servers.catalog_stand import ERASE, READ, READS, Stand, server

MODULE = "github.com/modelcontextprotocol/registry@v1.8.9"
SCHEMA = "internal/validators/schemas/2025-12-11.json"
OPENAPI = "docs/reference/api/openapi.yaml"


@cache
def module():
    """Return the folder of the official registry's module, from Go's cache or its proxy."""
    if shutil.which("go") is None:
        pytest.skip("there is no `go` on the PATH, which brings the official registry's schemas")
    done = subprocess.run(
        ["go", "mod", "download", "-json", MODULE], capture_output=True, text=True, check=False, cwd=os.path.sep
    )
    if done.returncode:
        pytest.skip(f"the official registry's module cannot be had: {done.stdout[-300:]}")
    return Path(json.loads(done.stdout)["Dir"])


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.requirement("REG-001")
async def test_every_answer_fits_the_published_schema_of_server_json_and_the_published_api(tmp_path):
    detail = json.loads((module() / SCHEMA).read_text(encoding="utf-8"))
    published = yaml.safe_load((module() / OPENAPI).read_text(encoding="utf-8"))
    stand = Stand(tmp_path)
    long = "A server that says much of itself. " * 20
    stand.see("notes", READ)
    stand.see("notes", READ, ERASE, later=86_400_000)
    stand.list(
        server(
            "notes",
            title=long,
            description=f"{long}\n{long}",
            owner="team-sky",
            tags=("a", "b"),
            links={"source": "https://gitlab.com/acme/notes", "website": "https://h.example/"},
            auth=("key-auth", "jwt", "basic-auth"),
            life_cycle=LifeCycle.DEPRECATED,
            successor="weather",
        ),
        server("weather", version="1.4.2"),
        server("gone"),
    )
    await stand.catalog.refresh()
    stand.list(*(one for name, one in sorted(stand.listed.all.items()) if name != "gone"))
    await stand.catalog.refresh()
    registry = ServerRegistry(stand.catalog, CatalogSettings("https://mcp.example.com"))
    told = msgspec.json.decode(registry.page(READS, RegistryQuery(include_deleted=True)))
    assert len(told["servers"]) == 4
    check = jsonschema.Draft202012Validator({"$ref": "#/components/schemas/ServerList", **published})
    assert [error.message for error in check.iter_errors(told)] == []
    for one in told["servers"]:
        errors = [error.message for error in jsonschema.Draft7Validator(detail).iter_errors(one["server"])]
        assert errors == [], one["server"]["name"]
    await stand.surfaces.aclose()
