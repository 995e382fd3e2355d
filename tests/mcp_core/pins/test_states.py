from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from mcp_core.pins.canonical import field_digests
from mcp_core.pins.states import (
    DEFAULT_RULES,
    Drift,
    FirstUse,
    Grade,
    Rules,
    Sight,
    State,
    Trust,
    changed_fields,
    drift,
    first_use,
    is_open,
    rules_of,
)


class Finding(NamedTuple):
    rule: str
    path: str
    excerpt: str


HIDDEN = Finding("hidden", 'tools["a"].description', "do not tell")


@pytest.mark.requirement("PIN-003")
def test_a_clean_item_is_open_at_first_sight_unless_everything_waits_for_a_reviewer():
    assert first_use([], DEFAULT_RULES) == Grade(State.APPROVED, "clean")
    assert first_use([], replace(DEFAULT_RULES, first_use=FirstUse.QUARANTINE_ALL)) == Grade(
        State.QUARANTINED, "first-use"
    )


@pytest.mark.requirement("PIN-003")
@pytest.mark.parametrize("policy", FirstUse)
def test_an_item_in_which_something_is_found_waits_for_a_reviewer(policy):
    assert first_use([HIDDEN], replace(DEFAULT_RULES, first_use=policy)) == Grade(State.QUARANTINED, "findings")


@pytest.mark.requirement("PIN-004")
def test_what_changed_is_told_by_member_from_the_digests_alone():
    before = {"name": "a", "description": "b", "icons": [1]}
    after = {"name": "a", "description": "c", "title": "t"}
    assert changed_fields(field_digests(before), after) == ("description", "icons", "title")


ANY = {Drift.CLEAN}
CHANGES = {
    ("_meta",): ANY | {Drift.STRICT, Drift.GRADED},
    ("annotations", "icons"): ANY | {Drift.STRICT, Drift.GRADED},
    ("description",): ANY | {Drift.GRADED},
    ("annotations", "title"): ANY | {Drift.GRADED},
    ("inputSchema",): ANY,
    ("outputSchema",): ANY,
    ("annotations", "name"): ANY,
    ("mimeType",): ANY,
    ("neverHeardOf",): ANY,
    ("instructions",): ANY,
}


@pytest.mark.requirement("PIN-004")
@pytest.mark.parametrize("setting", Drift)
@pytest.mark.parametrize("fields", CHANGES, ids=" and ".join)
def test_a_change_is_weighed_by_the_heaviest_member_that_changed(fields, setting):
    grade = drift(fields, [], [], replace(DEFAULT_RULES, drift=setting))
    assert grade.state is (State.FLAGGED if setting in CHANGES[fields] else State.QUARANTINED)
    assert grade.fields == fields


@pytest.mark.requirement("PIN-004")
@pytest.mark.parametrize("setting", Drift)
@pytest.mark.parametrize("fields", CHANGES, ids=" and ".join)
def test_a_change_in_which_something_new_is_found_is_quarantined_whatever_changed(fields, setting):
    again = HIDDEN._replace(excerpt="and send it to")
    assert drift(fields, [], [HIDDEN], replace(DEFAULT_RULES, drift=setting)).reason == "drift-findings"
    assert drift(fields, [HIDDEN], [HIDDEN, again], replace(DEFAULT_RULES, drift=setting)).state is State.QUARANTINED


@pytest.mark.requirement("PIN-004")
def test_what_was_found_before_and_approved_all_the_same_is_no_news():
    assert drift(["icons"], [HIDDEN], [HIDDEN], DEFAULT_RULES) == Grade(State.FLAGGED, "light-drift", ("icons",))


@pytest.mark.requirement("PIN-004")
def test_the_default_flags_light_changes_and_closes_on_words():
    assert drift(["annotations"], [], [], DEFAULT_RULES).state is State.FLAGGED
    assert drift(["description"], [], [], DEFAULT_RULES).state is State.QUARANTINED


@pytest.mark.requirement("PIN-012")
@pytest.mark.parametrize(
    ("trust", "new", "annotations", "schema"),
    [
        (Trust.OWN, State.APPROVED, State.FLAGGED, State.FLAGGED),
        (Trust.KNOWN, State.APPROVED, State.FLAGGED, State.QUARANTINED),
        (Trust.FOREIGN, State.QUARANTINED, State.QUARANTINED, State.QUARANTINED),
    ],
)
@pytest.mark.parametrize("otherwise", [DEFAULT_RULES, Rules(FirstUse.QUARANTINE_ALL, Drift.GRADED)])
def test_whose_server_it_is_says_what_waits(trust, new, annotations, schema, otherwise):
    rules = rules_of(trust, otherwise)
    assert first_use([], rules).state is new
    assert drift(["annotations"], [], [], rules).state is annotations
    assert drift(["description", "inputSchema"], [], [], rules).state is schema
    for graded in (first_use([HIDDEN], rules), drift(["annotations"], [], [HIDDEN], rules)):
        assert graded.state is State.QUARANTINED, "a finding waits whosever server it is"
    assert rules_of(None, otherwise) is otherwise


@pytest.mark.requirement("PIN-005")
def test_an_item_closes_at_the_first_sight_of_a_version_that_nobody_approved():
    good = Sight(State.APPROVED, 1000)
    assert is_open([good, Sight(State.FLAGGED, 990)], 60)
    for state in (State.QUARANTINED, State.REJECTED):
        assert not is_open([good, Sight(state, 1000)], 60)
        assert not is_open([good, Sight(state, 1001)], 60)


@pytest.mark.requirement("PIN-005")
def test_it_opens_again_once_that_version_stayed_away():
    bad = Sight(State.QUARANTINED, 1000)
    assert not is_open([Sight(State.APPROVED, 1059), bad], 60)
    assert is_open([Sight(State.APPROVED, 1060), bad], 60)
    assert not is_open([Sight(State.APPROVED, 1000), bad], 0)


@pytest.mark.requirement("PIN-005")
def test_what_was_never_seen_is_not_open():
    assert not is_open([], 60)
