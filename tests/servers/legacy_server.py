"""A small MCP server that speaks the legacy era only, with a session, event streams and pages: for `kong-mcp scan`."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SESSION = "session-1"


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.append((message["method"], dict(self.headers)))
        if self.server.key and self.headers.get("x-key") != self.server.key:
            return self._end(401)
        if "id" not in message:
            return self._end(202)
        if message["method"] == "initialize":
            return self._answer(message, {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}, SESSION)
        if self.headers.get("mcp-session-id") != SESSION:
            return self._end(400)
        if message["method"] == "tools/list":
            page = int(message["params"].get("cursor", 0))
            more = self.server.endless or page + 1 < len(self.server.pages)
            following = {"nextCursor": str(page + 1)} if more else {}
            return self._answer(message, {"tools": self.server.pages[page % len(self.server.pages)], **following})
        return self._end(404)

    def do_DELETE(self):
        self.server.seen.append(("DELETE", dict(self.headers)))
        self._end(200)

    def _answer(self, message, result, session=None):
        text = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})
        body = f": hello\n\nevent: message\ndata: {text}\n\n".encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        if session:
            self.send_header("mcp-session-id", session)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _end(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()


@contextlib.contextmanager
def legacy_server(*pages, key=None, endless=False):
    """Serve the pages of tools, again and again where they are `endless`.

    Yields the server: its `url`, and `seen` (method, headers) of every request.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.pages, server.key, server.endless, server.seen = pages, key, endless, []
    server.url = f"http://127.0.0.1:{server.server_port}/mcp"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
