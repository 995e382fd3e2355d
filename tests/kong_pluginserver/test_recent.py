"""What is kept by use: instances of a worker, ids of the supervisor, and causes that were told."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from kong_pluginserver.instances import Instances
from kong_pluginserver.recent import Recent
from kong_pluginserver.registry import Registry
from kong_pluginserver.service import _MOST_CAUSES


class Plugin:
    made = 0

    def __init__(self, config):
        type(self).made += 1
        self.access = lambda _kong: config


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def instances(registry):
    Plugin.made = 0
    supervisor = SimpleNamespace(register=registry.add, find=registry.get, forget=registry.remove)
    plugin = SimpleNamespace(name="one", cls=Plugin, phases=("access",))
    return Instances({"one": plugin}, supervisor, most=3)


def test_what_was_used_longest_ago_is_forgotten_first():
    recent = Recent(2)
    recent.keep("a", 1)
    recent.keep("b", 2)
    assert recent.use("a") == 1
    recent.keep("c", 3)
    assert [recent.use(key) for key in "abc"] == [1, None, 3]
    recent.forget("a")
    recent.forget("a")
    assert (recent.use("a"), len(recent)) == (None, 1)


def test_a_look_is_no_use():
    recent = Recent(2)
    recent.keep("a", 1)
    recent.keep("b", 2)
    assert recent.peek("a") == 1
    recent.keep("c", 3)
    assert recent.peek("a") is None


@pytest.mark.requirement("SRV-023")
def test_an_instance_in_use_is_kept_however_many_come_after_it(instances):
    busy = instances.start("one", b"{}")
    kept = instances.get(busy)
    for number in range(20):
        instances.start("one", json.dumps({"number": number}).encode())
        assert instances.get(busy) is kept
    assert Plugin.made == 21


@pytest.mark.requirement("SRV-023")
def test_an_instance_that_was_dropped_is_made_again_with_its_configuration(instances):
    first = instances.start("one", b'{"number": 0}')
    for number in range(1, 4):
        instances.start("one", json.dumps({"number": number}).encode())
    assert instances.name(first) is None
    assert instances.get(first).phases["access"](None) == {"number": 0}


@pytest.mark.requirement("SRV-023")
def test_an_id_that_workers_ask_for_is_kept_however_many_come_after_it():
    registry = Registry(most=3)
    asked = registry.add("one", b"asked")
    other = registry.add("one", b"other")
    for _ in range(5):
        registry.add("one", b"")
        assert registry.get(asked) == ("one", b"asked")
    assert registry.get(other) is None


@pytest.mark.requirement("SRV-013")
def test_a_cause_is_told_once_also_after_more_others_than_are_remembered(serve):
    source = (
        "class Plugin:\n    def __init__(self, config):\n        raise ValueError\n    def access(self, kong): ...\n"
    )
    server = serve({"bad.py": 'version = "1"\npriority = 1\nSchema = []\n' + source}, "--workers", "1")

    def fails(number):
        with server.link() as link:
            assert link.start("bad", {"number": number}) is None

    def told():
        return len(server.logged("instance_not_started"))

    for number in range(300):
        fails(number)
        fails(number)
    assert told() == 300
    for number in range(300, _MOST_CAUSES + 50):
        fails(number)
    assert told() == _MOST_CAUSES + 50
