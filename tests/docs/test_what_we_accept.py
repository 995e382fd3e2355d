"""docs/what-we-accept.md says what the code does: each row is tried."""

import re

import pytest
from mcp_types.jsonrpc import jsonrpc_message_adapter

from deck.support import ROOT
from docs.accepted_cases import ANSWERS, ENCODINGS, EVENTS, HEADERS, MESSAGES, TYPES
from fuzz import typescript
from mcp_core import allowance, counts, headers, loosejson
from mcp_core.answer import Judge
from mcp_core.decide import Caller, GuardTerms, decide_post
from mcp_core.heads import TABLE, Fate, kind_of
from mcp_core.jsonrpc import MAX_METHOD, SAFE_INTEGER, Limits
from mcp_core.methods import Era
from mcp_core.outcome import Mutated, Reject
from mcp_core.policy import Policy
from mcp_core.principal import NOBODY
from mcp_core.question import Asked, Question
from mcp_core.sse import Decoder
from mcp_core.surface import ANSWER_LIMITS, filter_answer
from mcp_sidecar.settings import Settings
from mcp_sidecar.upstream.encodings import RATIO, SLACK, is_known
from node.tools import MISSING, node

PAGE = (ROOT / "docs" / "what-we-accept.md").read_text(encoding="utf-8")
OPEN = Policy.from_config({kind: {"allow": ["*"]} for kind in ("tools", "prompts", "resources")})
TAKEN = ("taken", "")


def table(name):
    """Return the rows of the table that stands behind a mark, each as the texts of its cells."""
    found = re.search(rf"<!-- tested: {name} -->\n\n(?:\|.*\n){{2}}((?:\|.*\n)+)", PAGE)
    assert found, f"the page has no table {name}"
    return [[cell.strip() for cell in row.strip().strip("|").split(" | ")] for row in found[1].splitlines()]


def rows(name):
    return {first: rest for first, *rest in table(name)}


def first(row):
    """Return what a row says before it explains it."""
    return row[0].partition(",")[0]


def yes(holds):
    return "yes" if holds else "no"


def of_request(sent, body):
    """Return what becomes of an agent's request, and the text of a refusal."""
    refusal = headers.check(sent)
    if refusal is None:
        refusal = decide_post(GuardTerms(OPEN), Caller(OPEN.view(NOBODY)), sent, body)
    if not isinstance(refusal, Reject):
        return TAKEN
    if refusal.http_status() == 202:
        return "`202`, and goes no further", ""
    return f"`{refusal.http_status()}`, `{refusal.code}`", refusal.message


def python(body):
    """Return whether the official Python SDK reads a body as a message."""
    try:
        jsonrpc_message_adapter.validate_json(body, by_name=False)
    except ValueError:
        return False
    return True


def sdk(kind, body):
    """Return whether the official TypeScript SDK takes a body that is read, `kind`, as a request or as an answer."""
    return typescript.running().ask(kind, body) is not None


def of_answer(phrase):
    """Return what becomes of a server's answer to a tools/list."""
    judge = Judge(Question(Era.LEGACY, "2025-11-25", asked=(Asked(1, "tools/list", None),)))
    outcome = filter_answer(ANSWERS[phrase], OPEN.view(NOBODY), judge=judge)
    if isinstance(outcome, Reject):
        return f"withheld: {outcome.message.partition('holds ')[2].partition('. The')[0]}"
    judge.settle()
    if judge.dropped:
        return f"left out: {', '.join(judge.dropped)}"
    return "mended" if isinstance(outcome, Mutated) else "passes"


@pytest.mark.requirement("DOC-002")
def test_every_row_has_an_example_and_every_example_a_row():
    cases_of = {"messages": MESSAGES, "headers": HEADERS, "answers": ANSWERS, "events": EVENTS}
    for name, cases in cases_of.items():
        assert list(rows(name)) == list(cases)
    assert list(rows("types")) == [*TYPES, *ENCODINGS]


