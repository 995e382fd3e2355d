"""What flow rules are made of: labels, what closes, and permits."""

import json

import pytest

from mcp_core.adaptive import flow
from mcp_core.adaptive.flow import ANYTHING, BOTH, MOST_LABELS, FlowMode, FlowRules, Labelled, ReadLabel
from mcp_core.formats import is_understood
from mcp_core.methods import Kind
from mcp_core.policy import Matcher, View, denied_forms, read_forms
from mcp_core.principal import consumer
from mcp_core.terms import Terms, terms_of, write_terms
from mcp_core.virtual import Virtual, VirtualError, read_config

UNTRUSTED, PRIVATE = frozenset({ReadLabel.UNTRUSTED}), frozenset({ReadLabel.PRIVATE})
CONFIG = {
    "mode": "enforce",
    "labels": [
        {"server": "mail", "tools": ["read_*"], "reads": ["untrusted", "private"]},
        {"server": "mail", "tools": ["send_*"], "writes": ["external"]},
        {"server": "notes", "tools": ["*"]},
        {"server": "notes", "tools": ["get_diary"], "reads": ["private"]},
        {"server": "notes", "resources": ["note://*"]},
        {"server": "notes", "resources": ["note://diary*"], "reads": ["private"]},
    ],
    "permits": [{"server": "mail", "tools": ["send_report"], "consumers": ["ada"]}],
}


def rules(**changes):
    return FlowRules.from_json({**CONFIG, **changes})


@pytest.mark.requirement("FLOW-101")
@pytest.mark.parametrize(
    ("server", "kind", "name", "labelled"),
    [
        ("mail", Kind.TOOL, "read_inbox", Labelled(BOTH, external=False)),
        ("mail", Kind.TOOL, "send_mail", Labelled(frozenset(), external=True)),
        ("mail", Kind.TOOL, "delete", ANYTHING),
        ("mail", Kind.PROMPT, "read_x", ANYTHING),
        ("other", Kind.TOOL, "read_inbox", ANYTHING),
        ("notes", Kind.TOOL, "list", Labelled(frozenset(), external=False)),
        ("notes", Kind.TOOL, "get_diary", Labelled(PRIVATE, external=False)),
        # Another reader could take it for the one that is labelled.
        ("notes", Kind.TOOL, "GET_DIARY", Labelled(PRIVATE, external=False)),
        ("notes", Kind.TOOL, "a\x00b", ANYTHING),
        ("notes", Kind.RESOURCE, "note://list", Labelled(frozenset(), external=False)),
        ("notes", Kind.RESOURCE, "note://diary/1", Labelled(PRIVATE, external=False)),
        ("notes", Kind.RESOURCE, "note://a/../diary/1", ANYTHING),
        ("notes", Kind.RESOURCE, "https://attacker.example/?q=diary", ANYTHING),
        # Only what is written exactly makes an item one that is known.
        ("mail", Kind.TOOL, "READ_INBOX", ANYTHING),
    ],
)
def test_labels_add_up_and_what_none_names_may_be_anything(server, kind, name, labelled):
    assert rules().labels_of(server, kind, name) == labelled


@pytest.mark.requirement("FLOW-101")
def test_many_labels_are_asked_as_few(monkeypatch):
    """Labels that say the same are one question, however many they are and however long the URI is."""
    asked, matches = [], Matcher.matches
    monkeypatch.setattr(Matcher, "matches", lambda self, name: asked.append(name) or matches(self, name))
    words = [{}, {"reads": ["private"]}, {"reads": ["untrusted"], "writes": ["external"]}]
    globs = [f"note://{'diary' if at % 3 else 'list'}/{at}/*" for at in range(MOST_LABELS)]
    made = rules(labels=[{"server": "notes", "resources": [one], **words[at % 3]} for at, one in enumerate(globs)])
    last = f"note://diary/{MOST_LABELS - 1}/{'a;b/' * 1900}"
    assert made.labels_of("notes", Kind.RESOURCE, last) == Labelled(PRIVATE, external=False)
    assert len(asked) <= 2 * len(denied_forms(Kind.RESOURCE, read_forms(Kind.RESOURCE, last))) * len(words)
    assert made.labels_of("notes", Kind.RESOURCE, "note://diary/0/a") == ANYTHING
    assert made.labels_of("other", Kind.RESOURCE, last) == ANYTHING


