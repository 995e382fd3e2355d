"""The suite's scenarios `auth/*` with the gateway as the resource server: which gateway each needs, and its run.

The suite starts an authorization server and an MCP server that asks for its tokens. Behind a gateway it is the gateway
that asks: it says what the suite's MCP server says, as far as its configuration can. See behind.mjs for how the suite's
servers come to stand behind it.
"""

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from conformance.lane import Forwarder
from kong_mcp.dev import REFRESH_VARIABLE, DevSettings, free_port, run_dev
from kong_mcp.policy_file import OPEN_POLICY
from kong_mcp.servers import parse_server
from servers.launch import wait_for
from tokens.kit import jwk
from tokens.provider import Provider

VARIABLE = "CONFORMANCE_BEHIND"
ADMIN_VARIABLE = "KONG_ADMIN_LISTEN"
FETCHED = "issuer keys fetched"
"""What the sidecar writes down once the guards have an issuer's keys."""
ISSUERS = ("issuer", "next")
"""Roles of authorization servers that the gateway takes tokens of: at first, and after a change."""
PRELOADED = Path(__file__).with_name("behind.mjs")
EXTENSIONS = (
    "auth/client-credentials-basic",
    "auth/client-credentials-jwt",
    "auth/enterprise-managed-authorization",
    "auth/wif-jwt-bearer",
    "auth/dpop",
    "auth/dpop-nonce",
)
"""Scenarios of extensions, which belong to no revision; they run with the newest."""

QUICK = (
    "auth/metadata-default",
    "auth/basic-cimd",
    "auth/scope-step-up",
    "auth/resource-mismatch",
    "auth/client-credentials-jwt",
    "auth/enterprise-managed-authorization",
    "auth/dpop-nonce",
    "auth/authorization-server-migration",
)
"""What runs in the short form."""
DOCUMENTS = {
    "auth/metadata-var2": "/.well-known/oauth-protected-resource",
    "auth/metadata-var3": "/custom/metadata/location.json",
    "auth/resource-mismatch": "/.well-known/oauth-protected-resource/mcp",
}
"""Where the suite's MCP server has its metadata in scenarios in which that is not where the gateway has it."""


@dataclass(frozen=True)
class Group:
    """Scenarios that one configuration of the gateway is for. `auth` is added to the section `auth`.

    `tenant` is the path of the issuer; `listeners` the servers that a scenario starts, in order; `grants` whether its
    authorization server gives the scopes that were asked for; `proves` whether the agent brings proofs, which a port
    in front of the gateway then sees (behind_dpop.mjs). `path` is that of the resource, `root` where the gateway has
    what is at the root of the suite's MCP server.
    """

    names: tuple
    auth: dict = field(default_factory=dict)
    tenant: str = ""
    grants: bool = True
    listeners: tuple = ("issuer", "server")
    path: str = "/mcp"
    root: str = ""
    proves: bool = False

    @property
    def migrates(self):
        """Whether another issuer takes over while the scenario runs."""
        return "next" in self.listeners


_STEP_UP = {"scope_rules": [{"scopes": ["mcp:write"], "tools": ["test-tool"]}], "denial": "challenge"}
_ALL = Group(())
GROUPS = (
    Group(("auth/metadata-var2",), tenant="/tenant1", path="/notes", root="/notes"),
    Group(("auth/metadata-var3",), tenant="/tenant1"),
    Group(("auth/scope-from-www-authenticate", "auth/offline-access-scope"), {"required_scopes": ["mcp:basic"]}),
    Group(("auth/scope-from-scopes-supported",), {"required_scopes": ["mcp:basic", "mcp:read", "mcp:write"]}),
    Group(("auth/offline-access-not-supported",), {"required_scopes": ["mcp:basic", "mcp:read"]}),
    Group(("auth/scope-step-up",), {"required_scopes": ["mcp:basic"], **_STEP_UP}),
    Group(("auth/scope-retry-limit",), {"required_scopes": ["mcp:admin"]}, grants=False),
    Group(("auth/resource-mismatch",), path="/elsewhere/mcp"),
    Group(
        ("auth/authorization-server-migration",),
        {"required_scopes": ["mcp:basic"]},
        listeners=("issuer", "next", "server"),
    ),
    Group(("auth/dpop",), {"dpop": {"required": True}}, proves=True),
    Group(("auth/dpop-nonce",), {"dpop": {"nonces": True}}, proves=True),
    Group(("auth/enterprise-managed-authorization",), listeners=("other", "issuer", "server")),
)
"""What is in none of them needs no scopes."""


