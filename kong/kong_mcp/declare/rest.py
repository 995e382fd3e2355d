"""REST APIs among server files: `replicas: [{openapi: ..., through: ...}]`, whose operations are an MCP server's tools.

The fields, what they mean together, what a description that is a file says, and the record for the process that offers
it (`kong-mcp stdio serve`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_core.query import is_secret, variable
from mcp_core.rest.document import ApiDocument, OpenApiError
from mcp_core.rest.operations import RestTools, tools_of
from mcp_core.rest.server import ANSWER_SECONDS, RestServer, is_url
from mcp_sidecar.rest.text import values_in

if TYPE_CHECKING:
    from kong_mcp.declare.server_file import ServerFile

_TEXT: Final = {"type": "string", "pattern": r"[^\x00-\x1f\x7f]+", "say": "write text on one line"}
_ROOT_OF_URL: Final = r"https?://(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[1-9][0-9]{0,4})?"
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_NOT_SET: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "content-type", "host", "te", "trailer", "transfer-encoding"}
)
_OF_PROGRAMS: Final = ("env", "process")
_OF_APIS: Final = ("through", "headers", "operations", "references")
_NOT_HANDED_ON: Final = ("query", "upstream_token")
_LIMITS_OF_APIS: Final = frozenset({"answer"})
_SHOWN: Final = 3

FIELDS: Final[list[dict[str, Any]]] = [
    {
        "openapi": {
            **_TEXT,
            "description": "In place of a command: the OpenAPI 3 description of a REST API whose operations are the "
            "tools, a file (as seen from this one) or a URL (docs/rest-apis.md).",
            "examples": ["pets.openapi.yaml"],
        }
    },
    {
        "through": {
            "type": "string",
            "pattern": rf"{_ROOT_OF_URL}(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*/?",
            "say": "write the URL at which Kong serves the API: http://127.0.0.1:8000/pets",
            "description": "The URL below which Kong serves the API: calls go there, never to the servers that the "
            "description names, so that what Kong does for the API holds.",
            "examples": ["http://127.0.0.1:8000/pets"],
        }
    },
    {
        "headers": {
            "type": "map",
            "keys": {"type": "string"},
            "values": _TEXT,
            "description": "What every call of the API brings: how Kong knows this server, say. A secret is written as "
            'a reference to the env vault, as in `env`: `{apikey: "{vault://env/pets-key}"}`.',
            "examples": [{"apikey": "{vault://env/pets-key}"}],
        }
    },
    {
        "operations": {
            "type": "array",
            "len_min": 1,
            "elements": _TEXT,
            "description": "Which operations of the API are tools: ids, or tags after `tag:`; `*` stands for any run "
            "of characters. All of them without it.",
            "examples": [["tag:pets", "getOrder*"]],
        }
    },
    {
        "references": {
            "type": "array",
            "len_min": 1,
            "elements": _TEXT,
            "description": "Other documents that the description may refer to, as its `$ref`s name them. None without "
            "it.",
            "examples": [["common.yaml"]],
        }
    },
]
"""What a replica that is a mapping may have for a REST API."""


class NoSecretError(ValueError):
    """A variable that a server file refers to is not set, or cannot be used; the message names both."""


def with_secrets(server: str, given: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return values with each reference to the env vault read. Raises NoSecretError."""
    found = {}
    for name, value in given.items():
        known = variable(value)
        if known is not None and not environment.get(known):
            raise NoSecretError(f"{server}: the environment has no {known}, which its {name} is to be")
        found[name] = value if known is None else environment[known]
    return found