@pytest.mark.requirement("FLOW-101")
def test_an_item_whose_readings_different_labels_name_has_all_that_they_say():
    globs = {"note://a%20b": {"reads": ["private"]}, "note://a b": {"writes": ["external"]}}
    made = rules(labels=[{"server": "notes", "resources": [glob], **said} for glob, said in globs.items()])
    assert made.labels_of("notes", Kind.RESOURCE, "note://a%20b") == Labelled(PRIVATE, external=True)
    (half,) = (FlowRules.from_json({**CONFIG, "labels": [one.to_json()]}) for one in made.labels if one.external)
    assert half.labels_of("notes", Kind.RESOURCE, "note://a%20b") == ANYTHING


@pytest.mark.requirement("FLOW-102")
@pytest.mark.parametrize(("read", "closed"), [(frozenset(), False), (UNTRUSTED, False), (PRIVATE, False), (BOTH, True)])
def test_who_has_read_both_may_not_write_outside(read, closed):
    made = rules()
    assert made.closes(made.labels_of("mail", Kind.TOOL, "send_mail"), read) is closed
    assert made.closes(made.labels_of("mail", Kind.TOOL, "delete"), read) is closed
    assert not made.closes(made.labels_of("mail", Kind.TOOL, "read_inbox"), read)


@pytest.mark.requirement("FLOW-102")
@pytest.mark.parametrize(
    ("who", "server", "name", "lets"),
    [
        ("ada", "mail", "send_report", True),
        ("bob", "mail", "send_report", False),
        ("ada", "mail", "send_reports", False),
        ("ada", "mail", "SEND_REPORT", False),
        ("ada", "notes", "send_report", False),
    ],
)
def test_a_permit_is_for_exactly_what_and_whom_it_names(who, server, name, lets):
    assert rules().permits_use(consumer(who), server, Kind.TOOL, name) is lets


AROUND = [
    "note://public/../diary",
    "note://public/%2e%2e/diary",
    "note://public/%252e%252e/diary",
    "note://public/..%2Fdiary",
    "note://public/..;x/diary",
    "note://public/..%3Bx/diary",
    "note://public/..%20/diary",
    "note://public/..\\diary",
    "note://public//diary",
    "note://public/\t../diary",
]


@pytest.mark.requirement("FLOW-112")
@pytest.mark.parametrize("uri", AROUND)
def test_a_uri_that_some_reader_takes_for_another_one_has_no_permit_and_all_labels(uri):
    labels = [{"server": "notes", "resources": ["note://public/*"]}]
    permits = [{"server": "notes", "resources": ["note://public/*"]}]
    made = rules(labels=labels, permits=permits)
    assert not made.permits_use(consumer("ada"), "notes", Kind.RESOURCE, uri)
    assert made.labels_of("notes", Kind.RESOURCE, uri) == ANYTHING
    for plain in ("note://public/1", "note://public/a.b/..c", "note://public/a%20b"):
        assert made.permits_use(consumer("ada"), "notes", Kind.RESOURCE, plain)
        assert made.labels_of("notes", Kind.RESOURCE, plain) == Labelled(frozenset(), external=False)


@pytest.mark.requirement("FLOW-112")
def test_what_is_named_is_named_as_it_is_written_and_decoded():
    made = rules(labels=[{"server": "notes", "resources": ["note://*%3Fq"]}], permits=[])
    assert made.labels_of("notes", Kind.RESOURCE, "note://a%3Fq") == ANYTHING