@pytest.mark.requirement("DOC-002")
@pytest.mark.parametrize("phrase", MESSAGES)
def test_a_message_fares_as_its_row_says(phrase):
    assert rows("messages")[phrase][:3] == [*of_request(*MESSAGES[phrase]), yes(python(MESSAGES[phrase][1]))]


@pytest.mark.requirement("DOC-002")
@pytest.mark.parametrize("phrase", HEADERS)
def test_headers_fare_as_their_row_says(phrase):
    assert rows("headers")[phrase] == [*of_request(*HEADERS[phrase])]


@pytest.mark.requirement("DOC-002")
@pytest.mark.parametrize("phrase", ANSWERS)
def test_an_answer_fares_as_its_row_says(phrase):
    assert rows("answers")[phrase][:2] == [of_answer(phrase), yes(python(ANSWERS[phrase]))]


@pytest.mark.requirement("DOC-002")
@pytest.mark.skipif(node() is None, reason=MISSING)
def test_the_official_typescript_sdk_takes_what_the_rows_say():
    requests = {phrase: [yes(sdk("request", body))] for phrase, (_, body) in MESSAGES.items()}
    assert {phrase: row[3:] for phrase, row in rows("messages").items()} == requests
    answers = {phrase: [yes(sdk("answer", body))] for phrase, body in ANSWERS.items()}
    assert {phrase: row[2:] for phrase, row in rows("answers").items()} == answers


@pytest.mark.requirement("DOC-002")
@pytest.mark.parametrize("phrase", EVENTS)
def test_an_event_stream_is_read_as_its_row_says(phrase):
    sent, wanted, becomes = EVENTS[phrase]
    decoder = Decoder()
    events = [*decoder.feed(sent), decoder.end()]
    assert [event.data for event in events if event] == wanted
    assert first(rows("events")[phrase]) == becomes


@pytest.mark.requirement("DOC-002")
def test_types_and_encodings_are_taken_as_their_rows_say():
    for phrase, said in TYPES.items():
        assert (first(rows("types")[phrase]) == "read") == (kind_of(said) is not None), phrase
    for phrase, several in ENCODINGS.items():
        assert {is_known(one) for one in several} == {first(rows("types")[phrase]) == "read"}, phrase


@pytest.mark.requirement("DOC-002")
def test_the_statuses_are_those_of_the_code():
    fates = {Fate.READ: "read", Fate.NOTHING: "nothing", Fate.ERROR: "kept", Fate.REPLACED: "`502`"}
    said = [
        [
            f"{row.first}" if row.first == row.last else f"{row.first} to {row.last}",
            fates[row.fate],
            row.text.replace("{status}", "N"),
        ]
        for row in TABLE
        if not row.challenged
    ]
    assert table("statuses") == said


@pytest.mark.requirement("DOC-002")
def test_the_limits_are_those_of_the_code():
    limits = Limits()
    requests = {f"`limits.{name}`": getattr(limits, name) for name in ("body", "depth", "keys", "values", "batch")}
    requests |= {f"`limits.{name}`": getattr(limits, name) for name in ("digits", "refusals", "subscriptions")}
    requests |= {
        "characters of an id": limits.id_length,
        "the largest integer that is an id": SAFE_INTEGER,
        "characters of a method": MAX_METHOD,
        "members of a message, of its params, of its `_meta`": counts.MOST_MEMBERS,
        "header lines, fewer than": 100,
    }
    answers = {
        "bytes of one text": ANSWER_LIMITS.body,
        "nesting of one text": loosejson.MAX_DEPTH,
        "messages of a batch": ANSWER_LIMITS.batch,
        "values of one text": ANSWER_LIMITS.values,
        "items of all lists of one text": allowance.ITEMS,
        "objects in which a key stands twice": loosejson.MOST_DOUBLED,
        "times that a compressed body may grow": RATIO,
        "bytes that it may grow to in any case": SLACK,
    }
    shares = Settings((), "")
    assert f"one caller has {shares.open_per_caller} places" in PAGE
    assert f"one server {shares.open_per_server:,} (" in PAGE
    for name, facts in {"limits-requests": requests, "limits-answers": answers}.items():
        assert {what: int(most.replace(",", "")) for what, most, *_ in table(name)} == facts
