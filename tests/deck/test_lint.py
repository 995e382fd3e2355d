"""deck/lint.yaml against one unsafe change at a time: each is refused by its own rule, and by no other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deck.support import DECK, deck, dump, load

State = dict[str, Any]
GOLDEN = Path(__file__).parent / "golden" / "examples.yaml"


def service(state: State, name: str) -> State:
    return next(item for item in state["services"] if item["name"] == name)


def route(state: State, name: str) -> State:
    return service(state, name)["routes"][0]


def plugin(state: State, name: str, kind: str) -> State:
    owners = [service(state, name), route(state, name)]
    return next(item for owner in owners for item in owner.get("plugins", ()) if item["name"] == kind)


def upstream(state: State, name: str) -> State:
    return next(item for item in state["upstreams"] if item["name"] == name)


def without(kind: str, name: str = "mcp-internal") -> Callable[[State], None]:
    def change(state: State) -> None:
        for owner in (service(state, name), route(state, name)):
            owner["plugins"] = [item for item in owner.get("plugins", ()) if item["name"] != kind]

    return change


def to_sidecar(*paths: str) -> Callable[[State], None]:
    route = {"name": "registry", **({"paths": list(paths)} if paths else {"hosts": ["h"]})}
    return lambda state: state["services"].append({"name": "registry", "host": "mcp-sidecar", "routes": [route]})


def off(kind: str, name: str = "mcp-internal") -> Callable[[State], None]:
    return lambda state: plugin(state, name, kind).update(enabled=False)


def config(kind: str, name: str = "mcp-files", **fields: Any) -> Callable[[State], None]:
    return lambda state: plugin(state, name, kind)["config"].update(fields)


def config_without(kind: str, field: str, name: str = "mcp-files") -> Callable[[State], None]:
    return lambda state: plugin(state, name, kind)["config"].pop(field)


INTERNAL = "mcp-internal"
SIDECAR = "This route leads past mcp-guard to more of the sidecar"
OPEN, PAST = "This MCP service is open", "This service leads straight to an MCP upstream"
NO_GUARD, BLIND = "This MCP route has no working mcp-guard", "This mcp-guard does not know what it guards"
HELD, TIMES = "This MCP route holds answers back", "This MCP service lacks its timeouts"
LEAK, HYPHEN = "This plugin hands the agent's credential on", "Kong finds no value for a hash header with a hyphen"
NO_PLUGIN, HOST = "This route has no working mcp-internal", "answers on the agents' own address"

GLOBAL = "counts what the sidecar asks for all agents"

UNSAFE: dict[str, tuple[Callable[[State], Any], set[str]]] = {
    "a host of its own": (lambda s: service(s, "mcp-files").update(host="files.internal"), {OPEN}),
    "the host is the upstream": (lambda s: service(s, "mcp-files").update(host="mcp-files"), {OPEN, PAST}),
    "no host": (lambda s: service(s, "mcp-files").pop("host"), {OPEN}),
    "the sidecar's metrics": (to_sidecar("/metrics"), {SIDECAR}),
    "more of the sidecar beside its registry": (to_sidecar("~/registry/v0.1/servers$", "/"), {SIDECAR}),
    "the sidecar by no path": (to_sidecar(), {SIDECAR}),
    "an unguarded name": (lambda s: service(s, "mcp-files").update(host="mcp-files", name="files"), {PAST}),
    "closed has a target": (
        lambda s: upstream(s, "closed").update(targets=[{"target": "a:1"}]),
        {"`closed` has targets"},
    ),
    "no guard": (without("mcp-guard", "mcp-files"), {NO_GUARD}),
    "no guard on the last server": (without("mcp-guard", "mcp-search"), {NO_GUARD}),
    "no plugins": (lambda s: route(s, "mcp-files").pop("plugins"), {NO_GUARD}),
    "guard disabled": (off("mcp-guard", "mcp-files"), {NO_GUARD}),
    "guard without config": (lambda s: plugin(s, "mcp-files", "mcp-guard").pop("config"), {BLIND}),
    "guard without server": (config_without("mcp-guard", "server"), {BLIND}),
    "guard with an empty server": (config("mcp-guard", server=""), {BLIND}),
    "guard without upstream": (config_without("mcp-guard", "upstream", "mcp-search"), {BLIND}),
    "buffered answers": (lambda s: route(s, "mcp-files").update(response_buffering=True), {HELD}),
    "buffering by default": (lambda s: route(s, INTERNAL).pop("response_buffering"), {HELD}),
    "no read timeout": (lambda s: service(s, "mcp-files").pop("read_timeout"), {TIMES}),
    "no write timeout": (lambda s: service(s, "mcp-files").pop("write_timeout"), {TIMES}),
    "no connect timeout": (lambda s: service(s, INTERNAL).pop("connect_timeout"), {TIMES}),
    "Kong's default timeouts": (lambda s: service(s, "mcp-files").update(read_timeout=60000), {TIMES}),
    "a hash header with a hyphen": (
        lambda s: upstream(s, "mcp-files-sessions").update(hash_on_header="mcp-affinity"),
        {HYPHEN},
    ),
    "credentials go through": (config("key-auth", hide_credentials=False), {LEAK}),
    "credentials go through by default": (config_without("key-auth", "hide_credentials"), {LEAK}),
    "a global limit": (
        lambda s: s.setdefault("plugins", []).append({"name": "rate-limiting", "config": {"minute": 5}}),
        {GLOBAL},
    ),
    "strangers let in": (config("key-auth", anonymous="guest"), {"lets in whoever fails to prove"}),
    "no guard on the route for streams": (lambda s: service(s, "mcp-files")["routes"][1].pop("plugins"), {NO_GUARD}),
    "internal without its plugin": (without("mcp-internal"), {NO_PLUGIN}),
    "internal plugin disabled": (off("mcp-internal"), {NO_PLUGIN}),
    "internal without its plugin for streams": (without("mcp-internal", "mcp-internal-stream"), {NO_PLUGIN}),
    "internal with a host of a server": (lambda s: service(s, INTERNAL).update(host="mcp-files"), {OPEN, PAST}),
    "an internal service of its own": (
        lambda s: s["services"].append(service(s, "mcp-files") | {"name": "mcp-internal-files", "host": "mcp-files"}),
        {OPEN, PAST},
    ),
    "internal without a host": (lambda s: route(s, INTERNAL).pop("hosts"), {HOST}),
    "internal on a second host": (lambda s: route(s, INTERNAL).update(hosts=["mcp-internal", "gateway"]), {HOST}),
}


def lint(path: Path) -> tuple[int, list[str]]:
    done = deck("file", "lint", "--state", path, DECK / "lint.yaml")
    assert done.stderr == ""
    return done.returncode, [line for line in done.stdout.splitlines() if line.startswith("[")]


@pytest.mark.requirement("DECK-006")
def test_the_examples_are_safe() -> None:
    assert lint(GOLDEN) == (0, [])


@pytest.mark.requirement("DECK-006")
def test_a_guard_that_is_enabled_explicitly_is_safe(tmp_path: Path) -> None:
    state = load(GOLDEN)
    plugin(state, "mcp-files", "mcp-guard")["enabled"] = True
    assert lint(dump(state, tmp_path / "state.yaml")) == (0, [])


@pytest.mark.requirement("DECK-001")
@pytest.mark.requirement("DECK-002")
@pytest.mark.requirement("DECK-003")
@pytest.mark.requirement("DECK-004")
@pytest.mark.requirement("DECK-005")
@pytest.mark.parametrize("name", UNSAFE)
def test_an_unsafe_state_is_refused_by_its_rule(name: str, tmp_path: Path) -> None:
    change, expected = UNSAFE[name]
    state = load(GOLDEN)
    change(state)
    code, lines = lint(dump(state, tmp_path / "state.yaml"))
    assert code != 0
    assert len(lines) == len(expected), lines
    assert all(any(message in line for line in lines) for message in expected), lines


@pytest.mark.requirement("DECK-006")
def test_every_rule_is_tried_here_and_says_what_to_do() -> None:
    rules = load(DECK / "lint.yaml")["rules"]
    tried = set().union(*(expected for _, expected in UNSAFE.values()))
    for name, rule in rules.items():
        assert any(message in rule["message"] for message in tried), f"no unsafe state tries {name}"
        assert rule["severity"] == "error"
