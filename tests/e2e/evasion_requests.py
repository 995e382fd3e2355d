"""How the evasion table writes requests: raw bytes, exactly as an attacker sends them."""

import json
from dataclasses import dataclass

KEYS = {"ada": "ada-key-0123456789", "bob": "bob-key-0123456789"}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
NAMED = ("tools/call", "prompts/get", "resources/read")
SESSION, ADAS_SESSION, TEAMS_SESSION, RAW_SESSION = b"@BOB@", b"@ADA@", b"@TEAM@", b"@RAW@"
"""Stand for real session ids: bob's on notes, ada's on notes, bob's on team, and the server's own id of bob's."""


@dataclass(frozen=True)
class Case:
    """One row: what is sent, and the HTTP statuses and JSON-RPC codes with which it may be refused.

    A code of None is an answer that is not JSON-RPC: nginx's own, or an honest result. `reaches` says that the server
    may hear of the request, because only its answer is filtered.
    """

    kind: str
    era: str
    name: str
    data: bytes
    statuses: tuple[int, ...]
    codes: tuple[int | None, ...]
    reaches: bool = False
    port: str = "gateway"

    def __str__(self):
        return f"{self.kind}: {self.name} ({self.era})"


def text(message):
    """Return a message as the bytes of a body; bytes stay as they are."""
    return message if isinstance(message, bytes) else json.dumps(message).encode()


def raw(body=b"", *headers, verb="POST", target="/notes/mcp", who="bob", host="gateway", http="1.1", **more):
    """Return a request. `more`: `kind` replaces the content type, and framed=False leaves the length out."""
    body = text(body)
    # The journal tells requests from health checks by their user agent.
    lines = [f"{verb} {target} HTTP/{http}".encode(), b"Connection: close", b"User-Agent: evasion"]
    lines += [b"Host: " + host.encode()] if host else []
    lines += [b"apikey: " + KEYS[who].encode()] if who else []
    kind = more.get("kind", "application/json")
    lines += [b"Content-Type: " + kind.encode()] if kind else []
    lines += [b"Accept: application/json, text/event-stream"]
    lines += [b"Content-Length: %d" % len(body)] if more.get("framed", True) else []
    lines += [header if isinstance(header, bytes) else header.encode() for header in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def legacy(body, *headers, version="2025-06-18", session=SESSION, **more):
    """Return a request of the legacy era, in a session that would serve it."""
    said = [f"MCP-Protocol-Version: {version}"] if version else []
    said += [b"Mcp-Session-Id: " + session] if session else []
    return raw(body, *said, *headers, **more)


def modern(body, *headers, method=None, name=None, **more):
    """Return a request of the modern era, its headers as the body says or as given; "" leaves one out."""
    message = body
    method = message["method"] if method is None else method
    if name is None:
        name = message["params"].get("name") or message["params"].get("uri") or "" if method in NAMED else ""
    said = ["MCP-Protocol-Version: 2026-07-28"]
    said += [f"Mcp-Method: {method}"] if method else []
    said += [f"Mcp-Name: {name}"] if name else []
    return raw(body, *said, *headers, **more)


def ask(method, **params):
    """Return a request message."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def ask_modern(method, **params):
    """Return a request message that says its version."""
    return ask(method, **params, _meta=META)


def tool(name, **more):
    """Return a tools/call."""
    return ask("tools/call", name=name, arguments={"text": "x"}, **more)


def swap(message, old, new):
    """Return a message's bytes with one piece of text replaced, which must be there."""
    body = text(message)
    assert old in body
    return body.replace(old, new, 1)


BAD = tool("bad")
BAD_MODERN = tool("bad", _meta=META)
GOOD_MODERN = tool("good", _meta=META)
