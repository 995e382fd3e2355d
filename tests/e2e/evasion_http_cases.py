"""The evasion table, second part: the HTTP around a message, the way it takes, and who sends it.

What nginx refuses by itself has no JSON-RPC code (None). Kong and the devkit mostly agree on its status, for the devkit
follows nginx's rules; where a row has several statuses, they differ.
"""

from e2e.evasion_requests import (
    ADAS_SESSION,
    BAD,
    BAD_MODERN,
    GOOD_MODERN,
    RAW_SESSION,
    SESSION,
    TEAMS_SESSION,
    Case,
    ask,
    legacy,
    modern,
    raw,
    text,
    tool,
)

GOOD = tool("good")
NGINX = (None, -32600)
"""What Kong itself says: in its own words, or as mcp-answers puts them."""
NO_KEY = (None, -32003)
"""The same of who has no key."""
DENIED = (-32602,)
MISMATCH = (-32020,)
REFUSED = (-32600,)


def chunked(body, trailer=b""):
    """Return a body in one chunk."""
    body = text(body)
    return b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, trailer)


_MISLEADING = {
    "Mcp-Gateway-Context: e30.AAAA": REFUSED,
    "Mcp_Gateway_Context: e30.AAAA": REFUSED,
    "Mcp-Affinity: x": REFUSED,
    "Mcp_Affinity: x": REFUSED,
    "Mcp-Gateway-Target: x": REFUSED,
    "Mcp-Gateway_Target: x": REFUSED,
    "X_Consumer_Username: ada": REFUSED,
    "X-Consumer_Id: ada": REFUSED,
    "X_Credential_Identifier: ada": REFUSED,
    "Mcp_Name: bad": REFUSED,
    "Mcp_Method: tools/list": REFUSED,
    "MCP_Protocol_Version: 2025-06-18": REFUSED,
    "Content_Type: text/plain": REFUSED,
    "Content_Length: 3": REFUSED,
    "Transfer_Encoding: chunked": REFUSED,
    "X-HTTP-Method-Override: DELETE": REFUSED,
    "X_HTTP_Method_Override: DELETE": REFUSED,
    "X-HTTP-Method: GET": REFUSED,
    "X-Method-Override: GET": REFUSED,
    "X-Original-URL: /mcp": REFUSED,
    "X-Rewrite-URL: /mcp": REFUSED,
    "Connection: Content-Length": REFUSED,
    "Connection: mcp-method, mcp-name": REFUSED,
    "Connection: x-consumer-username": REFUSED,
    "Connection: Mcp-Protocol-Version": REFUSED,
    "Upgrade: WebSocket": REFUSED,
    "Upgrade: foo": REFUSED,
    "Connection: Upgrade": REFUSED,
    "Connection: Upgrade\r\nUpgrade: foo": REFUSED,
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__": REFUSED,
}
_ODD_TYPES = [
    "application/json; charset=utf-16",
    "application/json; charset=utf-7",
    "application/json; charset=utf-8; charset=utf-16",
    "application/json, text/plain",
    "application/json;",
    "application/jsonp",
    "application/json-rpc",
    "application/vnd.api+json",
    "text/json",
    "text/plain",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "application/grpc",
    "",
]


def _header_cases():
    for header, codes in _MISLEADING.items():
        yield Case("header", "modern", header, modern(GOOD_MODERN, header), (400,), codes)
    for header in ("Mcp-Name: good", "Mcp-Method: tools/call", "MCP-Protocol-Version: 2026-07-28"):
        yield Case("header", "modern", f"{header} twice", modern(GOOD_MODERN, header), (400,), MISMATCH)
    for header in (
        "Mcp-Param-A: 1\r\nMcp-Param-A: 2",
        "Content-Type: application/json",
        "Accept-Encoding: a\r\naccept-encoding: b",
    ):
        yield Case("header", "modern", f"{header!r} twice", modern(GOOD_MODERN, header), (400,), MISMATCH)
    for origin in ("https://attacker.example", "null", "", "http://gateway", "https://localhost"):
        yield Case("origin", "modern", repr(origin), modern(GOOD_MODERN, f"Origin: {origin}"), (403,), (-32003,))
    for host in ("attacker.example", "127.0.0.2", "gateway.example", "gateway.", "xgateway", "gateway:80:80"):
        data = modern(GOOD_MODERN, host=host)
        yield Case("host", "modern", host, data, (400, 403), (-32003, *NGINX))
    many = [f"X-{number}: 1" for number in range(120)]
    for name, headers in {"many headers": [*many, "Mcp-Name: bad"], "many alike": ["X-A: 1"] * 120}.items():
        yield Case("header", "legacy", name, legacy(GOOD, *headers), (431,), REFUSED)
    yield Case("header", "legacy", "a giant one", legacy(GOOD, "X-A: " + "a" * 9000), (400, 494), NGINX)
    several = [f"X-{number}: " + "a" * 8000 for number in range(5)]
    yield Case("header", "legacy", "giant ones", legacy(GOOD, *several), (400, 494), NGINX)
    for kind in _ODD_TYPES:
        yield Case("media type", "legacy", repr(kind), legacy(GOOD, kind=kind), (415,), REFUSED)
    for coding in ("gzip", "deflate", "br", "identity, gzip", "x"):
        data = legacy(GOOD, f"Content-Encoding: {coding}")
        yield Case("media type", "legacy", f"coding {coding}", data, (415,), REFUSED)


