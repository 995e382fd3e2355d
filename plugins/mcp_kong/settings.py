"""The guard's configuration and keys, read once when Kong starts a plugin instance.

Raises for whatever cannot be used: an instance that does not start leaves its route closed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_core.answer import ServerMessages
from mcp_core.auth import config as auth_config
from mcp_core.auth import upstream
from mcp_core.auth.config import Auth, AuthError
from mcp_core.auth.upstream import Grant, GrantKind
from mcp_core.claims import ClaimSigner
from mcp_core.constraints import ConstraintError
from mcp_core.constraints import read_config as read_constraints
from mcp_core.decide import GuardTerms
from mcp_core.errand import SCHEMES, Address, AddressError
from mcp_core.jsonrpc import DEFAULT_LIMITS, Limits
from mcp_core.methods import Kind, ServerKind
from mcp_core.params import ParamHeaderError
from mcp_core.params import read_config as read_param_headers
from mcp_core.passing import HIDDEN_HEADERS
from mcp_core.pins.states import Pinning, Trust
from mcp_core.policy import Policy, PolicyError
from mcp_core.query import QueryError
from mcp_core.query import read as read_query
from mcp_core.scan import ScanConfig, ScanConfigError
from mcp_core.seal import ENDPOINT_PURPOSE, KeyRingError, SessionSealer, parse_keys
from mcp_core.tasks import TaskSealer
from mcp_core.virtual import Virtual, VirtualError
from mcp_kong.acting import Deputies, read_virtual
from mcp_kong.answers import Questions
from mcp_kong.asks import ASK_SOCKET_VARIABLE, Sidecar
from mcp_kong.health_file import HEALTH_VARIABLE, HealthFile, health_file
from mcp_kong.inspection_settings import read_inspection, read_pins
from mcp_kong.keyfiles import ISSUER_KEYS_VARIABLE, key_file
from mcp_kong.policies import MOST_BYTES, MOST_IN_HEADER, POLICIES_VARIABLE, PolicyFolder, policy_folder
from mcp_kong.revocations import REVOKED_VARIABLE, Revocations, revocations
from mcp_kong.schema import MODE, PAGES, PATH, SESSION_SECONDS, SIDECAR
from mcp_kong.settings_error import SettingsError
from mcp_kong.snapshots import SNAPSHOT_VARIABLE, SnapshotFile, snapshot_file
from mcp_kong.tokens import CREDENTIALS, Tokens
from mcp_kong.upstream_tokens import UpstreamTokens

KEYS_VARIABLE: Final = "KONG_MCP_KEYS"
"""Environment variable with the ring of keys that guard and sidecar share: base64, comma between them."""


@dataclass(frozen=True)
class Settings:
    """Everything one guarded route needs. `route_id` is None when the guard is not set on a route itself."""

    server: str
    upstream: str
    session_upstream: str
    address: Address
    sidecar: str
    guard: GuardTerms
    hide_headers: frozenset[str]
    session_max_age: int
    route_id: str | None
    signer: ClaimSigner
    questions: Questions
    pinning: Pinning
    scan: dict[str, Any]
    snapshot: SnapshotFile | None
    sessions: SessionSealer
    endpoints: SessionSealer
    tasks: TaskSealer
    tokens: Tokens | None = None
    policies: PolicyFolder | None = None
    server_tokens: UpstreamTokens | None = None
    revoked: Revocations | None = None
    health: HealthFile | None = None
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    deputies: Deputies = Deputies.NOBODY
    virtual: Virtual | None = None
    pages: bool = False

    @property
    def foreign(self) -> bool:
        """Return whether nothing of the server is open but what a person opened."""
        return bool(self.scan.get("trust") == Trust.FOREIGN)


def read_settings(config: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Read the plugin instance's configuration as Kong sends it, its defaults filled in.

    Raises:
        SettingsError: naming the field or variable that cannot be used.
    """
    try:
        keys = parse_keys(environment.get(KEYS_VARIABLE, ""))
    except KeyRingError as error:
        raise SettingsError(f"{KEYS_VARIABLE} in the plugin server's environment: {error}") from None
    pinning, trust = read_pins(config)
    snapshot = _snapshot(pinning, environment, keys)
    guard = check_config(config)
    address = _address(config, _text(config, "session_upstream", _text(config, "upstream")))
    policies = policy_folder(environment, time.monotonic, time.time)
    if policies is None and _policy_bytes(config) > MOST_IN_HEADER:
        raise SettingsError(
            f"config: {_POLICY} take more than {MOST_IN_HEADER} bytes of JSON, so {POLICIES_VARIABLE} must name a "
            "folder that this plugin server may write and the sidecar reads"
        )
    deputies, virtual = read_virtual(config)
    auth = read_auth(config)
    tokens = None if auth is None else _tokens(auth, environment, keys)
    hide = frozenset(name.lower() for name in _strings(config, "hide_headers", HIDDEN_HEADERS))
    hides_resources = auth is not None and auth.scopes.rules(Kind.RESOURCE)
    return Settings(
        server=_text(config, "server"),
        upstream=_text(config, "upstream"),
        session_upstream=address.upstream,
        address=address,
        sidecar=_text(config, "sidecar", SIDECAR),
        guard=guard,
        hide_headers=hide if auth is None else hide | CREDENTIALS,
        session_max_age=_whole(config.get("session_max_age", SESSION_SECONDS), "session_max_age"),
        route_id=config.get("route_id"),
        signer=ClaimSigner(keys),
        questions=Questions(
            _text(config, "server"),
            guard.policy,
            guard.server_messages,
            hides_resources=hides_resources,
            query=address.query,
        ),
        pinning=pinning,
        scan=read_scan(config) | ({} if trust is None else {"trust": trust.value}),
        snapshot=snapshot,
        sessions=SessionSealer(keys, AESGCM, InvalidTag),
        endpoints=SessionSealer(keys, AESGCM, InvalidTag, ENDPOINT_PURPOSE),
        tasks=TaskSealer(keys, AESGCM, InvalidTag),
        tokens=tokens,
        policies=policies,
        server_tokens=_server_tokens(config, auth, environment.get(ASK_SOCKET_VARIABLE), keys),
        health=health_file(environment.get(HEALTH_VARIABLE), keys),
        keys=keys,
        pages=config.get("serves") == PAGES,
        revoked=_revoked(environment.get(REVOKED_VARIABLE), keys),
        deputies=deputies,
        virtual=virtual,
    )


