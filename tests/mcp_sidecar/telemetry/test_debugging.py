"""Which requests are logged one by one while somebody debugs, and what such a line holds."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from structlog.testing import capture_logs

from clock import Clock
from mcp_core.methods import Lane
from mcp_core.policy import View
from mcp_core.reasons import Ending
from mcp_core.record import Hop, Record
from mcp_core.telemetry.visit import read
from mcp_core.terms import Terms, terms_digest, write_terms
from mcp_sidecar.logs import Line
from mcp_sidecar.store.debug_words import DebugStore, DebugWord
from mcp_sidecar.store.store import Store
from mcp_sidecar.telemetry.debugging import MOST_LINES, Debugging
from servers.kong_records import NOW, SAID, logged

SECONDS = NOW // 1000
TOKEN = "collector-token-0123456789abcdef"
REFUSED = {"outcome": "refused", "reason": "denied-item", "name": "secret_plan", "code": -32602, "detail": "tools.deny"}


def visit(number, **said):
    return read(logged(said={**SAID, **said}, request={"id": f"{number:032x}"}), NOW)[0]


def word(server="notes", principal="", seconds=900):
    return DebugWord(server, principal, NOW, SECONDS + seconds, "olga")


@pytest.fixture
def clock():
    return Clock(float(SECONDS))


@pytest.fixture
def debugging(clock):
    return Debugging(None, 1.0, collects=True, clock=clock)


def told(debugging, *visits):
    with capture_logs() as logs:
        debugging.tell(visits)
    return logs


@pytest.mark.requirement("DBG-003")
@pytest.mark.parametrize(
    ("server", "principal", "names"),
    [("notes", "", ["a", "b"]), ("", "ada", ["a", "c"]), ("notes", "ada", ["a"]), ("other", "", []), ("", "ad", [])],
)
def test_the_lines_are_of_whom_they_were_asked_for_and_of_nobody_else(debugging, server, principal, names):
    debugging._take([word(server, principal)])
    every = [visit(1, name="a"), visit(2, name="b", principal="bob"), visit(3, name="c", server="files")]
    assert [one["name"] for one in told(debugging, *every)] == names


@pytest.mark.requirement("DBG-003")
def test_a_line_says_what_was_decided_why_and_how_long_each_part_took(debugging):
    debugging._take([word()])
    (line,) = told(debugging, visit(1, **REFUSED))
    assert {name: line[name] for name in ("event", "log_level", "request", "method", "name", "principal", "lane")} == {
        "event": "debug",
        "log_level": "info",
        "request": f"{1:032x}",
        "method": "tools/call",
        "name": "secret_plan",
        "principal": "ada",
        "lane": "call",
    }
    assert (line["outcome"], line["reason"], line["detail"], line["code"]) == (
        *("refused", "denied-item"),
        "tools.deny",
        -32602,
    )
    assert (line["ms"], line["server_ms"], line["tries"], line["status"], line["began"]) == (
        12.5,
        7.0,
        1,
        200,
        NOW - 1000,
    )


@pytest.mark.requirement("DBG-003")
def test_what_the_inspect_lane_saw_stands_in_the_same_line(debugging):
    debugging._take([word()])
    terms, line = Terms(View.from_json({"tools": {"allow": ["*"]}})), Line(started=100.0)
    line.asked = Record(Hop.SIDECAR, Ending.PASSED, "notes", "tools/list", principal="ada", lane=Lane.INSPECT)
    line.ended, line.hidden = Ending.FILTERED, 3
    with capture_logs() as logs:
        debugging.saw(f"{1:032x}", line, terms, 100.004)
    assert logs == []
    (one,) = told(debugging, visit(1, method="tools/list", lane="inspect"))
    assert (one["policy"], one["hidden"], one["sidecar_ms"]) == (terms_digest(write_terms(terms)), 3, 4.0)
    assert not debugging._seen


@pytest.mark.requirement("DBG-001")
def test_it_ends_by_itself_and_when_it_is_taken_back(debugging, clock):
    with capture_logs() as logs:
        debugging._take([word(), word("files")])
        debugging._take([DebugWord("files", "", NOW, 0, "olga")])
    assert [(log["event"], log["server"], log["by"]) for log in logs[2:]] == [("debug ends", "files", "olga")]
    assert told(debugging, visit(1, server="files")) == []
    clock.now += 899
    assert len(told(debugging, visit(2))) == 1
    clock.now += 1
    assert told(debugging, visit(3)) == []
    with capture_logs() as logs:
        debugging._take([])
    assert [log["event"] for log in logs] == ["debug ends"]


@pytest.mark.requirement("DBG-004")
def test_a_flood_does_not_fill_the_log_and_the_next_line_says_what_is_missing(debugging, clock):
    debugging._take([word()])
    one = visit(1)
    assert len(told(debugging, *[one] * (MOST_LINES + 7))) == MOST_LINES
    assert told(debugging, one) == []
    clock.now += 60
    assert [line.get("skipped") for line in told(debugging, one, one)] == [8, None]


def lines(sidecar):
    text = sidecar.log.read_text()
    every = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return [line for line in every if line["event"].startswith("debug")]


def say(path, **given):
    store = DebugStore(str(path))
    try:
        now = time.time()
        store.debug(
            DebugWord(**{"server": "", "principal": "", **given}, at=int(now * 1000), until=int(now) + 60, actor="olga")
        )
    finally:
        store.close()


def deliver(sidecar, record):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    request = urllib.request.Request(f"http://127.0.0.1:{sidecar.port}/collector", json.dumps(record).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store.db"


@pytest.fixture
def debugged(start, store, words):
    """Start a sidecar on which somebody debugs a server of the inspect lane's tests, with or without a collector."""

    def debugged(**environment):
        Store(str(store), migrate=True).close()
        guard = start(MCP_SIDECAR_STORE=str(store), MCP_SIDECAR_REFRESH_INTERVAL="0.05", **environment)
        say(store, server="files")
        words.until(lambda: lines(guard.sidecar))
        return guard

    return debugged


