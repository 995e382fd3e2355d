"""response-transformer: headers of the answer removed, renamed, replaced, added, appended. Bodies stay as they are.

Source: kong/plugins/response-transformer (Kong 3.9.1).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kong_devkit.exchange import Exchange

PRIORITY: Final = 800
_PLAIN: Final = {"type": "string"}
_PAIR: Final = {"type": "string", "match": "^[^:]+:.*$"}


def _record(element: Mapping[str, Any]) -> dict[str, Any]:
    array = {"type": "array", "required": True, "default": [], "elements": element}
    return {"type": "record", "required": True, "fields": [{"json": array}, {"headers": array}]}


CONFIG: Final = {
    "type": "record",
    "required": True,
    "fields": [
        {"remove": _record(_PLAIN)},
        *({step: _record(_PAIR)} for step in ("rename", "replace", "add", "append")),
    ],
}
_STEPS: Final = ("remove", "rename", "replace", "add", "append")


def check(config: Mapping[str, Any]) -> str | None:
    """Refuse what the devkit lacks: changes of JSON bodies."""
    if any(config[step]["json"] for step in _STEPS):
        return "the devkit's response-transformer changes headers only: remove the json fields, or use a real Kong"
    return None


async def access(_exchange: Exchange, _config: Mapping[str, Any]) -> None:
    """Do nothing: the plugin works on the answer."""


def header_filter(exchange: Exchange, config: Mapping[str, Any]) -> None:
    """Change the headers of the answer, in Kong's order; what later steps look at is the answer as it came."""
    headers = exchange.response_headers
    came = headers.copy()
    for name in config["remove"]["headers"]:
        headers.remove(name)
    for old, new in _pairs(config, "rename"):
        if old in came and new:
            headers.set(new, came.values(old))
            headers.remove(old)
    for name, value in _pairs(config, "replace"):
        if name in came and value:
            headers.set(name, value)
    for name, value in _pairs(config, "add"):
        if name not in came and value:
            headers.set(name, value)
    for name, value in _pairs(config, "append"):
        headers.add(name, value)


def _pairs(config: Mapping[str, Any], step: str) -> Iterator[tuple[str, str]]:
    for pair in config[step]["headers"]:
        name, _, value = pair.partition(":")
        yield name, value
