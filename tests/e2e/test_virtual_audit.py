"""What a member's guard refuses of a request through a virtual server, as the audit log has it."""

import json

import pytest

from e2e.harness import KINDS, POLICY
from e2e.virtual import start, virtual
from mcp_sidecar.telemetry.audit_log import lines_of
from servers.launch import wait_for

VERSION = "2026-07-28"
CLOSED = {**POLICY, "resources": {"allow": ["public://*"], "deny": ["public://closed"]}}


def read(uri):
    """Return a stateless resources/read as the keyword arguments of a POST."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": uri, "_meta": meta}}
    headers = {"MCP-Protocol-Version": VERSION, "Mcp-Method": "resources/read", "Mcp-Name": uri}
    return {"json": message, "headers": headers}


def audited(folder):
    """Return what the log says of reads: (server, outcome, reason, detail)."""
    if not folder.exists():
        return []
    told = [json.loads(line)["event"] for line in lines_of(folder)]
    return [
        (one["api"]["service"]["name"], one["status"], one.get("status_detail"), one["unmapped"].get("detail"))
        for one in told
        if one["api"]["operation"] == "resources/read"
    ]


@pytest.mark.requirement("VIRT-301")
@pytest.mark.parametrize("kind", KINDS)
def test_the_audit_log_has_a_members_refusal_once(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("MCP_SIDECAR_AUDIT", str(tmp_path / "audit"))
    monkeypatch.setenv("MCP_SIDECAR_AUDIT_EVENTS", "calls")
    store = str(tmp_path / "store.db")
    with start(kind, {"notes": CLOSED}, [virtual("desk", ["notes"])], collector=True, store=store) as running:
        with running.client("bob") as client:
            # The template of public:// is the member's; what of it nobody may read, its own guard knows alone.
            refused = client.post(running.url("desk"), **read("public://closed"))
            passed = client.post(running.url("desk"), **read("public://open"))
        assert "mcp-gateway-refused" not in refused.headers
        assert "error" in refused.json()
        assert "result" in passed.json()
        wait_for(lambda: len(audited(tmp_path / "audit")) >= 2, lambda: str(audited(tmp_path / "audit")), 60)
        assert sorted(audited(tmp_path / "audit"), key=str) == [
            ("desk", "passed", None, None),
            ("desk", "refused", "denied-item", "member notes"),
        ]
