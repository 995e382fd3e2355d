"""One word for one thing: no new class has the name of another, and a word of the house has one table."""

import ast
from collections import defaultdict
from functools import cache

from deck.support import ROOT
from mcp_core.reasons import Ending, Reason

PACKAGES = (
    *(ROOT / "kong" / one for one in ("kong_commands", "kong_pluginserver", "kong_devkit", "kong_mcp")),
    *(ROOT / "plugins" / one for one in ("mcp_core", "mcp_kong")),
    ROOT / "sidecar" / "mcp_sidecar",
)

TWICE = {
    # The devkit stands in for Kong, and has Kong's words for Kong's things.
    *("Method", "Reply", "Request", "Snapshot", "Upstream"),
    *("Address", "UpstreamError"),
    # Three programs, each with settings of its own, and what is wrong with them.
    *("Settings", "SettingsError"),
}
"""Names that two classes have, and why. It only grows shorter."""


@cache
def classes():
    found = defaultdict(list)
    for folder in PACKAGES:
        for path in sorted(folder.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(str(path.relative_to(ROOT)))
    return found


def test_no_class_has_the_name_of_another():
    found = {name: paths for name, paths in classes().items() if len(paths) > 1}
    assert set(found) - TWICE == set(), {name: found[name] for name in set(found) - TWICE}


def test_names_that_are_told_apart_again_leave_the_list():
    assert {name for name in TWICE if len(classes().get(name, ())) < 2} == set()


def test_the_words_for_how_requests_end_are_members_of_one_list():
    """Where the sidecar writes one of them as text, it is a member: so are all that it counts answers by."""
    endings, reasons = set(Ending), set(Reason)
    calls = {"fail": (1, endings), "end": (0, endings), "withhold": (1, reasons)}
    seen = set()
    for path in sorted((ROOT / "sidecar" / "mcp_sidecar" / "lane").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
            place, words = calls.get(name, (0, set()))
            if words and len(node.args) > place:
                said = {one.value for one in ast.walk(node.args[place]) if isinstance(one, ast.Constant)}
                assert {one for one in said if isinstance(one, str)} <= words, f"{path}:{node.lineno}"
                seen |= said
    assert {"withheld", "silence"} <= seen


def test_what_the_map_names_is_there():
    text = (ROOT / "spec" / "map.md").read_text(encoding="utf-8")
    named = [one for one in text.split("`")[1::2] if one.startswith(("plugins/", "sidecar/", "kong/", "tests/"))]
    assert len(named) > 20
    assert [one for one in named if not (ROOT / one).exists()] == []
