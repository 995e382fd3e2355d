"""The servers of a local gateway, as the command line names them: NAME=URL, or NAME=URL,URL for replicas."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from mcp_core import query

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
RESERVED: Final = frozenset({"internal", "internal-stream", "portal", "sidecar"})
"""Names whose services or upstreams deck/shared.yaml and deck/portal.yaml have already."""
_DEFAULT_PORT: Final = {"http": 80, "https": 443}


class ServerSpecError(ValueError):
    """A server cannot be used as it is written; the message says how to write it."""


@dataclass(frozen=True, slots=True)
class DevServer:
    """One MCP server: its name, how its replicas are reached, and the path of its MCP endpoint on each of them.

    `targets` are "host:port", one a replica. `query` is what they are asked with, as the guard's field. `policy` is the
    guard's configuration for it, where it has one of its own. A virtual server has `members`, by name, and no replicas;
    `acted` says that it is such a member itself. `probed` says that the sidecar's probes decide which replicas get
    requests.
    """

    name: str
    protocol: str
    path: str
    targets: tuple[str, ...]
    policy: Mapping[str, Any] | None = None
    path_of_agents: str | None = None
    probed: bool = False
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    virtual: bool = False
    members: tuple[str, ...] = ()
    acted: bool = False

    @property
    def public_path(self) -> str:
        """Where agents find it: /NAME/mcp unless `path_of_agents` says otherwise."""
        return self.path_of_agents or default_path(self.name)


def default_path(name: str) -> str:
    """Return where agents find a server of this name unless its file says otherwise."""
    return f"/{name}/mcp"


def parse_server(text: str) -> DevServer:
    """Read NAME=URL[,URL...].

    Raises:
        ServerSpecError: the text is not of that form, or its URLs differ in more than host and port.
    """
    name, equals, urls = text.partition("=")
    if not equals or not urls:
        raise ServerSpecError(f"{text!r}: write NAME=URL, for instance files=http://127.0.0.1:9001/mcp")
    if not _NAME.fullmatch(name):
        raise ServerSpecError(f"{name!r}: a server's name is made of a-z, 0-9 and -, 63 characters at most")
    if name in RESERVED:
        raise ServerSpecError(f"{name!r}: the gateway itself has entities of this name; choose another one")
    bare, asked_with = take_query(urls.split(","))
    for parameter, value in asked_with.items():
        if query.is_secret(parameter, value):
            raise ServerSpecError(
                f"{name}: the query's {parameter} seems to be a secret, and a command line is no place for it: write "
                f"{parameter}={{vault://env/{name}-key}}, in quotes, and put it into the environment as "
                f"{name.replace('-', '_').upper()}_KEY"
            )
    return replace(server_of(name, bare), query=asked_with)


def take_query(urls: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return URLs of replicas without their query, and that query's parameters.

    Raises:
        ServerSpecError: a query cannot be used, or not all have the same.
    """
    bare, queries = [], []
    for url in urls:
        # A reference to a vault may have a query of its own, and a fragment is refused later.
        before, mark, text = url.partition("?")
        bare.append(before)
        try:
            queries.append(query.split(text) if mark else {})
        except query.QueryError as error:
            raise ServerSpecError(f"{before!r}: {error}") from None
    if any(one != queries[0] for one in queries):
        raise ServerSpecError("write the same query in the URL of every replica")
    return bare, queries[0]


def server_of(name: str, urls: Sequence[str]) -> DevServer:
    """Return a server of this name with these replicas.

    Raises:
        ServerSpecError: a URL cannot be used, or they differ in more than host and port.
    """
    replicas = [_parse_url(url) for url in urls]
    if len({(protocol, path) for protocol, path, _ in replicas}) != 1:
        raise ServerSpecError(f"{name}: the URLs of its replicas may differ in host and port only")
    targets = tuple(target for _, _, target in replicas)
    if len(set(targets)) != len(targets):
        raise ServerSpecError(f"{name}: two of its replicas are the same")
    protocol, path, _ = replicas[0]
    return DevServer(name, protocol, path, targets)


def _parse_url(url: str) -> tuple[str, str, str]:
    parts = urlsplit(url)
    try:
        port = _DEFAULT_PORT[parts.scheme] if parts.port is None else parts.port
    except (KeyError, ValueError):
        raise ServerSpecError(f"{url!r}: write http://HOST:PORT/PATH or https://HOST:PORT/PATH") from None
    if port == 0:
        raise ServerSpecError(f"{url!r}: there is no port 0; write http://HOST:PORT/PATH")
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ServerSpecError(f"{url!r}: write http://HOST:PORT/PATH, without credentials or fragment")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return parts.scheme, parts.path or "/", f"{host}:{port}"
