"""The way to the sidecar on a real Kong: where Kong has no upstream for it, agents and log plugins are told."""

import json
import shutil

import pytest
import yaml

from e2e.harness import CONSUMERS, JSON_HEADERS, POLICY, start
from e2e.test_kong_records import Records
from kong_mcp import dev

pytestmark = [
    pytest.mark.requirement("FAST-015"),
    pytest.mark.skipif(not shutil.which("kong"), reason="there is no kong on the PATH"),
]
LIST = {"jsonrpc": "2.0", "id": "a", "method": "tools/list"}
HEADERS = JSON_HEADERS | {"MCP-Protocol-Version": "2025-11-25", "Cookie": "agents-own", "X-Tenant": "kept"}


@pytest.fixture(params=[False, True], ids=["Kong's own way", "the short way"])
def without_sidecar(request, tmp_path, monkeypatch):
    """A gateway whose Kong has no upstream of the sidecar's, with a log plugin."""
    written = dev.write_state

    def write_state(*arguments, **options):
        path = written(*arguments, **options)
        state = yaml.safe_load(path.read_text())
        state.setdefault("plugins", []).append({"name": "file-log", "config": {"path": str(tmp_path / "records")}})
        state["upstreams"] = [one for one in state["upstreams"] if one["name"] != "mcp-sidecar"]
        path.write_text(yaml.safe_dump(state))
        return path

    monkeypatch.setattr(dev, "write_state", write_state)
    with start("kong", {"notes": 1}, policy=POLICY, consumers=CONSUMERS, short=request.param) as running:
        yield running, Records(tmp_path / "records")


def test_a_sidecar_that_kong_does_not_know_is_a_refusal_in_words_and_in_the_records(without_sidecar):
    running, records = without_sidecar
    with running.client("ada") as client:
        answer = client.post(running.url(), json=LIST, headers=HEADERS)
    said = answer.json()
    assert (answer.status_code, said["id"], said["error"]["code"]) == (503, "a", -32603)
    assert "add its upstream to the configuration" in said["error"]["message"]
    (record,) = records.until(lambda one: one["request"]["headers"].get("x-tenant") == "kept")
    assert record["mcp"] == {
        "format": 1,
        "hop": "guard",
        "outcome": "refused",
        "server": "notes",
        "principal": "ada",
        "reason": "upstream-missing",
        "detail": "mcp-sidecar",
        "kind": "protocol",
        "code": -32603,
    }
    assert "agents-own" not in json.dumps(record)
