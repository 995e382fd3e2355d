"""What operators see: health, metrics and logs; and what nobody sees: secrets."""

import socket
from importlib.metadata import version

import pytest


def test_a_process_that_runs_is_alive(sidecar):
    assert sidecar.get("/livez").status == 200


def test_a_sidecar_that_reaches_kong_is_ready(sidecar):
    answer = sidecar.get("/readyz")
    assert (answer.status, answer.json) == (200, {"ready": True, "release": version("kong-mcp"), "problems": {}})


@pytest.mark.requirement("SIDE-015")
def test_a_sidecar_is_ready_only_while_kong_takes_connections(start, words):
    with socket.create_server(("127.0.0.1", 0)) as kong:
        port = kong.getsockname()[1]
        sidecar = start(MCP_SIDECAR_KONG_URL=f"http://127.0.0.1:{port}").sidecar
        assert sidecar.get("/readyz").status == 200
    words.until(lambda: sidecar.get("/readyz").status == 503)
    answer = sidecar.get("/readyz")
    assert answer.json["ready"] is False
    assert str(port) in answer.json["problems"]["kong"]
    with socket.create_server(("127.0.0.1", port)):
        words.until(lambda: sidecar.get("/readyz").status == 200)


@pytest.mark.requirement("SIDE-015")
def test_many_probes_are_one_look_at_kong(start):
    with socket.create_server(("127.0.0.1", 0)) as kong:
        kong.settimeout(0.2)
        sidecar = start(MCP_SIDECAR_KONG_URL=f"http://127.0.0.1:{kong.getsockname()[1]}").sidecar
        for _ in range(100):
            assert sidecar.get("/readyz").status == 200
        looks = 0
        try:
            while True:
                kong.accept()[0].close()
                looks += 1
        except TimeoutError:
            pass
    assert 1 <= looks <= 50


@pytest.mark.requirement("SIDE-014")
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic metrics-token-0123456789"},
        {"authorization": "Bearer metrics-token-012345678"},
        {"authorization": "Bearer \xff"},
        {"x-mcp-internal-key": "metrics-token-0123456789"},
    ],
)
def test_metrics_are_for_holders_of_their_token_only(sidecar, headers):
    answer = sidecar.get("/metrics", headers)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert b"mcp_sidecar_" not in answer.body


def test_the_token_opens_the_metrics(sidecar, words):
    assert sidecar.get("/metrics", {"authorization": f"Bearer {words.metrics_token}"}).status == 200


@pytest.mark.requirement("SIDE-014")
def test_without_a_token_nobody_reads_the_metrics(start):
    sidecar = start(MCP_SIDECAR_METRICS_TOKEN=None).sidecar
    for headers in ({}, {"authorization": "Bearer "}, {"authorization": "Bearer None"}):
        assert sidecar.get("/metrics", headers).status == 401


def metrics(guard, words):
    text = guard.sidecar.get("/metrics", {"authorization": f"Bearer {words.metrics_token}"}).body.decode()
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


@pytest.mark.requirement("SIDE-014")
def test_requests_hidden_items_and_refusals_are_counted(start, kong, words):
    guard = start()
    kong.answers(words.json_answer(words.result("secret-1", "secret-2", "keep")))
    guard.ask()
    guard.ask(enforce=False)
    guard.ask(method="custom/one", era="modern")
    guard.ask(method="custom/two", era="modern")
    guard.ask(**words.replay)
    guard.ask(signed="forged", path="/inspect/forged-name")
    kong.answers(words.json_answer(b"{}"))
    guard.ask()
    guard.line()
    seen = metrics(guard, words)
    requests = {name.partition("{")[2]: count for name, count in seen.items() if "requests_total" in name}
    assert requests == {
        'era="legacy",method="tools/list",outcome="filtered",server="files"}': "1.0",
        'era="legacy",method="tools/list",outcome="would-filter",server="files"}': "1.0",
        'era="modern",method="other",outcome="filtered",server="files"}': "2.0",
        'era="legacy",method="stream",outcome="filtered",server="files"}': "1.0",
        'era="none",method="none",outcome="unsigned",server="none"}': "1.0",
        'era="legacy",method="tools/list",outcome="withheld",server="files"}': "1.0",
    }
    assert seen['mcp_sidecar_items_hidden_total{kind="tools",mode="enforce",server="files"}'] == "8.0"
    assert seen['mcp_sidecar_items_hidden_total{kind="tools",mode="monitor",server="files"}'] == "2.0"
    assert seen['mcp_sidecar_answers_refused_total{reason="silence",server="files"}'] == "1.0"
    assert seen['mcp_sidecar_upstream_seconds_count{server="files"}'] == "6.0"


