"""A policy of a megabyte, on every kind of gateway: lists and calls are held to it, and nothing opens without it."""

from __future__ import annotations

import json

import pytest

from e2e.harness import CONSUMERS, KINDS, call, start
from e2e.test_headers import message
from e2e.test_sessions import initialize
from servers.launch import wait_for

pytestmark = pytest.mark.long

POLICY = {
    "tools": {"allow": ["good", *(f"a-tool-of-another-member-number-{number:07}" for number in range(25_000))]},
    "rules": [{"groups": ["staff"], "tools": {"deny": ["good"]}}],
}


@pytest.fixture(scope="module", params=KINDS)
def running(request):
    assert len(json.dumps(POLICY)) > 1024 * 1024
    with start(request.param, {"notes": 1}, policy=POLICY, consumers=CONSUMERS) as found:
        yield found


def listed(client, url):
    return [tool["name"] for tool in asked(client, url, message("tools/list"))["result"]["tools"]]


def asked(client, url, said):
    answer = client.post(url, json=said, headers=initialize(client, url)).text
    return json.loads(answer.partition("data: ")[2].splitlines()[0] if "data: " in answer else answer)


@pytest.mark.requirement("SEAL-070")
def test_a_megabyte_of_policy_is_carried_out_in_both_lanes(running):
    url = running.url()
    with running.client("bob") as client:
        assert listed(client, url) == ["good"]
        assert "result" in asked(client, url, call("good"))
        assert asked(client, url, call("bad"))["error"]["code"] == -32602


@pytest.mark.requirement("SEAL-070")
def test_without_its_file_nothing_is_listed_and_the_answer_says_what_to_do(running):
    url, folder = running.url(), running.dev.folder / "policies"
    folder.rename(folder.with_name("away"))
    folder.write_text("a file in its place")
    try:
        with running.client("bob") as client:
            refused = wait_for(lambda: _refused(client, url), lambda: "lists were never refused")
            assert "KONG_MCP_POLICIES" in refused["error"]["message"]
    finally:
        folder.unlink()
        folder.with_name("away").rename(folder)
    with running.client("bob") as client:
        assert listed(client, url) == ["good"]


def _refused(client, url):
    answer = client.post(url, json=message("initialize"))
    return answer.json() if answer.status_code == 503 else None
