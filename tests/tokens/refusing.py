"""A stand-in for a provider that lacks what MCP clients need, as Entra ID does.

It refuses `resource`, has OpenID Connect's metadata alone, does not say that it takes PKCE (it does), registers nobody,
and knows scopes by longer names.
"""

import base64
import hashlib
import secrets
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps

from tokens.kit import Kit

CLIENT = "11111111-aaaa"
PREFIX = "api://notes/"
APPLICATION = "22222222-bbbb"
TENANT = "/tenant/v2.0"


class Refusing:
    """The provider on a loopback port. `asked` lists (path, parameters) of what came to its endpoints."""

    def __init__(self):
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                provider.get(self, url.path, dict(urllib.parse.parse_qsl(url.query)))

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                provider.token(self, dict(urllib.parse.parse_qsl(body, strict_parsing=True)))

            def log_message(self, *_):
                pass

        self.asked, self.codes = [], {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        self.issuer = self.base + TENANT
        self.kit = Kit(issuer=self.issuer, resource=APPLICATION)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def get(self, request, path, said):
        if path == f"{TENANT}/.well-known/openid-configuration":
            return _json(request, 200, {"issuer": self.issuer, "jwks_uri": f"{self.base}/keys"})
        if path == "/keys":
            return _json(request, 200, self.kit.jwks())
        if path != "/authorize":
            return _json(request, 404, {})
        self.asked.append((path, said))
        if "resource" in said:
            return _json(request, 400, {"error": "invalid_target", "error_description": "AADSTS9010010"})
        if said["client_id"] != CLIENT or not said["scope"].split()[0].startswith(PREFIX):
            return _json(request, 400, {"error": "invalid_scope"})
        code = secrets.token_urlsafe(16)
        self.codes[code] = said
        back = urllib.parse.urlencode({"code": code, "state": said["state"]})
        request.send_response(302)
        request.send_header("Location", f"{said['redirect_uri']}?{back}")
        request.send_header("Content-Length", "0")
        return request.end_headers()

    def token(self, request, said):
        self.asked.append((request.path, said))
        if "resource" in said:
            return _json(request, 400, {"error": "invalid_target", "error_description": "AADSTS9010010"})
        asked = self.codes.pop(said.get("code"), None)
        hashed = hashlib.sha256(said.get("code_verifier", "").encode()).digest()
        if asked is None or base64.urlsafe_b64encode(hashed).rstrip(b"=").decode() != asked["code_challenge"]:
            return _json(request, 400, {"error": "invalid_grant"})
        scopes = " ".join(one.removeprefix(PREFIX) for one in asked["scope"].split() if one.startswith(PREFIX))
        token = self.kit.token("RS256", header={"typ": "JWT"}, scope=None, scp=scopes)
        return _json(request, 200, {"access_token": token, "token_type": "Bearer", "expires_in": 600})

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _json(request, status, value):
    body = dumps(value).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
