"""Virtual servers among server files: which servers they offer as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from kong_mcp.declare.problems import Problem, nearest, shown
from kong_mcp.declare.server_file import ServerFile
from mcp_core.adaptive.flow import FlowMode, FlowRules, FlowRulesError
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
    problems += [problem for one in servers if "labels" in one.values for problem in _bad_labels(one)]
    for one in servers:
        if "mode" in one.values.get("flow", {}):
            problems += _bad_flow(one, [real[name] for name in members[one.name]])
    return [_with(one, members.get(one.name), acted, real) for one in servers], problems


def _with(one: ServerFile, members: list[str] | None, acted: set[str], real: Mapping[str, ServerFile]) -> ServerFile:
    if members is not None:
        policy = one.guard
        if "flow" in one.values:
            policy = {**policy, "flow": _flow(one, [real[name] for name in members])}
        return replace(one, server=replace(one.server, members=tuple(members), policy=policy))
    return replace(one, server=replace(one.server, acted=one.name in acted)) if one.name in acted else one


def _members(server: ServerFile, real: list[str], all_: set[str]) -> tuple[list[str], list[Problem]]:
    members: dict[str, None] = {}
    problems = []
    for at, pattern in enumerate(server.values["servers"]):
        found = [name for name in sorted(real) if fnmatchcase(name, pattern)]
        members.update(dict.fromkeys(found))
        if found:
            continue
        text = f"found {shown(pattern)}, which is no server here; {nearest(pattern, real)}"
        if pattern in all_:
            text = f"found {shown(pattern)}, a virtual server itself; name its members"
        problems.append(server.problem(f"servers[{at}]", text))
    if len(members) > MOST_MEMBERS:
        text = f"found {len(members)} members; a virtual server has {MOST_MEMBERS} at most"
        problems.append(server.problem("servers", text))
    return list(members), problems


def _flow(server: ServerFile, members: Sequence[ServerFile]) -> dict[str, Any]:
    """Return the flow rules of a virtual server, with the labels of its members' own files."""
    flow = server.values["flow"]
    return {**flow, "labels": [*flow.get("labels", ()), *(label for member in members for label in _labels(member))]}


def _labels(member: ServerFile) -> list[dict[str, Any]]:
    return [{"server": member.name, **label} for label in member.values.get("labels", ())]


def _bad_labels(server: ServerFile) -> list[Problem]:
    try:
        FlowRules.from_json({"mode": FlowMode.ENFORCE.value, "labels": _labels(server)})
    except FlowRulesError as error:
        where, _, text = str(error).partition(": ")
        return [server.problem(where, text)]
    return []


def _bad_flow(server: ServerFile, members: Sequence[ServerFile]) -> list[Problem]:
    """Return what is wrong with the flow rules of a virtual server, whose members' own labels can be used."""
    names, flow = [member.name for member in members], server.values["flow"]
    found = [
        server.problem(
            f"flow.{field}[{at}].server", f"found {shown(each['server'])}, no member; {nearest(each['server'], names)}"
        )
        for field in ("labels", "permits")
        for at, each in enumerate(flow.get(field, ()))
        if each["server"] not in names
    ]
    try:
        FlowRules.from_json(_flow(server, [member for member in members if not _bad_labels(member)]))
    except FlowRulesError as error:
        where, _, text = str(error).partition(": ")
        found.append(server.problem(f"flow.{where}", text))
    labelled = {each["server"] for each in flow.get("labels", ())}
    without = [member.name for member in members if member.name not in labelled and "labels" not in member.values]
    if without:
        text = (
            f"no label names anything of {', '.join(without)}: all that they have counts as untrusted, private and "
            "written outside, so that two calls of it are one too many; write labels in their files"
        )
        found.append(server.problem("flow", text, warning=True))
    return found


def _has_acl(server: ServerFile) -> bool:
    return any(plugin.get("name") == "acl" for plugin in server.values.get("plugins", ()))


def _acl(server: ServerFile) -> Problem:
    text = (
        "acl runs before the guard, so it refuses what virtual servers ask for others and this member is left out of "
        "them; write rules with groups in its place"
    )
    return server.problem("plugins", text, warning=True)
