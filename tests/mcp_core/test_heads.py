"""One table of statuses and one reading of types, which both lanes keep to."""

import pytest

from mcp_core.heads import TABLE, BodyKind, Fate, kind_of, row_of
from mcp_core.outcome import INTERNAL_ERROR, INVALID_REQUEST

READ = [
    "application/json",
    "Application/JSON",
    "application/json; charset=utf-8",
    "application/json;charset=UTF8",
    'application/json; charset="UTF-8"',
    "application/json; charset='utf-8'",
    "application/json ; charset = utf-8",
    "application/json;",
    "application/json; charset=",
    "application/json; profile=x; charset=utf8",
    'application/json; profile="a;b, \\"c"; charset=us-ascii; charset=utf-8',
    "application/json;charset=ISO-8859-1",
]
OTHER = [
    "",
    "json",
    "text/json",
    "application/jsonp",
    "application/json, text/plain",
    "application/json text/event-stream",
    "application/json; charset=utf-16",
    "application/json; charset=utf-8; charset=utf-16le",
    "application/json; charset=utf-7",
    'application/json; charset="utf-8',
    "application/json; =x",
    "application/json\x00",
    "application/json;" * 2 + "x/y z",
]


@pytest.mark.requirement("HEAD-002")
@pytest.mark.parametrize("value", READ)
def test_a_type_is_read_however_its_parameters_are_written(value):
    assert kind_of(value) is BodyKind.JSON
    assert kind_of(value.lower().replace("application/json", "text/event-stream")) is BodyKind.STREAM


@pytest.mark.requirement("HEAD-002")
@pytest.mark.parametrize("value", OTHER)
def test_another_type_or_charset_is_neither_json_nor_a_stream(value):
    assert kind_of(value) is None
    if value:
        assert kind_of(value.replace("application/json", "text/event-stream")) is None


@pytest.mark.requirement("HEAD-002")
def test_a_long_type_is_read_in_one_go():
    assert kind_of("application/json" + ";" * 60_000) is BodyKind.JSON
    assert kind_of("application/json" + "; a=" * 15_000 + "\x00") is None


@pytest.mark.requirement("HEAD-001")
@pytest.mark.parametrize("status", [*range(100, 600), 600, 700, 999])
@pytest.mark.parametrize("challenged", [True, False])
def test_every_status_has_one_fate_and_a_refusal_says_status_and_next_step(status, challenged):
    row = row_of(status, challenged=challenged)
    refusal = row.refusal(status)
    if row.fate in (Fate.READ, Fate.NOTHING):
        assert 200 <= status < 300
        return
    assert refusal.http_status() == (status if row.fate is Fate.ERROR else 502)
    assert refusal.code == (INVALID_REQUEST if row.fate is Fate.ERROR and status < 500 else INTERNAL_ERROR)
    assert f"HTTP {status}" in refusal.message
    assert row.do
    assert (refusal.reason, refusal.detail) == (row.reason, str(status))


@pytest.mark.requirement("HEAD-001")
def test_what_asks_the_gateway_for_something_never_keeps_its_status():
    for status in (100, 101, 301, 307, 308, 401, 407, 421, 426):
        assert row_of(status, challenged=False).fate is Fate.REPLACED
    assert row_of(403, challenged=True).fate is Fate.REPLACED
    assert row_of(403, challenged=False).fate is Fate.ERROR


def test_no_row_hides_behind_another():
    assert all(row is row_of(status, challenged=row.challenged) for row in TABLE for status in _first_free(row))


def _first_free(row):
    """Return a status of the row that no row before it takes."""
    before = TABLE[: TABLE.index(row)]
    taken = {one for other in before if not other.challenged for one in range(other.first, other.last + 1)}
    free = [one for one in range(row.first, row.last + 1) if one not in taken]
    assert free, row
    return free[:1]
