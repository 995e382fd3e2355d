"""Local servers as streamable HTTP: what their programs do wrong stays theirs, and whoever waits hears of it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from kong_mcp.dev import free_port
from mcp_core.stdio import SEARCH_PATH
from servers.launch import wait_for, whole_lines

PROGRAM = Path(__file__).parents[2] / "servers" / "stdio_server.py"
SERVE = [str(Path(sys.executable).parent / "kong-mcp"), "stdio", "serve"]
ACCEPT = {"Accept": "application/json, text/event-stream"}
PARAMS = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}


def question(method, id_=1, **params):
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


class Served:
    """Local servers that run; `log` is the file of their lines."""

    def __init__(self, process, port, log):
        self.process, self.port, self.log = process, port, log
        self.client = httpx.Client(headers=ACCEPT, trust_env=False, timeout=60)

    def url(self, name="local"):
        return f"http://127.0.0.1:{self.port}/{name}/mcp"

    def post(self, message, session=None, name="local", **headers):
        given = {"Mcp-Session-Id": session} if session else {}
        return self.client.post(self.url(name), json=message, headers={**given, **headers})

    def open(self, name="local"):
        answer = self.post(question("initialize", **PARAMS), name=name)
        assert "result" in answer.json(), answer.text
        session = answer.headers["mcp-session-id"]
        assert self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, session, name).status_code == 202
        return session

    def call(self, session, tool, name="local", id_=1, **params):
        return self.post(question("tools/call", id_, name=tool, arguments={"text": "x"}, **params), session, name)

    def logged(self, event):
        """Return the log lines of an event, once there are some."""

        def found():
            lines = [json.loads(line) for line in whole_lines(self.log) if line.startswith("{")]
            return [line for line in lines if line["event"] == event]

        return wait_for(found, lambda: f"no line {event!r} in {self.log.read_text()[-2000:]}", 60)


def server_file(*options, name="local", more=""):
    command = json.dumps([sys.executable, str(PROGRAM), *options])
    return f"name: {name}\nreplicas:\n- command: {command}\n  {more}\n"


@contextlib.contextmanager
def served(tmp_path, *files, **environment):
    for at, text in enumerate(files):
        (tmp_path / f"{at}.yaml").write_text(text)
    port, log = free_port(), tmp_path / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*SERVE, str(tmp_path), "--port", str(port)], stderr=stream, env={**os.environ, **environment}
        )
    running = Served(process, port, log)

    def ready():
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True

    try:
        wait_for(ready, log.read_text, 60)
        yield running
    finally:
        running.client.close()
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def is_gone(pid):
    """Return whether a process is no more, or is only waited for."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def pid_of(answer):
    return int(answer.json()["result"]["content"][0]["text"].rpartition(" ")[2])


@pytest.mark.requirement("STDIO-001")
def test_each_session_has_a_program_of_its_own_and_ends_it(tmp_path):
    with served(tmp_path, server_file()) as local:
        one, two = local.open(), local.open()
        pids = [pid_of(local.call(session, "good")) for session in (one, two)]
        assert len(set(pids)) == 2
        assert local.post(question("tools/list"), one).json()["result"]["tools"][0]["name"] == "good"
        assert local.client.delete(local.url(), headers={"Mcp-Session-Id": one}).status_code == 204
        wait_for(lambda: is_gone(pids[0]), lambda: "its program still runs", 60)
        assert local.call(one, "good").status_code == 404
        assert pid_of(local.call(two, "good")) == pids[1]
    assert all(is_gone(pid) for pid in pids)


@pytest.mark.requirement("STDIO-002")
def test_a_shared_program_serves_all_sessions_and_mixes_up_nothing(tmp_path):
    with served(tmp_path, server_file(more="process: shared")) as local:
        one, two = local.open(), local.open()
        answers = [local.call(one, "good", id_="a"), local.call(two, "good", id_="a")]
        assert len({pid_of(answer) for answer in answers}) == 1
        assert [answer.json()["id"] for answer in answers] == ["a", "a"]
        assert local.post(question("logging/setLevel", level="debug"), one).json()["error"]["code"] == -32601
        assert local.call(one, "exit").json()["error"]["message"].startswith("local: the local program ended with")
        assert pid_of(local.call(two, "good")) != pid_of(answers[0])  # started anew, and the session goes on


