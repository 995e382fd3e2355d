"""Finds the route of a request as Kong's default router (traditional_compatible) does.

A route becomes one or more candidates with a 64-bit priority; the first match from the top wins.
Source: kong/router/transform.lua (priorities, splitting), kong/router/atc.lua, kong/router/utils.lua (upstream path).
"""

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kong_devkit.headers import Headers

_SPLIT: Final = uuid.UUID("7f145bf9-0dce-4f91-98eb-debbce4b9f6b")


@dataclass(frozen=True, slots=True)
class Match:
    """A matched route. ``prefix`` is the matched part of the path where strip_path is on, else None."""

    route: Mapping[str, Any]
    service: Mapping[str, Any] | None
    prefix: str | None
    captures: Mapping[str | int, str]


@dataclass(frozen=True, slots=True)
class _Candidate:
    priority: int
    tie: str
    route: Mapping[str, Any]
    service: Mapping[str, Any] | None
    paths: tuple[str | re.Pattern[str], ...]


class Router:
    """An immutable set of routes."""

    def __init__(self, routes: Iterable[Mapping[str, Any]], services: Mapping[str, Mapping[str, Any]]) -> None:
        candidates = []
        for route in routes:
            if not {"http", "https"} & set(route["protocols"]):
                continue
            service = services.get(route["service"]["id"]) if route.get("service") else None
            if service is not None and not service["enabled"]:
                continue
            candidates.extend(_candidates(route, service))
        self._candidates = sorted(candidates, key=lambda one: (one.priority, one.tie), reverse=True)

    def match(self, method: str, path: str, headers: Headers, port: int) -> Match | None:
        """Find the route for a normalised path, or None.

        Args:
            method: request method.
            path: path after ``uri.normalize``, without query.
            headers: request headers; Host decides for ``hosts``.
            port: the listener's port, for hosts written with a port.
        """
        host, port = _split_host(headers.get("host") or "", port)
        for one in self._candidates:
            route = one.route
            if route.get("methods") and method not in route["methods"]:
                continue
            if route.get("hosts") and not any(_host_matches(wanted, host, port) for wanted in route["hosts"]):
                continue
            if route.get("headers") and not _headers_match(route["headers"], headers):
                continue
            found = _match_path(one.paths, path)
            if found is not None:
                matched, captures = found
                return Match(route, one.service, matched if route["strip_path"] else None, captures)
        return None


def _candidates(route: Mapping[str, Any], service: Mapping[str, Any] | None) -> list[_Candidate]:
    paths = route.get("paths") or []
    groups: dict[int, list[str]] = {}
    for path in paths:
        groups.setdefault(0 if path.startswith("~") else len(path.encode()), []).append(path)
    found = []
    for index, group in enumerate(groups.values() or [[]], 1):
        tie = route["id"] if len(groups) < 2 else str(uuid.uuid5(_SPLIT, f"{route['id']}#{index}"))
        compiled = tuple(_compile(path) for path in group)
        found.append(_Candidate(_priority(route, group), tie, route, service, compiled))
    return found


def _compile(path: str) -> str | re.Pattern[str]:
    if path.startswith("~"):
        return re.compile(
            "^" + path[1:].replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!"), re.ASCII
        )
    return path


def _priority(route: Mapping[str, Any], paths: list[str]) -> int:
    hosts, headers = route.get("hosts") or [], route.get("headers") or {}
    weight = sum(bool(part) for part in (route.get("methods"), hosts, headers, paths))
    regex = bool(paths) and paths[0].startswith("~")
    plain = "hosts" in route and not any("*" in host for host in hosts)
    priority = weight << 61 | plain << 60 | regex << 51 | min(len(headers), 255) << 52
    priority |= (route["regex_priority"] if regex else 0) << 19
    return priority | (0 if regex or not paths else len(paths[0].encode()) & 0x7FFFF)


def _split_host(host: str, port: int) -> tuple[str, int]:
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*):(\d+)", host)
    return (match[1], int(match[2])) if match else (host, port)


def _host_matches(wanted: str, host: str, port: int) -> bool:
    name, wanted_port = _split_host(wanted, port)
    if wanted_port != port:
        return False
    if name.startswith("*"):
        return host.endswith(name[1:])
    if name.endswith("*"):
        return host.startswith(name[:-1])
    return host == name


def _headers_match(wanted: Mapping[str, list[str]], headers: Headers) -> bool:
    for name, values in wanted.items():
        have = [value.lower() for value in headers.values(name)]
        if not any(_header_value(value, have) for value in values):
            return False
    return True


def _header_value(wanted: str, have: list[str]) -> bool:
    if wanted.startswith("~*"):
        return any(re.search(wanted[2:].lower(), value) for value in have)
    return wanted.lower() in have


def _match_path(
    paths: tuple[str | re.Pattern[str], ...], path: str
) -> tuple[str | None, Mapping[str | int, str]] | None:
    if not paths:
        return None, {}
    for wanted in paths:
        if isinstance(wanted, str):
            if path.startswith(wanted):
                return wanted, {}
        elif (match := wanted.match(path)) is not None:
            numbered: dict[str | int, str] = {i: text or "" for i, text in enumerate(match.groups(), 1)}
            return match[0], {**numbered, **{key: text or "" for key, text in match.groupdict().items()}}
    return None


def upstream_path(match: Match, path: str) -> str:
    """Join the service's path and what is left of the request's, by Kong's rules for slashes (path_handling v0)."""
    base = str((match.service or {}).get("path") or "/")
    if not match.route["strip_path"]:
        if base.endswith("/"):
            return base + path[1:]
        return base if path == "/" else base + path
    rest = path[len(match.prefix or "/") :]
    rest = (
        "" if rest in {".", ".."} else rest.removeprefix("../") if rest.startswith("../") else rest.removeprefix("./")
    )
    if base.endswith("/"):
        if rest == "":
            return base if base == "/" or path.endswith("/") else base[:-1]
        return base[:-1] + rest if rest.startswith("/") else base + rest
    if rest == "":
        return base + "/" if len(path) > 1 and path.endswith("/") else base
    return base + rest if rest.startswith("/") else f"{base}/{rest}"
