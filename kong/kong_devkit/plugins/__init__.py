"""The built-in plugins, shaped like Kong's own."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from kong_devkit.exchange import Exchange
from kong_devkit.plugins import key_auth, logs
from kong_devkit.schema import Field

Handler = Callable[[Exchange, Mapping[str, Any]], Awaitable[None]]


class Builtin(NamedTuple):
    """A built-in plugin: its config record, and what it does before the request goes on, or when it has ended."""

    priority: int
    config: Field
    access: Handler | None = None
    log: Handler | None = None


BUILTINS: Final[Mapping[str, Builtin]] = {
    "key-auth": Builtin(key_auth.PRIORITY, key_auth.CONFIG, key_auth.access),
    "file-log": Builtin(logs.FILE_PRIORITY, logs.FILE_CONFIG, log=logs.to_file),
    "http-log": Builtin(logs.HTTP_PRIORITY, logs.HTTP_CONFIG, log=logs.to_server),
}
