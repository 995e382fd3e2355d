"""What a guard reads of servers that are not to be asked: entries end by themselves, what is unread closes nothing."""

import msgspec
import pytest

from clock import Clock
from mcp_core.health import told
from mcp_core.health.breaker import Why
from mcp_core.health.told import ClosedServer
from mcp_kong.health_file import CHECK_SECONDS, HealthFile, health_file

pytestmark = pytest.mark.requirement("BREAK-006")
KEYS = (b"k" * 32,)


@pytest.fixture
def clock():
    return Clock()


def write(path, closed, keys=KEYS):
    path.write_bytes(told.FILE.seal(msgspec.msgpack.encode(told.to_values("1", closed)), keys))


def test_a_closed_server_is_refused_until_its_time_and_no_other_one_is(tmp_path, clock):
    write(tmp_path / "health", {"notes": ClosedServer(Why.SLOWNESS, 1010.0, 7.0)})
    file = HealthFile(str(tmp_path / "health"), KEYS, clock, clock)
    refusal = file.refusal("notes", "POST", 7)
    assert (refusal.id, refusal.headers, refusal.detail) == (7, {"Retry-After": "7"}, "slowness")
    assert file.refusal("other", "POST", 7) is None
    clock.now = 1010.0
    assert file.refusal("notes", "POST", 7) is None


def test_a_session_may_always_be_ended(tmp_path, clock):
    write(tmp_path / "health", {"notes": ClosedServer(Why.ERRORS, 2000.0)})
    assert HealthFile(str(tmp_path / "health"), KEYS, clock, clock).refusal("notes", "DELETE", None) is None


@pytest.mark.parametrize("bad", [b"", b"KMH1" + b"x" * 40, None], ids=["empty", "not ours", "of another key"])
def test_what_cannot_be_believed_closes_nothing_and_nothing_stays_closed_by_it(tmp_path, clock, bad):
    path = tmp_path / "health"
    write(path, {"notes": ClosedServer(Why.ERRORS, 2000.0)})
    file = HealthFile(str(path), KEYS, clock, clock)
    assert file.refusal("notes", "POST", 1) is not None
    if bad is None:
        write(path, {"notes": ClosedServer(Why.ERRORS, 2000.0)}, (b"o" * 32,))
    else:
        path.write_bytes(bad)
    clock.now += CHECK_SECONDS
    assert file.refusal("notes", "POST", 1) is None
    path.unlink()
    clock.now += CHECK_SECONDS
    assert file.refusal("notes", "POST", 1) is None


def test_guards_of_one_process_share_a_reader_and_without_a_path_there_is_none():
    assert health_file("/nowhere", KEYS) is health_file("/nowhere", KEYS)
    assert health_file(None, KEYS) is None
