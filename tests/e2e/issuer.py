"""The real authorization server of the tests, as a process of its own; see tests/node/issuer.mjs."""

import json
import subprocess
import tempfile
import urllib.parse
from pathlib import Path

import httpx
from mcp.client.auth import AuthorizationCodeResult
from mcp.shared.auth import OAuthClientInformationFull

from kong_mcp.dev import free_port
from node import tools
from tokens.kit import jwk

MACHINE = ("machine", "machine-secret-0123456789")
CALLBACK = "http://127.0.0.1:9/callback"
"""Where the registered agent is sent back to: nobody listens there, the tests' browser stops before it."""
SCRIPT = Path(__file__).parents[1] / "node" / "issuer.mjs"
_ALGORITHM = {"RS256": "RS256", "stranger": "RS256", "ES256": "ES256", "EdDSA": "EdDSA"}


class Issuer:
    """oidc-provider on a loopback port, with keys of the tests by their names; the first one signs.

    `more` is what else it is told, see tests/node/enterprise.mjs.
    """

    def __init__(self, *kids, **more):
        self.port = free_port()
        self.kids = kids
        self.more = more
        self._log = Path(tempfile.mkdtemp(prefix="issuer-")) / "log"
        self.start()

    def start(self):
        command = [str(one) for one in (tools.node(), SCRIPT, tools.MODULES, self.port)]
        with self._log.open("ab") as log:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
            self.process = subprocess.Popen(command, text=True, **pipes)
        self.url = self.rotate(*self.kids)["issuer"]

    def rotate(self, *kids):
        """Publish these keys, and sign with the first. Returns what the script says."""
        self.kids = kids
        keys = [jwk(kid, private=True, use="sig", alg=_ALGORITHM[kid]) for kid in kids]
        self.process.stdin.write(json.dumps({"jwks": keys, **self.more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self._log.read_text()[-3000:]
        return json.loads(line)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def token(self, resource, scope="mcp"):
        """Return a token for the machine."""
        data = {"grant_type": "client_credentials", "resource": resource, "scope": scope}
        answer = httpx.post(f"{self.url}/token", data=data, auth=MACHINE, trust_env=False, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]


class Memory:
    """Where the official client keeps what it was given."""

    def __init__(self, client_id=None):
        self.tokens = self.client = None
        if client_id:
            self.client = OAuthClientInformationFull(
                client_id=client_id, redirect_uris=[CALLBACK], token_endpoint_auth_method="none"
            )

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class Browser:
    """A person's browser: goes where it is sent, until it is sent back to the client."""

    def __init__(self):
        self.asked = []
        self._where = None

    async def go(self, url):
        self.asked.append(urllib.parse.parse_qs(urllib.parse.urlsplit(url).query))
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            for _ in range(20):
                if url.startswith(CALLBACK):
                    self._where = url
                    return
                answer = await http.get(url)
                assert answer.is_redirect, (answer.status_code, answer.text)
                url = urllib.parse.urljoin(url, answer.headers["location"])
        raise AssertionError("it was never sent back")

    async def came_back(self):
        said = urllib.parse.parse_qs(urllib.parse.urlsplit(self._where).query)
        assert "code" in said, said
        return AuthorizationCodeResult(**{name: said[name][0] for name in ("code", "state", "iss") if name in said})
