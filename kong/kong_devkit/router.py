"""Finds the route of a request as Kong's default router (traditional_compatible) does, by hosts, methods and paths.

A route becomes one or more candidates with a 64-bit priority; the first match from the top wins.
Source: kong/router/transform.lua (priorities, splitting), kong/router/atc.lua, kong/router/utils.lua (upstream path).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kong_devkit.headers import Headers

_Path = str | re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Match:
    """A matched route. ``prefix`` is the matched part of the path where strip_path is on, else None."""

    route: Mapping[str, Any]
    service: Mapping[str, Any]
    prefix: str | None


@dataclass(frozen=True, slots=True)
class _Candidate:
    priority: int
    route: Mapping[str, Any]
    service: Mapping[str, Any]
    paths: tuple[_Path, ...]


class Router:
    """An immutable set of routes."""

    def __init__(self, routes: Iterable[Mapping[str, Any]], services: Mapping[str, Mapping[str, Any]]) -> None:
        candidates = [
            candidate for route in routes for candidate in _candidates(route, services[route["service"]["id"]])
        ]
        self._candidates = sorted(
            candidates, key=lambda candidate: (candidate.priority, candidate.route["id"]), reverse=True
        )

    def match(self, method: str, path: str, headers: Headers) -> Match | None:
        """Find the route for a method, a path after ``uri.normalize`` and a Host header, or None."""
        host = re.sub(r":\d+$", "", headers.get("host") or "")
        for candidate in self._candidates:
            route = candidate.route
            if route.get("methods") and method not in route["methods"]:
                continue
            if route.get("hosts") and host not in route["hosts"]:
                continue
            matched = _match_path(candidate.paths, path)
            if matched is not None:
                return Match(route, candidate.service, matched if route["strip_path"] else None)
        return None


def _candidates(route: Mapping[str, Any], service: Mapping[str, Any]) -> list[_Candidate]:
    groups: dict[int, list[str]] = {}
    for path in route.get("paths") or []:
        groups.setdefault(0 if path.startswith("~") else len(path.encode()), []).append(path)
    return [
        _Candidate(_priority(route, group), route, service, tuple(_compile(path) for path in group))
        for group in groups.values() or [[]]
    ]


def _compile(path: str) -> _Path:
    return re.compile("^" + path[1:], re.ASCII) if path.startswith("~") else path


def _priority(route: Mapping[str, Any], paths: list[str]) -> int:
    hosts = bool(route.get("hosts"))
    weight = sum(map(bool, (route.get("methods"), hosts, paths)))
    regex = bool(paths) and paths[0].startswith("~")
    length = 0 if regex or not paths else len(paths[0].encode()) & 0x7FFFF
    return weight << 61 | hosts << 60 | regex << 51 | length


def _match_path(paths: tuple[_Path, ...], path: str) -> str | None:
    for wanted in paths:
        if isinstance(wanted, str):
            if path.startswith(wanted):
                return wanted
        elif (match := wanted.match(path)) is not None:
            return match[0]
    return None if paths else ""


def upstream_path(match: Match, path: str) -> str:
    """Join the service's path and what is left of the request's, by Kong's rules for slashes (path_handling v0)."""
    base = str(match.service.get("path") or "/")
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
