"""A complete local gateway around any MCP servers: gateway, plugin server and sidecar, started and stopped as one."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import socket
import tempfile
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from kong_mcp.dev_portal import SHARED, PortalLink, portal_environment, portal_links
from kong_mcp.gateway import GatewaySettings, start_gateway
from kong_mcp.policy_file import OPEN_POLICY
from kong_mcp.processes import Child
from kong_mcp.reaper import Reaper
from kong_mcp.servers import DevServer, ServerSpecError
from kong_mcp.share import deck_folder, program
from kong_mcp.state import COLLECTOR_FILE, Consumer, write_state
from mcp_core.pins.states import Pinning
from mcp_core.query import variable
from mcp_core.servers import McpServer, write_servers
from mcp_core.telemetry.visit import PROBE_AGENT
from mcp_kong.asks import ASK_SOCKET_VARIABLE
from mcp_kong.health_file import HEALTH_VARIABLE
from mcp_kong.inspection_settings import read_pins
from mcp_kong.keyfiles import ISSUER_KEYS_VARIABLE
from mcp_kong.policies import POLICIES_VARIABLE
from mcp_kong.revocations import REVOKED_VARIABLE
from mcp_kong.settings import KEYS_VARIABLE, read_auth, read_upstream_token
from mcp_kong.snapshots import SNAPSHOT_VARIABLE

START_SECONDS: Final = 60.0
STORE_VARIABLE: Final = "MCP_SIDECAR_STORE"
ADMIN_VARIABLE: Final = "MCP_SIDECAR_KONG_ADMIN"
SERVERS_VARIABLE: Final = "MCP_SIDECAR_SERVERS"
ISSUERS_VARIABLE: Final = "MCP_SIDECAR_ISSUERS"
NETWORKS_VARIABLE: Final = "MCP_SIDECAR_ISSUER_NETWORKS"
CLIENTS_VARIABLE: Final = "MCP_SIDECAR_ISSUER_CLIENTS"
REFRESH_VARIABLE: Final = "MCP_SIDECAR_ISSUER_REFRESH"
SERVERS_FILE_VARIABLE: Final = "MCP_SIDECAR_SERVERS_FILE"
PUBLIC_URL_VARIABLE: Final = "MCP_SIDECAR_PUBLIC_URL"
STORE_FILE: Final = "store.db"
COLLECTOR_VARIABLE: Final = "MCP_SIDECAR_COLLECTOR_TOKEN"
SERVERS_FILE: Final = "servers.json"
RECORDS_FILE: Final = "records.log"
_CONNECT_SECONDS: Final = 2.0
_PORTS: Final = range(20_000, 32_000)
_given: Final[deque[int]] = deque(maxlen=100)
_THIS_MACHINE: Final = ("127.0.0.0/8", "::1/128")


def fresh_keys() -> str:
    """Return a ring of one new key."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True, slots=True)
class DevSettings:
    """What a local gateway is made of. `port` 0 takes a free one; `gateway` is "kong" or "devkit".

    `keys` is the ring that guard and sidecar share (see mcp_core.seal.parse_keys): a fresh one unless it is given.
    `policy` is for servers that have none of their own. `store` keeps what pins write down; without one it goes with
    the gateway's other files. `answers` has mcp-answers hold what calls bring back, where the gateway runs Lua; else
    they take the inspect lane. `probes` has the sidecar probe replicas as MCP speaks, and guards hear of it. `records`
    has the gateway write down every request, for who watches it. `collector` has it tell the sidecar's collector, which
    counts usage in the store. `listed` are the records of server files: with them the sidecar knows every server before
    an agent comes, clients find those servers at the registry, and people in the portal. `short` has Kong ask the guard
    in one frame, where mcp-answers runs. `local` are server files of local servers, whose programs run at
    `local_port`.
    """

    servers: Sequence[DevServer]
    gateway: str
    port: int = 8000
    policy: Mapping[str, Any] = field(default_factory=lambda: OPEN_POLICY)
    consumers: Sequence[Consumer] = ()
    workers: int = 2
    keys: str = field(default_factory=fresh_keys, repr=False)
    store: str | None = None
    answers: bool = True
    records: bool = False
    probes: bool = False
    collector: bool = False
    listed: Sequence[McpServer] = ()
    short: bool = False
    local: Sequence[Path] = ()
    local_port: int = 0

    @property
    def runs_answers(self) -> bool:
        """Whether mcp-answers runs in the gateway."""
        return self.answers and self.gateway == "kong"

    def policy_of(self, server: DevServer) -> Mapping[str, Any]:
        """Return a server's own policy, or the one for all that have none."""
        return self.policy if server.policy is None else server.policy

    @property
    def pinned(self) -> list[DevServer]:
        """The servers for which pins do anything."""
        return [one for one in self.servers if read_pins(self.policy_of(one))[0] is not Pinning.OFF]


