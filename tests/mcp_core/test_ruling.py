"""What decides is what is named: explanations against decisions, over random policies and names."""

from __future__ import annotations

import json

import pytest
from core_cases import legacy, request, text
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcp_core.decide import Admitted, Caller, GuardTerms, decide_post
from mcp_core.methods import Kind
from mcp_core.outcome import RejectKind
from mcp_core.policy import MAX_NAME, Cause, Policy
from mcp_core.principal import CONSUMER, UNKNOWN, Principal
from mcp_core.ruling import rule

ASKED = {
    Kind.TOOL: ("tools/call", "name"),
    Kind.PROMPT: ("prompts/get", "name"),
    Kind.RESOURCE: ("resources/read", "uri"),
}
# Spellings of few words, so that globs and names meet: case, width, letters taken apart, what does not print.
NAMES = st.sampled_from(
    [
        "read",
        "Read",
        "READ",
        "\uff52ead",
        "\u24e1ead",
        "read ",
        "re\0ad",
        "read_x",
        "caf\xe9",
        "cafe\u0301",
        "CAF\xc9",
        "k",
    ]
)
URIS = st.sampled_from(
    [
        *("note://h/read", "NOTE://h/read", "note://H/read", "note://h/%72ead", "note://h/a/../read", "note://h//read"),
        *("note://h/rea%64", "note://h/read?q=1", "note://h:/read", "note:///read", "note:/read", "note://h/READ"),
        *(
            "note://h/%2572ead",
            "file:///read",
            "file:/read",
            "file://localhost/read",
            "note://h/{+path}",
            "note://h/read.",
        ),
        *(
            "note://h/%2Fread",
            "https://xn--caf-dma/read",
            "https://caf\xe9/read",
            "http://127.1/read",
            "http://2130706433/read",
        ),
    ]
)
STARRED = st.sampled_from(
    ["*", "re*", "*ad", "R*", "**", "note://*", "note://h/*", "*read", "file:*", "http://127.0.0.1/*"]
)
GLOBS = st.lists(NAMES | URIS | STARRED, max_size=3)
ACCESS = st.fixed_dictionaries({"allow": GLOBS, "deny": GLOBS})
ITEMS = st.tuples(st.sampled_from([Kind.TOOL, Kind.PROMPT]), NAMES) | st.tuples(st.just(Kind.RESOURCE), URIS)
WHO = st.sets(st.sampled_from(["ada", "bob"]), max_size=2).map(sorted)
GROUPS = st.sets(st.sampled_from(["red", "blue"]), max_size=2).map(sorted)


def caller(name=None, groups=()):
    return Principal(CONSUMER if name else UNKNOWN, name or "", groups=frozenset(groups))


PRINCIPALS = st.builds(caller, st.sampled_from([None, "ada", "bob", "eve"]), GROUPS)


@st.composite
def configs(draw):
    kinds = {kind.value: draw(ACCESS) for kind in Kind}
    rules = []
    for _ in range(draw(st.integers(0, 2))):
        consumers, groups = draw(WHO), draw(GROUPS)
        if consumers or groups:
            rules.append({"consumers": consumers, "groups": groups, **{kind.value: draw(ACCESS) for kind in Kind}})
    return {**kinds, "rules": rules}


def decided(config, principal, kind, name):
    """Ask the decision itself, with a real request."""
    policy = Policy.from_config(config)
    method, param = ASKED[kind]
    body = text(request(method, {param: name}))
    return decide_post(GuardTerms(policy), Caller(policy.view(principal), held=True), legacy(), body)


def list_of(config, path):
    """Return the list of globs that a path names, `rules[1].tools.deny`, made where there is none."""
    holder = config
    if path.startswith("rules["):
        number, _, path = path.removeprefix("rules[").partition("].")
        holder = config["rules"][int(number)]
    kind, _, which = path.partition(".")
    return holder.setdefault(kind, {}).setdefault(which, [])


def without(config, places):
    changed = json.loads(json.dumps(config))
    for place in sorted(places, key=lambda one: -one.index):
        assert list_of(changed, place.list_path).pop(place.index) == place.glob
    return changed