def _snapshot(pinning: Pinning, environment: Mapping[str, str], keys: tuple[bytes, ...]) -> SnapshotFile | None:
    """Return the file in which it stands what is open, None where nothing is held to it."""
    if pinning is not Pinning.ENFORCE:
        return None
    path = environment.get(SNAPSHOT_VARIABLE)
    if not path:
        raise SettingsError(
            f"config.pins.mode is enforce: {SNAPSHOT_VARIABLE} must name the file that the sidecar writes"
        )
    return snapshot_file(path, keys, time.monotonic)


def _address(config: Mapping[str, Any], upstream: str) -> Address:
    scheme, path = config.get("scheme"), config.get("path")
    try:
        query = read_query(config.get("query"))
        return Address.read(upstream, SCHEMES[0] if scheme is None else scheme, PATH if path is None else path, query)
    except (AddressError, QueryError) as error:
        raise SettingsError(f"config.{error}") from None


def read_auth(config: Mapping[str, Any]) -> Auth | None:
    """Read how callers are known by tokens; None where they are not. Raises SettingsError."""
    try:
        return auth_config.read(config.get("auth"))
    except AuthError as error:
        raise SettingsError(f"config.{error}") from None


def _check_rules(policy: Policy, auth: Auth | None) -> None:
    """Refuse rules that could never hold, or hold for another issuer's namesakes: a deny list in one would be open."""
    for number, rule in enumerate(policy.rules):
        where, of_tokens = (
            f"config.rules[{number}]",
            bool(rule.subjects or rule.clients or rule.scopes or rule.via or rule.issuer),
        )
        if auth is None and of_tokens:
            raise SettingsError(f"{where}: subjects, clients, scopes, via and issuer are of tokens: set config.auth")
        if auth is None:
            continue
        if rule.consumers:
            raise SettingsError(f"{where}.consumers: with config.auth callers are subjects of tokens, never consumers")
        if rule.issuer and rule.issuer not in auth.issuers:
            raise SettingsError(f"{where}.issuer: it is none of config.auth.issuers")
        if not rule.issuer and len(auth.issuers) > 1:
            raise SettingsError(
                f"{where}: say whose subjects it is for with issuer: with several issuers, names alone say nobody"
            )


