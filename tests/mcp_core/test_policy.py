from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from core_cases import text
from hypothesis import given
from hypothesis import strategies as st

from mcp_core import surface, uris
from mcp_core.methods import Kind
from mcp_core.outcome import Mutated, Pass
from mcp_core.policy import Matcher, Policy, PolicyError, View
from mcp_core.principal import NOBODY, TOKEN, Principal, consumer

ANN = consumer("ann", {"readers"})
BOB = consumer("bob", {"writers", "readers"})


def tools(allow=(), deny=()):
    return Policy.from_config({"tools": {"allow": list(allow), "deny": list(deny)}}).view(NOBODY)


@pytest.mark.requirement("POL-001")
@pytest.mark.parametrize(
    ("glob", "name", "matches"),
    [
        ("open", "open", True),
        ("open", "Open", False),
        ("open", "open ", False),
        ("open", "open\0", False),
        ("caf\xe9", "cafe\u0301", False),
        ("*", "", True),
        ("get_*", "get_", True),
        ("get_*", "get_x\ny", True),
        ("get_*", "xget_", False),
        ("*_get", "a_get", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("ab*bc", "abc", False),
        ("*a*a*", "a", False),
        ("*aba*ba*", "aba", False),
        ("**", "x", True),
        ("a?c", "abc", False),
        ("a.c", "abc", False),
        ("[ab]", "a", False),
        ("\\*", "*", False),
    ],
)
def test_only_the_star_is_special(glob, name, matches):
    assert Matcher([glob]).matches(name) is matches


@pytest.mark.requirement("POL-001")
@given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
def test_globs_mean_what_the_plainest_pattern_means(glob, name):
    pattern = ".*".join(map(re.escape, glob.split("*")))
    assert Matcher([glob]).matches(name) is (re.fullmatch(pattern, name) is not None)


@pytest.mark.requirement("RPC-011")
@pytest.mark.parametrize(
    ("glob", "name"),
    [("*a" * 200 + "*b", "a" * 1_000_000), ("*" * 2000 + "x", "a" * 1_000_000), ("*ab*" * 500, "aba" * 300_000)],
)
def test_hostile_globs_and_names_are_answered_at_all(glob, name):
    """Backtracking would take longer than anyone lives."""
    Matcher([glob]).matches(name)


@pytest.mark.requirement("POL-002")
def test_what_nothing_allows_is_denied_and_deny_wins():
    view = tools(["get_*", "open"], ["get_secret*", "open"])
    assert view.allows(Kind.TOOL, "get_weather")
    assert not view.allows(Kind.TOOL, "get_secret_key")
    assert not view.allows(Kind.TOOL, "open")
    assert not view.allows(Kind.TOOL, "other")
    assert not view.allows(Kind.PROMPT, "get_weather")
    assert not Policy.from_config({}).view(ANN).allows(Kind.TOOL, "")


RULES = Policy.from_config(
    {
        "tools": {"allow": ["ping"], "deny": ["never"]},
        "rules": [
            {"consumers": ["ann"], "tools": {"allow": ["ann_*", "never"]}},
            {"groups": ["writers"], "tools": {"allow": ["write"]}, "prompts": {"allow": ["draft"]}},
            {"groups": ["readers"], "tools": {"deny": ["ping"]}},
        ],
    }
)


@pytest.mark.requirement("POL-003")
@pytest.mark.parametrize(
    ("principal", "allowed"),
    [
        (NOBODY, {"ping"}),
        (consumer("eve"), {"ping"}),
        (consumer("Ann"), {"ping"}),
        (consumer("writers"), {"ping"}),
        (replace(NOBODY, groups=frozenset({"ann"})), {"ping"}),
        (consumer("ann"), {"ping", "ann_x"}),
        (Principal(TOKEN, "ann", "https://issuer.example"), {"ping"}),
        (Principal(TOKEN, "ann"), {"ping"}),
        (Principal(TOKEN, "x", "https://issuer.example", frozenset({"readers", "writers"})), {"write"}),
        (ANN, {"ann_x"}),
        (BOB, {"write"}),
    ],
)
def test_rules_are_for_those_they_name(principal, allowed):
    view = RULES.view(principal)
    names = ("ping", "ann_x", "write", "never", "draft")
    assert {name for name in names if view.allows(Kind.TOOL, name)} == allowed
    assert view.allows(Kind.PROMPT, "draft") is ("writers" in principal.groups)


@pytest.mark.requirement("POL-003")
def test_principals_with_the_same_rules_share_one_view():
    assert RULES.view(consumer("eve")) is RULES.view(NOBODY)
    assert RULES.by_principal
    assert not Policy.from_config({"tools": {"allow": ["*"]}}).by_principal


@pytest.mark.requirement("POL-003")
@pytest.mark.parametrize(
    ("resources", "rules", "shown"),
    [
        ({"allow": ["*"]}, [], True),
        ({"allow": ["note://*"]}, [], False),
        ({"allow": ["*"], "deny": ["note://7"]}, [], False),
        ({"allow": ["*"]}, [{"groups": ["staff"], "resources": {"deny": ["note://7"]}}], False),
        ({"allow": ["*"]}, [{"groups": ["staff"], "resources": {"allow": ["note://7"]}}], True),
    ],
)
def test_everybody_sees_all_of_a_kind_only_where_everything_is_allowed_and_nothing_denied(resources, rules, shown):
    policy = Policy.from_config({"resources": resources, "rules": rules})
    assert policy.shows_all(Kind.RESOURCE) is shown


@pytest.mark.requirement("POL-004")
@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"tools": ["open"]}, "tools:"),
        ({"tools": {"allow": "open"}}, "tools.allow:"),
        ({"tools": {"allow": [""]}}, "tools.allow:"),
        ({"tools": {"allow": [7]}}, "tools.allow:"),
        ({"prompts": {"deny": {"a": 1}}}, "prompts.deny:"),
        ({"resources": {"alow": []}}, "resources:"),
        ({"methods": {"allow": [None]}}, "methods.allow:"),
        ({"rules": {"a": 1}}, "rules:"),
        ({"rules": ["ann"]}, "rules[0]:"),
        ({"rules": [{"tools": {"allow": ["x"]}}]}, "rules[0]:"),
        ({"rules": [{"consumers": ["a"]}, {"consumers": "bob"}]}, "rules[1].consumers:"),
        ({"rules": [{"groups": ["a"], "tools": {"allow": [7]}}]}, "rules[0].tools.allow:"),
        ({"rules": [{"groups": ["a"], "methods": {}}]}, "rules[0]:"),
    ],
)
def test_a_policy_that_cannot_be_used_names_the_field(config, field):
    with pytest.raises(PolicyError) as error:
        Policy.from_config(config)
    assert str(error.value).startswith(field)
    assert len(str(error.value)) > len(field) + 10


