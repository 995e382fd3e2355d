"""The policy file of a local gateway: mcp-guard's configuration in YAML, without server and upstream.

tools: {allow: [good, "read_*"], deny: ["*_secret"]}
mode: enforce
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from kong_devkit.errors import unreadable
from mcp_kong.schema import GUARD_SCHEMA
from mcp_kong.settings import check_config
from mcp_kong.settings_error import SettingsError

OPEN_POLICY: Final[dict[str, Any]] = {
    "tools": {"allow": ["*"]},
    "prompts": {"allow": ["*"]},
    "resources": {"allow": ["*"]},
}
"""What a local gateway allows without a policy file: everything that MCP defines."""

GIVEN: Final = frozenset(
    {"server", "upstream", "session_upstream", "sidecar", "path", "scheme", "members", "deputies", "serves"}
)
"""Fields of the guard that follow from the server's name and its replicas."""


class PolicyFileError(ValueError):
    """The policy file cannot be used; the message names the file and the field."""


def read_policy(path: Path) -> dict[str, Any]:
    """Return the guard's configuration from a policy file.

    Raises:
        PolicyFileError: the file cannot be read, is not YAML, or has a field that the guard does not take.
    """
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyFileError(f"{path}: {unreadable(error)}") from None
    except yaml.YAMLError as error:
        raise PolicyFileError(f"{path}: not YAML: {error}") from None
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise PolicyFileError(f'{path}: write the guard\'s fields, for instance tools: {{allow: ["read_*"]}}')
    known = {name for field in GUARD_SCHEMA for name in field} - GIVEN
    if unknown := sorted(str(name) for name in value if name not in known):
        raise PolicyFileError(f"{path}: {unknown[0]!r} is not a field; write one of {', '.join(sorted(known))}")
    try:
        check_config(value)
    except SettingsError as error:
        raise PolicyFileError(f"{path}: {error}") from None
    return value
