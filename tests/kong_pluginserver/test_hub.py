"""The alarm ends plugin code that has run too long, and never tears a step of the plugin server's own."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import kong_pluginserver
from kong_pluginserver.errors import DeadlineExceeded
from kong_pluginserver.hub import Hub

OWN = Path(kong_pluginserver.__file__).parent


@pytest.fixture
def hub():
    with contextlib.closing(Hub(1, print, print)) as hub:
        yield hub


def frame_in(path):
    """Return a frame of code that stands in a file."""
    kept = {"frame": sys._getframe}
    exec(compile("kept = frame()", str(path), "exec"), kept)
    return kept["kept"]


def running(hub, deadline):
    hub.current = SimpleNamespace(deadline=deadline, expired=False)
    return hub.current


@pytest.mark.requirement("SRV-003")
@pytest.mark.parametrize("path", ["/plugins/mcp-guard.py", f"{OWN}_of_another/hub.py", str(OWN)])
def test_code_of_a_plugin_is_ended_when_its_time_is_over(hub, path):
    connection = running(hub, deadline=0.001)
    with pytest.raises(DeadlineExceeded):
        hub.interrupt(14, frame_in(path))
    assert connection.expired


@pytest.mark.requirement("SRV-003")
@pytest.mark.parametrize("path", [OWN / "hub.py", OWN / "connection.py", OWN / "deeper" / "file.py"])
def test_a_step_of_our_own_is_not_torn_but_told(hub, path):
    connection = running(hub, deadline=0.001)
    hub.interrupt(14, frame_in(path))
    assert connection.expired


@pytest.mark.parametrize("deadline", [0.0, float("inf")])
def test_whoever_has_time_left_goes_on(hub, deadline):
    connection = running(hub, deadline)
    hub.interrupt(14, frame_in("/plugins/mcp-guard.py"))
    assert not connection.expired
    hub.current = None
    hub.interrupt(14, frame_in("/plugins/mcp-guard.py"))
