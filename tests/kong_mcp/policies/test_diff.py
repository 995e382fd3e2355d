"""kong-mcp policy diff: who gains and loses what, over known surfaces; and what globs catch beyond them."""

import json

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from kong_mcp.cli import main
from kong_mcp.policies import report
from kong_mcp.policies.compare import EVERYONE, EVERYONE_ELSE, compare
from kong_mcp.policies.documents import Document
from kong_mcp.policies.source import Policies, ServerPolicy, principal
from kong_mcp.policies.surfaces import KnownSurfaces, Offer
from mcp_core.methods import Kind
from mcp_core.scan.items import ItemKind
from mcp_sidecar.store.sightings import Sighting
from mcp_sidecar.store.store import State, Store
from mcp_sidecar.store.values import ItemId

OLD = """\
tools: {allow: [good, "read_*"]}
resources: {allow: ["note://public/*"]}
rules:
  - groups: [finance]
    tools: {allow: [invoice_pay]}
  - consumers: [ada]
    tools: {allow: [delete_file]}
"""
NEW = """\
tools: {allow: [good, "read_*", "list_*"], deny: ["read_mail"]}
resources: {allow: ["note://public/*"], deny: ["note://public/{id}"]}
rules:
  - groups: [finance]
    tools: {allow: ["invoice_*", typo]}
"""
NAMES = ("good", "read_mail", "read_file", "list_files", "invoice_pay", "invoice_send", "delete_file")
SURFACE = {
    "tools": [{"name": name} for name in NAMES],
    "resources": [{"uri": "note://public/x"}],
    "resourceTemplates": [{"uriTemplate": "note://public/{id}"}],
}


@pytest.fixture
def run(tmp_path):
    def run(old, new, *arguments, surface=SURFACE):
        paths = []
        for name, text in (("old.yaml", old), ("new.yaml", new)):
            paths.append(tmp_path / name)
            paths[-1].write_text(text)
        (tmp_path / "surface.json").write_text(json.dumps(surface))
        given = () if surface is None else ("--surface", f"files={tmp_path / 'surface.json'}")
        command = ["policy", "diff", *map(str, paths), *given, *map(str, arguments)]
        ended = CliRunner().invoke(main, command)
        return ended.exit_code, ended.output.replace(f"{tmp_path}/", "")

    return run


@pytest.mark.requirement("KNOW-004")
def test_the_table_says_who_gains_and_loses_what_and_by_which_line(run):
    status, said = run(OLD, NEW)
    assert status == 1
    rows = [" ".join(line.split()) for line in said.splitlines()]
    assert rows == [
        "- files template note://public/{id} everyone resources.deny[0] (new.yaml:2)",
        "- files tool delete_file consumer ada nothing allows it: before, rules[1].tools.allow[0] (old.yaml:7) did",
        "+ files tool invoice_send group finance rules[0].tools.allow[0] (new.yaml:5)",
        "+ files tool list_files everyone tools.allow[2] (new.yaml:1)",
        "- files tool read_mail everyone tools.deny[0] (new.yaml:1)",
        "beyond what is known:",
        "+ files tools.allow with list_* everyone new.yaml:1 1 known item, and any later one",
        "+ files tools.allow with invoice_* group finance new.yaml:5 2 known items, and any later one",
        "+ files tools.allow with typo group finance new.yaml:5 no known item",
        "2 item(s) gained, 3 lost, 3 change(s) beyond what is known; 1 server(s) and 9 known item(s) compared",
    ]


@pytest.mark.requirement("KNOW-005")
def test_the_exit_status_is_for_ci(run):
    narrower = OLD.replace('"read_*"', "read_file")
    assert run(OLD, OLD) == (
        0,
        "0 item(s) gained, 0 lost, 0 change(s) beyond what is known; 1 server(s) and 9 known item(s) compared\n",
    )
    assert run(OLD, narrower)[0] == 1
    assert run(OLD, narrower, "--fail-on", "gain")[0] == 0
    assert run(narrower, OLD, "--fail-on", "gain")[0] == 1
    # A glob that catches nothing known yet is a gain all the same.
    assert run(OLD, OLD + "prompts: {allow: ['x_*']}\n", "--fail-on", "gain")[0] == 1
    assert run(OLD, OLD + "mode: monitor\n", "--fail-on", "gain", surface=None)[0] == 1
    status, said = run(OLD, "tools: [x]\n")
    assert (status, "new.yaml:1: tools: write {allow" in said) == (2, True)
    status, said = run(OLD, OLD, surface={"tools": [{"name": "a"}, {}]})
    assert (status, "surface.json: tools[1] has no name" in said) == (2, True)


