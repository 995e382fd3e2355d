"""Everything known about one request while it is served: what Kong keeps in ngx.ctx, ngx.var and ngx.req."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kong_devkit.errors import message_of
from kong_devkit.headers import Headers, Value
from kong_devkit.httpin import Request
from kong_devkit.source import Body

if TYPE_CHECKING:
    from kong_devkit.balancer import Balancer, Handle
    from kong_devkit.router import Match
    from kong_devkit.runtime import Runtime


class PluginExit(Exception):  # noqa: N818 - an ending, not an error
    """A plugin, or Kong itself, ends the request with this response.

    ``message`` asks for Kong's error template; otherwise ``body`` is sent as it is.
    """

    def __init__(
        self,
        status: int,
        body: bytes | None = None,
        headers: Mapping[str, Value] | None = None,
        message: str | None = None,
    ) -> None:
        super().__init__(f"exit {status}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})
        self.message = message


class PdkError(Exception):
    """What is a Lua error in Kong: the plugin's phase fails and the request ends with a 500."""


@dataclass(slots=True)
class Upstream:
    """Where the request goes: Kong's balancer_data and the ``$upstream_*`` variables. Times in milliseconds."""

    host: str = ""
    port: int = 80
    is_name: bool = True
    scheme: str = "http"
    uri: str = "/"
    host_header: str = ""
    preserve_host: bool = False
    retries: int = 5
    connect_timeout: int = 60000
    write_timeout: int = 60000
    read_timeout: int = 60000
    balancer: "Balancer | None" = None
    handle: "Handle | None" = None
    hash_value: str | None = None
    tries: list[dict[str, Any]] = field(default_factory=list)
    address: tuple[str, int] = ("", 0)


@dataclass(slots=True)
class Exchange:
    """One request and its response.

    ``headers``, ``method`` and ``query`` are what will be sent upstream and change under the plugins' hands;
    ``request`` is what the client sent.
    """

    runtime: "Runtime"
    request: Request
    body: Body
    headers: Headers
    method: str
    query: str | None
    remote: tuple[str, int]
    local: tuple[str, int]
    request_id: str = field(default_factory=lambda: uuid4().hex)
    started: float = field(default_factory=time.time)
    clock: float = field(default_factory=time.monotonic)
    phase: str = "rewrite"
    match: "Match | None" = None
    consumer: dict[str, Any] | None = None
    credential: dict[str, Any] | None = None
    shared: dict[str, Any] = field(default_factory=dict)
    nginx_ctx: dict[str, Any] = field(default_factory=dict)
    upstream: Upstream = field(default_factory=Upstream)
    forwarded_prefix: str | None = None
    early: Headers = field(default_factory=Headers)
    collected: list[tuple[Any, Mapping[str, Any]]] = field(default_factory=list)
    plugin_memory: dict[str, Any] = field(default_factory=dict)
    serialize_values: list[tuple[str, Any]] = field(default_factory=list)
    exited: bool = False
    unexpected: bool = False
    proxied: bool = False
    buffered: bool = False
    response_status: int = 0
    response_headers: Headers = field(default_factory=Headers)
    response_body: bytes | None = None
    upstream_status: int = 0
    upstream_headers: Headers = field(default_factory=Headers)
    sent: int = 0
    waited_ms: int = -1
    proxy_ms: int = 0

    @property
    def route(self) -> Mapping[str, Any] | None:
        """The matched route."""
        return self.match.route if self.match else None

    @property
    def service(self) -> Mapping[str, Any] | None:
        """The matched service."""
        return self.match.service if self.match else None

    def elapsed_ms(self) -> int:
        """Milliseconds since the request began."""
        return int((time.monotonic() - self.clock) * 1000)

    def set_header(self, name: str, value: Any) -> None:
        """``kong.service.request.set_header``: an empty value becomes a space; ``Host`` also moves the upstream's."""
        if name.lower() == "host":
            self.upstream.host_header = str(value)
        self.headers.set(name, header_value(value))

    def error(self, status: int, message: str | None = None, headers: Mapping[str, Value] | None = None) -> PluginExit:
        """``kong.response.error``, to be raised."""
        return PluginExit(status, headers=headers, message=message_of(status) if message is None else message)


def header_value(value: Any) -> Value:
    """Kong's normalize_multi_header.

    Raises:
        PdkError: the value is not text, a number, a boolean or a list of texts.
    """
    if isinstance(value, str):
        return value or " "
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(int(value)) if float(value).is_integer() else str(value)
    if isinstance(value, dict):
        return []  # an empty list may come as an empty struct, and ipairs finds nothing in any
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return [one or " " for one in value]
    raise PdkError(
        f"invalid header value: got {type(value).__name__}, expected array of string, string, number or boolean"
    )
