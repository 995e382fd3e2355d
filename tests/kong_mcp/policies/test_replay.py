"""kong-mcp policy replay: recorded calls before another policy."""

import json
import time

import pytest
from click.testing import CliRunner

from kong_mcp.cli import main
from kong_mcp.policies.asking import Wanted, decided
from kong_mcp.policies.documents import Document
from kong_mcp.policies.replay import BY_VIEW, LeftOut, RecordedCall, ReplayWord, replay
from kong_mcp.policies.source import Policies, ServerPolicy, principal
from mcp_core.methods import METHODS
from mcp_core.outcome import Reject
from mcp_core.telemetry.ocsf import event
from mcp_core.telemetry.tally import Counted, UsageKey
from mcp_core.telemetry.visit import read
from mcp_sidecar.store.usage import UsageBatch, UsageStore
from mcp_sidecar.telemetry.audit_log import AuditLog, signing_key
from servers.kong_records import SAID, logged

HOUR = int(time.time()) // 3600
OPEN = {"tools": {"allow": ["*"]}, "resources": {"allow": ["*"]}}
FINANCE = {"tools": {"allow": ["read"]}, "rules": [{"groups": ["finance"], "tools": {"allow": ["pay"]}}]}
NO_FINANCE = {**FINANCE, "rules": [{"groups": ["finance"], "tools": {"deny": ["pay"]}}]}
ANN = "ann of https://idp.example"
AUTH = {"issuers": [{"issuer": "https://idp.example"}], "resource": "https://gw.example/notes/mcp"}


def state(config, consumers=None):
    policy = ServerPolicy("notes", config, ((Document("new.yaml", config, None), ()),))
    return Policies({"notes": policy}, consumers=consumers or {})


def call(name="read", principal="ada", outcome="passed", reason="", method="tools/call", server="notes"):
    return RecordedCall(server, method, name, principal, outcome, reason)


def denied(name="pay", **more):
    return call(name, outcome="refused", reason="denied-item", **more)


def words(recorded, new, old=None):
    found = replay({recorded: 3}, new, old)
    return [change.word for change in found.changes] or list(found.left_out)


@pytest.mark.requirement("REPLAY-001")
@pytest.mark.parametrize(
    ("recorded", "config", "expected"),
    [
        (call(), {"tools": {"allow": ["pay"]}}, [ReplayWord.LOST]),
        (call(), {"tools": {"allow": ["read"]}}, []),
        (call(), {"tools": {"allow": ["*"], "deny": ["READ"]}}, [ReplayWord.LOST]),
        (denied(), OPEN, [ReplayWord.GAINED]),
        (denied(), {"tools": {"allow": ["read"]}}, []),
        (denied(), {"tools": {"allow": ["read"]}, "mode": "monitor"}, [ReplayWord.GAINED]),
        (call("pay", outcome="would-refuse"), {"tools": {"allow": ["read"]}}, [ReplayWord.LOST]),
        (call(outcome="withheld"), {"tools": {"allow": []}}, [ReplayWord.LOST]),
        (call("", method="tools/list"), {"tools": {"allow": []}}, []),
        (call("", method=""), {"tools": {"allow": []}}, []),
        (call("", method="x/y"), OPEN, [ReplayWord.LOST]),
        (call("", method="x/y"), {"methods": {"allow": ["x/*"]}}, []),
        (call(server="files"), OPEN, [ReplayWord.LOST]),
        (call("note://a", method="resources/read"), {"resources": {"allow": ["note://b"]}}, [ReplayWord.LOST]),
    ],
)
def test_a_call_ends_as_the_new_policy_says(recorded, config, expected):
    assert words(recorded, state(config)) == expected


@pytest.mark.requirement("REPLAY-002")
@pytest.mark.parametrize(
    ("recorded", "why"),
    [
        (call(""), LeftOut.NO_NAME),
        (call("other"), LeftOut.NO_NAME),
        (call("x" * 256), LeftOut.NO_NAME),
        (call("a\ufffdb"), LeftOut.NO_NAME),
        (call("", method="other"), LeftOut.NO_NAME),
        (call("", method="resources/read"), LeftOut.NO_NAME),
        (call("", method="batch"), LeftOut.BODY),
        (call("", method="completion/complete"), LeftOut.BODY),
        (call("t", method="tasks/get"), LeftOut.BODY),
        (call(outcome="refused", reason="no-token"), LeftOut.OTHER_CAUSE),
        (call(outcome="limited", reason="too-many"), LeftOut.OTHER_CAUSE),
    ],
)
def test_what_was_not_recorded_is_counted_and_not_guessed(recorded, why):
    found = replay({recorded: 3, call(): 2}, state({"tools": {"allow": []}}))
    assert found.left_out == {why: 3}
    assert (found.calls, found.judged) == (5, 2)


