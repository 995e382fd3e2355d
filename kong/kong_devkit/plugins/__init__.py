"""The built-in plugins: one file each, shaped like Kong's own."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from kong_devkit.exchange import Exchange
from kong_devkit.plugins import (
    acl,
    correlation_id,
    file_log,
    http_log,
    ip_restriction,
    key_auth,
    request_termination,
    response_transformer,
)
from kong_devkit.schema import Field

Handler = Callable[[Exchange, Mapping[str, Any]], Awaitable[None]]
Filter = Callable[[Exchange, Mapping[str, Any]], None]


class Builtin(NamedTuple):
    """A built-in plugin: its config record, a check of the config as a whole, and its handlers."""

    priority: int
    config: Field
    check: Callable[[Mapping[str, Any]], str | None]
    access: Handler
    header_filter: Filter | None = None
    log: Handler | None = None


BUILTINS: Final[Mapping[str, Builtin]] = {
    "key-auth": Builtin(key_auth.PRIORITY, key_auth.CONFIG, lambda _: None, key_auth.access),
    "acl": Builtin(acl.PRIORITY, acl.CONFIG, acl.check, acl.access),
    "ip-restriction": Builtin(
        ip_restriction.PRIORITY, ip_restriction.CONFIG, ip_restriction.check, ip_restriction.access
    ),
    "correlation-id": Builtin(
        correlation_id.PRIORITY,
        correlation_id.CONFIG,
        lambda _: None,
        correlation_id.access,
        correlation_id.header_filter,
    ),
    "request-termination": Builtin(
        request_termination.PRIORITY, request_termination.CONFIG, request_termination.check, request_termination.access
    ),
    "response-transformer": Builtin(
        response_transformer.PRIORITY,
        response_transformer.CONFIG,
        response_transformer.check,
        response_transformer.access,
        response_transformer.header_filter,
    ),
    "file-log": Builtin(file_log.PRIORITY, file_log.CONFIG, file_log.check, file_log.access, log=file_log.log),
    "http-log": Builtin(http_log.PRIORITY, http_log.CONFIG, http_log.check, http_log.access, log=http_log.log),
}