def test_kongs_way_of_writing_an_empty_list_is_an_empty_list():
    config = {"tools": {"allow": {}, "deny": {}}, "rules": [], "prompts": None}
    assert not Policy.from_config(config).view(NOBODY).allows(Kind.TOOL, "x")


def listing(uri):
    return text({"jsonrpc": "2.0", "id": 1, "result": {"resources": [{"uri": uri}]}})


# URI as sent -> what common readers of URLs make of it
READ_AS_ANOTHER = {
    "file:///public//private/key": "two slashes",
    "file:////private/key": "four slashes",
    "note://public//x": "two slashes behind the host",
    "http://docs.example:80/x": "a default port",
    "https://docs.example:/x": "an empty port",
    "https://user@docs.example/x": "a user",
    "https://docs.example:443": "a default port alone",
    "file://localhost/private/key": "localhost of a file",
    "https://\uff44ocs.example/x": "a host in fullwidth letters",
    "file:///public/../private/key": "dot segments",
    "file:///public/./x": "a dot segment",
    "file:///public/..": "a dot segment at the end",
    "file:///public/..?q": "a dot segment before a query",
    "file:///public/..;x/key": "a dot segment with parameters, which some readers take off first",
    "file:///public/.;x/key": "one dot with parameters",
    "file:///public/a/..%3Bx/key": "a dot segment with an encoded semicolon",
    "file:///public/a%2F..;x/key": "a dot segment with parameters behind an encoded slash",
    "file:///public/%3F/..;x/key": "a dot segment with parameters behind an encoded question mark",
    "note:..;x/private": "a dot segment with parameters behind the scheme",
    "..;x/private": "a dot segment with parameters at the start",
    "file:///public/.. ;x/key": "a dot segment with a blank and parameters",
    "file:///public/.. /key": "a dot segment with a blank, which some readers take off first",
    "file:///public/%2e%2e/private": "encoded dots",
    "file:///public/.%2E/private": "one encoded dot",
    "file:///public/..%2fprivate": "an encoded slash",
    "file:///public/..%5Cprivate": "an encoded backslash",
    "file:///public%2F../private": "an encoded slash before dots",
    "file:///public%5c../private": "an encoded backslash before dots",
    "file:///public\\..\\private": "backslashes",
    "file:///public/\tx": "a tab, which is dropped",
    "file:///public/x\n": "a line end, which is dropped",
    " file:///public/x": "a blank, which is dropped",
    "file:///public/x ": "a blank at the end, which is dropped",
    "FILE:///public/x": "a scheme in capitals",
    "https://Docs.example/x": "a host in capitals",
    "file:///%70ublic/x": "a letter that needs no encoding",
    "file:///public/%7ex": "a tilde that needs no encoding",
    "../private": "a dot segment at the start",
    "note:../private": "a dot segment behind the scheme",
}
# URI as sent -> how a server that decodes first reads what is denied
DENIED_ONCE_DECODED = {
    "public://private%2Fplan": "an encoded slash",
    "public://private%252Fplan": "a slash encoded twice",
    "public:%2F%2Fprivate/plan": "encoded slashes behind the scheme",
    "public%3A//private/plan": "an encoded colon",
    "public://private%25252525252525252Fplan": "a slash encoded without end",
    "public://private/%E2%80%8B%2e%2e/plan": "dots between odd characters",
}
ALL_OPEN = {"allow": ["*"]}
# sentence -> the resources of a policy that says no to something, though it matches any URI
NARROW = {
    "one denied": {"allow": ["*"], "deny": ["file:///private/*"]},
    "two globs for all": {"allow": ["f*", "F*", "h*", " *", ".*", "n*"]},
    "stars only": {"allow": ["**"]},
}


