"""What clients that people have send is answered as a server answers it."""

import pytest

from e2e.harness import call
from e2e.test_sessions import initialize, whoami

INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}


def request(method, params=None, **more):
    return {"jsonrpc": "2.0", "id": 1, "method": method, **({} if params is None else {"params": params}), **more}


@pytest.mark.requirement("E2E-050")
def test_a_method_that_nobody_knows_does_not_end_the_session(gateway):
    url = gateway.url()
    with gateway.client("bob") as client:
        headers = initialize(client, url)
        before = len(gateway.servers["notes"][0].requests())
        answer = client.post(url, json=request("vendor/search"), headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (200, -32601)
        assert len(gateway.servers["notes"][0].requests()) == before
        assert whoami(client, url, headers) == "notes-1"


@pytest.mark.requirement("E2E-050")
def test_a_notification_that_nobody_knows_is_taken_and_goes_no_further(gateway):
    url = gateway.url()
    with gateway.client("bob") as client:
        headers = initialize(client, url)
        before = len(gateway.servers["notes"][0].requests())
        answer = client.post(url, json={"jsonrpc": "2.0", "method": "notifications/vendor"}, headers=headers)
        assert (answer.status_code, answer.content) == (202, b"")
        assert "content-type" not in answer.headers
        assert len(gateway.servers["notes"][0].requests()) == before
        assert whoami(client, url, headers) == "notes-1"


@pytest.mark.requirement("E2E-050")
@pytest.mark.parametrize("old", ["unknown", "another's", "its own"])
def test_an_initialize_with_an_old_session_id_opens_a_new_session(gateway, old):
    url = gateway.url()
    with gateway.client("bob") as client, gateway.client("ada") as ada:
        first = initialize(client, url)
        sent = {"unknown": "x", "another's": initialize(ada, url)["Mcp-Session-Id"], "its own": first["Mcp-Session-Id"]}
        answer = client.post(url, json=request("initialize", INITIALIZE), headers={"Mcp-Session-Id": sent[old]})
        assert answer.status_code == 200
        opened = answer.headers["mcp-session-id"]
        assert opened not in sent.values()
        headers = first | {"Mcp-Session-Id": opened}
        done = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert client.post(url, json=done, headers=headers).status_code == 202
        assert whoami(client, url, headers) == "notes-1"


@pytest.mark.requirement("E2E-050")
def test_params_that_are_null_are_none(gateway):
    url = gateway.url()
    with gateway.client("bob") as client:
        headers = initialize(client, url)
        listed = client.post(url, json=request("tools/list") | {"params": None}, headers=headers)
        assert listed.status_code == 200
        assert '"good"' in listed.text
        assert '"bad"' not in listed.text
        note = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed", "params": None}
        assert client.post(url, json=note, headers=headers).status_code == 202
        refused = client.post(url, json=call("x") | {"params": None}, headers=headers)
        assert refused.json()["error"]["code"] == -32602