@pytest.mark.requirement("FLOW-112")
@pytest.mark.parametrize("name", ["send_report ", "send_\u200breport", "send\x00_report"])
def test_a_name_that_some_reader_trims_has_no_permit(name):
    assert not rules(permits=[{"server": "mail", "tools": ["send*"]}]).permits_use(
        consumer("ada"), "mail", Kind.TOOL, name
    )


@pytest.mark.requirement("FLOW-112")
@pytest.mark.parametrize("count", [0, 1, 50])
def test_a_name_is_read_once_for_all_permits(monkeypatch, count):
    read = []
    monkeypatch.setattr(flow, "read_forms", lambda kind, name: read.append(name) or read_forms(kind, name))
    made = rules(permits=[{"server": "notes", "resources": [f"note://{at}"]} for at in range(count)])
    assert made.permits_use(consumer("ada"), "notes", Kind.RESOURCE, f"note://{count - 1}") is (count > 0)
    assert len(read) == min(count, 1)


@pytest.mark.requirement("FLOW-102")
def test_a_permit_that_names_nobody_is_for_everybody():
    made = rules(permits=[{"server": "mail", "tools": ["send_*"]}])
    assert made.permits_use(consumer("bob"), "mail", Kind.TOOL, "send_mail")


@pytest.mark.requirement("FLOW-101")
def test_rules_are_read_as_they_were_written():
    made = rules(window=60, ask=False, session_seconds=7)
    assert FlowRules.from_json(made.to_json()) == made
    assert (made.mode, made.window, made.ask, made.session_seconds) == (FlowMode.ENFORCE, 60, False, 7)


@pytest.mark.requirement("FLOW-101")
@pytest.mark.parametrize(
    ("flow", "said"),
    [
        ({"labels": CONFIG["labels"]}, "flow.mode: write mode: enforce"),
        ({"mode": "of"}, "flow.mode: write one of monitor, enforce"),
        ({"mode": "enforce", "labels": [{"tools": ["a"]}]}, "flow.labels[0].server"),
        ({"mode": "enforce", "labels": [{"server": "a"}]}, "flow.labels[0]: name the tools"),
        ({"mode": "enforce", "labels": [{"server": "a", "tools": ["a"], "reads": ["all"]}]}, "labels[0].reads"),
        ({"mode": "enforce", "labels": [{"server": "a", "tools": ["a"], "writes": ["private"]}]}, "labels[0].writes"),
        ({"mode": "enforce", "labels": [{"server": "a", "tools": "*"}]}, "labels[0].tools: write a list"),
        ({"mode": "enforce", "permits": [{"server": "a", "tools": ["a"], "group": ["x"]}]}, "'group' is not known"),
        ({"mode": "enforce", "window": 59}, "flow.window"),
        ({"mode": "enforce", "window": True}, "flow.window"),
        ({"mode": "enforce", "ask": "no"}, "flow.ask"),
        ("enforce", "flow.write mode: enforce"),
    ],
)
def test_rules_that_cannot_be_are_said_with_their_field(flow, said):
    with pytest.raises(VirtualError) as wrong:
        Virtual.from_json({"members": ["a"], "flow": flow})
    assert said in str(wrong.value)


@pytest.mark.requirement("FLOW-101")
def test_what_kong_fills_in_where_nothing_is_written_is_no_rule():
    config = {"members": ["a"], "flow": {"mode": None, "labels": {}, "permits": [], "window": None, "ask": None}}
    assert read_config(config).flow is None
    assert read_config({**config, "flow": {"mode": "enforce"}, "session_max_age": 9}).flow.session_seconds == 9


@pytest.mark.requirement("FLOW-102")
def test_a_release_that_knows_no_flow_rules_reads_nothing_of_the_guards_word():
    made = rules(session_seconds=60)
    said = json.loads(write_terms(Terms(View({}), virtual=Virtual(("mail", "notes"), flow=made))))
    assert terms_of(said).virtual.flow == made
    assert is_understood(said, said.keys())
    assert not is_understood(said, said.keys() - {"flow"})
    assert "crit" not in json.loads(write_terms(Terms(View({}), virtual=Virtual(("mail",)))))