@pytest.mark.requirement("POL-005")
@pytest.mark.parametrize("resources", NARROW.values(), ids=NARROW.keys())
@pytest.mark.parametrize("uri", READ_AS_ANOTHER, ids=READ_AS_ANOTHER.values())
def test_a_uri_that_others_normalise_is_neither_listed_nor_read(uri, resources):
    view = Policy.from_config({"resources": resources}).view(NOBODY)
    assert not uris.is_normal(uri)
    assert not view.allows(Kind.RESOURCE, uri)
    filtered = surface.filter_answer(listing(uri), view)
    assert isinstance(filtered, Mutated)
    assert filtered.message["result"]["resources"] == []


@pytest.mark.requirement("POL-005")
@pytest.mark.parametrize("uri", list(DENIED_ONCE_DECODED), ids=DENIED_ONCE_DECODED.values())
def test_a_uri_that_decodes_to_a_denied_one_is_denied(uri):
    view = Policy.from_config({"resources": {"allow": ["public*"], "deny": ["public://private/*"]}}).view(NOBODY)
    assert not view.allows(Kind.RESOURCE, uri)
    assert view.allows(Kind.RESOURCE, "public://plans/100%25/%E4%BD%A0%20x")


@pytest.mark.requirement("POL-005")
@pytest.mark.parametrize("uri", READ_AS_ANOTHER, ids=READ_AS_ANOTHER.values())
def test_where_every_resource_is_open_no_spelling_opens_more(uri):
    view = Policy.from_config({"resources": ALL_OPEN}).view(NOBODY)
    assert view.allows(Kind.RESOURCE, uri)
    assert surface.filter_answer(listing(uri), view) == Pass()


@pytest.mark.requirement("POL-005")
def test_a_rule_that_denies_one_resource_makes_spelling_matter_for_whom_it_concerns():
    rules = [{"consumers": ["ann"], "resources": {"deny": ["file:///private/*"]}}]
    policy = Policy.from_config({"resources": ALL_OPEN, "rules": rules})
    uri = "file:///public/../private/key"
    assert policy.view(BOB).allows(Kind.RESOURCE, uri)
    assert not policy.view(ANN).allows(Kind.RESOURCE, uri)


@pytest.mark.requirement("POL-005")
def test_a_uri_of_more_encoded_characters_than_anybody_writes_is_denied_at_once():
    view = Policy.from_config({"resources": {"allow": ["public://*"]}}).view(NOBODY)
    assert view.allows(Kind.RESOURCE, "public://" + "%C3%A9" * 300)
    assert not view.allows(Kind.RESOURCE, "public://" + "%25" * 1025)


@pytest.mark.requirement("POL-014")
@pytest.mark.parametrize(
    ("kind", "longest"), [(Kind.TOOL, "x" * 1024), (Kind.PROMPT, "x" * 1024), (Kind.RESOURCE, "file:///" + "x" * 8184)]
)
def test_a_name_that_no_header_could_hold_is_no_item(kind, longest):
    for allow in ("*", "*x", longest, longest + "x"):
        view = Policy.from_config({kind.value: {"allow": [allow]}}).view(NOBODY)
        assert not view.allows(kind, longest + "x")
        assert view.allows(kind, longest) is (allow != longest + "x")


@pytest.mark.requirement("POL-005")
@pytest.mark.parametrize(
    "uri",
    [
        *("file:///public/a.txt", "file:///public/.hidden", "file:///a/...", "file:///my docs/a", "note://Ann/1.2"),
        *("https://docs.example/A?b=c/d#e", "x:y", "memo://insights", "file:///{+path}", "repo://o/r{/path*}{?ref}"),
        *("file:///a%20b%2Fc", "file:///\u00fcber", "str://x..y/z..", "urn:isbn:0451450523"),
        *(
            "https://docs.example/x?path=/..;a=1",
            "https://docs.example/x?t=12:.;b",
            "memo://notes/so:..;well",
            "a:/b#/.;",
        ),
    ],
)
def test_a_uri_in_normal_form_is_compared_as_text(uri):
    assert uris.is_normal(uri)
    assert (
        Policy.from_config({"resources": {"allow": [uri.replace("*", "**")]}}).view(NOBODY).allows(Kind.RESOURCE, uri)
    )


