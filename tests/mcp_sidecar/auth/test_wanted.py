"""The sidecar answers for a guard that was brought a key which is not known, and for nobody else."""

import time
from dataclasses import replace

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from mcp_core.auth import wanted
from mcp_sidecar.auth.wanted import WantedKeys

RING = (b"k" * 32,)
WORD = wanted.WantedKey(
    "https://idp.example", "new", "ES256", 'Bearer error="invalid_token"', '{"error":1}', int(time.time()) + 86_400
)


class Keeper:
    """Stands in for the keeper of keys, which has tests of its own."""

    def __init__(self, found):
        self.found = found
        self.asked = []

    async def want(self, issuer, kid, algorithm):
        self.asked.append((issuer, kid, algorithm))
        if self.found is None:
            await anyio.sleep_forever()
        return self.found


def ask(keeper, value):
    async def run():
        app = Starlette(routes=[Route(wanted.PATH, WantedKeys(keeper, RING).answer, methods=["POST"])])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sidecar") as client:
            headers = {} if value is None else {"mcp-gateway-context": value}
            return await client.post(wanted.PATH, headers=headers, content=b"a whole request")

    return anyio.run(run)


@pytest.mark.requirement("AUTH-015")
def test_the_agent_asks_again_where_the_key_came_and_hears_the_guards_refusal_where_not():
    keeper = Keeper(found=True)
    came = ask(keeper, wanted.sign(WORD, RING))
    assert (came.status_code, came.headers["Retry-After"]) == (503, "1")
    assert keeper.asked == [("https://idp.example", "new", "ES256")]
    refused = ask(Keeper(found=False), wanted.sign(WORD, RING))
    assert (refused.status_code, refused.text) == (401, WORD.body)
    assert refused.headers["WWW-Authenticate"] == WORD.challenge


@pytest.mark.requirement("AUTH-015")
def test_nobody_waits_for_an_issuer_that_does_not_answer(monkeypatch):
    monkeypatch.setattr("mcp_sidecar.auth.wanted.WAIT_SECONDS", 0.05)
    assert ask(Keeper(found=None), wanted.sign(WORD, RING)).status_code == 401


@pytest.mark.requirement("AUTH-015")
@pytest.mark.parametrize(
    "value",
    [None, "", "x", "x.y", wanted.sign(WORD, (b"x" * 32,)), wanted.sign(replace(WORD, expires=5), RING), "\u00e9.x"],
    ids=["none", "empty", "no dot", "not base64url", "of another ring", "expired", "beyond ASCII"],
)
def test_nobody_but_a_guard_is_answered_and_nothing_is_asked_for_others(value):
    keeper = Keeper(found=True)
    answer = ask(keeper, value if value is None else value.encode())
    assert answer.status_code == 403
    assert "WWW-Authenticate" not in answer.headers
    assert keeper.asked == []
