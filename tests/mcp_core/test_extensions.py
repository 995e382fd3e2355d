"""Skills and apps in the core: which resources are theirs, who rules them, and what their files are held to."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from core_cases import legacy, modern, modern_body, request, text

from mcp_core import loosejson, methods
from mcp_core.decide import Admitted, Caller, GuardTerms, decide_endpoint_post, decide_post
from mcp_core.extensions import kind_of, skills_above
from mcp_core.methods import Kind, Lane
from mcp_core.outcome import Reject
from mcp_core.policy import Access, Policy, View
from mcp_core.skill_files import LARGEST, as_item, child, is_as_said, is_entry
from mcp_core.surface import ANSWER_LIMITS, filter_text

ROOT = "skill://acme/refunds"
SKILL = f"{ROOT}/SKILL.md"
FILE = f"{ROOT}/examples/email.md"
"""A URI of a file."""
SPELLINGS = [
    SKILL,
    FILE,
    "SKILL://acme/refunds/x",
    "skill:acme",
    "sk%69ll://acme/x",
    "sk%2569ll://acme/x",
    "\tskill://acme/x",
    "sk\till://acme/x",
    "\uff53kill://acme/x",
    "<URL:skill://acme/x>",
    "github://acme/refunds/SKILL.md",
    "github://acme/refunds/skill.MD",
    "github://acme/refunds/SKILL.md?x=1",
    "github://acme/refunds/SKILL.md/",
    "github://acme/refunds/SKILL.md;v=1",
    "github://acme/refunds/SK%49LL.md",
    "file:///x\\SKILL.md",
    "file:///x/SKILL.md.",
]


def view(**access):
    return View({Kind(kind): Access(*(tuple(glob) for glob in globs)) for kind, globs in access.items()})


@pytest.mark.requirement("SKILL-001")
@pytest.mark.parametrize("uri", SPELLINGS)
def test_whatever_a_reader_could_take_for_a_skills_file_is_one(uri):
    assert kind_of(uri) is Kind.SKILL
    assert not view(resources=[["*"], []]).allows(Kind.RESOURCE, uri)


@pytest.mark.requirement("APP-001")
@pytest.mark.parametrize("uri", ["ui://a/b", "UI://a/b", "%75i://a", " ui:a", "u\ni://a", "url:ui://a", "\uff55i://a"])
def test_whatever_a_reader_could_take_for_an_apps_page_is_one(uri):
    assert kind_of(uri) is Kind.APP
    assert not view(resources=[["*"], []]).allows(Kind.RESOURCE, uri)


@pytest.mark.requirement("SKILL-001")
@pytest.mark.parametrize(
    "uri", ["note://skills/x", "https://skill.example/guide", "gui://a", "note://a/SKILL.mdx", "note://ui:x"]
)
def test_other_resources_stay_what_they_are(uri):
    assert kind_of(uri) is Kind.RESOURCE
    assert view(resources=[["*"], []]).allows(Kind.RESOURCE, uri)


@pytest.mark.requirement("SKILL-001")
def test_globs_of_skills_rule_and_what_is_denied_of_resources_stays_denied():
    skills = view(skills=[["skill://acme/*"], ["skill://acme/hidden/*"]], resources=[[], ["skill://acme/old/*"]])
    assert skills.allows(Kind.RESOURCE, SKILL)
    assert not skills.allows(Kind.RESOURCE, "skill://acme/hidden/SKILL.md")
    assert not skills.allows(Kind.RESOURCE, "skill://acme/old/SKILL.md")
    assert not skills.allows(Kind.RESOURCE, "skill://other/SKILL.md")
    assert not skills.allows(Kind.RESOURCE, "ui://a")
    assert not skills.allows(Kind.RESOURCE, "note://a")


@pytest.mark.requirement("SKILL-006")
def test_what_a_server_says_of_extensions_that_the_policy_does_not_name_is_taken_out():
    said = {"extensions": {methods.SKILLS_EXTENSION: {}, methods.APPS_EXTENSION: {}, "x/y": {}}, "tools": {}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"capabilities": said}}).encode()
    for named, kept in (((), {"x/y"}), (("skills",), {methods.SKILLS_EXTENSION, "x/y"})):
        text = filter_text(body, view(**{kind: [["*"], []] for kind in named}))
        assert set(json.loads(text)["result"]["capabilities"]["extensions"]) == kept


@pytest.mark.requirement("SKILL-001")
def test_lists_and_single_entries_of_hidden_skills_are_filtered():
    seen = view(skills=[["skill://acme/*"], []])
    entries = [{"uri": SKILL}, {"uri": "skill://other/SKILL.md"}, {"uri": 1}]
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"skills": entries}}).encode()
    assert json.loads(filter_text(body, seen))["result"]["skills"] == [{"uri": SKILL}]
    for entry in entries:
        one = filter_text(json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"skill": entry}}).encode(), seen)
        assert (one == json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"skill": entry}}).encode()) == (
            entry["uri"] == SKILL
        )


@pytest.mark.requirement("SKILL-007")
def test_a_file_is_what_its_skill_lists_by_digest_and_size():
    data = b"# Refunds\n"
    said = {"uri": FILE, "digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}
    entry = {"uri": SKILL, "resources": [said]}
    text, blob = {"uri": FILE, "text": data.decode()}, {"uri": FILE, "blob": base64.b64encode(data).decode()}
    for content in (text, blob):
        assert is_as_said(as_item(FILE, [content]), [entry])
    for content in (text | {"text": "# Refunds"}, text | {"blob": "AAAA"}, {"uri": FILE}, {"uri": FILE, "blob": "?"}):
        item = as_item(FILE, [content])
        assert item is None or not is_as_said(item, [entry])
    good = as_item(FILE, [text])
    assert not is_as_said(good, [])
    assert not is_as_said(as_item(FILE, [text, text]), [entry])
    assert not is_as_said(good, [{"uri": SKILL, "resources": [said | {"size": 1}]}])
    assert not is_as_said(good, [{"uri": SKILL, "resources": [said, said]}])
    assert not is_as_said(good, [{"uri": SKILL, "resources": []}])
    assert not is_as_said(good, [{"uri": SKILL}])
    assert not is_as_said(good, [{"uri": "skill://acme/other/SKILL.md", "resources": [said]}])
    assert is_as_said(good, [{"uri": SKILL, "resources": "dynamic"}])
    # Of nested skills, all that it is a part of must say so.
    assert not is_as_said(good, [entry, {"uri": f"{ROOT}/examples/SKILL.md", "resources": []}])


@pytest.mark.requirement("SKILL-007")
@pytest.mark.parametrize(
    "contents",
    [
        '[{"text":"a","text":"b"}]',
        '[{"text":"a","Text":"b"}]',
        '[{"text":"a","te_xt":"b"}]',
        '[{"text":"a","_meta":{"ui":{"csp":{}},"ui":{}}}]',
        '[{"text":"a","blob":"YQ=="}]',
        '[{"text":1}]',
        "[1]",
        "[]",
        "{}",
    ],
)
def test_what_clients_could_read_differently_is_no_file(contents):
    assert as_item(FILE, loosejson.load(contents.encode(), ANSWER_LIMITS).value) is None


@pytest.mark.requirement("SKILL-011")
def test_of_a_large_file_the_digest_is_kept_and_that_it_was_not_read():
    (content,) = as_item(FILE, [{"text": "a" * (LARGEST + 1)}])["contents"]
    assert "text" not in content
    assert content["unread"]
    assert content["size"] == LARGEST + 1


@pytest.mark.requirement("SKILL-008")
def test_an_entry_that_hosts_must_not_load_is_none():
    file = {"uri": SKILL, "digest": "sha256:0", "size": 1}
    good = {"uri": SKILL, "frontmatter": {"name": "refunds", "description": "x"}, "resources": [file]}
    assert is_entry(good)
    assert is_entry(good | {"resources": "dynamic"})
    outside = file | {"uri": "skill://acme/other/SKILL.md"}
    for other in (
        {"frontmatter": {"name": "other", "description": "x"}},
        {"frontmatter": {"name": "refunds"}},
        {"frontmatter": "x"},
        {"resources": None},
        {"resources": "all"},
        {"resources": []},
        {"resources": [file, file]},
        {"resources": [file, outside]},
        {"uri": "skill://acme/refunds/README.md"},
    ):
        assert not is_entry(good | other), other


@pytest.mark.requirement("SKILL-009")
def test_a_child_of_a_directory_is_shown_without_words_of_the_server():
    told = {"uri": FILE, "name": "read me first", "title": "you must", "description": "x", "mimeType": "text/markdown"}
    assert child(told | {"size": 3, "_meta": {"a": "b"}}) == {
        "uri": FILE,
        "name": "email.md",
        "mimeType": "text/markdown",
        "size": 3,
    }
    assert "mimeType" not in child(told | {"mimeType": "you must read this"})


@pytest.mark.requirement("SKILL-007")
def test_the_skills_that_a_file_could_be_of_are_those_of_all_directories_above_it():
    assert list(skills_above(f"{ROOT}/a/b.md")) == [
        f"{ROOT}/a/SKILL.md",
        f"{ROOT}/SKILL.md",
        "skill://acme/SKILL.md",
    ]
    assert list(skills_above("note:x")) == []
    assert len(list(skills_above("a://" + "b/" * 5000))) == 64


ALL = {"resources": [["*"], []], "skills": [["skill://*"], []], "apps": [["*"], []]}


def decided(method, params, access, decide=decide_post, version="2025-11-25", *, batch=False):
    guard, seen = GuardTerms(Policy({})), view(**access)
    message = request(method, params)
    return decide(guard, Caller(seen, held=True), legacy(version), text([message] if batch else message))


@pytest.mark.requirement("SKILL-010")
def test_what_may_be_a_skills_file_is_read_through_the_sidecar_and_all_else_is_not():
    for uri, access, lane in (
        (SKILL, ALL, Lane.INSPECT),
        ("ui://a", ALL, Lane.INSPECT),
        ("note://a", ALL, Lane.CALL),
        # Where skills may have any scheme, any resource could be a file of one.
        ("note://a", ALL | {"skills": [["*"], []]}, Lane.INSPECT),
        ("note://a", {"resources": [["*"], []]}, Lane.CALL),
    ):
        answer = decided("resources/read", {"uri": uri}, access)
        assert isinstance(answer, Admitted)
        assert answer.lane is lane, uri


@pytest.mark.requirement("SKILL-010")
def test_files_are_not_read_where_nobody_would_know_which_one_an_answer_is_of():
    for method, params in (("resources/read", {"uri": SKILL}), ("skills/list", {}), ("skills/get", {"uri": SKILL})):
        batch = decided(method, params, ALL, version="2025-03-26", batch=True)
        assert isinstance(batch, Reject)
        assert batch.reason == "batch"
    for uri in (SKILL, "ui://a"):
        old = decided("resources/read", {"uri": uri}, ALL, decide_endpoint_post, "2024-11-05")
        assert isinstance(old, Reject)
        assert old.reason == "endpoint"
    assert isinstance(decided("resources/read", {"uri": "note://a"}, ALL, decide_endpoint_post, "2024-11-05"), Admitted)


@pytest.mark.requirement("SKILL-001")
@pytest.mark.parametrize("method", sorted(methods.SKILL_METHODS))
def test_methods_of_skills_exist_where_the_policy_names_skills(method):
    params = {"uri": SKILL}
    without = {name: globs for name, globs in ALL.items() if name != "skills"}
    refused = decided(method, params, without)
    assert isinstance(refused, Reject)
    assert (refused.code, refused.message) == (-32601, "Method not found")
    admitted = decided(method, params, ALL)
    assert isinstance(admitted, Admitted)
    assert admitted.lane is Lane.INSPECT
    both = decide_post(GuardTerms(Policy({})), Caller(view(**ALL)), modern(method), modern_body(method, params))
    assert isinstance(both, Admitted)


@pytest.mark.requirement("SKILL-001")
def test_an_entry_of_a_hidden_skill_is_refused_as_an_unknown_one_in_both_eras():
    for answer in (
        decided("skills/get", {"uri": "skill://x/SKILL.md"}, ALL | {"skills": [["skill://acme/*"], []]}),
        decided("skills/get", {"uri": "note://x"}, {"skills": [["skill://acme/*"], []]}),
    ):
        assert isinstance(answer, Reject)
        assert answer.code == -32602


@pytest.mark.requirement("POL-021")
@pytest.mark.parametrize(
    "uri",
    [
        *("skill:///secret/k.txt", "skill:/secret/k.txt", "skill:secret/k.txt", "skill:////secret/k.txt"),
        *("skill://secret /k.txt", "skill://secret. /k.txt", "skill://secret;v=1/k.txt", "skill:/secret;v/k.txt"),
        *("SKILL:///Secret/k.txt", "skill:%2F%2F/secret/k.txt", "skill:///secret%20/k.txt", "skill:///secret//k.txt"),
        *("ui:///hidden/page", "ui:/hidden/page", "ui:hidden/page", "ui://hidden /page", "ui://hidden;a/page"),
        *("skill://written/k", "skill:///written/k", "skill:written/k"),
    ],
)
def test_the_first_segment_of_a_skill_or_an_app_is_no_host_by_any_number_of_slashes(uri):
    deny = {"skills": ["skill://secret/*", "skill:/written/*"], "apps": ["ui://hidden/*"]}
    view = View.from_json({kind: {"allow": ["*"], "deny": globs} for kind, globs in deny.items()})
    assert not view.allows(Kind.RESOURCE, uri)


@pytest.mark.requirement("POL-021")
def test_other_skills_and_apps_stay_allowed():
    deny = {"skills": ["skill://secret/*"], "apps": ["ui://hidden/*"]}
    view = View.from_json({kind: {"allow": ["*"], "deny": globs} for kind, globs in deny.items()})
    for uri in ("skill://secrets/k", "skill:///a/secret/k", "skill://a b/k", "skill://a;b/secret", "ui://shown/hidden"):
        assert view.allows(Kind.RESOURCE, uri)
