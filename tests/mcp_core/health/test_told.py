"""The file that tells guards which servers are closed: what cannot be believed closes nothing."""

import json

import pytest

from mcp_core.health import told
from mcp_core.health.breaker import Why
from mcp_core.health.told import ClosedServer
from mcp_core.sealed_file import SealedFileError

pytestmark = pytest.mark.requirement("BREAK-005")
KEYS = (b"k" * 32,)


def write(values):
    return told.FILE.seal(json.dumps(values).encode(), KEYS)


def test_what_is_written_is_read():
    closed = {"notes": ClosedServer(Why.SLOWNESS, 1e9, 7.0)}
    assert told.read_file(write(told.to_values("1.0", closed)), KEYS, json.loads) == closed


@pytest.mark.parametrize(
    "values",
    [
        [],
        {"format": 2, "closed": {}},
        {"format": 1},
        {"format": 1, "closed": {}, "crit": ["later"]},
        {"format": 1, "closed": {"notes": {}}},
        {"format": 1, "closed": {"notes": {"until": True}}},
        {"format": 1, "closed": {"notes": {"until": "1"}}},
    ],
)
def test_another_release_s_file_is_not_read(values):
    with pytest.raises(SealedFileError):
        told.read_file(write(values), KEYS, json.loads)


def test_a_file_that_nobody_of_ours_signed_is_not_read():
    good = write({"format": 1, "closed": {}})
    for bad in (good[:-1], good[:4] + b"x" * 32 + good[36:], b"KMS1" + good[4:], b""):
        with pytest.raises(SealedFileError):
            told.read_file(bad, KEYS, json.loads)


def test_a_reason_of_a_later_release_closes_all_the_same():
    file = write({"format": 1, "closed": {"notes": {"until": 9.0, "why": "later"}}, "more": 1})
    assert told.read_file(file, KEYS, json.loads) == {"notes": ClosedServer(Why.NO_REPLICA, 9.0, 5.0)}


@pytest.mark.parametrize("why", list(Why))
def test_an_agent_hears_why_and_when_to_come_back(why):
    refusal = told.refusal(why, 4.2, 7)
    assert (refusal.http_status(), refusal.headers) == (503, {"Retry-After": "5"})
    error = json.loads(refusal.body())
    assert error["id"] == 7
    assert error["error"]["data"] == {"reason": why.value}
    assert "was not sent" in error["error"]["message"]
