"""One running gateway of each kind for the tests that only ask it things."""

import contextlib
import functools

import pytest

from e2e.harness import KINDS, start
from e2e.ways import WAYS, open_way


@pytest.fixture(scope="session", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="session")
def gateway(kind):
    with start(kind, {"notes": 1, "team": 2}) as running:
        yield running


@pytest.fixture(scope="session")
def ways():
    """Open ways as they are asked for, and leave them open: several files of tests use them."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda name, *options: stack.enter_context(open_way(name, *options)))


@pytest.fixture(scope="session", params=WAYS)
def way(request, ways):
    """One way to the feature server: what a client observes must be equal on all of them."""
    return ways(request.param)