@pytest.mark.requirement("KNOW-004")
def test_without_known_surfaces_the_globs_are_compared(run):
    status, said = run(OLD, NEW, surface=None)
    assert status == 1
    assert "+  every server  tools.allow without" not in said
    assert "every server  tools.allow with     list_*" in said
    assert "0 item(s) gained, 0 lost" in said


@pytest.mark.requirement("KNOW-004")
def test_the_json_has_the_same_in_parts(run):
    value = json.loads(run(OLD, NEW, "--json")[1])
    assert [one["name"] for one in value["gained"]] == ["invoice_send", "list_files"]
    assert value["lost"][1] == {
        "server": "files",
        "kind": "tool",
        "name": "delete_file",
        "who": ["consumer ada"],
        "by": "nothing allows it: before, rules[1].tools.allow[0] (old.yaml:7) did",
    }
    assert value["beyond"][2] == {
        "direction": "gain",
        "server": "files",
        "change": "added",
        "field": "tools.allow",
        "value": "typo",
        "who": ["group finance"],
        "at": "new.yaml:5",
        "known": 0,
    }


HOSTILE = "a|`x` <img src=x> @all \x1b[2J\u202e[click](http://e)"


@pytest.mark.requirement("KNOW-004")
def test_in_markdown_a_servers_text_is_no_markup(run, monkeypatch):
    everything = 'tools: {allow: ["*"]}\n'
    status, said = run("{}", everything, "--markdown", surface={"tools": [{"name": HOSTILE}, {"name": "x" * 999}]})
    assert status == 1
    row = next(line for line in said.splitlines() if "img" in line)
    assert "``` a\\|`x` <img src=x> @all \\x1b[2J\\u202e[click](http://e) ```" in row
    assert said.isascii()
    assert "x" * 101 not in said
    monkeypatch.setattr(report, "MOST_ROWS", 1)
    said = run("{}", everything, "--markdown")[1]
    assert "and 6 more: `kong-mcp policy diff --json` has all." in said


DECK = """\
_format_version: "3.0"
consumers:
  - {username: ada, tags: ["group:finance"]}
  - {username: bob}
services:
  - name: s
    plugins: [{name: mcp-guard, config: {server: files, tools: {allow: [good]}, rules: [
      {groups: [finance], tools: {allow: [invoice_pay]}}]}}]
"""


@pytest.mark.requirement("KNOW-004")
def test_consumers_are_known_by_their_groups_and_servers_come_and_go(run):
    moved = DECK.replace("{username: bob}", '{username: bob, tags: ["group:finance"]}')
    said = run(DECK, moved)[1]
    assert "+  files  tool  invoice_pay  consumer bob" in said
    assert "1 item(s) gained, 0 lost" in said
    said = run(DECK, DECK.replace("ada", "eve"))[1]
    assert "+ consumer eve\n- consumer ada\n" in said
    gone = DECK.replace("server: files", "server: other")
    said = run(DECK, gone)[1]
    assert "-  files  tool  good         everyone" in said
    assert "the server is gone" in said
    assert "+ server other\n- server files\n" in said


@pytest.mark.requirement("KNOW-004")
def test_pins_and_monitor_mode_count_as_agents_see_them(run, tmp_path):
    address = str(tmp_path / "store.db")
    store = Store(address, migrate=True)
    from mcp_core.pins.states import DEFAULT_RULES  # noqa: PLC0415 - beside what needs it

    sightings = [Sighting.of(ItemKind.TOOL, name, {"name": name}) for name in ("good", "bad")]
    store.observe("files", sightings, rules=DEFAULT_RULES, now=1)
    store.decide(ItemId("files", ItemKind.TOOL, "bad"), State.REJECTED, reviewer="r", why="w", now=2)
    store.close()
    pinned = 'tools: {allow: ["*"]}\npins: {mode: enforce}\n'
    status, said = run(pinned, 'tools: {allow: ["*"]}\n', "--store", address, surface=None)
    assert status == 1
    assert "+  files  tool  bad  everyone  tools.allow[0] (new.yaml:1)" in said
    assert "good" not in said
    assert "pins.mode  off  everyone" in said
    lock = tmp_path / "mcp.lock"
    assert CliRunner().invoke(main, ["surface", "lock", str(lock), "--store", address]).exit_code == 0
    said = run("tools: {allow: [x]}\n", "tools: {allow: [x]}\nmode: monitor\n", "--lock", lock, surface=None)[1]
    assert "+  files  tool  good  everyone  mode (new.yaml:2)" in said
    status, said = run(OLD, NEW, "--lock", lock)
    assert (status, "give one of --lock, --store and --surface" in said) == (2, True)


