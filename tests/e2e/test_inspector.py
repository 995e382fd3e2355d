"""The Inspector's command line prints what it prints without a gateway."""

import json
import os
import subprocess

import pytest

from node.tools import MISSING, program

INSPECTOR = program("@modelcontextprotocol/inspector")
pytestmark = pytest.mark.skipif(INSPECTOR is None, reason=MISSING)
ERAS = ["legacy", "modern"]


@pytest.fixture
def inspect(way, tmp_path):
    """Run one method with the Inspector; gives its exit status and what it prints, of errors too."""

    def run(era, method, *arguments):
        headers = [f"--header={name}: {value}" for name, value in way.headers().items()]
        where = ["--transport", "http", "--protocol-era", era, "--server-url", way.url, *headers]
        command = [*INSPECTOR, "--cli", "--format", "json", "--quiet", *where, "--method", method, *arguments]
        home = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=home)
        return done.returncode, json.loads(done.stdout or done.stderr)

    return run


@pytest.mark.requirement("CLIENT-012")
@pytest.mark.parametrize("era", ERAS)
def test_the_inspector_lists_every_page_of_what_may_be_seen(way, inspect, era):
    status, printed = inspect(era, "tools/list")
    names = [tool["name"] for tool in printed["result"]["tools"]]
    assert status == 0
    assert len(names) == (15 if way.guarded else 36)
    assert any("secret" in name for name in names) is not way.guarded


@pytest.mark.requirement("CLIENT-012")
@pytest.mark.parametrize("era", ERAS)
def test_the_inspector_calls_a_tool(way, inspect, era):
    since = way.mark()
    status, printed = inspect(era, "tools/call", "--tool-name", "count", "--tool-args-json", '{"steps": 2}')
    assert status == 0
    assert printed["result"]["content"] == [{"type": "text", "text": "counted"}]
    assert way.written(since, "tool") == [["tool", "count"]]


@pytest.mark.requirement("CLIENT-012")
@pytest.mark.parametrize("era", ERAS)
def test_the_inspector_reads_no_resource_that_the_policy_hides(way, inspect, era):
    since = way.mark()
    status, printed = inspect(era, "resources/read", "--uri", "note://secret/041")
    if way.guarded:
        assert status != 0
        assert "ot found" in str(printed) or "Unknown resource" in str(printed)
        assert way.written(since, "resource") == []
    else:
        assert status == 0
        assert printed["result"]["contents"][0]["text"] == "note://secret/041"
