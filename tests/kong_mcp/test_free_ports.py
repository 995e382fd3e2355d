"""Ports of the parts of a local gateway, each chosen before anything listens on it."""

from kong_mcp import dev


def test_two_parts_are_never_told_the_same_port(monkeypatch):
    monkeypatch.setattr(dev, "_PORTS", dev._PORTS[:400])
    given = [dev.free_port() for _ in range(80)]
    assert len(set(given)) == len(given)