@pytest.mark.requirement("KNOW-001")
@settings(max_examples=400)
@given(configs(), PRINCIPALS, ITEMS)
def test_what_is_explained_is_what_is_decided(config, principal, item):
    kind, name = item
    ruling = rule(Policy.from_config(config), principal, kind, name)
    decision = decided(config, principal, kind, name)
    assert ruling.cause.allows is isinstance(decision, Admitted)
    if not isinstance(decision, Admitted):
        assert (decision.kind, decision.cause) == (RejectKind.POLICY, ruling.cause)
    # A glob decides where, and only where, the cause says that one does.
    assert bool(ruling.by) is (ruling.cause in (Cause.OPEN, Cause.ALLOWED, Cause.DENIED))


@pytest.mark.requirement("KNOW-001")
@settings(max_examples=400)
@given(configs(), PRINCIPALS, ITEMS)
@example(
    {"resources": {"allow": ["*", "*ad"]}, "rules": []}, caller(), (Kind.RESOURCE, "note://h/read")
)  # the list is open, and another glob allows it too
@example(
    {"tools": {"allow": ["*"], "deny": ["re*", "READ"]}, "rules": []}, caller(), (Kind.TOOL, "\uff32ead")
)  # two globs deny, in another width
def test_without_the_globs_that_decide_the_verdict_is_the_other_one(config, principal, item):
    kind, name = item
    ruling = rule(Policy.from_config(config), principal, kind, name)
    if ruling.by:
        turned = decided(without(config, ruling.by), principal, kind, name)
        assert isinstance(turned, Admitted) is not ruling.cause.allows
        if not isinstance(turned, Admitted):
            assert turned.cause != Cause.DENIED
    if ruling.cause is Cause.NOT_ALLOWED:
        more = without(config, ruling.denies)
        list_of(more, f"{kind.value}.allow").append(name)
        assert isinstance(decided(more, principal, kind, name), Admitted)
    for place in ruling.elsewhere:
        named = config["rules"][place.rule]
        other = caller(next(iter(named["consumers"]), None), principal.groups | set(named["groups"]))
        assert rule(Policy.from_config(config), other, kind, name).cause is not Cause.NOT_ALLOWED


RULES = {
    "tools": {"allow": ["good", "read_*"], "deny": ["*_secret"]},
    "resources": {"allow": ["note://public/*"]},
    "rules": [
        {"groups": ["finance"], "tools": {"allow": ["invoice_*"]}},
        {"consumers": ["ada"], "tools": {"allow": ["delete_file"], "deny": ["read_mail"]}},
    ],
}


@pytest.mark.requirement("KNOW-001")
@pytest.mark.parametrize(
    ("principal", "kind", "name", "cause", "by"),
    [
        (caller("bob"), Kind.TOOL, "read_a", "allowed", ["tools.allow[1]"]),
        (caller("bob"), Kind.TOOL, "read_A_SECRET", "denied", ["tools.deny[0]"]),
        (caller("bob"), Kind.TOOL, "invoice_pay", "not-allowed", []),
        (caller("bob", {"finance"}), Kind.TOOL, "invoice_pay", "allowed", ["rules[0].tools.allow[0]"]),
        (caller("ada"), Kind.TOOL, "read_mail", "denied", ["rules[1].tools.deny[0]"]),
        (caller("ada"), Kind.TOOL, "delete_file", "allowed", ["rules[1].tools.allow[0]"]),
        (caller("ada"), Kind.TOOL, "good\n", "unprintable", []),
        (caller("ada"), Kind.TOOL, "g" * (MAX_NAME + 1), "too-long", []),
        (caller("ada"), Kind.RESOURCE, "note://public/../private", "abnormal", []),
        (caller("ada"), Kind.RESOURCE, "note://public/x", "allowed", ["resources.allow[0]"]),
    ],
)
def test_the_place_of_what_decides_is_named(principal, kind, name, cause, by):
    ruling = rule(Policy.from_config(RULES), principal, kind, name)
    assert (ruling.cause, [place.path for place in ruling.by]) == (cause, by)


@pytest.mark.requirement("KNOW-001")
def test_of_what_nothing_allows_is_told_who_has_it_and_what_nearly_does():
    policy = Policy.from_config(RULES)
    ruling = rule(policy, caller("bob"), Kind.TOOL, "invoice_pay")
    assert [place.path for place in ruling.elsewhere] == ["rules[0].tools.allow[0]"]
    ruling = rule(policy, caller("bob"), Kind.TOOL, "GOOD")
    assert [place.path for place in ruling.nearly] == ["tools.allow[0]"]
    ruling = rule(policy, caller("bob"), Kind.TOOL, "my_secret")
    assert [place.path for place in ruling.denies] == ["tools.deny[0]"]
