"""kong-mcp policy explain: one sentence with the place of the rule, and changes that do what they say."""

# ruff: noqa: E501 - a sentence that is compared stands on one line

import json

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kong_mcp.cli import main
from kong_mcp.policies.asking import MethodError, wanted
from kong_mcp.policies.documents import Document
from kong_mcp.policies.explain import explain
from kong_mcp.policies.source import ServerPolicy, principal
from kong_mcp.policies.surfaces import NOTHING_KNOWN
from mcp_core.methods import METHODS, Kind

POLICY = """\
tools:
  allow: [good, "read_*"]
  deny:
    - "*_secret"
resources: {allow: ["note://public/*"]}
methods: {allow: ["vendor/*"]}
rules:
  - groups: [finance]
    tools: {allow: ["invoice_*"]}
  - consumers: [ada]
    tools: {allow: [delete_file]}
"""
DIGEST = "0" * 64


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY, encoding="utf-8")

    def run(*arguments, policy=None):
        if policy is not None:
            path.write_text(policy, encoding="utf-8")
        command = ["policy", "explain", "--policy", str(path), "--server", "files", *arguments]
        ended = CliRunner().invoke(main, command)
        return ended.exit_code, ended.output.replace(str(path), "policy.yaml")

    return run


@pytest.mark.requirement("KNOW-002")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--consumer", "ada", "--tool", "delete_file"),
            (
                'allowed: ada may see and use the tool "delete_file" of files: rules[1].tools.allow[0] "delete_file" '
                "(policy.yaml:11) allows it, and nothing denies it."
            ),
        ),
        (
            ("--groups", "finance,staff", "--tool", "invoice_pay"),
            (
                'allowed: whoever is in groups finance, staff may see and use the tool "invoice_pay" of files: '
                'rules[0].tools.allow[0] "invoice_*" (policy.yaml:9) allows it, and nothing denies it.'
            ),
        ),
        (
            ("--tool", "My_SECRET"),
            (
                'refused: whoever no rule names may not see or use the tool "My_SECRET" of files: no glob of tools.allow '
                "(policy.yaml:2), nor of a rule for this caller, has it."
            ),
        ),
        (
            ("--tool", "read_SECRET"),
            (
                'refused: whoever no rule names may not see or use the tool "read_SECRET" of files: tools.deny[0] '
                '"*_secret" (policy.yaml:4) denies it, as in every spelling, whatever allows it.'
            ),
        ),
        (
            ("--resource", "note://public/a/../../private"),
            (
                'refused: whoever no rule names may not see or use the resource "note://public/a/../../private" of files: '
                "other readers take this URI for another one (RFC 3986, section 6.2.2), so it is no resource as long as "
                "not all resources are allowed and none denied (policy.yaml:5)."
            ),
        ),
        (
            ("--resource", "note://public/x", "--method", "subscriptions/listen"),
            (
                'allowed: whoever no rule names may see and use the resource "note://public/x" of files: '
                'resources.allow[0] "note://public/*" (policy.yaml:5) allows it, and nothing denies it.'
            ),
        ),
        (
            ("--method", "vendor/x"),
            (
                'allowed: whoever no rule names may send "vendor/x" of files: a glob of methods.allow has it '
                "(policy.yaml:6)."
            ),
        ),
        (
            ("--method", "x/y"),
            (
                'refused: whoever no rule names may not send "x/y" of files: MCP defines no such method, and no glob of '
                "methods.allow has it (policy.yaml:6)."
            ),
        ),
        (
            ("--tool", "good\x1b[2J\u202e"),
            (
                'refused: whoever no rule names may not see or use the tool "good\\x1b[2J\\u202e" of files: the name does '
                "not print, or has blanks at its ends, so it is no item as long as not all tools are allowed and none "
                "denied (policy.yaml:1)."
            ),
        ),
    ],
)
def test_one_sentence_names_the_rule_and_its_place(run, arguments, sentence):
    status, said = run(*arguments)
    assert (status, said.splitlines()[0]) == (0, sentence)
    assert said.isascii()


@pytest.mark.requirement("KNOW-008")
@pytest.mark.parametrize(
    ("option", "name", "word"),
    [
        ("--tool", "*", "tool"),
        ("--tool", "gr*t", "tool"),
        ("--resource", "note://private/*", "resource"),
        ("--method", "*", "method"),
    ],
)
def test_a_star_is_never_proposed_for_what_is_allowed(run, option, name, word):
    status, said = run("--consumer", "ada", option, name, "--json")
    assert (status, [set(change) for change in json.loads(said)["changes"]]) == (0, [{"text", "remove"}])
    assert f"\nto allow it: ask about one {word} by its whole name: " in run("--consumer", "ada", option, name)[1]


