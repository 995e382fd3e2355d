"""A portal with some servers, for the tests of its pages."""

import pytest

from servers.portal_house import House


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def house(tmp_path):
    made = House(tmp_path)
    yield made
    await made.stand.surfaces.aclose()
