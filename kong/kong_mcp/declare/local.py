"""Local servers among server files: `replicas: [{command: [...]}]`, a program that speaks MCP on its standard streams.

A replica with `openapi` in the place of a command is a REST API, which the same process offers: see rest.py.

The fields, what they mean together, and the record that its process (`kong-mcp stdio serve`) is started with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from kong_mcp.declare import rest
from mcp_core.query import is_secret, variable
from mcp_core.stdio import DEFAULT_PORT, SEARCH_PATH, ProcessLimits, StdioServer, path_of

if TYPE_CHECKING:
    from kong_mcp.declare.server_file import ServerFile

_DEFAULTS: Final = ProcessLimits()
_TEXT: Final = {"type": "string", "pattern": r"[^\x00\r\n]+", "say": "write text on one line"}
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_RULED: Final = frozenset({"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"})


def _number(least: int, most: int, default: int | None, description: str) -> dict[str, Any]:
    field = {"type": "integer", "between": [least, most], "description": description}
    return field if default is None else {**field, "default": default}


LOCAL: Final[dict[str, Any]] = {
    "type": "record",
    "fields": [
        {
            "command": {
                "type": "array",
                "required_unless": "openapi",
                "len_min": 1,
                "elements": _TEXT,
                "description": "The program and its arguments, each by itself; no shell reads them. Everybody on its "
                "machine can see them, so secrets go into `env`.",
                "examples": [["npx", "-y", "@modelcontextprotocol/server-filesystem", "/srv/files"]],
            }
        },
        {
            "env": {
                "type": "map",
                "keys": {"type": "string"},
                "values": _TEXT,
                "description": "All that the program finds in its environment, beside PATH, HOME and LANG. A secret is "
                "written as a reference to the env vault, which is read where local servers run: "
                '`{TOKEN: "{vault://env/files-token}"}` is the variable FILES_TOKEN there.',
                "examples": [{"API_TOKEN": "{vault://env/files-token}"}],
            }
        },
        {
            "process": {
                "type": "string",
                "one_of": ["session", "shared"],
                "default": "session",
                "description": "session: a program for each session; shared: one for all of them, which hears "
                "nothing of who asks and cannot ask agents anything.",
            }
        },
        {
            "port": _number(
                1024, 65535, DEFAULT_PORT, "Port on loopback at which `kong-mcp stdio serve` offers it to Kong."
            )
        },
        {
            "limits": {
                "type": "record",
                "description": "How much the program and all that it starts may take. More ends it.",
                "fields": [
                    {"memory": _number(16, 1_048_576, _DEFAULTS.memory, "MiB of memory.")},
                    {"cpu": _number(1, 10_000_000, None, "Seconds of processor time of each process.")},
                    {"files": _number(16, 1_048_576, _DEFAULTS.files, "Open files of each process.")},
                    {"processes": _number(1, 10_000, _DEFAULTS.processes, "Processes that run at once.")},
                    {"answer": _number(1, 86_400, _DEFAULTS.answer, "Seconds until a request is answered.")},
                    {"sessions": _number(1, 10_000, _DEFAULTS.sessions, "Sessions that are open at once.")},
                    {"idle": _number(10, 604_800, _DEFAULTS.idle, "Seconds without a request that end a session.")},
                ],
            }
        },
        *rest.FIELDS,
    ],
}
"""A replica as a mapping."""


def local_of(values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what a server file says of its program, or of its REST API; None where it has neither."""
    return next((replica for replica in values.get("replicas", ()) if isinstance(replica, dict)), None)


def url_of(name: str, local: Mapping[str, Any]) -> str:
    """Return the URL at which Kong reaches a local server."""
    return f"http://127.0.0.1:{local.get('port', DEFAULT_PORT)}{path_of(name)}"


def problems(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield field and sentence of what is wrong with local replicas that are well-formed each."""
    replicas = values.get("replicas", ())
    if local_of(values) is None:
        return
    if len(replicas) > 1:
        yield (
            "replicas",
            "found a command beside other replicas; a local server has one, which runs a program for each session"
            if rest.rest_of(values) is None
            else "found openapi beside other replicas; a REST API has one, as Kong balances behind `through`",
        )
    yield from rest.beside(values)
    for at, local in enumerate(replicas):
        if not isinstance(local, dict):
            continue
        yield from rest.problems(at, local)
        yield from _arguments(at, local.get("command", ()))
        for name, value in local.get("env", {}).items():
            where = f"replicas[{at}].env.{name}"
            if _NAME.fullmatch(name) is None:
                yield where, "found a name that is none of a variable; write A-Z, 0-9 and _"
            elif name in _RULED:
                yield where, "found a variable that puts code into every program; remove it"
            elif is_secret(name, value):
                yield where, "found a secret in plain text; write {vault://env/NAME}, alone: " + '"{vault://env/x-key}"'
            elif "{vault:" in value and variable(value) is None:
                yield where, "found a vault reference that is not read here; write {vault://env/NAME}, alone"


def _arguments(at: int, command: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the arguments that seem to be secrets: by the option that they belong to, or the one before them."""
    option = ""
    for which, word in enumerate(command):
        name, equals, value = word.partition("=") if word.startswith("-") else (option, "=", word)
        if equals and name and which and is_secret(name, value) and not value.startswith(("/", "./")):
            text = "found a secret among the arguments, which everybody on the machine can see; write it in env"
            yield f"replicas[{at}].command[{which}]", text
        option = word if word.startswith("-") and not equals else ""


def stdio_servers(
    files: Sequence[ServerFile], environment: Mapping[str, str], search_path: str = SEARCH_PATH
) -> list[StdioServer]:
    """Return the local servers among server files, with their secrets read from the environment.

    `search_path` is the PATH of programs whose files say none.

    Raises:
        rest.NoSecretError: a secret is not there.
    """
    found = []
    for file in files:
        local = local_of(file.values)
        if local is None or "command" not in local:
            continue
        given = {"PATH": search_path, **rest.with_secrets(file.name, local.get("env", {}), environment)}
        limits = ProcessLimits(**local.get("limits", {}))
        found.append(StdioServer(file.name, tuple(local["command"]), given, local.get("process") == "shared", limits))
    return found