@pytest.mark.requirement("DBG-003")
def test_a_list_is_one_line_of_what_kong_and_the_inspect_lane_saw(debugged, kong, words):
    guard = debugged(MCP_SIDECAR_COLLECTOR_TOKEN=TOKEN)
    kong.answers(words.json_answer(words.result("one", "secret_two")))
    assert guard.ask().status == 200
    guard.line()
    said = {**SAID, "server": "files", "method": "tools/list", "name": "", "principal": "alice", "lane": "inspect"}
    of_list = {"request": {"id": guard.trace}, "started_at": time.time() * 1000, "service": {"name": "mcp-files"}}
    of_call = {**of_list, "request": {"id": "c" * 32}}
    records = [logged(said=said, **of_list), logged(said={**SAID, **REFUSED, "server": "files"}, **of_call)]
    words.until(lambda: deliver(guard.sidecar, records) == 200)
    begun, listed, refused = words.until(lambda: (found := lines(guard.sidecar)) and len(found) == 3 and found)
    assert (begun["event"], begun["server"], begun["by"]) == ("debug begins", "files", "olga")
    assert (listed["request"], listed["outcome"], listed["hidden"]) == (guard.trace, "filtered", 1)
    assert len(listed["policy"]) == 43
    assert (refused["outcome"], refused["reason"]) == ("refused", "denied-item")
    assert "policy" not in refused


@pytest.mark.requirement("DBG-003")
def test_without_a_collector_the_inspect_lanes_requests_are_there_alone(debugged, kong, words):
    guard = debugged()
    kong.answers(words.json_answer(words.result("one")))
    assert guard.ask().status == 200
    _, line = words.until(lambda: (found := lines(guard.sidecar)) and len(found) == 2 and found)
    assert (line["request"], line["server"], line["method"], line["outcome"]) == (
        guard.trace,
        "files",
        "tools/list",
        "passed",
    )


@pytest.mark.requirement("DBG-003")
def test_lines_that_were_asked_for_are_written_whatever_the_level_of_the_log_is():
    told = "import structlog as s; from mcp_sidecar import logs; logs.configure('error'); "
    told += "s.get_logger(logs.DEBUG_LOGGER).info('debug'); s.get_logger().info('request')"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=60)
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["debug"]
