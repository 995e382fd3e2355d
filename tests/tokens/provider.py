"""A provider of the tests: serves what it is told to, bytes as they are, on a loopback port."""

import base64
import http.server
import json
import threading
import urllib.parse


class Provider:
    """`answers` maps a path to JSON values, or to (status, headers, body). `asked` lists what was asked for."""

    def __init__(self):
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self):
                provider.asked.append(self.path)
                found = provider.answers.get(self.path, (404, {}, b"{}"))
                if callable(found):
                    found = found(self)
                if found is None:
                    return
                status, headers, body = found if isinstance(found, tuple) else (200, {}, json.dumps(found).encode())
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.form = {name: values[0] for name, values in urllib.parse.parse_qs(body).items()}
                self.do_GET()

            def log_message(self, *_):
                pass

        self.answers = {}
        self.asked = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def publishes(self, issuer, keys, /, **more):
        """Serve an issuer's metadata where RFC 8414 has it, and its keys at /jwks."""
        path = issuer.removeprefix(self.url)
        said = {"issuer": issuer, "jwks_uri": f"{self.url}/jwks", **more}
        self.answers[f"/.well-known/oauth-authorization-server{path}"] = said
        self.answers["/jwks"] = keys

    def knows(self, tokens, client=("gateway", "s3cret")):
        """Answer introspection (RFC 7662) to one client: `tokens` maps each to what is said of it."""

        def answer(request):
            pair = base64.b64encode(":".join(client).encode()).decode()
            if request.headers.get("Authorization") != f"Basic {pair}":
                return 401, {}, b'{"error":"invalid_client"}'
            said = tokens.get(request.form["token"])
            return 200, {}, json.dumps({"active": False} if said is None else {"active": True, **said}).encode()

        self.answers["/introspect"] = answer

    def gives(self, give, client=("gateway", "s3cret")):
        """Answer at the token endpoint to one client: `give(form)` returns (status, JSON values)."""

        def answer(request):
            pair = base64.b64encode(":".join(client).encode()).decode()
            if request.headers.get("Authorization") != f"Basic {pair}":
                return 401, {}, b'{"error":"invalid_client"}'
            status, said = give(request.form)
            return status, {}, json.dumps(said).encode()

        self.answers["/token"] = answer

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
