"""What Kong itself answers to an MCP client is a JSON-RPC error, where mcp-answers is there."""

import pytest
import yaml

from e2e.harness import KINDS, call, modern, start
from kong_mcp import dev

pytestmark = [pytest.mark.long, pytest.mark.slow]
KONG = [kind for kind in KINDS if kind == "kong"]
LIST = {"jsonrpc": "2.0", "id": "a7", "method": "tools/list"}


@pytest.fixture(scope="module", params=KONG)
def own(request):
    with start(request.param, {"notes": 1, "lost": 1}) as running:
        running.servers["lost"][0].kill()
        yield running


def told(answer, status, code):
    """Return the error of an answer that is JSON-RPC, and of this status and code."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    said = answer.json()
    assert set(said) <= {"jsonrpc", "id", "error"}
    assert (said["jsonrpc"], said["error"]["code"]) == ("2.0", code)
    return said


@pytest.mark.requirement("E2E-036")
@pytest.mark.parametrize("key", [{}, {"apikey": "wrong"}])
def test_a_caller_without_a_key_is_told_to_send_one(own, key):
    with own.client() as client:
        answer = client.post(own.url(), json=call("good"), headers=key)
    assert "send the key" in told(answer, 401, -32003)["error"]["message"]
    assert answer.headers["www-authenticate"].startswith("Key")
    assert answer.json()["error"]["data"]["request_id"] == answer.headers["x-kong-request-id"]


@pytest.mark.requirement("E2E-036")
@pytest.mark.parametrize("path", ["/notes/sse", "/nobody/mcp"])
def test_a_wrong_address_says_so_to_an_mcp_client_and_other_apis_get_kong_s_own_words(own, path):
    url = f"http://127.0.0.1:{own.dev.port}{path}"
    with own.client("bob") as client:
        assert "no MCP server at this address" in told(client.post(url, json=LIST), 404, -32600)["error"]["message"]
        other = client.post(url, json=LIST, headers={"Accept": "application/json"})
    assert other.json()["message"] == "no Route matched with those values"


@pytest.mark.requirement("E2E-036")
def test_a_message_that_is_too_large_for_nginx_is_told_so(own):
    with own.client("bob") as client:
        answer = client.post(own.url(), content=b"x" * (17 * 1024 * 1024 + 1))
    assert "larger" in told(answer, 413, -32600)["error"]["message"]


@pytest.mark.requirement("E2E-036")
def test_a_server_without_replicas_is_told_with_the_id_that_was_asked_with(own):
    with own.client("bob") as client:
        for _ in range(3):
            called = client.post(own.url("lost"), **modern("good"))
            assert told(called, called.status_code, -32004)["id"] == 1
            listed = client.post(own.url("lost"), json=LIST)
            assert told(listed, listed.status_code, -32004)["id"] == "a7"
    assert {called.status_code, listed.status_code} <= {502, 503}


@pytest.mark.requirement("E2E-036")
@pytest.mark.parametrize("kind", KONG)
def test_a_limit_of_kong_is_told_with_the_id_that_was_asked_with(kind, monkeypatch):
    write = dev.write_state

    def limited(*args, **kwargs):
        path = write(*args, **kwargs)
        document = yaml.safe_load(path.read_text())
        service = next(one for one in document["services"] if one["name"] == "mcp-notes")
        service["plugins"].append({"name": "rate-limiting", "config": {"year": 1, "policy": "local"}})
        path.write_text(yaml.safe_dump(document))
        return path

    monkeypatch.setattr(dev, "write_state", limited)
    with start(kind, {"notes": 1}) as running, running.client("bob") as client:
        assert "good: x" in client.post(running.url(), **modern("good")).text
        for request in (modern("good"), {"json": LIST}):
            answer = client.post(running.url(), **request)
            assert "Retry-After" in told(answer, 429, -32004)["error"]["message"]
            assert int(answer.headers["retry-after"]) > 0
            assert answer.json()["id"] == request["json"]["id"]


@pytest.mark.requirement("E2E-036")
def test_what_the_guard_says_passes_as_it_is(own):
    with own.client("bob") as client:
        answer = client.post(own.url(), json=call("bad"))
        broken = client.post(own.url(), content=b"?")
    assert answer.json() == {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "Unknown tool: bad"}}
    assert "data" not in broken.json()["error"]


@pytest.mark.requirement("E2E-036")
@pytest.mark.parametrize("kind", KONG)
def test_without_the_sidecar_a_list_is_told_what_to_do(kind):
    with start(kind, {"notes": 1}) as running:
        running.dev.sidecar.stop()
        with running.client("bob") as client:
            answers = [client.post(running.url(), json=LIST) for _ in range(3)]
            stream = client.get(running.url(), headers={"Accept": "text/event-stream"})
    for answer in [*answers, stream]:
        assert answer.status_code in (502, 503)
        # A connection that was open when the sidecar went is broken off; those after it find nobody.
        said = told(answer, answer.status_code, -32004)["error"]["message"]
        assert "Try again" in said or "its operator must look" in said
    assert answers[-1].json()["id"] == "a7"
