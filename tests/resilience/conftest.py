"""Gateways of each kind in front of servers whose replicas are well or ill, as a test says."""

import contextlib

import pytest

from e2e.harness import CONSUMERS, KINDS, Running
from kong_mcp.dev import DevSettings, run_dev
from kong_mcp.servers import parse_server

OPEN = {"tools": {"allow": ["*"]}, "hosts": ["127.0.0.1"]}


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@contextlib.contextmanager
def gateway(kind, servers, policy=OPEN, **settings):
    """Run a gateway in front of servers: name -> replicas that run already."""
    parsed = [parse_server(f"{name}=" + ",".join(one.url for one in several)) for name, several in servers.items()]
    settings = DevSettings(parsed, kind, port=0, policy=policy, consumers=CONSUMERS, **settings)
    with run_dev(settings) as dev:
        yield Running(dev, servers)