def read_upstream_token(config: Mapping[str, Any], auth: Auth | None) -> Grant | None:
    """Read which token a server gets; None where it gets none. Raises SettingsError."""
    try:
        grant = upstream.read(config.get("upstream_token"))
    except AuthError as error:
        raise SettingsError(f"config.{error}") from None
    if grant is not None and grant.kind is GrantKind.EXCHANGE and auth is None:
        raise SettingsError("config.upstream_token: an exchange needs config.auth, whose tokens are exchanged")
    return grant


def _server_tokens(
    config: Mapping[str, Any], auth: Auth | None, socket: str | None, keys: tuple[bytes, ...]
) -> UpstreamTokens | None:
    grant = read_upstream_token(config, auth)
    if grant is None:
        return None
    if not socket:
        raise SettingsError(
            f"config.upstream_token is set: {ASK_SOCKET_VARIABLE} must name the socket of this node's sidecar"
        )
    return UpstreamTokens(grant, Sidecar(socket, keys, time.time), time.time)


def _tokens(auth: Auth, environment: Mapping[str, str], keys: tuple[bytes, ...]) -> Tokens:
    path, socket = environment.get(ISSUER_KEYS_VARIABLE), environment.get(ASK_SOCKET_VARIABLE)
    if not path:
        raise SettingsError(f"config.auth is set: {ISSUER_KEYS_VARIABLE} must name the file that the sidecar writes")
    if not socket and (auth.dpop.is_offered or any(issuer.introspect for issuer in auth.issuers.values())):
        raise SettingsError(
            f"config.auth has introspect or dpop: {ASK_SOCKET_VARIABLE} must name the socket of this node's sidecar"
        )
    sidecar = Sidecar(socket or None, keys, time.time)
    revoked = _revoked(environment.get(REVOKED_VARIABLE), keys)
    return Tokens(auth, key_file(path, keys, time.monotonic, time.time), time.time, sidecar, keys, revoked)


def _revoked(path: str | None, keys: tuple[bytes, ...]) -> Revocations | None:
    return revocations(path, keys, time.monotonic, time.time) if path else None


def read_server_messages(config: Mapping[str, Any]) -> ServerMessages:
    """Read what servers may send of themselves. Raises SettingsError."""
    value = config.get("server_messages") or {}
    if not isinstance(value, Mapping) or not value.keys() <= {"allow", "methods"}:
        raise SettingsError("config.server_messages: write {allow: [KIND, ...], methods: [NAME, ...]}")
    known = tuple(server_kind.value for server_kind in ServerKind)
    kinds = _strings(value, "allow", known, "server_messages.")
    if unknown := set(kinds) - set(known):
        wanted = ", ".join(known)
        raise SettingsError(f"config.server_messages.allow: {min(unknown)!r} is not known; write some of {wanted}")
    return ServerMessages(
        frozenset(map(ServerKind, kinds)), frozenset(_strings(value, "methods", (), "server_messages."))
    )


