"""Policies that guards name by digest: what the sidecar reads of the node's folder, and what it refuses without."""

from __future__ import annotations

import pytest

from mcp_core.methods import Kind
from mcp_core.policy import Access, View
from mcp_core.terms import Terms, named_terms, terms_digest, write_terms
from mcp_sidecar.lane.policies import MOST_KEPT, PolicyReader

TERMS = Terms(View({Kind.TOOL: Access(("keep", *(f"tool-{number}" for number in range(1000))))}))
CONTENT = write_terms(TERMS)
DIGEST = terms_digest(CONTENT)
OPEN = write_terms(Terms(View({Kind.TOOL: Access(("*",))})))


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "policies"
    path.mkdir()
    return path


def named(guard, words):
    """Return the answer to a list for which the guard names its policy."""
    claims, target = words.said(words.list)
    return guard.ask(words.list, signed=guard.signer.sign(claims, target, named_terms(DIGEST)))


@pytest.mark.requirement("SEAL-070")
def test_a_list_is_filtered_by_the_policy_that_its_guard_names(start, kong, words, folder):
    node = start(KONG_MCP_POLICIES=str(folder))
    (folder / DIGEST).write_bytes(CONTENT)
    for _ in range(2):
        kong.answers(words.json_answer(words.result("secret", "keep")))
        answer = named(node, words)
        assert [tool["name"] for tool in answer.json["result"]["tools"]] == ["keep"]


@pytest.mark.requirement("SEAL-070")
@pytest.mark.parametrize("content", [None, b"", OPEN, CONTENT[:-1], CONTENT + b" "])
def test_without_that_policy_a_list_is_refused_with_what_to_do(start, kong, words, folder, content):
    """No server is asked. As soon as the policy is there, it holds."""
    node = start(KONG_MCP_POLICIES=str(folder))
    if content is not None:
        (folder / DIGEST).write_bytes(content)
    answer = named(node, words)
    assert answer.status == 503
    assert "KONG_MCP_POLICIES" in answer.json["error"]["message"]
    assert node.line()["reason"] == "policy-not-read"
    assert kong.requests == []
    (folder / DIGEST).write_bytes(CONTENT)
    kong.answers(words.json_answer(words.result("secret", "keep")))
    assert [tool["name"] for tool in named(node, words).json["result"]["tools"]] == ["keep"]


@pytest.mark.requirement("SEAL-070")
def test_a_sidecar_without_a_folder_refuses_too(guard, words):
    assert named(guard, words).status == 503


@pytest.mark.requirement("SEAL-070")
def test_no_more_policies_are_kept_than_so_many(folder):
    reader = PolicyReader(str(folder))
    digests = []
    for number in range(MOST_KEPT + 1):
        content = write_terms(Terms(View({Kind.TOOL: Access((f"tool-{number}",))})))
        digests.append(terms_digest(content))
        (folder / digests[-1]).write_bytes(content)
        assert reader.terms(digests[-1]) is not None
    for path in folder.iterdir():
        path.unlink()
    assert reader.terms(digests[0]) is None
    assert reader.terms(digests[1]) is not None
