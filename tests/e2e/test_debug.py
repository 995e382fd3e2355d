"""Debug lines of one principal through a whole gateway: calls, refusals and lists, and nobody else's."""

import json
import os
import subprocess
import sys

import pytest

from e2e.harness import KINDS, modern, start
from mcp_sidecar.store.debug_words import DebugStore
from servers.launch import wait_for
from servers.stores import opened

SECRET = "hush-hush-4711"


def lines(running):
    text = (running.dev.folder / "sidecar.log").read_text()
    every = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines() if line.startswith("{")]
    return [line for line in every if line["event"].startswith("debug")]


def debug(store, *arguments):
    command = [sys.executable, "-c", "from kong_mcp.cli import main; main()", "debug", *arguments]
    subprocess.run(command, env={**os.environ, "MCP_SIDECAR_STORE": store}, check=True, timeout=60)


@pytest.mark.requirement("DBG-003")
@pytest.mark.parametrize("kind", KINDS)
def test_each_request_of_a_principal_is_one_line_without_what_it_said(kind, tmp_path):
    store = str(tmp_path / "store.db")
    with start(kind, {"notes": 1}, collector=True, store=store) as running:
        with opened(DebugStore, store):
            pass
        # Not the first consumer: with its key the gateway was asked whether it stands, which may be told of late.
        debug(store, "on", "--server", "notes", "--principal", "bob", "--for", "5m")
        wait_for(lambda: lines(running), lambda: "not heard of", 60)
        listed = modern("")
        listed["json"] |= {"method": "tools/list"}
        listed["headers"] = {**listed["headers"], "Mcp-Method": "tools/list"}
        del listed["headers"]["Mcp-Name"], listed["json"]["params"]["name"], listed["json"]["params"]["arguments"]
        for name in ("ada", "bob"):
            with running.client(name) as client:
                for asked in (modern("good"), modern("read_secret_plan"), listed):
                    asked["json"]["params"].get("arguments", {}).update(text=SECRET)
                    client.post(running.url(), **asked)
        wait_for(lambda: len(lines(running)) >= 4, lambda: str(lines(running)), 60)
        begun, *told = lines(running)
        log = (running.dev.folder / "sidecar.log").read_text()
    assert (begun["event"], begun["principal"]) == ("debug begins", "bob")
    assert {one["principal"] for one in told} == {"bob"}
    assert {(one["method"], one.get("name"), one["outcome"], one.get("reason")) for one in told} == {
        ("tools/call", "good", "passed", None),
        ("tools/call", "read_secret_plan", "refused", "denied-item"),
        ("tools/list", None, "filtered", None),
    }
    # The devkit has no call lane.
    lanes = {(False, None), (True, "inspect"), *([(False, "call")] if kind == "kong" else ())}
    assert {("policy" in one, one.get("lane")) for one in told} == lanes
    assert all(one["ms"] > 0 for one in told)
    assert SECRET not in log
    assert all(key not in log for key in ("ada-key", "bob-key"))
