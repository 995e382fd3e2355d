import json

import pytest

from mcp_core import uris
from mcp_core.auth import config
from mcp_core.jsonrpc import Notification, Request
from mcp_core.methods import Kind
from mcp_core.policy import Access, View

ISSUERS = [{"issuer": "https://idp.example"}]
RULES = [
    {"scopes": ["notes:write"], "tools": ["delete_*", "write_note"]},
    {"scopes": ["notes:read"], "resources": ["note://*"], "prompts": ["greet"]},
    {"scopes": ["admin"], "tools": ["delete_all"]},
]
ALL = View({kind: Access(("*",)) for kind in Kind})


def scopes(denial="hide", **more):
    section = {
        "resource": "https://g.example/n/mcp",
        "issuers": ISSUERS,
        "scope_rules": RULES,
        "denial": denial,
        **more,
    }
    return config.read(section).scopes


def call(name):
    return Request(1, "tools/call", {"name": name})


@pytest.mark.requirement("AUTH-007")
@pytest.mark.parametrize(
    ("granted", "kind", "name", "seen"),
    [
        ([], Kind.TOOL, "read_note", True),
        ([], Kind.TOOL, "write_note", False),
        ([], Kind.TOOL, "Write_Note", False),
        ([], Kind.TOOL, "\uff57rite_note", False),
        (["notes:write"], Kind.TOOL, "write_note", True),
        (["notes:write"], Kind.TOOL, "delete_all", False),
        (["notes:write", "admin"], Kind.TOOL, "delete_all", True),
        (["admin"], Kind.TOOL, "delete_all", False),
        (["notes:Write"], Kind.TOOL, "write_note", False),
        ([], Kind.RESOURCE, "note://public", False),
        ([], Kind.RESOURCE, "NOTE://public", False),
        (["notes:read"], Kind.RESOURCE, "note://public", True),
        ([], Kind.PROMPT, "greet", False),
    ],
)
def test_what_needs_a_scope_is_hidden_from_whoever_lacks_it(granted, kind, name, seen):
    assert scopes().narrow(ALL, frozenset(granted)).allows(kind, name) is seen


def test_a_narrower_view_travels_as_any_other():
    narrowed = scopes().narrow(ALL, frozenset())
    assert not View.from_json(json.loads(json.dumps(narrowed.to_json()))).allows(Kind.TOOL, "write_note")
    assert scopes().narrow(ALL, frozenset(["notes:write", "notes:read", "admin"])) is ALL


def test_nothing_that_the_policy_hides_is_shown_by_a_scope():
    view = View({Kind.TOOL: Access(("read_*",))})
    assert not scopes().narrow(view, frozenset(["notes:write"])).allows(Kind.TOOL, "write_note")


@pytest.mark.requirement("AUTH-007")
@pytest.mark.parametrize(
    ("messages", "granted", "missing"),
    [
        ([call("read_note")], [], ()),
        ([call("write_note")], [], ("mcp", "notes:write")),
        ([call("write_note")], ["notes:write"], ()),
        ([call("delete_all")], ["admin"], ("mcp", "admin", "notes:write")),
        ([call("DELETE_all")], ["admin"], ("mcp", "admin", "notes:write")),
        ([call("write_note"), call("delete_all")], [], ("mcp", "admin", "notes:write")),
        ([Request(1, "prompts/get", {"name": "greet"})], [], ("mcp", "notes:read")),
        ([Request(1, "resources/read", {"uri": "note://x"})], [], ("mcp", "notes:read")),
        ([Request(1, "resources/subscribe", {"uri": "note://x"})], [], ("mcp", "notes:read")),
        (
            [Request(1, "completion/complete", {"ref": {"type": "ref/prompt", "name": "greet"}})],
            [],
            ("mcp", "notes:read"),
        ),
        (
            [Request(1, "completion/complete", {"ref": {"type": "ref/resource", "uri": "note://{x}"}})],
            [],
            ("mcp", "notes:read"),
        ),
        (
            [Request(1, "subscriptions/listen", {"notifications": {"resourceSubscriptions": ["x:1", "note://x"]}})],
            [],
            ("mcp", "notes:read"),
        ),
        ([Request(1, "tools/list", {})], [], ()),
        ([Notification("notifications/progress", {})], [], ()),
    ],
)
def test_a_challenge_names_at_once_all_that_the_very_call_needs(messages, granted, missing):
    asked = scopes("challenge", required_scopes=["mcp"])
    assert asked.missing(messages, frozenset(granted)) == missing
    assert asked.narrow(ALL, frozenset(granted)) is ALL
    assert scopes("hide").missing(messages, frozenset(granted)) == ()


@pytest.mark.requirement("AUTH-007")
def test_each_item_of_a_request_is_spelled_once_however_many_rules_there_are(monkeypatch):
    spelled = []
    spellings = uris.spellings
    monkeypatch.setattr(uris, "spellings", lambda read: spelled.append(read) or spellings(read))
    rules = [{"scopes": [f"s{number}"], "resources": [f"note://{number}/*"]} for number in range(60)]
    asked = scopes("challenge", scope_rules=rules)
    names = [f"note://{number}/x" for number in range(100)]
    spelled.clear()
    listen = Request(1, "subscriptions/listen", {"notifications": {"resourceSubscriptions": names}})
    assert len(asked.missing([listen], frozenset())) == 60
    assert len(spelled) <= 60


@pytest.mark.requirement("AUTH-007")
@pytest.mark.parametrize("name", ["note://%2e%2e/x", "note://public/\x00", " note://public"])
def test_a_name_that_could_be_anything_needs_everything(name):
    asked = scopes("challenge")
    assert asked.missing([Request(1, "resources/read", {"uri": name})], frozenset()) == ("notes:read",)
    assert asked.missing([call("write\u200bnote")], frozenset()) == ("admin", "notes:write")


@pytest.mark.requirement("AUTH-007")
def test_a_broad_scope_implies_narrower_ones_and_not_the_other_way():
    asked = scopes(
        implied_scopes={"admin": ["notes:write"], "notes:write": ["notes:read", "admin"]}, required_scopes=["mcp"]
    )
    assert asked.granted(frozenset(["admin"])) == {"admin", "notes:write", "notes:read"}
    assert asked.granted(frozenset(["notes:read"])) == {"notes:read"}
    assert not asked.lets_in(asked.granted(frozenset(["admin"])))
    assert asked.lets_in(frozenset(["mcp"]))
