"""What a plugin file may have done between events, when no event's deadline runs."""

from __future__ import annotations

import pytest
from kongside import until

PLUGIN = """
import os, time
from pathlib import Path

version = "1.0.0"
priority = 1
Schema = []
FOLDER = Path(os.environ["BETWEEN"])


class Plugin:
    def __init__(self, config): ...
    def access(self, kong):
        if not (FOLDER / "done").exists():
            kong.response.exit(503, b"not done")


def between_events():
    if (FOLDER / "go").exists():
        (FOLDER / "go").unlink()
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            pass
        (FOLDER / "done").touch()
    if (FOLDER / "fail").exists():
        raise {error}
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch, serve):
    monkeypatch.setenv("BETWEEN", str(tmp_path))

    def plugin(error="ValueError('secret-token-123')"):
        return serve({"one.py": PLUGIN.format(error=error)}, "--deadline", "0.1", "--workers", "1")

    return plugin


@pytest.mark.requirement("SRV-030")
def test_work_between_events_takes_no_time_from_the_deadline_of_the_event_that_comes_next(plugin, tmp_path):
    with plugin().link() as link:
        instance = link.start("one")
        (tmp_path / "go").touch()
        # The work takes five times the deadline; without it the event would be refused.
        assert link.event(instance).kind == "passed"


@pytest.mark.requirement("SRV-030")
def test_work_is_done_while_no_event_comes(plugin, tmp_path):
    plugin()
    (tmp_path / "go").touch()
    until((tmp_path / "done").exists)


@pytest.mark.requirement("SRV-030")
@pytest.mark.parametrize(
    "error", ["ValueError('secret-token-123')", "MemoryError", "SystemExit(3)", "KeyboardInterrupt"]
)
def test_work_that_fails_is_told_once_and_harms_no_event(plugin, tmp_path, error):
    server = plugin(error)
    (tmp_path / "done").touch()
    (tmp_path / "fail").touch()
    with server.link() as link:
        instance = link.start("one")
        for _ in range(3):
            assert link.event(instance).kind == "passed"
    (told,) = server.logged("between_events_failed")
    assert (told["plugin"], told["error"]) == ("one", error.partition("(")[0])
    assert "secret-token-123" not in server.log.read_text()
    assert server.logged("worker_ended") == []
