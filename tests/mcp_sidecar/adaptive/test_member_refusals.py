"""What the record of a virtual server says of a request that a member's guard refused: it is what the audit log has."""

import json

import anyio
import pytest

from mcp_core.reasons import Ending, Reason
from mcp_sidecar.adaptive.serving import Serving

CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"tool1","arguments":{}}}'
ASKS = {"method": "tools/call", "era": "modern", "version": "2026-07-28"}
ERROR = {"code": -32003, "message": "no"}


def member(kong, words, headers, status="403 Forbidden"):
    """Have the member list one tool, and answer its call with an error."""

    def play(request, connection):
        asked = json.loads(request.body)
        said = {"jsonrpc": "2.0", "id": asked["id"]}
        if asked["method"] == "tools/call":
            answer = json.dumps({**said, "error": ERROR}).encode()
            connection.sendall(words.json_answer(answer, headers=headers, status=status))
            return
        result = {"capabilities": {"tools": {}}, "resultType": "complete"}
        if asked["method"] == "tools/list":
            result["tools"] = [{"name": "tool1", "inputSchema": {"type": "object"}}]
        connection.sendall(words.json_answer(json.dumps({**said, "result": result}).encode()))

    kong.play = play


def asked_through(desk, call, line):
    """Ask the member through the virtual server, and return how the record says that it ended, and what was heard."""
    line.outcome = "passed"

    async def work():
        async with desk() as all_:
            asked = call(CALL, **ASKS)
            relay = await Serving(all_, asked, asked.claims.terms.virtual, line).answer()
            async with relay.answer() as parts:
                return [part async for part in parts]

    heard = anyio.run(work)
    return line.record(), heard


@pytest.mark.requirement("VIRT-301")
@pytest.mark.parametrize(
    ("code", "status", "ended"),
    [
        (-32003, "403 Forbidden", (Ending.REFUSED, Reason.DENIED_ITEM)),
        (-32004, "429 Too Many Requests", (Ending.LIMITED, Reason.TOO_MANY)),
        (-32602, "200 OK", (Ending.REFUSED, Reason.DENIED_ITEM)),
    ],
)
def test_a_members_refusal_is_in_the_record_of_the_virtual_server(desk, kong, call, line, words, code, status, ended):
    member(kong, words, f"Mcp-Gateway-Refused: {code} {ended[1]}\r\n", status)
    record, heard = asked_through(desk, call, line)
    assert (record.outcome, record.reason, record.refused.detail) == (*ended, "member weather")
    assert record.refused.code == code
    assert len(heard) == 1
    assert "mcp-gateway-refused" not in repr(heard).lower()


@pytest.mark.requirement("VIRT-301")
@pytest.mark.parametrize("told", ["", "Mcp-Gateway-Refused: -32003 invented\r\n", "Mcp-Gateway-Refused: x\r\n"])
def test_an_error_of_the_server_itself_is_no_refusal(desk, kong, call, line, words, told):
    member(kong, words, told)
    record, _ = asked_through(desk, call, line)
    assert record.outcome == Ending.PASSED
    assert record.reason is None