@pytest.mark.requirement("KNOW-002")
def test_it_says_what_to_write(run):
    said = run("--consumer", "bob", "--groups", "staff", "--tool", "invoice_pay")[1].splitlines()[1:]
    assert said == [
        'to allow it: add "invoice_pay" to tools.allow, for everyone',
        '         or: add a rule for bob alone: {consumers: [bob], tools: {allow: ["invoice_pay"]}}',
        (
            '         or: ask as a consumer tagged group:finance: rules[0].tools.allow[0] "invoice_*" (policy.yaml:9) allows it '
            "to them"
        ),
    ]
    assert 'take tools.deny[0] "*_secret" (policy.yaml:4) out' in run("--tool", "read_secret")[1]
    assert 'tools.allow[0] "good" (policy.yaml:2) is spelled otherwise' in run("--tool", "GOOD")[1]
    assert 'add "x/y" to methods.allow' in run("--method", "x/y")[1]


@pytest.mark.requirement("KNOW-002")
def test_monitor_mode_and_pins_are_named_where_they_matter(run, tmp_path):
    said = run("--tool", "bad", policy=POLICY + "mode: monitor\n")[1]
    assert "refused:" in said
    assert "note: mode is monitor (policy.yaml:12): the request passes all the same" in said
    pinned = POLICY + "pins: {mode: enforce}\n"
    assert "pins.mode is enforce (policy.yaml:12): it must be approved too" in run("--tool", "good", policy=pinned)[1]
    lock = tmp_path / "mcp.lock"
    lock.write_text(f"format: 1\nservers: {{files: {{tool: {{read_a: {{digest: '{DIGEST}'}}}}}}}}\n")
    given = ("--lock", str(lock))
    status, said = run("--tool", "good", *given)
    assert status == 0
    assert said.startswith('refused: whoever no rule names may not see or use the tool "good" of files: pins hold the')
    assert "kong-mcp surface approve files tool good --why" in said
    assert run("--tool", "read_a", *given)[1].startswith("allowed:")
    off = run("--tool", "read_b", *given, policy=POLICY)[1]
    assert off.startswith("allowed:")
    assert "nothing is refused for not being approved" in off
    assert 'did you mean "read_a"?' in off


@pytest.mark.requirement("KNOW-002")
def test_the_json_has_the_same_in_parts(run):
    value = json.loads(run("--consumer", "ada", "--tool", "read_secret", "--json")[1])
    assert (value["allowed"], value["passes"], value["cause"]) == (False, False, "denied")
    assert value["by"] == [{"field": "tools.deny[0]", "glob": "*_secret", "at": "policy.yaml:4"}]
    assert value["changes"][0]["remove"] == ["tools.deny[0]"]
    assert (value["kind"], value["name"], value["method"]) == ("tool", "read_secret", "tools/call")


@pytest.mark.requirement("KNOW-002")
def test_what_cannot_be_asked_is_refused_with_status_2(run, tmp_path):
    assert run()[0] == 2
    assert run("--tool", "a", "--prompt", "b")[0] == 2
    status, said = run("--tool", "a", "--method", "resources/read")
    assert (status, "write one of tools/call" in said) == (2, True)
    assert run("--method", "tools/call")[0] == 2
    status, said = run("--tool", "a", "--lock", str(tmp_path / "none"))
    assert (status, "No such file" in said) == (2, True)
    status, said = run("--tool", "a", policy="tools:\n  allow: [a]\n  alow: [b]\n")
    assert (status, "policy.yaml:3: tools: 'alow' is not known" in said) == (2, True)


GLOBS = st.lists(st.sampled_from(["a", "A", "b*", "*", "ab", "\uff21", "a "]), max_size=3)
KINDS = st.sampled_from([Kind.TOOL, Kind.PROMPT])
RULE = st.fixed_dictionaries(
    {"groups": st.just(["g"]), "tools": st.fixed_dictionaries({"allow": GLOBS, "deny": GLOBS})}
)