def groups(names):
    """Return the groups that some scenarios need, each with those of them that belong to it."""
    special = {name for group in GROUPS for name in group.names}
    everything = (replace(_ALL, names=tuple(name for name in names if name not in special)), *GROUPS)
    cut = [replace(group, names=tuple(name for name in group.names if name in names)) for group in everything]
    return [group for group in cut if group.names]


@contextlib.contextmanager
def gateway_for(group, kind):
    """Run the gateway of a group, with the keys of issuers that are to come. Gives what to add to the environment."""
    port, behind, inner = free_port(), free_port(), free_port()
    admin = free_port() if group.migrates else None
    resource = f"http://localhost:{port}{group.path}"
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-")))
        forwarder = stack.enter_context(Forwarder(folder / "target"))
        forwarder.target.write_text(str(behind), encoding="utf-8")
        providers = {role: Provider() for role in group.listeners if role in ISSUERS}
        issuers = {role: f"http://localhost:{one.port}{group.tenant}" for role, one in providers.items()}
        for role, provider in providers.items():
            _publish(provider, issuers[role], group.tenant)
        url = f"http://127.0.0.1:{forwarder.port}/mcp"
        servers = [_server("server", url, resource, issuers["issuer"], group)]
        servers += [
            _server(role, url, f"{resource}/{role}", issuers[role], group) for role in issuers if role != "issuer"
        ]
        # Asked once: later there is the suite's own server, which counts who asks for its documents.
        stack.enter_context(_variable(REFRESH_VARIABLE, "3600"))
        if admin:
            stack.enter_context(_variable(ADMIN_VARIABLE, f"127.0.0.1:{admin}"))
        try:
            settings = DevSettings(servers, kind, port=inner if group.proves else port, records=True)
            dev = stack.enter_context(run_dev(settings))
            log = dev.folder / "sidecar.log"
            wait_for(lambda: log.read_text().count(FETCHED) == len(issuers), lambda: log.read_text()[-2000:])
        finally:
            for provider in providers.values():
                provider.close()
        settings = {
            "listeners": group.listeners,
            "issuers": {role: provider.port for role, provider in providers.items()},
            "server": behind,
            "gateway": port,
            "root": group.root,
            "inner": inner if group.proves else None,
            "change": _change(dev, issuers, admin) if admin else None,
            "resource": resource,
            "key": jwk("ES256", private=True),
            "grants": group.grants,
            "records": str(dev.records),
            "documents": DOCUMENTS,
        }
        yield {VARIABLE: json.dumps(settings), "NODE_OPTIONS": f"--import={PRELOADED}"}


def _publish(provider, issuer, tenant):
    """Have a provider stand for an authorization server of the suite until it comes: the gateway asks for its keys."""
    metadata = {"issuer": issuer, "jwks_uri": f"{provider.url}/jwks"}
    provider.answers[f"/.well-known/oauth-authorization-server{tenant}"] = metadata
    provider.answers["/jwks"] = {"keys": [jwk("ES256")]}


def _server(name, url, resource, issuer, group):
    """Return a server of the gateway: agents find the one that the suite judges where the suite says."""
    policy = {**OPEN_POLICY, "auth": {"resource": resource, "issuers": [{"issuer": issuer}], **group.auth}}
    return replace(
        parse_server(f"{name}={url}"), path_of_agents=f"{group.root}/mcp" if name == "server" else None, policy=policy
    )


def _change(dev, issuers, admin):
    """Write the configuration in which the server's issuer is the next one. Returns what behind_change.mjs is told."""
    document = yaml.safe_load((dev.folder / "kong.yaml").read_text(encoding="utf-8"))
    text = json.dumps(document).replace(json.dumps(issuers["issuer"]), json.dumps(issuers["next"]))
    state = dev.folder / "next.json"
    state.write_text(text, encoding="utf-8")
    return {"admin": admin, "state": str(state), "issuer": issuers["next"]}


@contextlib.contextmanager
def _variable(name, value):
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
