"""A gateway that takes access tokens, in front of one server of the tests."""

import contextlib
from dataclasses import dataclass

import httpx

from e2e.harness import JSON_HEADERS, POLICY
from kong_mcp.dev import DevSettings, free_port, run_dev
from kong_mcp.servers import parse_server
from servers.launch import RECORDING, Replica, wait_for
from tokens.kit import Kit
from tokens.provider import Provider

OPEN = {name: POLICY[name] for name in ("tools", "prompts", "resources")}


@dataclass
class TokenGateway:
    """A gateway with tokens, the server behind it, and what stands in for its issuer where there is one."""

    dev: object
    replica: Replica
    kit: Kit | None = None
    provider: Provider | None = None

    @property
    def url(self):
        return self.dev.url("notes")

    def client(self, token=None):
        headers = JSON_HEADERS | ({"Authorization": f"Bearer {token}"} if token else {})
        return httpx.Client(headers=headers, timeout=30, trust_env=False)

    def posts(self, since=0):
        """Return the headers of every POST that reached the server after so many lines of its journal."""
        return [line[3] for line in self.replica.lines(since) if line[1:3] == ["http", "POST"]]

    def calls(self, since=0):
        """Return those of calls. The sidecar looks at lists by itself, whenever it is time."""
        return [headers for headers in self.posts(since) if headers.get("mcp-method") == "tools/call"]

    def mark(self):
        return len(self.replica.lines())


@contextlib.contextmanager
def token_gateway(kind, issuer, kit=None, provider=None, policy=None, shared=None, script=RECORDING, port=None, **auth):
    """Run a gateway of one kind that takes an issuer's tokens, and wait until its guards have the issuer's keys.

    `shared` holds more settings of it: the ring of keys, and the store.
    """
    port = port or free_port()
    resource = f"http://127.0.0.1:{port}/notes/mcp"
    section = {"resource": resource, "issuers": [{"issuer": issuer}], "required_scopes": ["mcp"]}
    with contextlib.ExitStack() as stack:
        replica = Replica("notes-1", script=script)
        stack.callback(replica.kill)
        policy = {**OPEN, **(policy or {}), "auth": section | auth}
        settings = DevSettings([parse_server(f"notes={replica.url}")], kind, port=port, policy=policy, **(shared or {}))
        dev = stack.enter_context(run_dev(settings))
        if kit is not None:
            kit.resource = resource
        keys = dev.folder / "issuer-keys"
        wait_for(keys.exists, lambda: (dev.folder / "sidecar.log").read_text()[-2000:])
        # Guards read the file anew every now and then: until then they know no key, and say 503 to whatever token.
        token = {"Authorization": f"Bearer {(kit or Kit(issuer=issuer)).token()}"}

        def known():
            # Several workers, each with a look of its own.
            asked = {"content": b"{}", "headers": token, "timeout": 30}
            return all(httpx.post(resource, **asked).status_code != 503 for _ in range(12))

        wait_for(known, lambda: "no keys")
        yield TokenGateway(dev, replica, kit, provider)


@contextlib.contextmanager
def kit_gateway(kind, policy=None, port=None, **auth):
    """Run one whose issuer is the tests' own, which signs whatever it is asked to."""
    provider = Provider()
    try:
        kit = Kit(issuer=provider.url)
        provider.publishes(kit.issuer, kit.jwks())
        with token_gateway(kind, kit.issuer, kit, provider, policy, port=port, **auth) as gateway:
            yield gateway
    finally:
        provider.close()