@pytest.mark.requirement("KNOW-004")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "surface.json"),
        ('{"tools": {}}', "surface.json:1: give the answer to tools/list"),
        ('{"mcpServers": {"a": {"url": "http://x"}}}', "give the answer to tools/list"),
        ('{"name": "a", "server": "s"}\n{"name": "b", "server": 7}', "surface.json:2: say whose tool this is"),
        ('{"name": "a", "server": "s"}\nnothing', "surface.json:2: the line is not strict JSON"),
    ],
)
def test_a_surface_that_cannot_be_read_is_refused_with_its_place(tmp_path, text, said):
    path = tmp_path / "surface.json"
    path.write_text(text)
    command = ["policy", "diff", str(tmp_path / "a"), str(tmp_path / "b"), "--surface", str(path)]
    for name in "ab":
        (tmp_path / name).write_text(OLD)
    ended = CliRunner().invoke(main, command)
    assert (ended.exit_code, said in ended.output) == (2, True), ended.output


GLOBS = st.lists(st.sampled_from(["a", "b", "a*", "*", "ab", "A"]), max_size=3)
ACCESS = st.fixed_dictionaries({"allow": GLOBS, "deny": GLOBS})
RULES = st.lists(
    st.fixed_dictionaries(
        {
            "groups": st.lists(st.sampled_from(["g", "h"]), min_size=1, max_size=2),
            "consumers": st.lists(st.sampled_from(["ann", "bob"]), max_size=1),
            "tools": ACCESS,
        }
    ),
    max_size=2,
)
CONFIGS = st.fixed_dictionaries(
    {"tools": ACCESS, "rules": RULES, "mode": st.sampled_from(["enforce", "enforce", "monitor"])}
)
MEMBERS = st.dictionaries(st.sampled_from(["ann", "bob", "eve"]), st.sets(st.sampled_from(["g", "h"])).map(frozenset))
OFFERS = ("a", "A", "ab", "b", "c")


def state(config, members):
    origin = Document("p", config, None), ()
    return Policies({"s": ServerPolicy("s", config, (origin,))}, None, {"zed": frozenset(), **members})


@pytest.mark.requirement("KNOW-004")
@settings(max_examples=250)
@given(CONFIGS, CONFIGS, MEMBERS, MEMBERS)
def test_what_each_caller_gains_and_loses_is_what_the_two_policies_say(before, after, was_members, members):
    old, new = state(before, was_members), state(after, members)
    known = KnownSurfaces({"s": [Offer(ItemKind.TOOL, name) for name in OFFERS]})
    found = compare(old, new, known)
    told = {(one.name, one.direction): one.who for one in found.items}
    words = {word for who in told.values() for word in who}
    for name in (set(was_members) & set(members)) | {"zed", None}:
        caller = [principal(name, (one.consumers.get(name) or ()) if name else ()) for one in (old, new)]
        word = EVERYONE_ELSE if name is None else f"consumer {name}"
        for item in OFFERS:
            sees = [shows(one, who, item) for one, who in zip((old, new), caller, strict=True)]
            for direction, changed in (("gain", sees == [False, True]), ("loss", sees == [True, False])):
                who = told.get((item, direction), ())
                as_else = EVERYONE_ELSE in who and not any(word in other for other in told.values())
                said = EVERYONE in who or word in who or as_else
                if word in words or word == EVERYONE_ELSE or EVERYONE in who:
                    assert said is changed, (name, item, direction)
    if any(shows(new, one, "zz") and not shows(old, one, "zz") for one in (principal(None), principal(None, ["g"]))):
        # Nobody offers it yet, and a glob that is added stands for it.
        assert any(glob.direction == "gain" for glob in found.globs)


def shows(state, who, name):
    guard = state.of("s").guard
    return not guard.enforce or guard.policy.view(who).allows(Kind.TOOL, name)