def test_open_streams_are_gauged(start, kong, words):
    guard = start()
    kong.play = lambda _request, connection: (
        connection.sendall(words.stream_answer(b": a\n\n", end=False)) or (connection.recv(1) and None)
    )
    name = 'mcp_sidecar_streams_open{server="files"}'
    connection = guard.open()
    words.until(lambda: metrics(guard, words).get(name) == "1.0")
    connection.close()
    words.until(lambda: metrics(guard, words)[name] == "0.0")


@pytest.mark.requirement("SIDE-013")
def test_a_request_is_one_log_line(guard, kong, words):
    kong.answers(words.json_answer(words.result("secret", "keep")))
    guard.ask(method="tools/list")
    line = guard.line()
    assert line.pop("ms") > 0
    assert line.pop("timestamp")
    assert line == {
        "event": "request",
        "level": "info",
        "format": 1,
        "hop": "sidecar",
        "lane": "inspect",
        "trace": guard.trace,
        "server": "files",
        "principal": "alice",
        "era": "legacy",
        "method": "tools/list",
        "status": 200,
        "outcome": "filtered",
        "hidden": 1,
        "dropped": 0,
    }


@pytest.mark.parametrize(
    ("sent", "trace"),
    [
        ({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01", "x-kong-request-id": "k"}, "ab" * 16),
        ({"traceparent": "nonsense", "x-kong-request-id": "k1"}, "k1"),
        ({"x-kong-request-id": "a b", "kong-request-id": "k2"}, "k2"),
        ({"x-kong-request-id": "x" * 99}, None),
    ],
)
def test_the_trace_id_is_the_tracers_or_else_kongs(guard, kong, words, sent, trace):
    kong.answers(words.json_answer(words.result()))
    guard.ask(headers=sent, principal=str(sent))
    (line,) = words.until(lambda: [line for line in guard.sidecar.lines() if line["principal"] == str(sent)])
    assert line["trace"] == trace


@pytest.mark.requirement("SIDE-013")
def test_no_log_line_holds_a_secret(start, kong, words):
    guard = start(MCP_SIDECAR_LOG_LEVEL="debug")
    secret = "s3cr3t"
    kong.answers(words.json_answer(words.result(secret), f"Mcp-Session-Id: {secret}\r\nSet-Cookie: {secret}\r\n"))
    headers = {"authorization": secret, "cookie": secret, "mcp-param-x": secret, "last-event-id": secret}
    body = b'{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"cursor":"s3cr3t"}}'
    sealed = guard.ask(body, headers=headers).headers["mcp-session-id"]
    guard.ask(body, session=secret, headers=headers)
    kong.answers(words.json_answer(b'{"jsonrpc":"2.0","id":7,"result":{},"ID":"s3cr3t","s3cr3t":1,"Id":1}'))
    guard.ask()
    kong.answers(words.json_answer(b'{"JSONRPC\\u0000s3cr3t":1}'))
    assert "error" in guard.ask().json
    kong.answers(b"HTTP/1.1 s3cr3t\r\n\r\n")
    guard.ask()
    guard.line()
    text = guard.sidecar.log.read_text()
    for hidden in (secret, sealed, words.metrics_token, "a2tra2tr"):
        assert hidden not in text
