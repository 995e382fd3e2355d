"""One running gateway of each kind for the tests that only ask it things."""

import pytest

from e2e.harness import KINDS, start


@pytest.fixture(scope="session", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="session")
def gateway(kind):
    with start(kind, {"notes": 1, "team": 2}) as running:
        yield running