def _framing_cases():
    both = legacy(b"", "Transfer-Encoding: chunked", "Content-Length: 4", framed=False) + chunked(GOOD)
    yield Case("framing", "legacy", "length and chunks", both, (400,), NGINX)
    both = legacy(b"", "Content-Length: 4", "Transfer-Encoding: chunked", framed=False) + chunked(GOOD)
    yield Case("framing", "legacy", "length and chunks, turned round", both, (400,), NGINX)
    for coding in ("identity", "gzip, chunked", "chunked, identity", "chunked, chunked", "x", "\x0bchunked"):
        data = legacy(b"", f"Transfer-Encoding: {coding}", framed=False) + chunked(GOOD)
        yield Case("framing", "legacy", f"coding {coding!r}", data, (400, 501), NGINX)
    data = legacy(b"", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", framed=False) + chunked(GOOD)
    yield Case("framing", "legacy", "coding twice", data, (400,), NGINX)
    for length in ("0", "+5", "-1", "0x5", "5, 5", "5 5", ""):
        data = legacy(GOOD, f"Content-Length: {length}")
        yield Case("framing", "legacy", f"a second length {length!r}", data, (400,), NGINX)
    for name, header in {
        "a folded line": b"Mcp-Name: good\r\n bad",
        "a blank before the colon": b"Mcp-Name : bad",
        "NUL in a value": b"Mcp-Name: ba\0d",
        "a bare CR": b"X-A: 1\rMcp-Name: good",
        "a line without a name": b": bad",
    }.items():
        yield Case("framing", "legacy", name, legacy(GOOD, header), (400,), (*NGINX, *MISMATCH))
    trailer = b"Mcp-Name: good\r\nMcp-Method: tools/list\r\n"
    data = legacy(b"", "Transfer-Encoding: chunked", "Trailer: Mcp-Name", framed=False) + chunked(BAD, trailer)
    yield Case("framing", "legacy", "chunks with a trailer", data, (200,), DENIED)
    data = modern(b"", "Transfer-Encoding: Chunked", framed=False, method="tools/call", name="bad")
    yield Case("framing", "modern", "chunks", data + chunked(BAD_MODERN), (400,), DENIED)
    yield Case("framing", "legacy", "HTTP/1.0", legacy(BAD, http="1.0"), (200,), DENIED)
    yield Case("framing", "legacy", "HTTP/1.0, no host", legacy(BAD, http="1.0", host=None), (403,), (-32003,))
    yield Case("framing", "legacy", "HTTP/1.9", legacy(BAD, http="1.9"), (200,), DENIED)
    for version in ("2.0", "3.0", "0.9", "1.x"):
        yield Case("framing", "legacy", f"HTTP/{version}", legacy(BAD, http=version), (400, 505), NGINX)
    yield Case("framing", "legacy", "no host", legacy(GOOD, host=None), (400,), NGINX)
    yield Case("framing", "legacy", "two hosts", legacy(GOOD, "Host: mcp-internal"), (400,), NGINX)
    yield Case("framing", "legacy", "Expect", legacy(BAD, "Expect: 100-continue"), (200,), DENIED)
    yield Case("framing", "legacy", "line ends of LF", legacy(BAD).replace(b"\r\n", b"\n"), (200,), DENIED)
    piped = legacy(BAD).replace(b"Connection: close\r\n", b"") + modern(BAD_MODERN)
    yield Case("framing", "both", "pipelined", piped, (200, 400), DENIED)
    smuggled = legacy(text(BAD) + b"\r\n\r\n" + modern(BAD_MODERN))
    yield Case("framing", "legacy", "a request behind the document", smuggled, (400,), (-32700,))


def _http_method_cases():
    for method in ("HEAD", "OPTIONS", "PUT", "PATCH", "PROPFIND", "TRACE", "CONNECT", "PURGE", "MCP"):
        for era, data in {"legacy": legacy(BAD, verb=method), "modern": modern(BAD_MODERN, verb=method)}.items():
            yield Case("http method", era, method, data, (400, 405), (None, *REFUSED))
    for method in ("post", "Post", "P0ST", "POST\t"):
        yield Case("http method", "legacy", method, legacy(BAD, verb=method), (400,), NGINX)
    for method in ("GET", "DELETE"):
        yield Case("http method", "legacy", f"{method} with a body", legacy(BAD, verb=method), (400,), REFUSED)
        data = legacy(b"", "Transfer-Encoding: chunked", framed=False, verb=method) + chunked(BAD)
        yield Case("http method", "legacy", f"{method} with chunks", data, (400,), REFUSED)
        data = legacy(b"", "Mcp-Method: tools/list", framed=False, verb=method)
        yield Case("http method", "legacy", f"{method} that names a method", data, (400,), MISMATCH)
        data = raw(b"", "MCP-Protocol-Version: 2026-07-28", framed=False, verb=method)
        yield Case("http method", "modern", method, data, (405,), REFUSED)


_NO_SUCH_PATHS = [
    "/notes",
    "/notes/",
    "/notes/mcp/x",
    "/notes/mcp%2f",
    "/notes/mcp%20",
    "/notes/mcp;x=y",
    "/notes/mcp#x",
    "/notes%2fmcp",
    "/notes%252fmcp",
    "/notes/mcp%3fx",
    "/notes\\mcp",
    "/Notes/mcp",
    "/notes/MCP",
    "/NOTES",
    "/mcp",
    "/inspect/notes",
    "/notes/mcp/../../inspect/notes",
    "/notes/mcp/..",
    "/notes/messages/",
    "/notes/messages/x",
    "/notes/mcp/messages",
    "/Notes/messages",
    "/messages",
    "/livez",
    "/metrics",
]
_SAME_PATHS = [
    "/notes/mcp/",
    "/notes/mcp//",
    "//notes/mcp",
    "/notes//mcp",
    "/./notes/mcp",
    "/x/../notes/mcp",
    "/notes/%6dcp",
    "/notes/mcp?x=/notes",
    "http://other/notes/mcp",
]
_BROKEN_PATHS = ["/notes/mcp%00", "/notes/mcp%", "/notes/mcp%zz", "/../notes", "*", "notes/mcp", "http:///notes"]


def _path_cases():
    for target in _NO_SUCH_PATHS:
        yield Case("path", "legacy", target, legacy(BAD, target=target), (404,), NGINX)
    for target in _SAME_PATHS:
        yield Case("path", "legacy", target, legacy(BAD, target=target), (200,), DENIED)
        yield Case("path", "modern", target, modern(BAD_MODERN, target=target), (400,), DENIED)
    for target in _BROKEN_PATHS:
        yield Case("path", "legacy", target, legacy(BAD, target=target), (400, 404), NGINX)
    for host in ("mcp-internal", "mcp-internal:80", "MCP-Internal", "mcp-internal."):
        data = legacy(BAD, target="/notes", host=host)
        yield Case("internal", "legacy", host, data, (404,), NGINX)
        data = legacy(BAD, "X-Forwarded-Host: mcp-internal", "X-Forwarded-For: 127.0.0.1", target="/notes", host=host)
        yield Case("internal", "legacy", f"{host}, forwarded", data, (404,), NGINX)
        data = legacy(BAD, "Mcp-Gateway-Target: 1.e30.AAAA", target="/notes", host=host)
        yield Case("internal", "legacy", f"{host} with a forged word", data, (404,), NGINX)
        data = legacy(BAD, host=host)
        yield Case("internal", "legacy", f"{host} before the agents' path", data, (403, 404), (-32003, *NGINX))
        data = legacy(BAD, target="/notes/mcp/messages", host=host)
        yield Case("internal", "legacy", f"{host}, any path of the server", data, (404,), NGINX)
    data = legacy(BAD, target="http://mcp-internal/notes")
    yield Case("internal", "legacy", "an absolute target", data, (404,), NGINX)
    for name, headers in {
        "nothing": (),
        "forged": ("Mcp-Gateway-Context: e30.AAAA",),
        "empty": ("Mcp-Gateway-Context: .",),
    }.items():
        data = raw(ask("tools/list"), *headers, target="/inspect/notes")
        yield Case("sidecar", "both", name, data, (403,), (-32003,), port="sidecar")
    twice = ["Mcp-Gateway-Context: e30.AAAA"] * 2
    yield Case("sidecar", "both", "twice", raw(BAD, *twice, target="/inspect/notes"), (403,), (-32003,), port="sidecar")
    yield Case("sidecar", "both", "metrics", raw(verb="GET", target="/metrics"), (401,), (None,), port="sidecar")


def _session_cases():
    call = tool("whoami") | {"params": {"name": "whoami", "arguments": {}}}
    for name, session in {
        "another principal's": ADAS_SESSION,
        "of another server": TEAMS_SESSION,
        "the server's own": RAW_SESSION,
        "cut": SESSION + b"@CUT@",
        "longer": SESSION + b"A",
        "padded": SESSION + b"=",
        "two": SESSION + b", " + SESSION,
        "huge": b"A" * 7000,
        "not base64": b"../../etc/passwd",
        "not ASCII": b"caf\xc3\xa9",
        "empty": b" ",
    }.items():
        for method in ("POST", "GET", "DELETE"):
            body, framed = (call, True) if method == "POST" else (b"", False)
            data = legacy(body, "Last-Event-ID: 1", session=session, verb=method, framed=framed)
            yield Case("session", "legacy", f"{name}, {method}", data, (404,), (-32001,))
    twice = b"Mcp-Session-Id: " + SESSION
    yield Case("session", "legacy", "twice", legacy(GOOD, twice), (400,), MISMATCH)


def _endpoint_cases():
    """2024-11-05's message endpoint opens with what the gateway announced, and with nothing else."""
    for query in (
        *("", "?", "?session_id=", "?session_id=x", "?session_id=@BOB@", "?session_id=@ADA@", "?session_id=@RAW@"),
        *("?session_id=x&session_id=y", "?session_id[]=x", "?session_id=/messages/", "?x=session_id", "?@BOB@"),
    ):
        for name, body in {"allowed": GOOD, "forbidden": BAD}.items():
            data = legacy(body, target=f"/notes/messages{query}", session=None)
            yield Case("endpoint", "legacy", f"{query}, {name}", data, (404,), (-32001,))
        data = modern(GOOD_MODERN, target=f"/notes/messages{query}")
        yield Case("endpoint", "modern", query, data, (404,), (-32001,))


def _identity_cases():
    forged = (
        "X-Consumer-Username: ada",
        "X-Consumer-ID: ada",
        "X-Credential-Identifier: ada",
        "X-Consumer-Groups: readers",
    )
    for name, who, headers, target, statuses, codes in (
        ("no key", None, (), "/notes/mcp", (401,), NO_KEY),
        ("a wrong key", None, ("apikey: x",), "/notes/mcp", (401,), NO_KEY),
        ("two keys", "bob", ("apikey: ada-key-0123456789",), "/notes/mcp", (401,), NO_KEY),
        ("a key in the query", None, (), "/notes/mcp?apikey=ada-key-0123456789", (401,), NO_KEY),
        ("a key as a bearer", None, ("Authorization: Bearer ada-key-0123456789",), "/notes/mcp", (401,), NO_KEY),
        ("forged names", "bob", forged, "/notes/mcp", (400,), DENIED),
        ("forged names alone", None, forged, "/notes/mcp", (401,), NO_KEY),
    ):
        data = modern(BAD_MODERN, *headers, who=who, target=target)
        yield Case("identity", "modern", name, data, statuses, codes)


HTTP_CASES = [
    *_header_cases(),
    *_framing_cases(),
    *_http_method_cases(),
    *_path_cases(),
    *_session_cases(),
    *_endpoint_cases(),
    *_identity_cases(),
]