@pytest.mark.requirement("STDIO-002")
def test_of_a_shared_program_sessions_hear_only_what_is_for_all(tmp_path):
    with served(tmp_path, server_file(more="process: shared")) as local:
        one, two = local.open(), local.open()
        with local.client.stream("GET", local.url(), headers={"Mcp-Session-Id": two}) as stream:
            lines = stream.iter_lines()
            assert next(lines) == ": waiting"
            local.call(one, "change")
            local.call(one, "change")
            heard = [
                json.loads(line[6:])["method"] for _, line in zip(range(6), lines, strict=False) if line[:5] == "data:"
            ]
        assert heard == ["notifications/tools/list_changed"] * len(heard)
        assert len(heard) > 1


@pytest.mark.requirement("STDIO-003")
@pytest.mark.parametrize(
    ("tool", "said", "event"),
    [
        ("exit", "ended with status 3", "the local program ended"),
        ("long", "answer has 10485", "a line was too long and is passed over"),
        ("hang", "did not answer within 5 seconds", "the local program did not answer in time"),
        ("deaf", "did not answer within 5 seconds", "the local program did not answer in time"),
        ("fork", "took more than its limits allow", "standard error"),
        ("neither", "neither result nor error", None),
    ],
)
def test_whoever_waits_for_a_program_that_does_wrong_hears_what_it_was(tmp_path, tool, said, event):
    with served(tmp_path, server_file(more="limits: {answer: 5, processes: 50}")) as local:
        session, other = local.open(), local.open()
        answer = local.call(session, tool, id_="mine")
        assert answer.status_code == 200
        assert answer.json()["id"] == "mine"
        assert said in answer.json()["error"]["message"]
        assert "good: x" in local.call(other, "good").text
        if event:
            assert local.logged(event)


@pytest.mark.requirement("STDIO-004")
@pytest.mark.parametrize(("tool", "event"), [("flood", "standard error"), ("garbage", None)])
def test_what_a_program_writes_beside_its_protocol_is_bounded_and_does_no_harm(tmp_path, tool, event):
    with served(tmp_path, server_file()) as local:
        session = local.open()
        assert f"{tool}: x" in local.call(session, tool).text
        assert "good: x" in local.call(session, "good").text
        assert local.logged(event or "a line of standard output is no message")
    assert local.log.stat().st_size < 200_000


@pytest.mark.requirement("STDIO-005")
@pytest.mark.parametrize("tool", ["memory", "files"])
def test_memory_and_files_are_the_kernels_to_refuse(tmp_path, tool):
    with served(tmp_path, server_file(more="limits: {memory: 256, files: 64}")) as local:
        answer = local.call(local.open(), tool)
        assert "the local program" in answer.json()["error"]["message"]
        assert "good: x" in local.call(local.open(), "good").text


@pytest.mark.requirement("STDIO-006")
def test_whatever_a_program_started_ends_with_it(tmp_path):
    def sleeping():
        found = set()
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdecimal() and b"sleep\x001000" in (entry / "cmdline").read_bytes():
                    found.add(entry.name)
        return found

    before = sleeping()
    with served(tmp_path, server_file()) as local:
        session = local.open()
        local.call(session, "stubborn")
        pid = pid_of(local.call(session, "orphan"))
        wait_for(lambda: sleeping() - before, lambda: "it left nothing behind", 60)
        local.client.delete(local.url(), headers={"Mcp-Session-Id": session})
        wait_for(lambda: is_gone(pid) and not sleeping() - before, lambda: f"{sleeping() - before} still run", 60)
        local.call(local.open(), "orphan")
        local.process.kill()  # nothing of it can clean up
        wait_for(lambda: not sleeping() - before, lambda: f"{sleeping() - before} still run", 60)


@pytest.mark.requirement("STDIO-007")
def test_a_program_that_does_not_start_is_left_alone_for_a_while(tmp_path):
    journal = tmp_path / "journal"
    with served(tmp_path, server_file("--fail", "--journal", str(journal)), server_file(name="other")) as local:
        said = [local.post(question("initialize", **PARAMS)).json()["error"]["message"] for _ in range(20)]
        assert "ended with status 4" in said[0]
        assert any("is started anew in" in one for one in said)
        assert len(journal.read_text().splitlines()) < 20
        assert local.logged("standard error")[0]["text"] == "no database"
        assert "good: x" in local.call(local.open("other"), "good", "other").text


@pytest.mark.requirement("STDIO-007")
def test_an_agent_whose_initialize_is_refused_keeps_nobody_else_out(tmp_path):
    with served(tmp_path, server_file()) as local:
        refused = local.post(question("initialize", protocolVersion="2025-11-25", capabilities={}))
        assert refused.json()["error"]["message"] == "no clientInfo"
        assert "good: x" in local.call(local.open(), "good").text


