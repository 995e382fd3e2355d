"""One of Kong's log records, read as a stranger's."""

import pytest

from mcp_core.methods import Era, Lane
from mcp_core.reasons import Ending, Reason
from mcp_core.telemetry.visit import EARLY_SECONDS, LATE_SECONDS, Odd, read
from servers.kong_records import NOW, SAID, logged


@pytest.mark.requirement("TEL-001")
def test_a_record_of_kongs_is_what_happened_and_what_it_took():
    visit, odd = read(logged(), NOW)
    assert odd is None
    assert (visit.id, visit.at, visit.server) == ("a" * 32, NOW - 1000, "notes")
    assert (visit.record.method, visit.record.name, visit.record.principal) == ("tools/call", "good", "ada")
    assert (visit.record.era, visit.record.lane, visit.error) == (Era.MODERN, Lane.CALL, "")
    assert (visit.took, visit.waited, visit.sent, visit.received, visit.tries) == (12_500, 7_000, 600, 500, 1)


@pytest.mark.requirement("TEL-002")
@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("text", Odd.NO_OBJECT),
        (None, Odd.NO_OBJECT),
        ([], Odd.NO_OBJECT),
        (logged(request={"id": 7}), Odd.NO_ID),
        (logged(request={"id": "x" * 65}), Odd.NO_ID),
        (logged(request={"id": "a\nb"}), Odd.NO_ID),
        (logged(request=None), Odd.NO_ID),
        (logged(service={"name": "billing"}), Odd.NOT_OURS),
        (logged(service={"name": "mcp-internal"}), Odd.NOT_OURS),
        (logged(service=None), Odd.NOT_OURS),
        (logged(said={**SAID, "format": 2}), Odd.OTHER_FORMAT),
        (logged(said={**SAID, "outcome": "novel"}), Odd.OTHER_FORMAT),
        (logged(said={**SAID, "hop": "internal"}), Odd.OTHER_FORMAT),
        (logged(said="passed"), Odd.OTHER_FORMAT),
        (logged(said=None, source="kong"), Odd.NO_RECORD),
    ],
)
def test_what_is_no_request_of_an_agent_does_not_count_and_says_why(value, why):
    assert read(value, NOW) == (None, why)


@pytest.mark.requirement("TEL-002")
@pytest.mark.parametrize(
    "at", [NOW + EARLY_SECONDS * 1000 + 1, NOW - LATE_SECONDS * 1000 - 1, "x", None, -1, 1e300, True]
)
def test_what_has_a_time_of_tomorrow_counts_when_it_came(at):
    visit, odd = read(logged(started_at=at), NOW)
    assert (visit.at, odd) == (NOW, Odd.CLOCK)


@pytest.mark.requirement("TEL-002")
@pytest.mark.parametrize("odd", [-1, 2**60, 1e308, "7", None, True, [], {}, float("nan"), float("inf")])
def test_numbers_that_are_none_count_as_nothing(odd):
    value = logged(
        request={"id": "a" * 32, "size": odd},
        response={"status": odd, "size": odd},
        latencies={"request": odd, "proxy": odd},
        tries=odd,
    )
    visit, _ = read(value, NOW)
    assert visit.sent == visit.received == visit.took == 0
    assert visit.waited in (None, 0)
    assert visit.tries == 0


@pytest.mark.requirement("TEL-002")
def test_texts_hold_nothing_that_a_store_or_a_log_cannot_hold():
    visit, _ = read(logged(said={**SAID, "name": "a\0b\n\ud800c", "principal": "\x1b[31m" + "x" * 999}), NOW)
    assert visit.record.name == "a\ufffdb\ufffd\ufffdc"
    assert visit.record.principal == "\ufffd[31m" + "x" * 251


@pytest.mark.requirement("TEL-003")
@pytest.mark.parametrize(
    ("status", "outcome"),
    [(401, Ending.REFUSED), (403, Ending.REFUSED), (429, Ending.LIMITED), (503, Ending.UNAVAILABLE)],
)
@pytest.mark.parametrize("said", [None, SAID])
def test_what_kong_itself_refused_before_or_behind_the_guard_is_refused(status, outcome, said):
    value = logged(said=said, source="kong", response={"status": status}, consumer={"username": "bob"})
    visit, odd = read(value, NOW)
    assert odd is None
    assert (visit.server, visit.record.outcome, visit.record.reason) == ("notes", outcome, Reason.KONG)
    assert visit.record.principal == ("bob" if said is None else "ada")
    assert visit.error == outcome


@pytest.mark.requirement("TEL-003")
@pytest.mark.parametrize(
    ("said", "status", "error"),
    [
        ({**SAID, "outcome": "refused", "reason": "denied-item", "code": -32602}, 200, "-32602"),
        ({**SAID, "outcome": "withheld", "reason": "answer"}, 200, "withheld"),
        ({**SAID, "outcome": "unavailable", "reason": "no-replica"}, 503, "unavailable"),
        (SAID, 502, "502"),
        (SAID, 202, ""),
        ({**SAID, "outcome": "would-refuse"}, 200, ""),
    ],
)
def test_an_error_has_the_type_that_the_conventions_give_it(said, status, error):
    visit, _ = read(logged(said=said, response={"status": status}), NOW)
    assert visit.error == error
