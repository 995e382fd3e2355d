"""A REST API of the tests, which writes down what it was asked."""

import contextlib
import http.server
import json
import threading

PETS = {
    "openapi": "3.0.3",
    "info": {"title": "Pets", "version": "2.1.0"},
    "servers": [{"url": "http://127.0.0.1:1/never"}],
    "paths": {
        "/pets/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"operationId": "getPet", "tags": ["pets"], "summary": "One pet", "responses": {}},
            "put": {
                "operationId": "putPet",
                "tags": ["pets"],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
                },
                "parameters": [
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                    {"name": "Authorization", "in": "header", "schema": {"type": "string"}},
                    {"name": "dry", "in": "query", "schema": {"type": "boolean"}},
                ],
                "responses": {},
            },
            "delete": {"operationId": "deletePet", "tags": ["danger"], "responses": {}},
        }
    },
    "components": {
        "schemas": {
            "Pet": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "mother": {"$ref": "#/components/schemas/Pet"}},
            }
        }
    },
}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers, body))
        status, more, said = self.server.answers.get(self.path, (200, {}, json.dumps({"at": self.path}).encode()))
        if status == "never":
            self.server.let_go.wait(60)
            status = 200
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(said)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(said)

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, *_):
        """Say nothing."""


@contextlib.contextmanager
def rest_api(**answers):
    """Run an API. `answers` are (status, headers, body) by path; "never" answers once `let_go` is set.

    What it gives has `url`, and `asked`: method, path, headers and body of each request.
    """
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.asked, server.answers, server.let_go = [], dict(answers), threading.Event()
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()