@pytest.mark.requirement("REPLAY-002")
def test_arguments_are_not_guessed():
    constrained = {**OPEN, "constraints": [{"tool": "read", "argument": ["path"], "max_length": 9}]}
    assert words(call(), state(constrained)) == [LeftOut.ARGUMENTS]
    assert words(call("pay"), state(constrained)) == []
    assert words(call(), state(constrained), state(constrained)) == []
    assert words(call(), state(constrained), state(OPEN)) == [LeftOut.ARGUMENTS]
    assert words(call(), state({**constrained, "tools": {"allow": []}})) == [ReplayWord.LOST]


@pytest.mark.requirement("REPLAY-003")
@pytest.mark.parametrize("principal", ["ada", ANN, "", "other", "p-0123456789abcdef"])
def test_who_could_be_in_a_group_may_lose_and_may_gain(principal):
    assert words(call("pay", principal), state(FINANCE)) == [ReplayWord.MAY_LOSE]
    assert words(denied(principal=principal), state(FINANCE)) == [ReplayWord.MAY_GAIN]
    assert words(call("read", principal), state(FINANCE)) == []


@pytest.mark.requirement("REPLAY-003")
def test_groups_that_files_name_are_certain():
    known = {"ada": frozenset({"finance"}), "bob": frozenset()}
    assert words(call("pay", "ada"), state(FINANCE, known)) == []
    assert words(call("pay", "bob"), state(FINANCE, known)) == [ReplayWord.LOST]
    assert words(denied(principal="ada"), state(FINANCE, known)) == [ReplayWord.GAINED]


@pytest.mark.requirement("REPLAY-003")
def test_the_policy_that_was_in_force_tells_who_called():
    assert words(call("pay"), state(FINANCE), state(FINANCE)) == []
    assert words(denied(), state(FINANCE), state(FINANCE)) == []
    # Only who is in finance passed, so it is certain who loses.
    assert words(call("pay"), state({"tools": {"allow": ["read"]}}), state(FINANCE)) == [ReplayWord.LOST]
    assert words(call("pay"), state(NO_FINANCE), state(FINANCE)) == [ReplayWord.LOST]
    # Two groups: one that let the call pass, and one that is denied now.
    deny = {**FINANCE, "rules": [*FINANCE["rules"], {"groups": ["intern"], "tools": {"deny": ["pay"]}}]}
    for name in ("ada", ANN, ""):
        assert words(call("pay", name), state(deny), state(FINANCE)) == [ReplayWord.MAY_LOSE]
    # A policy that cannot have been in force says nothing.
    assert words(call("pay"), state(FINANCE), state({"tools": {"allow": ["read"]}})) == [ReplayWord.MAY_LOSE]


@pytest.mark.requirement("REPLAY-003")
@pytest.mark.parametrize("trait", ["scopes", "clients", "via"])
def test_what_a_token_said_is_not_known(trait):
    config = {"auth": AUTH, "tools": {"allow": ["read"]}, "rules": [{trait: ["x"], "tools": {"deny": ["read"]}}]}
    assert words(call("read", ANN), state(config)) == [ReplayWord.MAY_LOSE]
    assert words(call("read", "ada"), state(config)) == []  # a consumer has no token


@pytest.mark.requirement("REPLAY-003")
def test_a_subject_is_one_of_its_issuer():
    rules = [{"subjects": ["ann"], "issuer": "https://idp.example", "tools": {"deny": ["read"]}}]
    config = state({"auth": AUTH, "tools": {"allow": ["read"]}, "rules": rules})
    assert words(call("read", ANN), config) == [ReplayWord.LOST]
    assert words(call("read", "ann of https://other.example"), config) == []
    assert words(call("read", "ann"), config) == []
    assert words(call("read", ""), config) == [ReplayWord.MAY_LOSE]


NAMES = (
    "read",
    "pay",
    "READ",
    " read",
    "p\u202eay",
    "note://a",
    "note://a/../b",
    "note://%61",
    "skill://s/SKILL.md",
    "ui://app",
)


@pytest.mark.requirement("REPLAY-001")
@pytest.mark.parametrize("method", sorted(BY_VIEW))
@pytest.mark.parametrize(
    "more", [{}, {"mode": "monitor"}, {"resources": {"allow": ["note:*"], "deny": ["note://b"]}}, OPEN]
)
def test_the_short_way_decides_as_the_guard_does(method, more):
    policies = state({**FINANCE, "resources": {"allow": ["*"]}, "skills": {"allow": ["skill:*"]}, **more})
    for name in NAMES:
        for groups in ((), ("finance",)):
            who, asked = principal("ada", groups), Wanted(method, METHODS[method].kind, name)
            whole = decided(policies.of("notes"), who, asked, "notes")
            short = replay(
                {call(name, "ada", method=method): 1}, Policies(policies.servers, None, {"ada": frozenset(groups)})
            )
            assert short.judged == 1
            assert short.has(ReplayWord.LOST) is isinstance(whole, Reject), (name, groups, whole)