@pytest.mark.requirement("STDIO-007")
def test_a_command_that_is_not_there_is_said(tmp_path):
    with served(tmp_path, 'name: local\nreplicas: [{command: ["no-such-program"]}]\n') as local:
        assert "was not found" in local.post(question("initialize", **PARAMS)).json()["error"]["message"]
        said = local.logged("standard error")[0]["text"]
        assert said == f"cannot run no-such-program: No such file or directory in {SEARCH_PATH}"


@pytest.mark.requirement("STDIO-007")
def test_no_more_sessions_than_may_be(tmp_path):
    with served(tmp_path, server_file(more="limits: {sessions: 2}")) as local:
        one = local.open()
        local.open()
        refused = local.post(question("initialize", **PARAMS))
        assert "2 sessions are open" in refused.json()["error"]["message"]
        assert "mcp-session-id" not in refused.headers
        local.client.delete(local.url(), headers={"Mcp-Session-Id": one})
        local.open()


@pytest.mark.requirement("STDIO-008")
def test_a_program_inherits_no_environment(tmp_path):
    more = 'env: {GIVEN: plain, API_TOKEN: "{vault://env/local-token}"}'
    with served(tmp_path, server_file(more=more), LOCAL_TOKEN="of-the-vault", OTHER_SECRET="x") as local:
        text = local.call(local.open(), "environment").json()["result"]["content"][0]["text"]
    found = json.loads(text)
    assert found["API_TOKEN"] == "of-the-vault"
    assert found["GIVEN"] == "plain"
    assert found.keys() - {"LC_CTYPE", "PWD"} == {"PATH", "HOME", "LANG", "GIVEN", "API_TOKEN"}
    assert not Path(found["HOME"]).exists()  # it went with the session
    assert "of-the-vault" not in local.log.read_text()


@pytest.mark.requirement("STDIO-008")
def test_without_its_secret_nothing_is_served(tmp_path):
    (tmp_path / "a.yaml").write_text(server_file(more='env: {TOKEN: "{vault://env/not-set-anywhere}"}'))
    ended = subprocess.run([*SERVE, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "local: the environment has no NOT_SET_ANYWHERE, which its TOKEN is to be" in ended.stderr


@pytest.mark.requirement("STDIO-009")
def test_what_comes_not_from_the_gateway_is_refused(tmp_path):
    with served(tmp_path, server_file()) as local:
        first = question("initialize", **PARAMS)
        assert local.post(first, Origin="https://evil.example").status_code == 403
        assert local.post(first, Host=f"evil.example:{local.port}").status_code == 403
        assert local.post(first, name="other").status_code == 404
        assert local.post(question("tools/list")).status_code == 404
        assert local.post(question("tools/list"), "x" * 32).status_code == 404
        assert local.client.post(local.url(), content=b'{"a": 1, "a": 2}').status_code == 400
        assert local.client.post(local.url(), content=b" " * (17 << 20)).status_code == 413
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", local.port), 5)  # it listens on 127.0.0.1 and nowhere else


@pytest.mark.requirement("STDIO-010")
def test_a_stateless_request_is_told_which_versions_are_spoken(tmp_path):
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    with served(tmp_path, server_file()) as local:
        answer = local.post(question("server/discover", _meta=meta))
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == -32022
    assert "2025-11-25" in answer.json()["error"]["data"]["supported"]


@pytest.mark.requirement("STDIO-011")
def test_progress_comes_before_the_answer_by_the_agents_own_token(tmp_path):
    with served(tmp_path, server_file()) as local:
        answer = local.call(local.open(), "progress", _meta={"progressToken": "mine"})
    assert answer.headers["content-type"] == "text/event-stream"
    first, last = (json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: "))
    assert first["params"]["progressToken"] == "mine"
    assert "progress: x" in last["result"]["content"][0]["text"]


@pytest.mark.requirement("STDIO-011")
def test_what_a_program_asks_reaches_the_agent_that_waits_and_its_answer_the_program(tmp_path):
    with served(tmp_path, server_file()) as local:
        session = local.open()
        call = question("tools/call", name="ask", arguments={})
        with local.client.stream("POST", local.url(), json=call, headers={"Mcp-Session-Id": session}) as stream:
            events = (json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: "))
            asked = next(events)
            assert asked["method"] == "elicitation/create"
            for id_ in ("other", asked["id"]):  # what was not asked is not handed on
                answer = {"jsonrpc": "2.0", "id": id_, "result": {"action": "accept", "content": {}}}
                assert local.post(answer, session).status_code == 202
            heard = json.loads(next(events)["result"]["content"][0]["text"])
    assert heard["id"] == "s1"
    assert heard["result"]["action"] == "accept"
