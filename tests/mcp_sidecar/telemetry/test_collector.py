"""The collector as a process: who may deliver, what counts, once, and what never costs more than it should."""

import concurrent.futures
import contextlib
import http.client
import json
import sqlite3
import time
import urllib.error
import urllib.request

import pytest

from mcp_core.decide import MOST_FORGIVEN
from mcp_core.reasons import Ending, Reason
from mcp_core.record import Hop, Record, RefusedBecause
from mcp_core.telemetry.chain import link
from mcp_sidecar.store.usage import UsageStore
from mcp_sidecar.telemetry.audit import pseudonym
from mcp_sidecar.telemetry.audit_log import AuditLog, lines_of, signing_key
from mcp_sidecar.telemetry.audit_reading import verify
from mcp_sidecar.telemetry.collector import MAX_BODY
from servers.kong_records import SAID, logged

TOKEN = "collector-token-0123456789abcdef"


def record(number, name="good", **more):
    said = {**SAID, "name": name, **more}
    return logged(said=said, request={"id": f"{number:032x}", "size": 600}, started_at=time.time() * 1000)


class Collecting:
    """A sidecar that collects, and Kong's way of delivering to it."""

    def __init__(self, start, store, **more):
        self.store = str(store)
        self._start = start
        self._environment = {
            "MCP_SIDECAR_COLLECTOR_TOKEN": TOKEN,
            "MCP_SIDECAR_COLLECTOR_NAME": "node",
            "MCP_SIDECAR_TOOL_LABELS": "5",
            "MCP_SIDECAR_METRICS_TOKEN": "metrics-token-0123456789",
            "MCP_SIDECAR_STORE": self.store,
            **more,
        }
        self.start()

    def start(self):
        self.sidecar = self._start(**self._environment).sidecar

    def deliver(self, body, token=TOKEN):
        """Return the status. While the collector is not ready, Kong tries again, as this does."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.sidecar.port}/collector", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def metric(self, name, **labels):
        """Return the sum of a metric's samples that have these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        found = 0.0
        for line in self.metrics().splitlines():
            named, _, value = line.rpartition(" ")
            if named.partition("{")[0] == name and all(one in named for one in wanted):
                found += float(value)
        return found

    def metrics(self, accept=""):
        headers = {"authorization": "Bearer metrics-token-0123456789", **({"accept": accept} if accept else {})}
        return self.sidecar.get("/metrics", headers).body.decode()

    def usage(self):
        store = UsageStore(self.store)
        try:
            return {key: one.calls for key, one in store.rows_between(0, 10**9)}
        finally:
            store.close()


@pytest.fixture
def collecting(start, tmp_path, words):
    one = Collecting(start, tmp_path / "store.db")
    words.until(lambda: one.deliver([]) == 200)
    return one


@pytest.mark.requirement("TEL-007")
@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "\xff"])
def test_only_kongs_credential_delivers(collecting, token):
    assert collecting.deliver([record(1)], token.encode().decode("latin-1")) == 401
    assert collecting.metric("mcp_collector_deliveries_total", result="unauthorized") == 1
    assert collecting.usage() == {}


@pytest.mark.requirement("TEL-007")
def test_without_a_credential_there_is_no_collector(start):
    sidecar = start().sidecar
    assert sidecar.get("/collector").status == 404


@pytest.mark.requirement("TEL-008")
def test_a_request_counts_once_however_often_it_is_delivered(collecting):
    assert collecting.deliver([record(1), record(2), record(1)]) == 200
    assert collecting.deliver([record(2), record(3)]) == 200
    assert collecting.deliver(record(3)) == 200
    assert sum(collecting.usage().values()) == 3
    assert collecting.metric("mcp_requests_total") == 3
    assert collecting.metric("mcp_server_operation_duration_seconds_count") == 3
    assert collecting.metric("mcp_collector_records_total", result="duplicate") == 3


@pytest.mark.requirement("TEL-008")
def test_a_collector_that_is_killed_goes_on_where_it_was(collecting, words):
    assert collecting.deliver([record(number) for number in range(10)]) == 200
    collecting.sidecar.process.kill()
    collecting.sidecar.process.wait()
    collecting.start()
    words.until(lambda: collecting.deliver([record(number) for number in range(5, 15)]) == 200)
    assert sum(collecting.usage().values()) == 15
    assert collecting.metric("mcp_requests_total") == 15
    assert collecting.metric("mcp_server_operation_duration_seconds_count", gen_ai_tool_name="good") == 15


@pytest.mark.requirement("TEL-101")
@pytest.mark.parametrize(
    ("body", "result"),
    [
        (b"", "not-json"),
        (b'[{"request":{"id":"aa"', "not-json"),
        (b"[" * 10_000, "not-json"),
        (b'{"a":1}{"b":2}', "not-json"),
        (b"[" + b"0," * 20_000 + b"0]", "too-large"),
        (b'["' + b"0" * MAX_BODY + b'"]', "too-large"),
    ],
)
def test_what_can_never_be_taken_is_counted_and_kong_does_not_hold_it(collecting, body, result):
    assert collecting.deliver(body) == 200
    assert collecting.metric("mcp_collector_deliveries_total", result=result) == 1
    assert collecting.deliver([record(1)]) == 200


