"""kong-mcp policy explain with the claims of a token: which rule decides, and which scopes are missing."""

# ruff: noqa: E501 - a sentence that is compared stands on one line

import json

import pytest
from click.testing import CliRunner

from kong_mcp.cli import main
from kong_mcp.policies.asking import wanted
from kong_mcp.policies.claims import explain_claims, read_claims
from kong_mcp.policies.documents import Document
from kong_mcp.policies.source import ServerPolicy
from kong_mcp.policies.surfaces import NOTHING_KNOWN
from mcp_core.methods import Kind

POLICY = """\
tools: {allow: ["read_*", write_note]}
rules:
  - {groups: [editors], tools: {allow: ["edit_*"]}}
auth:
  resource: https://gateway.example/notes/mcp
  issuers: [{issuer: https://idp.example, groups_claim: [groups]}]
  required_scopes: [mcp]
  scope_rules:
    - {scopes: [notes:write], tools: [write_note, edit_all]}
  implied_scopes: {notes: [notes:write]}
  denial: challenge
"""
CLAIMS = {
    "iss": "https://idp.example",
    "aud": "https://gateway.example/notes/mcp",
    "sub": "ann",
    "scope": "mcp",
    "groups": ["staff"],
    "exp": 9_999_999_999,
}
WHO = "ann of https://idp.example (in group staff)"


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "policy.yaml"

    def run(claims, *arguments, policy=POLICY, way="--token-claims", entered=None):
        path.write_text(policy, encoding="utf-8")
        text = claims if isinstance(claims, str) else json.dumps(claims)
        command = ["policy", "explain", "--policy", str(path), "--server", "notes", way, text, *arguments]
        ended = CliRunner().invoke(main, command, input=entered)
        return ended.exit_code, ended.output.replace(str(path), "policy.yaml")

    return run


pytestmark = pytest.mark.requirement("LOGIN-001")


@pytest.mark.parametrize(
    ("changed", "arguments", "sentence"),
    [
        (
            {},
            ("--tool", "read_note"),
            f'allowed: {WHO} may see and use the tool "read_note" of notes: tools.allow[0] "read_*" (policy.yaml:1) allows it, and nothing denies it.',
        ),
        (
            {},
            ("--tool", "write_note"),
            f'refused: {WHO} may see but not use the tool "write_note" of notes: auth.scope_rules[0] (policy.yaml:9) needs notes:write, which the token lacks, so the guard answers with 403 insufficient_scope and names mcp, notes:write.',
        ),
        (
            {"scope": "mcp notes"},
            ("--tool", "WRITE_NOTE"),
            f'refused: {WHO} may not see or use the tool "WRITE_NOTE" of notes: no glob of tools.allow (policy.yaml:1), nor of a rule for this caller, has it; tools.allow[1] "write_note" (policy.yaml:1) is spelled otherwise, and what is allowed is compared exactly.',
        ),
        (
            {"scope": "mcp notes"},
            ("--tool", "write_note"),
            f'allowed: {WHO} may see and use the tool "write_note" of notes: tools.allow[1] "write_note" (policy.yaml:1) allows it, and nothing denies it.',
        ),
        (
            {"scope": "other"},
            ("--tool", "write_note"),
            f'refused: {WHO} may not see or use the tool "write_note" of notes: auth.required_scopes (policy.yaml:7) needs mcp and auth.scope_rules[0] (policy.yaml:9) needs notes:write, which the token lacks, so the guard answers with 403 insufficient_scope and names mcp, notes:write.',
        ),
        (
            {"scope": ""},
            ("--method", "tools/list"),
            f'refused: {WHO} may not send "tools/list" of notes: auth.required_scopes (policy.yaml:7) needs mcp, which the token lacks, so the guard answers with 403 insufficient_scope and names mcp.',
        ),
        (
            {"groups": ["editors"]},
            ("--tool", "edit_note"),
            'allowed: ann of https://idp.example (in group editors) may see and use the tool "edit_note" of notes: rules[0].tools.allow[0] "edit_*" (policy.yaml:3) allows it, and nothing denies it.',
        ),
        (
            {"iss": "https://other.example"},
            ("--tool", "read_note"),
            'refused: whoever sends this token may not see or use the tool "read_note" of notes: the guard answers with 401 "The access token is of an issuer that this resource does not take tokens from." (policy.yaml:6): it takes those of https://idp.example.',
        ),
        (
            {"aud": "agent-1"},
            ("--tool", "read_note"),
            'refused: whoever sends this token may not see or use the tool "read_note" of notes: the guard answers with 401 "The access token was not issued for this resource: ask for one with its resource." (policy.yaml:5): aud must name https://gateway.example/notes/mcp.',
        ),
        (
            {"sub": 7},
            ("--tool", "read_note"),
            'refused: whoever sends this token may not see or use the tool "read_note" of notes: the guard answers with 401 "The access token has no sub, or one that is no short text." (policy.yaml:4).',
        ),
    ],
)
def test_one_sentence_says_what_decides_over_a_token(run, changed, arguments, sentence):
    status, output = run(CLAIMS | changed, *arguments)
    assert (status, output.splitlines()[0]) == (0, sentence)


