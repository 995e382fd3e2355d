"""Everything known about one request while it is served: what Kong keeps in ngx.ctx, ngx.var and ngx.req."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kong_devkit.errors import MESSAGES
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
        body: bytes = b"",
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
    """Where the request goes: Kong's balancer_data and the ``$upstream_*`` variables."""

    host: str = ""
    uri: str = "/"
    host_header: str = ""
    balancer: "Balancer | None" = None
    handle: "Handle | None" = None
    hash_value: str = ""
    tries: list[dict[str, Any]] = field(default_factory=list)
    address: tuple[str, int] = ("", 0)


@dataclass(slots=True)
class Exchange:
    """One request and its response.

    ``headers`` and ``query`` are what will be sent upstream and change under the plugins' hands;
    ``request`` is what the client sent.
    """

    runtime: "Runtime"
    request: Request
    body: Body
    headers: Headers
    query: str | None
    remote: tuple[str, int]
    local: tuple[str, int]
    request_id: str = field(default_factory=lambda: uuid4().hex)
    started: float = field(default_factory=time.time)
    clock: float = field(default_factory=time.monotonic)
    match: "Match | None" = None
    consumer: dict[str, Any] | None = None
    credential: dict[str, Any] | None = None
    shared: dict[str, Any] = field(default_factory=dict)
    upstream: Upstream = field(default_factory=Upstream)
    serialize_values: list[tuple[str, Any]] = field(default_factory=list)
    exited: bool = False
    proxied: bool = False
    response_status: int = 0
    response_headers: Headers = field(default_factory=Headers)
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

    def error(self, status: int, message: str | None = None, headers: Mapping[str, Value] | None = None) -> PluginExit:
        """``kong.response.error``, to be raised."""
        return PluginExit(status, headers=headers, message=MESSAGES[status] if message is None else message)


def header_value(value: Any) -> Value:
    """Kong's normalize_multi_header: an empty value becomes a space.

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
