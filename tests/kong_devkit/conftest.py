"""One gateway of each kind, with routes for every case, for the tests that only ask it things."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from document import document
from gateways import KINDS, Gateway, Upstream


@pytest.fixture(scope="session")
def upstream():
    server = Upstream("one")
    yield server
    server.stop()


@pytest.fixture(scope="session", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="session")
def gateway(kind, upstream):
    with Gateway(kind, document(upstream.port), plugins=["probe", "second"]) as running:
        yield running
