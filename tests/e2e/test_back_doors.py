"""The ways around the guard are shut: the internal route, and the sidecar itself."""

import httpx
import pytest

from e2e.harness import JSON_HEADERS, call


@pytest.mark.requirement("E2E-016")
def test_an_agent_s_key_does_not_open_the_internal_route(gateway):
    before = gateway.executed()
    base = f"http://127.0.0.1:{gateway.dev.port}"
    with gateway.client("ada") as client:
        for headers in ({}, gateway.key("ada"), {"x-mcp-internal-key": gateway.key("ada")["apikey"]}):
            answer = client.post(f"{base}/notes", json=call("bad"), headers=headers | {"Host": "mcp-internal"})
            assert answer.status_code in (401, 403)
    assert gateway.executed() == before


@pytest.mark.requirement("E2E-016")
def test_the_sidecar_answers_nobody_without_the_guard_s_signature(gateway):
    before = gateway.executed()
    for headers in ({}, {"mcp-gateway-context": "e30.AAAA"}):
        answer = httpx.post(
            f"http://127.0.0.1:{gateway.dev.sidecar_port}/inspect/notes",
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
            headers=JSON_HEADERS | headers,
            trust_env=False,
        )
        assert answer.status_code == 403
        assert "good" not in answer.text
    metrics = httpx.get(f"http://127.0.0.1:{gateway.dev.sidecar_port}/metrics", trust_env=False)
    assert metrics.status_code == 401
    assert gateway.executed() == before