@dataclass(frozen=True, slots=True)
class DevGateway:
    """A running local gateway. `folder` holds its logs and files, and goes when it ends."""

    settings: DevSettings
    port: int
    sidecar_port: int
    folder: Path
    gateway: Child
    sidecar: Child

    @property
    def records(self) -> Path:
        """Where the gateway writes down requests, one line of JSON each."""
        return self.folder / RECORDS_FILE

    @property
    def store(self) -> str:
        """The address of the store that pins are written to."""
        return self.settings.store or str(self.folder / STORE_FILE)

    def url(self, server: str) -> str:
        """Return the URL at which agents find a server."""
        path = next(one.public_path for one in self.settings.servers if one.name == server)
        return f"http://127.0.0.1:{self.port}{path}"

    def portal_links(self) -> list[PortalLink]:
        """Make one-time links to the portal; none where there is no portal."""
        return portal_links(self.folder, self.port, self.settings.consumers) if self.settings.listed else []

    @property
    def registry(self) -> str | None:
        """The URL at which clients find servers, where there are records of them."""
        return f"http://127.0.0.1:{self.port}/registry/v0.1/servers" if self.settings.listed else None

    def check(self) -> None:
        """Raise ChildFailedError when a part of the gateway has ended."""
        self.gateway.check()
        self.sidecar.check()


class PortTakenError(RuntimeError):
    """The port for agents is in use."""


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise PortTakenError(f"port {port} is in use: choose another with --port, or --port 0") from None


def unreachable(servers: Sequence[DevServer]) -> list[str]:
    """Return a line for each replica that takes no connection now."""
    lines = []
    for server in servers:
        for target in server.targets:
            host, _, port = target.rpartition(":")
            try:
                socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
            except OSError:
                lines.append(f"{server.name}: nothing answers at {target} yet")
    return lines


def free_port() -> int:
    """Return a loopback port that is free now, below those that the kernel gives to outgoing connections.

    None that was given lately: nobody listens there yet, and two parts of a gateway must not be told the same one.
    """
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.append(port)
                return port


