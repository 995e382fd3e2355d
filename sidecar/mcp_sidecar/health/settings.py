"""What the sidecar is told about health: whom to probe, whom to tell, and when a breaker opens. Times are seconds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from mcp_core.health.breaker import BreakerLimits

HEALTH_VARIABLE: Final = "KONG_MCP_HEALTH"
"""Environment variable with the path of the file in which this node's guards read which servers are not to be asked."""

_SERVER: Final = re.compile(r"[a-z0-9][a-z0-9-]*")
_MOST_REPLICAS: Final = 256


@dataclass(frozen=True)
class HealthSettings:
    """Settings of health. Without `admin` and `replicas` nobody is probed, and breakers go by requests alone.

    `admin` are URLs of Kong's Admin API, one for each Kong that shares no database with another; `admin_token` is sent
    to them. `replicas` maps servers to the URLs of their replicas, for a Kong whose Admin API is out of reach.
    """

    file: str | None = None
    admin: tuple[str, ...] = ()
    admin_token: str | None = field(default=None, repr=False)
    replicas: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    requests: int = 20
    share: float = 0.5
    slow: float = 10.0
    rest: float = 5.0

    @property
    def limits(self) -> BreakerLimits:
        """Return when a breaker opens."""
        return BreakerLimits(self.requests, self.share, self.slow, self.rest)

    @property
    def probes(self) -> bool:
        """Whether anybody may be probed."""
        return bool(self.admin or self.replicas)


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("write the full path of a file in a folder that the sidecar may write")
    return text


def _url(text: str, *, path: bool) -> str:
    wanted = "http://10.0.0.7:8080/mcp" if path else "http://127.0.0.1:8001"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        url, port = urlsplit(""), 0
    extra = url.query or url.fragment or "@" in url.netloc or (not path and url.path not in ("", "/"))
    if url.scheme not in ("http", "https") or not url.hostname or port == 0 or extra or not text.isascii():
        raise ValueError(f"write URLs such as {wanted}, without credentials or a query")
    return text if path else f"{url.scheme}://{url.netloc}"


def _admin(text: str) -> tuple[str, ...]:
    return tuple(_url(one.strip(), path=False) for one in text.split(","))


def _token(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text or not text:
        raise ValueError("write visible ASCII characters")
    return text


def _replicas(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for part in text.split(","):
        name, equals, urls = part.strip().partition("=")
        if not equals or _SERVER.fullmatch(name) is None or name in found:
            raise ValueError("write NAME=URL URL ..., with commas between servers, each name once")
        found[name] = tuple(_url(one, path=True) for one in urls.split())
        if not found[name]:
            raise ValueError(f"{name} has no replica: write NAME=URL URL ...")
    if sum(map(len, found.values())) > _MOST_REPLICAS:
        raise ValueError(f"write {_MOST_REPLICAS} replicas at most, or give MCP_SIDECAR_KONG_ADMIN")
    return found


def _between(least: float, most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise ValueError(f"write a number from {least:g} to {most:g}")
        return value

    return parse


def _requests(text: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if not 2 <= value <= 1_000:
        raise ValueError("write a number from 2 to 1000")
    return value


HEALTH_VARIABLES: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    HEALTH_VARIABLE: ("file", _path),
    "MCP_SIDECAR_KONG_ADMIN": ("admin", _admin),
    "MCP_SIDECAR_KONG_ADMIN_TOKEN": ("admin_token", _token),
    "MCP_SIDECAR_REPLICAS": ("replicas", _replicas),
    "MCP_SIDECAR_BREAKER_REQUESTS": ("requests", _requests),
    "MCP_SIDECAR_BREAKER_SHARE": ("share", _between(0.05, 1.0)),
    "MCP_SIDECAR_BREAKER_SLOW": ("slow", _between(0.1, 3600.0)),
    "MCP_SIDECAR_BREAKER_REST": ("rest", _between(1.0, 300.0)),
}
"""Variable -> the field it sets and its parser, which raises ValueError saying what to write."""