NEW = """\
tools: {allow: ["list"]}
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.yaml").write_text(NEW)
    store = UsageStore("store.db", migrate=True)
    counts = [
        ("read", "ada", "passed", "", 90),
        ("|x`", "bob\x1b[2J", "passed", "", 2),
        ("list", "ada", "refused", "denied-item", 5),
    ]
    for number, (name, caller, outcome, reason, calls) in enumerate(counts):
        for hour in (HOUR, HOUR - 400):
            key = UsageKey(hour, "notes", "tools/call", name, caller, "modern", "call", outcome, reason, "")
            store.take("node", UsageBatch([f"{number}-{hour}"], 0, {key: Counted(calls)}))
    store.close()

    def run(*arguments, status=1):
        done = CliRunner().invoke(main, ["policy", "replay", "--policy", "new.yaml", *arguments])
        assert done.exit_code == status, done.output
        return done.output

    return run


@pytest.mark.requirement("REPLAY-004")
def test_a_table_says_which_calls_of_whom(run):
    lines = run("--store", "store.db").splitlines()
    assert lines[0].split() == ["-", "notes", "tools/call", "read", "ada", "90", "call(s)", "nothing", "allows", "it"]
    assert "\x1b" not in lines[1]
    assert lines[2].endswith("tools.allow[0] (new.yaml:1)")
    assert lines[3] == "of 97 recorded call(s), 97 were replayed: 92 lost, 5 gained, 0 may lose, 0 may gain"
    assert "of 194 recorded" in run("--store", "store.db", "--since", "30d")


@pytest.mark.requirement("REPLAY-004")
def test_programs_get_json_and_pull_requests_markdown(run):
    told = json.loads(run("--store", "store.db", "--json"))
    assert [(change["word"], change["name"], change["calls"]) for change in told["changes"]] == [
        ("lost", "read", 90),
        ("lost", "|x`", 2),
        ("gained", "list", 5),
    ]
    shown = run("--store", "store.db", "--markdown")
    assert "#### Lost" in shown
    assert all(line.count("|") - line.count("\\|") == 7 for line in shown.splitlines() if line.startswith("| `"))


@pytest.mark.requirement("REPLAY-004")
def test_the_exit_status_tells_a_pipeline(run, tmp_path):
    run("--store", "store.db", "--fail-on", "loss")
    run("--store", "store.db", "--fail-on", "gain")
    (tmp_path / "new.yaml").write_text("tools: {allow: ['*'], deny: [list]}")
    assert "97 were replayed: 0 lost" in run("--store", "store.db", status=0)
    run("--store", "store.db", "--old", "missing.yaml", status=2)
    (tmp_path / "new.yaml").write_text("tools: {allow: ['*']}")
    run("--store", "store.db", "--fail-on", "loss", status=0)


@pytest.mark.requirement("REPLAY-004")
def test_nothing_that_could_be_replayed_is_no_success(run, tmp_path):
    assert "no call was recorded" in run("--store", "store.db", "--server", "files", status=2)
    assert "no store" in run("--store", "nothing.db", status=2)
    assert "no such folder" in run("--log", "nothing", status=2)
    run(status=2)
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "audit-000000000001.jsonl").write_text('{"event": {"time": 9999999999999}, "seq": 1}\n')
    assert "no audit log of this release" in run("--log", "audit", status=2)


@pytest.mark.requirement("REPLAY-001")
def test_an_audit_log_has_resources_too(run, tmp_path):
    now = time.time_ns() // 1_000_000
    log = AuditLog(tmp_path / "audit", signing_key(b"k" * 32))
    asked = {"method": "resources/read", "name": "note://a"}
    for number, (said, at) in enumerate([({}, now), (asked, now), (asked, now - 10 * 86_400_000)]):
        value = logged(said={**SAID, **said}, request={"id": f"{number:032x}"}, started_at=at)
        log.append([event(read(value, at)[0], "0", lambda name: name)])
    lines = run("--log", "audit").splitlines()
    assert [line.split()[2:5] for line in lines[:2]] == [
        ["resources/read", "note://a", "ada"],
        ["tools/call", "good", "ada"],
    ]
    assert lines[2].startswith("of 2 recorded call(s)")
    assert "of 0 recorded" in run("--log", "audit", "--server", "files", status=2)