@contextlib.contextmanager
def run_dev(settings: DevSettings) -> Iterator[DevGateway]:
    """Run a local gateway for as long as the context lasts.

    Raises:
        PortTakenError: something else listens on the port.
        ServerSpecError: a server is to be asked with a secret that the environment has not.
        ChildFailedError: a part of it did not start; the message holds the end of its log.
    """
    port = _checked_port(settings)
    folder = Path(tempfile.mkdtemp(prefix="kong-mcp-"))
    with contextlib.ExitStack() as stack:
        reaper = stack.enter_context(Reaper(folder))
        sidecar_port = free_port()
        token = secrets.token_hex(32)
        deck_environment = {"DECK_MCP_SIDECAR_TARGET": f"127.0.0.1:{sidecar_port}", "DECK_MCP_COLLECTOR_TOKEN": token}
        servers = [
            replace(one, policy={**_local(port), **settings.policy_of(one)}, probed=settings.probes)
            for one in settings.servers
        ]
        state = _write_state(folder, settings, servers, deck_environment)
        environment = {
            **os.environ,
            KEYS_VARIABLE: settings.keys,
            POLICIES_VARIABLE: str(folder / "policies"),
            **_flow_environment(folder, settings),
            **_pin_environment(folder, settings) | _catalog_environment(folder, settings, port),
            **_auth_environment(folder, settings),
            **_collector_environment(folder, settings, token),
        }
        admin = free_port() if settings.probes else None
        if admin is not None:
            environment |= {HEALTH_VARIABLE: str(folder / "health"), ADMIN_VARIABLE: f"http://127.0.0.1:{admin}"}
        _start_local(settings, folder, reaper, stack)
        sidecar = Child(
            "sidecar",
            [program("mcp-sidecar"), "serve"],
            {
                **environment,
                "MCP_SIDECAR_LISTEN": f"127.0.0.1:{sidecar_port}",
                "MCP_SIDECAR_KONG_URL": f"http://127.0.0.1:{port}",
            },
            folder / "sidecar.log",
        )
        reaper.watch(sidecar.pid)
        stack.callback(sidecar.stop)
        gateway_settings = GatewaySettings(
            folder, state, port, settings.runs_answers, settings.workers, admin=admin, short=settings.short
        )
        gateway = start_gateway(settings.gateway, gateway_settings, environment)
        reaper.watch(gateway.pid)
        stack.callback(gateway.stop)
        running = DevGateway(settings, port, sidecar_port, folder, gateway, sidecar)
        credential = {"apikey": settings.consumers[0].key} if settings.consumers else {}
        asked = [(running.url(one.name), read_auth(settings.policy_of(one)) is not None) for one in settings.servers]
        gateway.wait_until(
            lambda: all(_is_guarded(url, credential, tokens=tokens) for url, tokens in asked), START_SECONDS
        )
        sidecar.wait_until(lambda: _status(f"http://127.0.0.1:{sidecar_port}/readyz") == 200, START_SECONDS)
        yield running


def _start_local(settings: DevSettings, folder: Path, reaper: Reaper, stack: contextlib.ExitStack) -> None:
    """Run the process of local servers, where there are any, and wait until it can be reached."""
    if not settings.local:
        return
    command = [program("kong-mcp"), "stdio", "serve", *map(str, settings.local), "--port", str(settings.local_port)]
    command += [word for network in _THIS_MACHINE for word in ("--network", network)]
    if found := os.environ.get("PATH"):  # whoever runs this has npx and uvx where a shell finds them, and nowhere else
        command += ["--search-path", found]
    running = Child("local servers", command, os.environ, folder / "local.log")
    reaper.watch(running.pid)
    stack.callback(running.stop)
    running.wait_until(lambda: _status(f"http://127.0.0.1:{settings.local_port}/healthz") == 200, START_SECONDS)


def _local(port: int) -> dict[str, Any]:
    """Return what a policy says of hosts and origins.

    A browser page that this gateway's own address served, an inspector say, is no stranger here; a page whose name was
    rebound to this address is one.
    """
    origins = [f"http://127.0.0.1:{port}", f"http://localhost:{port}"]
    return {"origins": origins, "hosts": ["127.0.0.1", "localhost"]}


def _write_state(
    folder: Path, settings: DevSettings, servers: Sequence[DevServer], environment: Mapping[str, str]
) -> Path:
    shared = ["shared.yaml"]
    shared += ["answers.yaml"] if settings.runs_answers else []
    shared += [COLLECTOR_FILE] if settings.collector else []
    shared += ["registry.yaml", SHARED] if settings.listed else []
    records = folder / RECORDS_FILE if settings.records else None
    consumers = settings.consumers
    return write_state(folder, deck_folder(), servers, {}, consumers, environment, shared=shared, records=records)