@pytest.mark.requirement("POL-005")
def test_tool_names_are_no_uris():
    assert tools(["*"]).allows(Kind.TOOL, "../Open\\")


GLOBS = st.lists(st.text(min_size=1, max_size=4), max_size=3)


@pytest.mark.requirement("POL-013")
@given(GLOBS, GLOBS, st.text(max_size=4))
def test_a_view_survives_its_way_through_json(allow, deny, name):
    view = tools(allow, deny)
    again = View.from_json(json.loads(json.dumps(view.to_json())))
    assert again.access == view.access
    assert again.allows(Kind.TOOL, name) is view.allows(Kind.TOOL, name)


@pytest.mark.requirement("POL-013")
@given(GLOBS, GLOBS, st.lists(st.text(max_size=4), max_size=5))
def test_what_is_listed_is_what_may_be_called(allow, deny, names):
    view = tools(allow, deny)
    answer = {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": name} for name in names]}}
    filtered = surface.filter_answer(text(answer), view)
    shown = filtered.message if isinstance(filtered, Mutated) else answer
    assert [tool["name"] for tool in shown["result"]["tools"]] == [one for one in names if view.allows(Kind.TOOL, one)]


@pytest.mark.requirement("POL-013")
def test_a_view_from_other_json_is_an_error():
    with pytest.raises(PolicyError):
        View.from_json({"tools": {"allow": "x"}})


# A name that a server could take for one that is denied -> how
TAKEN_FOR_DENIED = {
    "DELETE_file": "capitals",
    "delete_File": "one capital",
    "\uff44\uff45\uff4c\uff45\uff54\uff45_file": "fullwidth letters",
    "\u24d3elete_file": "a letter in a circle",
    "delete_\ufb01le": "a ligature",
    "\U0001d41delete_file": "a bold letter",
    "PUR\u0130F\u0130ED": "a capital i with a dot",
    "pur\u0131fied": "a small i without a dot",
    "purif\u0131ed": "another one",
    "\u017fecret": "a long s",
    "\u212aey": "the Kelvin sign",
    "cafe\u0301": "a letter taken apart",
    "STRASSE": "a sharp s in capitals",
    "k\u034fe\u3164y\ufe0f": "a joiner, a filler and a variation selector, which show nothing",
}


@pytest.mark.requirement("POL-020")
@pytest.mark.parametrize("name", list(TAKEN_FOR_DENIED), ids=TAKEN_FOR_DENIED.values())
@pytest.mark.parametrize("kind", [Kind.TOOL, Kind.PROMPT])
def test_a_name_that_a_server_could_take_for_a_denied_one_is_denied(kind, name):
    deny = ["delete_*", "purified", "Secret", "KEY", "caf\xe9", "stra\xdfe"]
    view = Policy.from_config({kind.value: {"allow": ["*"], "deny": deny}}).view(NOBODY)
    again = View.from_json(json.loads(json.dumps(view.to_json())))
    assert not view.allows(kind, name)
    assert not again.allows(kind, name)
    for honest in ("undelete", "deleted", "Keys", "cafe", "secret-s", "\xe9t\xe9"):
        assert view.allows(kind, honest)
        assert again.allows(kind, honest)


@pytest.mark.requirement("POL-020")
def test_what_is_allowed_is_allowed_exactly_beside_what_is_denied():
    view = tools(["Open", "caf\xe9"], ["shut"])
    assert view.allows(Kind.TOOL, "Open")
    for name in ("open", "OPEN", "\uff2fpen", "CAF\xc9", "cafe\u0301"):
        assert not view.allows(Kind.TOOL, name)


@pytest.mark.requirement("POL-018")
@pytest.mark.parametrize(
    "name", ["delete\0x", "delete\n", "\x7fdelete", "de\u200blete", "delete\u2028", "delete ", " delete"]
)
@pytest.mark.parametrize("kind", [Kind.TOOL, Kind.PROMPT])
def test_a_name_that_does_not_print_is_denied_wherever_anything_is(kind, name):
    for access in ({"allow": ["*"], "deny": ["delete"]}, {"allow": ["*elete*"]}):
        assert not Policy.from_config({kind.value: access}).view(NOBODY).allows(kind, name)
    assert Policy.from_config({kind.value: {"allow": ["*"]}}).view(NOBODY).allows(kind, name)