def rest_of(values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what a server file says of its REST API, None where it is none."""
    replicas = values.get("replicas", ())
    return next((replica for replica in replicas if isinstance(replica, dict) and "openapi" in replica), None)


def beside(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield field and sentence of what stands beside a REST API and would do nothing."""
    for name in _NOT_HANDED_ON if rest_of(values) is not None else ():
        if name in values:
            yield name, "found it beside openapi, which does not hand it on; have Kong's service for the API send it"


def problems(at: int, local: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield field and sentence of what is wrong with a replica that is a mapping."""
    where = f"replicas[{at}]"
    if "openapi" not in local:
        for name in _OF_APIS:
            if name in local:
                yield f"{where}.{name}", "found it beside command; it is for REST APIs (openapi)"
        return
    if "command" in local:
        yield f"{where}.openapi", "found it beside command; write one of them"
    for name in _OF_PROGRAMS:
        if name in local:
            yield f"{where}.{name}", "found it beside openapi; it is for programs (command)"
    for name in sorted(local.get("limits", {}).keys() - _LIMITS_OF_APIS):
        yield f"{where}.limits.{name}", "found it beside openapi; of the limits, a REST API has answer"
    if "through" not in local:
        yield where, "found no through; write the URL at which Kong serves the API: through: http://127.0.0.1:8000/pets"
    yield from _headers(where, local.get("headers", {}))
    for name in ("openapi", "through"):
        if "@" in local.get(name, "").partition("//")[2].partition("/")[0]:
            yield f"{where}.{name}", "found a user and password in a URL; remove them"


def _headers(where: str, headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in headers.items():
        place = f"{where}.headers.{name}"
        if _HEADER.fullmatch(name) is None or not value.isascii():
            yield place, "found what is none of a header; write ASCII, a name without blanks"
        elif name.lower() in _NOT_SET:
            yield place, "found a header that says how a request is sent; remove it"
        elif is_secret(name, value):
            yield place, "found a secret in plain text; write {vault://env/NAME}, alone: " + '"{vault://env/x-key}"'
        elif "{vault:" in value and variable(value) is None:
            yield place, "found a vault reference that is not read here; write {vault://env/NAME}, alone"


def in_description(file: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Yield field, sentence, and whether it is a warning, of what a description that is a file does not give.

    One that is fetched is read by the process that offers it, not here.
    """
    local = rest_of(values)
    if local is None or any(map(is_url, (local["openapi"], *local.get("references", ())))):
        return
    try:
        found = _tools(Path(file).parent / local["openapi"], local)
    except OpenApiError as error:
        yield "replicas[0].openapi", f"found a description that cannot be used: {error}", False
        return
    for word in found.unmatched:
        yield "replicas[0].operations", f"found {word[:60]!a}, which is no id and no tag of the description", False
    if not found.tools:
        yield "replicas[0].openapi", "found no operation that can be a tool", False
    if found.left_out:
        shown = "; ".join(f"{tool.name[:64]} {tool.why}" for tool in found.left_out[:_SHOWN])
        text = f"{len(found.left_out)} operations are left out: {shown}"
        yield "replicas[0].openapi", text, True


def _tools(path: Path, local: Mapping[str, Any]) -> RestTools:
    others = {name: values_in(path.parent / name) for name in local.get("references", ())}
    document = ApiDocument(values_in(path), others)
    return tools_of(document, local.get("operations", ()), tuple(local.get("headers", ())))


def rest_servers(files: Sequence[ServerFile], environment: Mapping[str, str]) -> list[RestServer]:
    """Return the REST APIs among server files, with their secrets read from the environment. Raises NoSecretError."""
    found = []
    for one in files:
        if (local := rest_of(one.values)) is None:
            continue
        headers = with_secrets(one.name, local.get("headers", {}), environment)
        for name, value in headers.items():
            if not value.isascii() or not value.isprintable():
                raise NoSecretError(f"{one.name}: what the environment gives for {name} can be no header")
        description = local["openapi"]
        if not is_url(description):
            description = str((Path(one.file).parent / description).resolve())
        found.append(
            RestServer(
                one.name,
                description,
                local["through"],
                headers,
                tuple(local.get("operations", ())),
                tuple(local.get("references", ())),
                local.get("limits", {}).get("answer", ANSWER_SECONDS),
                tuple(value for name, value in headers.items() if variable(local["headers"][name]) is not None),
            )
        )
    return found
