"""Virtual servers among server files: which servers they offer as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from kong_mcp.declare.problems import Problem, nearest, shown
from kong_mcp.declare.server_file import ServerFile
from mcp_core.virtual import MOST_MEMBERS


def resolve(servers: Sequence[ServerFile]) -> tuple[list[ServerFile], list[Problem]]:
    """Return the files with their members known, and members knowing that they are, and what is wrong with that."""
    real = {one.name: one for one in servers if not one.server.virtual}
    problems: list[Problem] = []
    members: dict[str, list[str]] = {}
    for one in servers:
        if one.server.virtual:
            members[one.name], found = _members(one, list(real), {other.name for other in servers})
            problems += found
    acted = {name for names in members.values() for name in names}
    problems += [_acl(real[name]) for name in sorted(acted) if _has_acl(real[name])]
    return [_with(one, members.get(one.name), acted) for one in servers], problems


def _with(one: ServerFile, members: list[str] | None, acted: set[str]) -> ServerFile:
    if members is not None:
        return replace(one, server=replace(one.server, members=tuple(members)))
    return replace(one, server=replace(one.server, acted=one.name in acted)) if one.name in acted else one


def _members(one: ServerFile, real: list[str], all_: set[str]) -> tuple[list[str], list[Problem]]:
    members: dict[str, None] = {}
    problems = []
    for at, pattern in enumerate(one.values["servers"]):
        found = [name for name in sorted(real) if fnmatchcase(name, pattern)]
        members.update(dict.fromkeys(found))
        if found:
            continue
        text = f"found {shown(pattern)}, which is no server here; {nearest(pattern, real)}"
        if pattern in all_:
            text = f"found {shown(pattern)}, a virtual server itself; name its members"
        problems.append(one.problem(f"servers[{at}]", text))
    if len(members) > MOST_MEMBERS:
        text = f"found {len(members)} members; a virtual server has {MOST_MEMBERS} at most"
        problems.append(one.problem("servers", text))
    return list(members), problems


def _has_acl(one: ServerFile) -> bool:
    return any(plugin.get("name") == "acl" for plugin in one.values.get("plugins", ()))


def _acl(one: ServerFile) -> Problem:
    text = (
        "acl runs before the guard, so it refuses what virtual servers ask for others and this member is left out of "
        "them; write rules with groups in its place"
    )
    return one.problem("plugins", text, warning=True)
