"""One agent that opens streams without end has its share, and no other agent notices."""

import contextlib

import pytest

from e2e.harness import start
from e2e.test_sessions import initialize

SHARE = 4
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.fixture
def running(kind, monkeypatch):
    monkeypatch.setenv("MCP_SIDECAR_OPEN_PER_CALLER", str(SHARE))
    with start(kind, {"notes": 1}) as running:
        yield running


@pytest.mark.requirement("SIDE-070")
def test_an_agent_with_too_many_streams_is_told_so_and_others_go_on(running):
    url = running.url()
    with contextlib.ExitStack() as stack:
        ada, bob = (stack.enter_context(running.client(name)) for name in ("ada", "bob"))

        def stream(client):
            headers = initialize(client, url) | {"Accept": "text/event-stream"}
            return stack.enter_context(client.stream("GET", url, headers=headers))

        assert [stream(ada).status_code for _ in range(SHARE)] == [200] * SHARE
        refused = stream(ada)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        refused.read()
        assert refused.json()["error"]["message"].startswith(f"You have {SHARE} streams and calls open here")
        assert stream(bob).status_code == 200
        for client in (ada, bob):
            assert "good" in client.post(url, json=LIST, headers=initialize(client, url)).text
