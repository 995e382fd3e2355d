"""The text of a new server file, as a person would have written it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from kong_mcp.declare.emit import yaml_text
from kong_mcp.declare.model import SERVER_FILE, fields_of

SCHEMA_FILE: Final = "server-file.schema.json"


def server_text(values: Mapping[str, Any], schema: str | None) -> str:
    """Return a server file with these fields, in the order of the model; `schema` is where editors find the schema."""
    first = f"# yaml-language-server: $schema={schema}\n" if schema else ""
    return first + yaml_text({name: values[name] for name in fields_of(SERVER_FILE) if values.get(name)})


def schema_for(folder: Path) -> str | None:
    """Return the way from a folder to the schema: in it, or in a folder `spec` above it. None where it is not."""
    here = folder.resolve()
    for base in (here, *(parent / "spec" for parent in (here, *here.parents))):
        if (base / SCHEMA_FILE).is_file():
            return Path(os.path.relpath(base / SCHEMA_FILE, here)).as_posix()
    return None
