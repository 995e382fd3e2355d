"""The part of Kong's plugin development kit that this package calls, as types.

Both plugin servers serve it: kong_pluginserver, and kong-pdk's own with --no-lua-style, which has no local sockets.
Errors are raised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol


class KongRequest(Protocol):  # noqa: D101 - Kong documents these methods
    def get_method(self) -> str: ...  # noqa: D102
    def get_path(self) -> str: ...  # noqa: D102
    def get_raw_query(self) -> str: ...  # noqa: D102
    def get_headers(self, max_headers: int, /) -> Mapping[str, str | list[str]]: ...  # noqa: D102
    def get_raw_body(self) -> bytes | str | None: ...  # noqa: D102


class KongServiceRequest(Protocol):  # noqa: D101
    def set_headers(self, headers: Mapping[str, str | list[str]], /) -> None: ...  # noqa: D102
    def set_path(self, path: str, /) -> None: ...  # noqa: D102
    def set_raw_query(self, query: str, /) -> None: ...  # noqa: D102
    def set_raw_body(self, body: str, /) -> None: ...  # noqa: D102
    def set_scheme(self, scheme: str, /) -> None: ...  # noqa: D102


class KongService(Protocol):  # noqa: D101
    request: KongServiceRequest

    def set_upstream(self, name: str, /) -> bool | None: ...  # noqa: D102


class KongResponse(Protocol):  # noqa: D101
    def exit(self, status: int, body: str, headers: Mapping[str, str], /) -> None: ...  # noqa: D102


class KongClient(Protocol):  # noqa: D101
    def get_consumer(self) -> Mapping[str, Any] | None: ...  # noqa: D102
    def get_forwarded_ip(self) -> str: ...  # noqa: D102
    def load_consumer(self, id_: str, by_username: bool, /) -> Mapping[str, Any] | None: ...  # noqa: D102, FBT001
    def authenticate(self, consumer: Mapping[str, Any] | None, credential: Mapping[str, Any] | None, /) -> None: ...  # noqa: D102


class KongRouter(Protocol):  # noqa: D101
    def get_route(self) -> Mapping[str, Any] | None: ...  # noqa: D102


class KongShared(Protocol):  # noqa: D101
    def get(self, key: str, /) -> Any: ...  # noqa: D102
    def set(self, key: str, value: Any, /) -> None: ...  # noqa: D102


class KongContext(Protocol):  # noqa: D101
    shared: KongShared


class KongLog(Protocol):  # noqa: D101
    def set_serialize_value(self, key: str, value: Any, /) -> None: ...  # noqa: D102


class KongNginx(Protocol):  # noqa: D101
    def get_var(self, name: str, /) -> str | None: ...  # noqa: D102


class KongLocalSocket(Protocol):
    """No part of Kong's: kong_pluginserver.asking documents it."""

    def ask(  # noqa: D102
        self, path: str, key: bytes, question: bytes, read: Callable[[bytes], Any], seconds: float, /
    ) -> Any: ...


class Kong(Protocol):
    """What a phase is given."""

    request: KongRequest
    service: KongService
    response: KongResponse
    client: KongClient
    router: KongRouter
    log: KongLog
    ctx: KongContext
    nginx: KongNginx
    local_socket: KongLocalSocket
