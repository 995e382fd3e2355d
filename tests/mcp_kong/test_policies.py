"""The node's folder of policies that no header can carry, as guards write it."""

from __future__ import annotations

import json
import os

import pytest
from kong_side import CONFIG, KEY, KongSide

from clock import Clock
from mcp_core.claims import ClaimSigner, Disbelief
from mcp_core.methods import Kind
from mcp_core.terms import read_named_terms, terms_digest
from mcp_kong.guard import Guard
from mcp_kong.policies import CHECK_SECONDS, KEPT_SECONDS, MOST_BYTES, POLICIES_VARIABLE, PolicyFolder
from mcp_kong.settings_error import SettingsError

LEGACY = {"content-type": "application/json", "mcp-protocol-version": "2025-11-25"}
LONG = {"tools": {"allow": [f"tool-number-{number}" for number in range(2000)]}}
CONTENT = b"{}"
DIGEST = terms_digest(CONTENT)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    path = tmp_path / "policies"
    monkeypatch.setenv(POLICIES_VARIABLE, str(path))
    return path


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def policies(folder, clock):
    return PolicyFolder(str(folder), clock, clock)


def listed(config):
    side = KongSide(b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}', LEGACY)
    Guard(CONFIG | config).access(side.pdk)
    return side


def verified(side, find=lambda _digest: None):
    return ClaimSigner((KEY,)).verify(side.next_hop["mcp-gateway-context"], now=0, find=find)


@pytest.mark.requirement("SEAL-070")
def test_a_long_policy_is_signed_by_its_digest_and_stands_in_the_folder(folder):
    side = listed(LONG)
    assert len(side.next_hop["mcp-gateway-context"]) < 1024
    (file,) = folder.iterdir()
    claims, _ = verified(side, lambda digest: read_named_terms(digest, (folder / digest).read_bytes()))
    assert claims.terms.view.allows(Kind.TOOL, "tool-number-1999")
    assert not claims.terms.view.allows(Kind.TOOL, "tool-number-2000")
    assert file.stat().st_mode & 0o777 == 0o644
    assert verified(side) is Disbelief.TERMS_MISSING


@pytest.mark.requirement("SEAL-070")
def test_a_short_policy_travels_in_the_header_and_needs_no_folder(folder):
    claims, _ = verified(listed({}))
    assert claims.terms.view.allows(Kind.TOOL, "open")
    assert not folder.exists()


@pytest.mark.requirement("SEAL-070")
@pytest.mark.parametrize("spoil", ["a file in its place", "no folder above it"])
def test_where_the_policy_cannot_be_written_a_list_is_refused_with_what_to_do(folder, spoil, monkeypatch):
    if spoil == "a file in its place":
        folder.write_text("")
    else:
        monkeypatch.setenv(POLICIES_VARIABLE, str(folder / "deeper" / "still"))
    side = listed(LONG)
    status, body, _ = side.exit
    assert status == 503
    assert POLICIES_VARIABLE in json.loads(body)["error"]["message"]
    assert "service.set_upstream" not in side.names()
    assert side.arguments("log.set_serialize_value")[-1][1]["reason"] == "policy-not-written"


@pytest.mark.requirement("SEAL-070")
def test_a_guard_with_a_long_policy_does_not_start_without_a_folder(monkeypatch):
    monkeypatch.delenv(POLICIES_VARIABLE, raising=False)
    with pytest.raises(SettingsError, match=POLICIES_VARIABLE):
        Guard(CONFIG | LONG)


@pytest.mark.requirement("SEAL-070")
@pytest.mark.usefixtures("folder")
def test_there_is_a_most():
    with pytest.raises(SettingsError, match=f"more than {MOST_BYTES} bytes"):
        Guard(CONFIG | {"tools": {"allow": ["x" * MOST_BYTES]}})


@pytest.mark.requirement("SEAL-070")
def test_a_file_that_is_gone_is_written_again(folder, policies, clock):
    assert policies.has(DIGEST, CONTENT)
    (folder / DIGEST).unlink()
    assert policies.has(DIGEST, CONTENT)
    assert not (folder / DIGEST).exists()
    clock.now += CHECK_SECONDS
    assert policies.has(DIGEST, CONTENT)
    assert (folder / DIGEST).read_bytes() == CONTENT


@pytest.mark.requirement("SEAL-070")
def test_a_file_that_was_cut_short_is_replaced_by_the_next_process(folder, policies):
    folder.mkdir()
    (folder / DIGEST).write_bytes(CONTENT[:1])
    assert policies.has(DIGEST, CONTENT)
    assert (folder / DIGEST).read_bytes() == CONTENT
    assert [path.name for path in folder.iterdir()] == [DIGEST]


@pytest.mark.requirement("SEAL-070")
def test_files_that_no_guard_names_any_more_go_and_those_in_use_are_touched(folder, policies, clock):
    assert policies.has(DIGEST, CONTENT)
    clock.now += KEPT_SECONDS + 1
    (folder / "unused").write_bytes(b"x")
    os.utime(folder / "unused", (1, 1))
    assert policies.has(DIGEST, CONTENT)
    assert policies.has(terms_digest(b"new"), b"new")
    assert {path.name for path in folder.iterdir()} == {DIGEST, terms_digest(b"new")}


@pytest.mark.requirement("SEAL-070")
def test_a_folder_that_can_be_written_again_is_used_again(folder, policies, caplog):
    folder.write_text("")
    assert not policies.has(DIGEST, CONTENT)
    assert not policies.has(DIGEST, CONTENT)
    assert len(caplog.records) == 1
    folder.unlink()
    assert policies.has(DIGEST, CONTENT)
