"""The instant server for gateways that speak MCP themselves: it answers what they ask before a call too, in both eras.

Over HTTP on a loopback port, `instant_mcp.py PORT`; over stdio, for a gateway that only starts programs, with `-`.
Two tools, `good` and `bad`, both of which say "ok": whether `bad` is called is for a gateway's rules.
"""

import sys

import msgspec
import uvloop
from instant_server import Instant, serve

VERSIONS = ("2025-03-26", "2025-06-18", "2025-11-25")
_SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
_MODERN = {"resultType": "complete", "ttlMs": 60_000, "cacheScope": "public"}
_ABOUT = {"capabilities": {"tools": {}}, "serverInfo": {"name": "instant", "version": "1"}}
_TOOLS = [{"name": name, "description": f"A {name} tool.", "inputSchema": _SCHEMA} for name in ("good", "bad")]
_RESULTS = {
    "ping": {},
    "server/discover": {**_MODERN, **_ABOUT, "supportedVersions": ["2026-07-28"]},
    "tools/list": {**_MODERN, "tools": _TOOLS},
    "tools/call": {"content": [{"type": "text", "text": "ok"}], "isError": False, "resultType": "complete"},
}
_decode, _encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode


def reply(message):
    """Return the response to a message, or None where it asks for none."""
    if "id" not in message or "method" not in message:
        return None
    response = {"jsonrpc": "2.0", "id": message["id"]}
    if message["method"] == "initialize":
        asked = message["params"]["protocolVersion"]
        result = {**_ABOUT, "protocolVersion": asked if asked in VERSIONS else VERSIONS[-1]}
        return {**response, "result": result}
    if message["method"] in _RESULTS:
        return {**response, "result": _RESULTS[message["method"]]}
    return {**response, "error": {"code": -32601, "message": "no such method"}}


def _http(status, body=b"", more=b""):
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n"
    return head % (status, more, len(body)) + body


class InstantMCP(Instant):
    """Answers each request by what it asks for."""

    def answer(self, head, body):
        """Return the bytes of the answer to one request. There are no streams; sessions end when told to."""
        if not head.startswith(b"POST"):
            return _http(b"200 OK" if head.startswith(b"DELETE") else b"405 Method Not Allowed")
        message = _decode(body)
        response = reply(message)
        if response is None:
            return _http(b"202 Accepted")
        opened = b"Mcp-Session-Id: instant\r\n" if message["method"] == "initialize" else b""
        return _http(b"200 OK", _encode(response), opened)


def _stdio():
    for line in sys.stdin.buffer:
        response = reply(_decode(line))
        if response is not None:
            sys.stdout.buffer.write(_encode(response) + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    if sys.argv[1] == "-":
        _stdio()
    else:
        uvloop.run(serve(InstantMCP, int(sys.argv[1])))