def test_what_is_hidden_for_scopes_is_said_to_be_hidden(run):
    _, output = run(CLAIMS, "--tool", "write_note", policy=POLICY.replace("challenge", "hide"))
    assert "may not see or use" in output
    assert "so it does not exist for this token (auth.denial is hide, policy.yaml:11)." in output
    assert "to allow it: ask the issuer for a token with the scopes mcp notes:write\n" in output


def test_a_token_of_yesterday_is_explained_as_a_fresh_one_and_said_to_be_refused(run):
    for changed in ({"exp": 1}, {"nbf": 9_000_000_000}, {"exp": None}):
        status, output = run(CLAIMS | changed, "--tool", "read_note")
        assert (status, output[:8]) == (0, "allowed:")
        assert "note: this very token is refused with 401 (" in output


def test_json_says_which_scopes_are_needed_and_missing(run):
    _, output = run(CLAIMS, "--tool", "write_note", "--json")
    said = json.loads(output)
    assert said["scopes"] == {"needed": ["mcp", "notes:write"], "missing": ["notes:write"]}
    assert said["principal"]["scopes"] == ["mcp"]
    assert (said["allowed"], said["cause"]) == (False, "insufficient_scope")


def test_a_rule_for_a_token_names_its_subject_and_issuer(run):
    _, output = run(CLAIMS, "--tool", "edit_note", "--json")
    rule = json.loads(output)["changes"][1]["rule"]
    assert rule == {"subjects": ["ann"], "issuer": "https://idp.example", "tools": {"allow": ["edit_note"]}}
    assert "ask as whoever is in the group editors" in output


@pytest.mark.parametrize("way", ["file", "-"])
def test_claims_come_from_a_file_or_standard_input(run, tmp_path, way):
    file = tmp_path / "claims.json"
    file.write_text(json.dumps(CLAIMS))
    text = str(file) if way == "file" else "-"
    status, output = run(text, "--tool", "read_note", way="--claims", entered=json.dumps(CLAIMS))
    assert (status, output[:8]) == (0, "allowed:")


@pytest.mark.parametrize(
    "claims", ["eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2VjcmV0", "[]", "7", '{"sub": "ann", "sub": "eve"}', "{", ""]
)
def test_what_are_no_claims_is_refused_and_not_shown(run, claims):
    status, output = run(claims, "--tool", "read_note")
    assert status == 2
    assert "claims" in output
    assert "eyJzdWIiOiJhbm4ifQ" not in output


def test_claims_need_a_server_that_takes_tokens_and_stand_alone(run):
    status, output = run(CLAIMS, "--tool", "a", policy="tools: {allow: [a]}\n")
    assert (status, "has no section auth" in output) == (2, True)
    for more in (("--consumer", "ada"), ("--groups", "staff"), ("--claims", "-")):
        assert run(CLAIMS, "--tool", "read_note", *more)[0] == 2


@pytest.mark.parametrize("denial", ["hide", "challenge"])
@pytest.mark.parametrize("mode", ["enforce", "monitor"])
def test_in_monitor_mode_what_lacks_scopes_of_an_item_passes_and_what_lacks_the_required_ones_does_not(denial, mode):
    auth = {
        "resource": "https://gateway.example/notes/mcp",
        "issuers": [{"issuer": "https://idp.example"}],
        "required_scopes": ["mcp"],
        "scope_rules": [{"scopes": ["notes:write"], "tools": ["write_note"]}],
        "denial": denial,
    }
    config = {"tools": {"allow": ["*"]}, "mode": mode, "auth": auth}
    policy = ServerPolicy("notes", config, ((Document("p.yaml", config, None), ()),))
    asked = wanted(None, Kind.TOOL, "write_note")
    claims = read_claims(json.dumps(CLAIMS))
    found = explain_claims(policy, claims, asked, NOTHING_KNOWN, "notes", now=0)
    assert (found.allowed, found.passes) == (False, mode == "monitor")
    found = explain_claims(policy, {**claims, "scope": ""}, asked, NOTHING_KNOWN, "notes", now=0)
    assert (found.allowed, found.passes) == (False, False)