def _checked_port(settings: DevSettings) -> int:
    """Return the port to listen on, once nothing is known that would keep the gateway from starting."""
    _check_port(port := settings.port or free_port())
    for server in settings.servers:
        for name, value in {**(settings.policy_of(server).get("query") or {}), **server.query}.items():
            if (known := variable(value)) and not os.environ.get(known):
                raise ServerSpecError(
                    f"{server.name}: the environment has no {known}, which its query's {name} is to be"
                )
    return port


def _pin_environment(folder: Path, settings: DevSettings) -> dict[str, str]:
    """Return what guard and sidecar must be told about pins."""
    if not settings.pinned:
        return {}
    store = settings.store or str(folder / STORE_FILE)
    return {
        SNAPSHOT_VARIABLE: str(folder / "snapshot"),
        STORE_VARIABLE: store,
        SERVERS_VARIABLE: ",".join(
            f"{one.name}={one.protocol}://mcp-{one.name}-sessions{one.path}" for one in settings.pinned
        ),
    }


def _collector_environment(folder: Path, settings: DevSettings, token: str) -> dict[str, str]:
    """Return what the sidecar must be told to collect."""
    store = settings.store or str(folder / STORE_FILE)
    return {COLLECTOR_VARIABLE: token, STORE_VARIABLE: store} if settings.collector else {}


def _flow_environment(folder: Path, settings: DevSettings) -> dict[str, str]:
    """Return where the sidecar keeps what callers of virtual servers have read."""
    held = any(settings.policy_of(one).get("flow") for one in settings.servers)
    return {STORE_VARIABLE: settings.store or str(folder / STORE_FILE)} if held else {}


def _catalog_environment(folder: Path, settings: DevSettings, port: int) -> dict[str, str]:
    """Return what the sidecar must be told of server files. Who calls is asked for a key where there are consumers."""
    if not settings.listed:
        return {}
    file = folder / SERVERS_FILE
    auth = ("key-auth",) if settings.consumers else ()
    file.write_text(write_servers(replace(one, auth=auth) for one in settings.listed), encoding="utf-8")
    return {
        STORE_VARIABLE: settings.store or str(folder / STORE_FILE),
        SERVERS_FILE_VARIABLE: str(file),
        PUBLIC_URL_VARIABLE: f"http://127.0.0.1:{port}",
        **portal_environment(folder),
    }


def _auth_environment(folder: Path, settings: DevSettings) -> dict[str, str]:
    """Return what guard and sidecar must be told about issuers. One on this machine may be asked, unless it is set."""
    policies = [settings.policy_of(one) for one in settings.servers]
    auths = [auth for policy in policies if (auth := read_auth(policy)) is not None]
    issuers = [issuer for auth in auths for issuer in auth.issuers]
    issuers += [grant.issuer for policy in policies if (grant := read_upstream_token(policy, read_auth(policy)))]
    if not issuers:
        return {}
    defaults = {NETWORKS_VARIABLE: ",".join(_THIS_MACHINE), REFRESH_VARIABLE: "2"}
    return {
        ISSUER_KEYS_VARIABLE: str(folder / "issuer-keys"),
        ASK_SOCKET_VARIABLE: str(folder / "ask.sock"),
        REVOKED_VARIABLE: str(folder / "revoked"),
        **{name: os.environ[name] for name in (CLIENTS_VARIABLE,) if name in os.environ},
        ISSUERS_VARIABLE: ",".join(dict.fromkeys(issuers)),
        **{name: os.environ.get(name, value) for name, value in defaults.items()},
    }


def _is_guarded(url: str, credential: Mapping[str, str], *, tokens: bool) -> bool:
    """Return whether the guard answers on this route: it alone refuses what is not JSON with 400.

    Where it takes tokens, it wants one before it looks at anything.
    """
    return _status(url, b"?", credential) == (401 if tokens else 400)


def _status(url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> int | None:
    everything = {"Content-Type": "application/json", "User-Agent": PROBE_AGENT, **(headers or {})}
    request = urllib.request.Request(url, body, everything)  # noqa: S310 - loopback only
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None
