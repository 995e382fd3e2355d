"""Both kinds of gateway."""

import pytest

from e2e.harness import KINDS


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param
