"""What the sidecar's log tells a person: answers that do not reach agents, findings, and what waits for review."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from kong_mcp.happenings import Happening, Sort, line, shown
from kong_mcp.surface_words import surface_command
from mcp_core.scan.catalog import ALL
from mcp_core.scan.items import KIND_WORDS, ItemKind

WITHHELD: Final = frozenset({"answer withheld", "server refused"})
"""What the sidecar's log lines that have a cause in them are called."""
_SURFACE: Final = "surface "
_SEEN: Final = "seen"
_SEVERITY: Final = {rule.id: rule.severity.value for rule in ALL if rule.severity is not None}
_MOST_FINDINGS: Final = 3
_PLACE: Final = re.compile(r"https?://[A-Za-z0-9._~:/%+=-]+")
"""URLs that a shell and YAML take as they stand: a server chose this one, and people paste it."""

Findings: TypeAlias = Callable[[str, str, str, str], list[Mapping[str, str]]]
"""Returns what was found in a version of an item (server, kind, name, digest): rule, severity, path and excerpt."""


def no_findings(_server: str, _kind: str, _name: str, _digest: str) -> list[Mapping[str, str]]:
    """Know of no findings."""
    return []


class Causes:
    """Reads the sidecar's log lines. `review` is how the store is named to `kong-mcp surface`; empty without pins."""

    def __init__(self, findings: Findings = no_findings, review: str = "") -> None:
        self._findings = findings
        self._review = review

    def happening(self, logged: Mapping[str, Any]) -> Happening | None:
        """Return what a log line tells people, or None for one that tells them nothing.

        What a server said stands in the log fit to print.
        """
        event, server = logged.get("event"), str(logged.get("server") or "sidecar")
        if not isinstance(event, str):
            return None
        if event in WITHHELD:
            return Happening(Sort.TROUBLE, server, _withheld(logged))
        if event == "found":
            return Happening(Sort.FINDING, server, _found(logged))
        if event.startswith(_SURFACE):
            return self._surface(event.removeprefix(_SURFACE), server, logged)
        if event == "look" and logged.get("outcome") not in (None, _SEEN):
            outcome = shown(logged["outcome"])
            do = "see that the server runs and takes this gateway's requests; it is asked again"
            return Happening(Sort.TROUBLE, server, line(server, ["its lists could not be read", outcome], do))
        if logged.get("level") in ("error", "critical"):
            problem = str(logged.get("problem") or logged.get("exception") or "").strip().rpartition("\n")[2]
            return Happening(Sort.TROUBLE, server, line(server, [shown(event), shown(problem)]))
        return None

    def _surface(self, action: str, server: str, logged: Mapping[str, Any]) -> Happening | None:
        """Tell of a version of an item that somebody has to look at."""
        state, rules = str(logged.get("state")), logged.get("rules")
        if state == "approved" and not rules:
            return None
        kind, name = _kind(logged.get("kind")), _name(logged.get("name"))
        fields = ", ".join(shown(_name(field)) for field in logged.get("fields") or ())
        what = f"{kind} {shown(name)}".strip() + f" is {shown(state)} ({shown(logged.get('reason'))})"
        found = self._findings(server, str(logged.get("kind")), name, str(logged.get("digest"))) if rules else []
        excerpts = [
            f"{one['severity']}: {one['rule']} at {shown(one['path'])}: {shown(one['excerpt'])}"
            for one in found[:_MOST_FINDINGS]
        ]
        excerpts = excerpts or [_rules(rules)]
        changed = f"changed: {fields}" if fields else ""
        number = f"{len(found)} findings" if len(found) > _MOST_FINDINGS else ""
        word = {"differs": "replicas differ", "changes-often": "changes often"}.get(action, "")
        if self._review:
            do = f"{surface_command('diff', server, kind, name, self._review)}, then approve or reject in place of diff"
        else:  # "quarantined" alone would say that agents are not shown it
            blocks = any(one["severity"] == "block" for one in found) if found else "block: " in _rules(rules)
            excerpts += [] if blocks else ["agents get it, without pins"]
            do = "read what it is; pins: {mode: enforce} hides what waits until somebody approves it"
        sort = Sort.FINDING if rules else Sort.REVIEW
        return Happening(sort, server, line(server, [what, word, changed, number, *excerpts], do))


def _kind(word: Any) -> str:
    return KIND_WORDS.get(ItemKind(word), "item") if word in list(ItemKind) else "item"


def _name(text: Any) -> str:
    """Return a name as the sidecar logs it: a literal in ASCII."""
    try:
        value = ast.literal_eval(str(text))
    except (ValueError, SyntaxError):
        return ""
    return value if isinstance(value, str) else ""


def _rules(rules: Any) -> str:
    named = rules if isinstance(rules, list) else []
    return ", ".join(f"{_SEVERITY.get(str(one), 'flag')}: {shown(one)}" for one in named)


def _found(logged: Mapping[str, Any]) -> str:
    who = shown(logged.get("principal") or "nobody known")
    said = str(logged.get("where"))
    where = {"arguments": "the arguments of", "beside": "what stands beside the answer to"}.get(said, "the answer to")
    action = str(logged.get("action"))
    do = {
        "withheld": f"read what the server sends; {'lists' if said == 'lists' else 'results'}.mode flag lets it pass "
        "and tells",
        "refused": "see what the agent sends; arguments set to flag lets it pass and tells",
    }.get(action, "read what it is; block in place of flag keeps it from the agent")
    named = logged.get("items")
    items = f" in {', '.join(map(shown, named))}" if isinstance(named, list) else ""
    what = f"found{items} in {where} {shown(logged.get('method'))} of {who}"
    return line(logged.get("server"), [what, _rules(logged.get("rules")), shown(action)], do)


def _withheld(logged: Mapping[str, Any]) -> str:
    parts = [str(logged["event"]), f"{logged.get('method') or 'stream'}", str(logged.get("why"))]
    if logged.get("points_to"):
        parts.append(f"it points to {logged['points_to']}")
    if logged.get("said"):
        parts.append(f"it said: {logged['said']}")
    do = _follow(str(logged.get("server")), str(logged.get("points_to") or "")) or str(logged.get("do") or "")
    return line(logged.get("server"), map(shown, parts), do)


def _follow(server: str, place: str) -> str:
    """Return the line that sends a server's requests to where it pointed, or "" where no whole URL is known."""
    if not _PLACE.fullmatch(place):
        return ""
    url = shown(place)
    return f"if you trust that place, write replicas: [{url}] in its server file, or --server {shown(server)}={url}"
