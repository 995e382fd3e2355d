"""Server files of virtual servers: what they name, what they may not say, and what Kong gets for them."""

import re

import pytest

from deck.support import ROOT
from kong_mcp.declare.folder import together
from kong_mcp.declare.render import TAG, assemble, shared_files
from kong_mcp.declare.server_file import read_text
from mcp_core.adaptive.flow import BOTH, FlowRules
from mcp_core.methods import Kind

WEATHER = "name: weather\nreplicas: ['https://10.0.0.7/mcp']\ntools: {allow: ['get_*']}\n"
LIMITED = WEATHER + "auth: [jwt]\nplugins: [{name: rate-limiting, config: {minute: 5}}]\n"


def folder(*texts):
    read = [read_text(text.encode(), f"{at}.yaml") for at, text in enumerate(texts)]
    return together([one for one, _ in read if one is not None], [problem for _, found in read for problem in found])


def state(*texts):
    found = folder(*texts)
    assert found.errors == []
    return assemble(found.servers, shared_files(answers=True), TAG)


def entity(state, kind, name):
    return next(one for one in state.sections[kind] if one["name"] == name)


@pytest.mark.requirement("VIRT-004")
@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("name: desk\nservers: [wether]\n", "servers[0]", "did you mean weather?"),
        ("name: desk\nservers: ['team-*']\n", "servers[0]", "no server here"),
        ("name: desk\nservers: [desk]\n", "servers[0]", "a virtual server itself"),
        ("name: desk\nservers: []\n", "servers", "an empty list"),
        ("name: desk\nservers: [weather]\nreplicas: ['http://h/mcp']\n", "replicas", "each member's own"),
        ("name: desk\nservers: [weather]\npins: {mode: enforce}\n", "pins", "each member's own"),
        ("name: desk\nservers: [weather]\nbudget: {mode: full}\n", "budget", "tokens: 8000"),
        ("name: desk\nservers: [weather]\nbudget: {tokens: -1}\n", "budget.tokens", "a whole number from 0"),
        ("name: desk\nservers: [weather]\nprefix: sometimes\n", "prefix", "when-needed"),
        ("name: desk\nreplicas: ['http://h/mcp']\nprefix: always\n", "prefix", "for virtual servers"),
        ("name: desk\n", "", "found no replicas"),
        ("name: desk\nservers: [weather]\nflow: {}\n", "flow", "write mode: enforce"),
        ("name: desk\nservers: [weather]\nflow: {window: 90}\n", "flow", "write mode: enforce"),
        ("name: desk\nservers: [weather]\nflow: {mode: on}\n", "flow.mode", "enforce"),
        ("name: desk\nservers: [weather]\nlabels: [{tools: ['*']}]\n", "labels", "each member's own"),
        ("name: x\nreplicas: ['http://h/mcp']\nflow: {mode: enforce}\n", "flow", "for virtual servers"),
        ("name: x\nreplicas: ['http://h/mcp']\nlabels: [{reads: [private]}]\n", "labels[0]", "name the tools"),
        (
            "name: x\nreplicas: ['http://h/mcp']\nlabels: [{tools: [a], reads: [all]}]\n",
            "labels[0].reads[0]",
            "private",
        ),
        (
            "name: desk\nservers: [weather]\nflow: {mode: enforce, permits: [{server: wether, tools: [a]}]}\n",
            "flow.permits[0].server",
            "did you mean weather?",
        ),
        (
            "name: desk\nservers: [weather]\nflow: {mode: enforce, labels: [{server: weather, reads: [private]}]}\n",
            "flow.labels[0]",
            "name the tools",
        ),
    ],
)
def test_what_cannot_be_is_said_with_its_place(text, where, said):
    problems = folder(WEATHER, text).errors
    assert any(problem.where == where and said in problem.text for problem in problems), problems


@pytest.mark.requirement("VIRT-004")
def test_a_member_that_acl_would_shut_out_is_warned_of():
    (warning,) = folder(
        WEATHER + "plugins: [{name: acl, config: {allow: [a]}}]\n", "name: d\nservers: ['*']\n"
    ).problems
    assert warning.warning
    assert "left out" in warning.text


@pytest.mark.requirement("VIRT-004")
def test_a_virtual_server_opens_nothing_and_its_members_get_a_way_for_the_sidecar_alone():
    made = state(LIMITED, "name: desk\nservers: ['w*']\n")
    guard = made.plugin_configs["mcp-guard-desk"]
    assert (guard["members"], guard["upstream"]) == (["weather"], "closed")
    assert guard["tools"] == {"allow": ["*"]}
    assert not any("desk" in upstream["name"] for upstream in made.sections["upstreams"])
    acting = entity(made, "services", "acting-weather")
    assert [one["name"] for one in acting["plugins"]] == ["rate-limiting"]
    assert acting["protocol"] == "https"
    assert [route["methods"] for route in acting["routes"]] == [["POST"], ["GET", "DELETE"]]
    for route in acting["routes"]:
        assert (route["hosts"], route["paths"]) == (["mcp-internal"], ["~/-/weather/mcp$"])
        (plugin,) = route["plugins"]
        assert (plugin["_config"], plugin["config"]) == ("mcp-guard-weather", {"deputies": "for-known"})


@pytest.mark.requirement("VIRT-004")
def test_only_who_asks_nobody_is_asked_for_anyone():
    made = state(WEATHER + "auth: []\n", "name: desk\nservers: [weather]\n")
    (plugin,) = entity(made, "services", "acting-weather")["routes"][0]["plugins"]
    assert plugin["config"] == {"deputies": "for-anyone"}


@pytest.mark.requirement("VIRT-004")
def test_who_is_no_member_has_no_such_way():
    made = state(WEATHER, WEATHER.replace("weather", "other"), "name: desk\nservers: [weather]\n")
    names = {service["name"] for service in made.sections["services"]}
    assert "acting-weather" in names
    assert not {"acting-other", "acting-desk"} & names


LABELLED = WEATHER + "labels: [{tools: ['get_*'], reads: [untrusted]}]\n"
GUARDED = "name: desk\nservers: [weather]\nflow: {mode: enforce, labels: [{server: weather, tools: [a]}], window: 90}\n"


@pytest.mark.requirement("FLOW-101")
def test_a_virtual_servers_guard_gets_the_labels_of_its_members():
    servers = {server.name: server for server in folder(LABELLED, GUARDED).servers}
    flow = servers["desk"].guard["flow"]
    assert flow["mode"] == "enforce"
    assert flow["window"] == 90
    assert flow["labels"] == [
        {"server": "weather", "tools": ["a"]},
        {"server": "weather", "tools": ["get_*"], "reads": ["untrusted"]},
    ]
    assert "labels" not in servers["weather"].guard


@pytest.mark.requirement("FLOW-101")
def test_members_without_labels_are_warned_of():
    bare = "name: desk\nservers: [weather]\nflow: {mode: enforce}\n"
    (warning,) = folder(WEATHER, bare).problems
    assert warning.warning
    assert "anything of weather" in warning.text
    assert not folder(LABELLED, bare).problems


@pytest.mark.requirement("FLOW-101")
def test_the_example_of_the_docs_can_be_used():
    page = (ROOT / "docs" / "flow-rules.md").read_text(encoding="utf-8")
    found = folder(*re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    assert not found.problems
    desk = next(server for server in found.servers if server.name == "desk")
    flow = FlowRules.from_json(desk.guard["flow"])
    assert flow.labels_of("mail", Kind.TOOL, "read_inbox").reads == BOTH
    assert flow.labels_of("mail", Kind.TOOL, "send_report").external
