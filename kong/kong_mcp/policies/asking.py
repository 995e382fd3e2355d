"""A real request for an item or a method, put before the guard's own decision."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from kong_mcp.policies.source import ServerPolicy
from kong_mcp.policies.surfaces import NOTHING_KNOWN, KnownSurfaces
from mcp_core import headers as http
from mcp_core import methods
from mcp_core.auth.denied import challenge
from mcp_core.auth.scopes import TOO_NARROW, Scopes
from mcp_core.decide import Caller, Decision, decide_post
from mcp_core.jsonrpc import Message
from mcp_core.methods import METHODS, Era, Kind
from mcp_core.outcome import Reject, RequestId
from mcp_core.pins.states import Pinning
from mcp_core.principal import Principal
from mcp_core.reasons import Reason

USUAL: Final = {Kind.TOOL: methods.CALL, Kind.PROMPT: methods.GET_PROMPT, Kind.RESOURCE: methods.READ_RESOURCE}
"""By which method each kind of item is used, unless another one is asked about."""
_REFERENCES: Final = {Kind.PROMPT: ("ref/prompt", "name"), Kind.RESOURCE: ("ref/resource", "uri")}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody would ask for: a method, and the item that it names where it names one."""

    method: str
    kind: Kind | None = None
    name: str | None = None


class MethodError(ValueError):
    """The method and the item do not go together; the message says what does."""


def wanted(method: str | None, kind: Kind | None, name: str | None) -> Wanted:
    """Return what is asked for. Raises MethodError where a method names no such item."""
    if kind is None:
        if method is None:
            raise MethodError("say what to explain: --tool, --prompt, --resource or --method")
        known = METHODS.get(method)
        if method in (methods.COMPLETE, methods.LISTEN) or (known is not None and known.kind is not None):
            raise MethodError(f"{method} names an item: give --tool, --prompt or --resource too")
        return Wanted(method)
    method = method or USUAL[kind]
    fitting = sorted(one.name for one in METHODS.values() if one.kind is kind)
    fitting += [methods.COMPLETE] if kind in _REFERENCES else []
    fitting += [methods.LISTEN] if kind is Kind.RESOURCE else []
    if method not in fitting:
        raise MethodError(f"{method} names none of the {kind.value}: write one of {', '.join(fitting)}")
    return Wanted(method, kind, name)


def decided(
    policy: ServerPolicy,
    principal: Principal,
    asked: Wanted,
    server: str,
    known: KnownSurfaces = NOTHING_KNOWN,
    *,
    scopes: Scopes | None = None,
) -> Decision:
    """Return what the guard decides over a well-formed request, with pins as far as they are known.

    `scopes` are those of the server, where a token says who calls: what they hide or challenge counts too.
    """
    guard = policy.guard
    view = guard.policy.view(principal)
    if scopes is not None:
        view = scopes.narrow(view, principal.scopes)
    if known.states and policy.pinning is Pinning.ENFORCE:
        surface = known.surface(server)

        def closed(kind: Kind, name: str) -> tuple[Reason, str] | None:
            state = surface.refusal(kind, name)
            return None if state is None else (Reason.UNAPPROVED_ITEM, state)

        caller = Caller(view, closed=closed, held=True)
    else:
        caller = Caller(view, held=True)
    if scopes is not None:
        caller = replace(caller, step_up=partial(_step_up, scopes, principal))
    return decide_post(guard, caller, *_request(asked))


def _step_up(scopes: Scopes, principal: Principal, messages: Sequence[Message], id_: RequestId | None) -> Reject | None:
    needed = scopes.missing(messages, principal.scopes)
    return challenge(TOO_NARROW, "", needed, id_) if needed else None


def _request(asked: Wanted) -> tuple[dict[str, str], bytes]:
    """Return headers and body of a request: of the newest legacy revision, which asks for least, if it can be."""
    method = METHODS.get(asked.method)
    era = Era.LEGACY if method is None or Era.LEGACY in method.eras else Era.MODERN
    version = methods.LEGACY_VERSIONS[-1] if era is Era.LEGACY else methods.MODERN_VERSIONS[-1]
    params = _params(asked)
    headers = {"content-type": "application/json", methods.VERSION_HEADER: version}
    if era is Era.MODERN:
        headers[methods.METHOD_HEADER] = http.encode_value(asked.method)
        params["_meta"] = {methods.META_VERSION: version, methods.META_CAPABILITIES: {}}
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": asked.method, "params": params}
    notification = asked.method.startswith("notifications/") if method is None else method.notification
    return headers, json.dumps(message if notification else {**message, "id": 1}).encode()


def _params(asked: Wanted) -> dict[str, Any]:
    if asked.kind is None:
        return {}
    if asked.method == methods.COMPLETE:
        word, key = _REFERENCES[asked.kind]
        return {"ref": {"type": word, key: asked.name}, "argument": {"name": "x", "value": ""}}
    if asked.method == methods.LISTEN:
        return {"notifications": {methods.LISTEN_URIS: [asked.name]}}
    return {str(METHODS[asked.method].param): asked.name}
