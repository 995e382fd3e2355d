"""An MCP server that is well or ill, as a test says while it runs, and writes down which calls it executed.

It speaks the modern era: server/discover, tools/list and tools/call of `note` (which changes something) and `look`
(which says that it only reads). In each mood of MOODS it fails in its own way.
"""

import contextlib
import json
import socket
import threading
import time

MOODS = (
    "well",
    "hangs",
    "page",
    "errors",
    "fails",
    "half",
    "drips",
    "resets",
    "other-id",
    "asks-who",
    "busy",
    "gone",
    "flaps",
)
TOOLS = [
    {"name": "note", "description": "Writes a note.", "inputSchema": {"type": "object"}},
    {
        "name": "look",
        "description": "Reads a note.",
        "inputSchema": {"type": "object"},
        "annotations": {"readOnlyHint": True},
    },
]
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
FLAP_SECONDS = 1.0
OF_THE_OTHER = {"legacy": "server/discover", "modern": "initialize"}
"""What a server of one era alone does not know."""


class MoodyServer:
    """Listens on a loopback port. `executed` holds the argument `text` of every call that ran, in order."""

    def __init__(self, mood="well", tools=TOOLS, port=0, era=None):
        """`era` is legacy or modern where it refuses to be spoken to in the other one."""
        self.mood, self.tools, self.era = mood, tools, era
        self.executed, self.asked = [], []
        self.dies_at = None
        """Bytes of its next answer to a call after which it is killed, until it is started again; None for never."""
        self.dead = threading.Event()
        self.calls_only = False
        """Whether what is ill is ill for tools/call alone."""
        self._closed = threading.Event()
        self._connections = set()
        self.port = port
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/mcp"

    def start(self):
        """Listen, again where it was killed."""
        self.dies_at = None
        self.dead.clear()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def die(self):
        """End as a process that was killed does: nobody listens, and every connection is reset."""
        self._stop_listening()
        for connection in list(self._connections):
            reset(connection)
        self.dead.set()

    def close(self):
        self._closed.set()
        self._stop_listening()

    def _stop_listening(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self, listener):
        while not self._closed.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        if self._now() == "gone":
            reset(connection)
            return
        with connection, contextlib.suppress(OSError, ValueError), connection.makefile("rb") as reader:
            while request := read(reader):
                if not self._answer(connection, *request):
                    break
        self._connections.discard(connection)

    def _now(self):
        if self.mood == "flaps":
            return "hangs" if int(time.monotonic() / FLAP_SECONDS) % 2 else "well"
        return self.mood

    def _answer(self, connection, http_method, body):
        """Answer one request. Returns whether the connection may have another one."""
        if http_method != "POST":
            connection.sendall(whole(b"", b"405 Method Not Allowed"))
            return True
        message = json.loads(body)
        self.asked.append(message["method"])
        mood = self._now() if message["method"] == "tools/call" or not self.calls_only else "well"
        if self.era is not None and "id" not in message:
            connection.sendall(whole(b"", b"202 Accepted"))
            return True
        if message["method"] == "tools/call" and mood not in ("page", "fails", "asks-who", "busy", "errors", "hangs"):
            self.executed.append(message["params"]["arguments"].get("text"))
        answer = self._written(message, mood)
        if mood == "hangs":
            self._closed.wait(60)
            return False
        if mood == "drips":
            for at in range(len(answer)):
                connection.sendall(answer[at : at + 1])
                if self._closed.wait(1.0) or self.mood != "drips":
                    return False
        cut = self.dies_at if message["method"] == "tools/call" else None
        cut = {"half": len(answer) - 10, "resets": answer.index(b"\r\n\r\n") + 4}.get(mood, cut)
        connection.sendall(answer if cut is None else answer[:cut])
        if cut is None or cut >= len(answer):
            return True
        if mood in ("half", "resets"):
            reset(connection)
        else:
            self.die()
        return False

    def _written(self, message, mood):
        id_ = "another" if mood == "other-id" else message.get("id")
        if mood == "page":
            return whole(b"<html>", kind=b"text/html")
        if mood == "fails":
            return whole(b"", b"500 Internal Server Error")
        if mood == "asks-who":
            return whole(b"", b"401 Unauthorized\r\nWWW-Authenticate: Bearer")
        if mood == "busy":
            return whole(b"", b"429 Too Many Requests\r\nRetry-After: 5")
        if mood == "errors":
            said = {"error": {"code": -32603, "message": "no"}}
        elif message["method"] == OF_THE_OTHER.get(self.era):
            said = {"error": {"code": -32601, "message": "Method not found"}}
        else:
            said = {"result": {"resultType": "complete", **self._result(message)}}
        return whole(json.dumps({"jsonrpc": "2.0", "id": id_, **said}).encode())

    def _result(self, message):
        match message["method"]:
            case "server/discover":
                about = {"serverInfo": {"name": "moody", "version": "1"}, "capabilities": {"tools": {}}}
                return {**about, "supportedVersions": ["2026-07-28"]}
            case "initialize":
                about = {"serverInfo": {"name": "moody", "version": "1"}, "capabilities": {"tools": {}}}
                return {**about, "protocolVersion": "2025-11-25"}
            case "tools/list":
                return {"tools": self.tools, "ttlMs": 0, "cacheScope": "private"}
            case _:
                return {"content": [{"type": "text", "text": str(self.port)}]}


def read(reader):
    """Return HTTP method and body of the next request on a connection, or None at its end."""
    line = reader.readline().split(b" ")
    if len(line) != 3:
        return None
    length = 0
    while (header := reader.readline().strip()) != b"":
        name, _, value = header.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return line[0].decode(), reader.read(length)


def whole(body, status=b"200 OK", kind=b"application/json"):
    """Return an answer as it goes over the wire."""
    head = b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (status, kind, len(body))
    return head + body


def reset(connection):
    """End a connection as a process that was killed does: with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def ask(method, id_=1, **params):
    """Return a modern request as the keyword arguments of a POST."""
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method}
    if "name" in params:
        headers["Mcp-Name"] = params["name"]
    message = {"jsonrpc": "2.0", "id": id_, "method": method, "params": {**params, "_meta": META}}
    return {"json": message, "headers": headers}


def call(name, text, id_=1):
    """Return a tools/call of this server."""
    return ask("tools/call", id_, name=name, arguments={"text": text})