@pytest.mark.requirement("TEL-101")
def test_ten_megabytes_in_chunks_are_read_to_their_end_and_counted(collecting):
    connection = http.client.HTTPConnection("127.0.0.1", collecting.sidecar.port, timeout=60)
    with contextlib.closing(connection):
        connection.putrequest("POST", "/collector")
        for name, value in {"Authorization": f"Bearer {TOKEN}", "Transfer-Encoding": "chunked"}.items():
            connection.putheader(name, value)
        connection.endheaders()
        for _ in range(100):
            connection.send(b"186A0\r\n" + b"x" * 100_000 + b"\r\n")
        connection.send(b"0\r\n\r\n")
        assert connection.getresponse().status == 200
    assert collecting.metric("mcp_collector_deliveries_total", result="too-large") == 1
    assert collecting.deliver([record(1)]) == 200


@pytest.mark.requirement("TEL-101")
def test_records_with_all_that_monitor_mode_forgives_fit_into_one_delivery(collecting):
    forgiven = tuple(RefusedBecause(Reason.DENIED_ITEM, name="\0" * 256) for _ in range(MOST_FORGIVEN))
    said = Record(Hop.GUARD, Ending.WOULD_REFUSE, "notes", "subscriptions/listen", forgiven=forgiven).to_json()
    assert collecting.deliver([record(number, **said) for number in range(400)]) == 200
    assert collecting.metric("mcp_collector_records_total", result="taken") == 400


@pytest.mark.requirement("TEL-002")
def test_odd_records_do_not_spoil_the_others_and_are_counted(collecting):
    tomorrow = {**record(1), "started_at": (time.time() + 86_400) * 1000}
    old = logged(said={**SAID, "format": 9})
    torn = json.dumps([record(2), tomorrow, 7, {"request": 1}, old]).encode().replace(b"good", b"go\xffd", 1)
    assert collecting.deliver(torn) == 200
    assert sorted(collecting.usage().values()) == [1, 1]
    told = {word: collecting.metric("mcp_collector_records_total", result=word) for word in ("taken", "clock", "no-id")}
    assert told == {"taken": 2, "clock": 1, "no-id": 1}
    assert collecting.metric("mcp_collector_records_total", result="other-format") == 1


@pytest.mark.requirement("TEL-005")
def test_many_tool_names_are_few_labels(collecting):
    assert collecting.deliver([record(number, f"tool-{number}") for number in range(3000)]) == 200
    labels = [
        line for line in collecting.metrics().splitlines() if "mcp_server_operation_duration_seconds_count" in line
    ]
    assert len(labels) == 6
    assert collecting.metric("mcp_server_operation_duration_seconds_count") == 3000
    assert collecting.metric("mcp_server_operation_duration_seconds_count", gen_ai_tool_name="other") == 2995
    assert len(collecting.usage()) == 2001


@pytest.mark.requirement("TEL-008")
def test_while_the_store_is_locked_kong_is_told_to_keep_its_records(collecting, words):
    with concurrent.futures.ThreadPoolExecutor(40) as pool, sqlite3.connect(collecting.store) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = [pool.submit(collecting.deliver, [record(number)]) for number in range(40)]
        busy = words.until(lambda: [one for one in waiting if one.done()])
        assert {one.result() for one in busy} == {503}
        other.rollback()
        assert {one.result() for one in waiting} == {200, 503}
    taken = sum(one.result() == 200 for one in waiting)
    assert sum(collecting.usage().values()) == taken
    assert collecting.deliver([record(number) for number in range(40)]) == 200
    assert sum(collecting.usage().values()) == 40


@pytest.mark.requirement("TEL-009")
def test_exemplars_lead_from_a_bucket_to_a_trace(collecting):
    trace = "0af7651916cd43dd8448eb211c80319c"
    assert (
        collecting.deliver([{**record(1), "trace_id": {"w3c": trace}}, {**record(2), "trace_id": {"w3c": "?"}}]) == 200
    )
    assert trace not in collecting.metrics()
    opened = collecting.metrics(accept="application/openmetrics-text; version=1.0.0")
    assert f'# {{trace_id="{trace}"}}' in opened
    assert opened.endswith("# EOF\n")


@pytest.mark.requirement("AUD-004")
def test_the_audit_log_has_every_request_once_also_over_a_kill(start, tmp_path, words):
    folder = tmp_path / "audit"
    audited = {
        "MCP_SIDECAR_AUDIT": str(folder),
        "MCP_SIDECAR_AUDIT_EVENTS": "calls",
        "MCP_SIDECAR_AUDIT_PERSONS": "hashed",
    }
    one = Collecting(start, tmp_path / "store.db", **audited)
    words.until(lambda: one.deliver([record(number) for number in range(10)]) == 200)
    one.sidecar.process.kill()
    one.sidecar.process.wait()
    with next(folder.glob("audit-*.jsonl")).open("ab") as file:  # written, and never acknowledged
        file.write(link(AuditLog(folder, signing_key(b"k" * 32)).head, '{"time":0}')[0] + b"\n")
    one.start()
    words.until(lambda: one.deliver([record(number) for number in range(5, 15)]) == 200)
    lines = [json.loads(line)["event"] for line in lines_of(folder)]
    assert [line["metadata"]["uid"] for line in lines] == [f"{number:032x}" for number in range(15)]
    assert {line["actor"]["user"]["name"] for line in lines} == {pseudonym(b"k" * 32, "ada")}
    assert verify(folder, []).problem is None


@pytest.mark.requirement("AUD-001")
def test_only_decisions_are_audited_unless_every_call_is_asked_for(start, tmp_path, words):
    folder = tmp_path / "audit"
    one = Collecting(start, tmp_path / "store.db", MCP_SIDECAR_AUDIT=str(folder))
    refused = record(2, outcome="refused", reason="denied-item")
    words.until(lambda: one.deliver([record(1), refused, record(3)]) == 200)
    assert [json.loads(line)["event"]["metadata"]["uid"] for line in lines_of(folder)] == [f"{2:032x}"]