def read_scan(config: Mapping[str, Any]) -> dict[str, Any]:
    """Read what scan.ScanConfig is to read, without what is not set. Raises SettingsError."""
    value = _set(config.get("scan") or {})
    if not isinstance(value, dict):
        raise SettingsError("config.scan: write an object with families, rules and patterns")
    try:
        ScanConfig.from_config(value)
    except ScanConfigError as error:
        raise SettingsError(f"config.scan: {error}") from None
    return {name: one for name, one in value.items() if one}


def _set(value: Any) -> Any:
    """Return a value without the nulls that Kong writes for what is not set."""
    if isinstance(value, Mapping):
        return {name: _set(one) for name, one in value.items() if one is not None}
    return [_set(one) for one in value] if isinstance(value, list | tuple) else value


def check_config(config: Mapping[str, Any]) -> GuardTerms:
    """Read the fields that do not say where the server is: policy, limits, and what requests and answers are held to.

    Raises:
        SettingsError: naming the field that cannot be used.
    """
    try:
        policy = Policy.from_config(config)
        param_headers = read_param_headers(config.get("param_headers"))
        constraints = read_constraints(config.get("constraints"))
        read_pins(config)
        auth = read_auth(config)
        _check_rules(policy, auth)
        read_upstream_token(config, auth)
        read_query(config.get("query"), resolved=False)
        read_virtual(config)
    except (PolicyError, ParamHeaderError, ConstraintError, QueryError, VirtualError) as error:
        raise SettingsError(f"config.{error}") from None
    if _policy_bytes(config) > MOST_BYTES:
        raise SettingsError(f"config: {_POLICY} take more than {MOST_BYTES} bytes of JSON")
    mode = config.get("mode", MODE)
    if mode not in ("enforce", "monitor"):
        raise SettingsError("config.mode: write enforce or monitor")
    return GuardTerms(
        policy,
        enforce=mode == "enforce",
        limits=_limits(config.get("limits")),
        origins=_strings(config, "origins", ()),
        hosts=tuple(host.lower() for host in _strings(config, "hosts", ())),
        param_headers=param_headers,
        constraints=constraints,
        inspection=read_inspection(config),
        server_messages=read_server_messages(config),
    )


_POLICY: Final = "tools, prompts, resources, skills, apps, rules, scan, hide_headers and auth.scope_rules"


def _policy_bytes(config: Mapping[str, Any]) -> int:
    """Return what the sidecar must be told at most, as bytes of JSON."""
    sent = [*(config.get(kind.value) for kind in Kind), config.get("rules"), read_scan(config)]
    sent += [config.get("hide_headers"), (config.get("auth") or {}).get("scope_rules")]
    return len(json.dumps(sent))


def _text(config: Mapping[str, Any], field: str, default: str | None = None) -> str:
    value = config.get(field)
    if value is None:
        value = default
    if not isinstance(value, str) or not value:
        raise SettingsError(f"config.{field}: write a non-empty string")
    return value


def _strings(config: Mapping[str, Any], field: str, default: tuple[str, ...], where: str = "") -> tuple[str, ...]:
    value = config.get(field)
    if value is None:
        return default
    if value == {}:  # Kong's JSON writes an empty list as an empty object
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) and one for one in value):
        raise SettingsError(f"config.{where}{field}: write a list of non-empty strings")
    return tuple(value)


def _whole(value: Any, field: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise SettingsError(f"config.{field}: write a whole number of at least 1")
    return value


def _limits(value: Mapping[str, Any] | None) -> Limits:
    if not value:
        return DEFAULT_LIMITS
    known = {field.name for field in fields(Limits)}
    if unknown := set(value) - known:
        raise SettingsError(f"config.limits.{min(map(str, unknown))}: not known; write {', '.join(sorted(known))}")
    return replace(
        DEFAULT_LIMITS, **{name: _whole(one, f"limits.{name}") for name, one in value.items() if one is not None}
    )
