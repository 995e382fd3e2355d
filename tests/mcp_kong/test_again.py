"""Which verdicts the guard says may be used again: those by which nothing in the arguments was looked at."""

from __future__ import annotations

import json
import time

import msgspec
import pytest
from kong_side import ANN, ANNS_HEADERS, CONFIG, KEY, KongSide

from clock import Clock
from mcp_core.auth import revoked
from mcp_core.decide import Admitted
from mcp_core.health import told
from mcp_core.health.breaker import Why
from mcp_core.health.told import ClosedServer
from mcp_core.methods import Era, Lane
from mcp_core.principal import NOBODY
from mcp_core.question import Question
from mcp_core.seal import Session
from mcp_core.sealed_file import sign_of
from mcp_kong import again as reuse
from mcp_kong import sealed_files
from mcp_kong.again import SWITCH, Reuse
from mcp_kong.guard import Guard
from mcp_kong.health_file import CHECK_SECONDS

pytestmark = pytest.mark.requirement("FAST-010")
HEADERS = {"content-type": "application/json", "mcp-protocol-version": "2025-11-25"}


def call(method="tools/call", **params):
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": "open", "arguments": {}, **params}}


def again(message=None, headers=HEADERS, guard=None, consumer=None, **config):
    """Return what the question of an allowed call says it stands by, None where it says nothing."""
    side = KongSide(json.dumps(message or call()).encode(), headers, consumer=consumer)
    (guard or Guard(CONFIG | config)).access(side.pdk)
    assert side.question, "it was to pass by the call lane"
    return side.question.get("again")


def test_a_call_by_policy_alone_may_be_used_again():
    assert again() == ""
    assert again(headers=HEADERS | ANNS_HEADERS, consumer=ANN) == ""


LIMITS = {"body": 16383, "depth": 15, "keys": 16383, "values": 16383, "id_length": 63, "digits": 31}


@pytest.mark.parametrize(
    "config",
    [
        {"constraints": [{"tool": "other", "argument": ["to"], "one_of": ["a"]}]},
        {"param_headers": [{"tool": "other", "header": "To", "argument": ["to"]}]},
        *({"limits": {name: value}} for name, value in LIMITS.items()),
    ],
    ids=str,
)
def test_where_arguments_are_looked_at_or_little_of_them_is_allowed_each_call_is_asked(config):
    assert again(**config) is None


def test_where_as_much_is_allowed_as_is_taken_unasked_nothing_changes():
    assert again(limits={name: value + 1 for name, value in LIMITS.items()}) == ""


def test_what_is_no_call_of_a_tool_is_asked_each_time():
    assert again(call("prompts/get"), prompts={"allow": ["*"]}) is None
    assert again({"jsonrpc": "2.0", "method": "notifications/initialized"}) is None


@pytest.mark.requirement("FAST-014")
def test_a_message_that_says_its_trace_itself_is_asked_each_time():
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for headers in (HEADERS, HEADERS | {"traceparent": parent}):
        assert again(call(_meta={"traceparent": parent}), headers) is None
        assert again(call(_meta={"traceparent": "none"}), headers) == ""


def test_what_monitor_mode_forgives_is_asked_each_time():
    assert again(call(name="shut"), mode="monitor") is None
    assert again(mode="monitor") == ""


def test_the_switch_has_every_call_asked(monkeypatch):
    monkeypatch.setenv(SWITCH, "off")
    assert again() is None


def test_a_session_that_ends_within_the_second_is_asked_each_time():
    clock = Clock()
    reuse = Reuse(Guard(CONFIG | {"session_max_age": 60})._settings, {}, {}, clock)
    session = Session("notes", NOBODY, "s-1", "a-1", 1000)
    admitted = Admitted(
        *(Lane.CALL, Era.LEGACY, "2025-11-25", "tools/call", "open", 1, Question(Era.LEGACY, "2025-11-25"), session)
    )
    found = []
    for clock.now in (1000.0, 1059.0, 1059.1, 1060.0):
        found.append(reuse.word(admitted))
    assert found == ["", "", None, None]


@pytest.mark.requirement("FAST-011")
def test_the_word_is_that_of_the_file_that_the_verdict_was_made_by(tmp_path, monkeypatch):
    path = tmp_path / "health"
    monkeypatch.setenv("KONG_MCP_HEALTH", str(path))
    guard = Guard(CONFIG)
    health = guard._settings.health
    assert again(guard=guard) == "h=-;"
    written = told.FILE.seal(
        msgspec.msgpack.encode(told.to_values("1", {"other": ClosedServer(Why.ERRORS, time.time() + 60)})), (KEY,)
    )
    path.write_bytes(written)
    monkeypatch.setattr(health, "_looked", -CHECK_SECONDS)
    assert again(guard=guard) == f"h={sign_of(written)};"
    path.write_bytes(b"what nobody wrote")
    monkeypatch.setattr(health, "_looked", -CHECK_SECONDS)
    assert again(guard=guard) is None


@pytest.mark.requirement("FAST-011")
def test_where_nobody_knows_who_was_cut_off_a_verdict_is_for_one_call(tmp_path, monkeypatch):
    path = tmp_path / "revoked"
    monkeypatch.setenv("KONG_MCP_REVOKED", str(path))
    guard = Guard(CONFIG)
    list_ = guard._settings.revoked
    assert again(guard=guard) is None
    written = revoked.FILE.seal(msgspec.msgpack.encode(revoked.to_values("1", revoked.Revoked())), (KEY,))
    path.write_bytes(written)
    list_.look()
    assert again(guard=guard) == f"r={sign_of(written)};"
    path.unlink()
    monkeypatch.setattr(list_._file, "_looked", -sealed_files.CHECK_SECONDS)
    list_.look()
    assert again(guard=guard) is None


def test_what_stands_on_another_way_of_calling_is_never_used_again():
    settings = Guard(CONFIG)._settings
    for name in ("tokens", "server_tokens", "virtual", "pages"):
        changed = Changed(settings, **{name: object()})
        assert Reuse(changed, {}, {})._never is True
    assert Reuse(settings, {}, {})._never is False


class Changed:
    """Settings with other members."""

    def __init__(self, settings, **members):
        self._settings = settings
        self.__dict__.update(members)

    def __getattr__(self, name):
        return getattr(self._settings, name)


@pytest.mark.requirement("FAST-012")
def test_a_law_is_of_one_plugin_server_and_one_configuration(monkeypatch):
    settings = Guard(CONFIG)._settings

    def law(config):
        return Reuse(settings, config, {}).law

    mine = law({"a": 1, "b": [2]})
    assert mine == law({"b": [2], "a": 1})
    assert mine != law({"a": 1, "b": [3]})
    monkeypatch.setattr(reuse, "_BORN", b"another plugin server's")
    assert mine != law({"a": 1, "b": [2]})