@pytest.mark.requirement("KNOW-002")
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries(
        {"tools": st.fixed_dictionaries({"allow": GLOBS, "deny": GLOBS}), "rules": st.lists(RULE, max_size=2)}
    ),
    st.sampled_from(["a", "A", "ab", "b", "\uff21", "c"]),
    st.sampled_from([(None, ()), ("ann", ()), ("ann", ("g",)), (None, ("g",))]),
    st.booleans(),
)
def test_whoever_writes_what_is_proposed_gets_the_other_verdict(config, name, who, monitor):
    config = {**config, "mode": "monitor" if monitor else "enforce"}
    caller = principal(*who)
    before = explained(config, name, caller)
    for change in before["changes"]:
        turned = changed(config, change)
        if turned is not None:
            assert explained(turned, name, caller)["allowed"] is not before["allowed"], change


@pytest.mark.requirement("KNOW-002")
@pytest.mark.parametrize(
    ("method", "uri", "lists"),
    [
        (None, "skill://pdf/SKILL.md", "skills"),
        ("skills/get", "skill://pdf/SKILL.md", "skills"),
        (None, "ui://pdf/page", "apps"),
    ],
)
@pytest.mark.parametrize("which", ["allow", "deny"])
@pytest.mark.parametrize("named", [(), ("skills",), ("apps",), ("skills", "apps")])
def test_a_file_of_a_skill_and_a_page_of_an_app_are_changed_by_their_own_lists(method, uri, lists, which, named):
    config = {"resources": {"allow": ["*"], "deny": []}, "mode": "enforce", "rules": []}
    config |= {kind: {"allow": [], "deny": []} for kind in ("skills", "apps")}
    config |= {kind: {"allow": ["*"], "deny": [uri] if which == "deny" else []} for kind in named}
    before = explained(config, uri, principal("ann"), method, Kind.RESOURCE)
    assert before["changes"]
    for change in before["changes"]:
        turned = changed(config, change, lists)
        assert explained(turned, uri, principal("ann"), method, Kind.RESOURCE)["allowed"] is not before["allowed"]


@pytest.mark.requirement("KNOW-002")
def test_what_is_denied_of_resources_is_named_where_it_denies_a_skill(run):
    denies = 'skills: {allow: ["*"]}\nresources: {deny: ["skill://pdf/*"]}\n'
    said = run("--resource", "skill://pdf/SKILL.md", policy=denies)[1]
    assert 'resources.deny[0] "skill://pdf/*" (policy.yaml:2) denies it' in said
    none = run("--method", "skills/list", policy="tools: {allow: [a]}\n")[1]
    assert "skills.allow is empty" in none
    assert "skill://NAME/*" in none


def explained(config, name, caller, method=None, kind=Kind.TOOL):
    text = yaml.safe_dump(config)
    policy = ServerPolicy("s", config, ((Document("policy.yaml", config, yaml.compose(text)), ()),))
    value = explain(policy, caller, wanted(method, kind, name), NOTHING_KNOWN, "s").to_json()
    assert value["passes"] is (value["allowed"] or config["mode"] == "monitor")
    return value


def changed(config, change, lists="tools"):
    """Return a configuration as one proposed change leaves it, or None where the change is none of the policy."""
    turned = json.loads(json.dumps(config))
    for path in sorted(change["remove"], reverse=True):
        holder = turned
        if path.startswith("rules["):
            holder = turned["rules"][int(path[6])]
        del holder[lists]["deny"][int(path[-2])]
    if "add" in change:
        kind, _, which = change["add"]["list"].partition(".")
        turned[kind][which].append(change["add"]["glob"])
    if "rule" in change:
        turned["rules"].append(change["rule"])
    return None if turned == config else turned


@pytest.mark.requirement("KNOW-001")
@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_is_put_before_the_guard_as_a_well_formed_request(method):
    kind = METHODS[method].kind
    kind = {"completion/complete": Kind.PROMPT, "subscriptions/listen": Kind.RESOURCE}.get(method, kind)
    everything = {one.value: {"allow": ["*"]} for one in Kind}
    policy = ServerPolicy("s", everything, ((Document("p", everything, None), ()),))
    name = None if kind is None else "note://a"
    value = explain(policy, principal("ann"), wanted(method, kind, name), NOTHING_KNOWN, "s")
    # Tasks are their starter's, whatever a policy says.
    assert value.passes is (not method.startswith("tasks/"))


def test_a_method_without_its_item_is_no_question():
    with pytest.raises(MethodError, match="give --tool, --prompt or --resource"):
        wanted("resources/subscribe", None, None)
