"""The decision over one request: which lane it takes, what the next hop is told, or why it goes no further.

This is the whole of what the guard does, as a function of bytes, headers, policy and principal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from mcp_core import constraints, counts, envelope, extended, methods, params, question, tasks, tracing, unknown
from mcp_core import headers as http
from mcp_core.answer import ServerMessages
from mcp_core.constraints import Constraint
from mcp_core.envelope import Envelope
from mcp_core.inspection import Inspection, Mode
from mcp_core.jsonrpc import DEFAULT_LIMITS, Limits, Message, Notification, Request, Response
from mcp_core.keys import Keys
from mcp_core.methods import METHODS, Era, Kind, Lane
from mcp_core.outcome import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    MISSING_CAPABILITY,
    RESOURCE_NOT_FOUND,
    SESSION_NOT_FOUND,
    Reject,
    RejectKind,
    RequestId,
    params_status,
)
from mcp_core.params import ParamHeaders
from mcp_core.policy import Policy, View
from mcp_core.question import Question
from mcp_core.reasons import Reason
from mcp_core.seal import Session
from mcp_core.tasks import Task
from mcp_core.uris import MAX_LENGTH as MAX_URI

_SINGULAR: Final = {Kind.TOOL: "tool", Kind.PROMPT: "prompt", Kind.RESOURCE: "resource"}
_SHOWN: Final = 256
"""Characters of a name that a refusal gives back: it need not be as long as what was sent."""
MOST_FORGIVEN: Final = 100
"""Refusals of one request that monitor mode tells of: a subscription may name any number of resources."""


@dataclass(frozen=True, slots=True)
class GuardTerms:
    """The settings of one guarded server that decisions need."""

    policy: Policy
    enforce: bool = True
    limits: Limits = DEFAULT_LIMITS
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    param_headers: ParamHeaders = field(default_factory=dict)
    constraints: tuple[Constraint, ...] = ()
    inspection: Inspection = field(default_factory=Inspection)
    server_messages: ServerMessages = field(default_factory=ServerMessages)


@dataclass(frozen=True, slots=True)
class Admitted:
    """The request may go on: by `lane`, with `method` and `name` as the truth for Mcp-Method and Mcp-Name.

    `question` is what its answer is held to. `would_refuse` holds what monitor mode let through. `session` is the
    opened session of a legacy request. `trace` are headers by which the agent's trace goes on.
    """

    lane: Lane
    era: Era
    version: str
    method: str
    name: str | None
    id: str | int | None
    question: Question
    session: Session | None = None
    would_refuse: tuple[Reject, ...] = field(default=())
    trace: tuple[tuple[str, str], ...] = ()


Decision: TypeAlias = Admitted | Reject
OpenSession: TypeAlias = Callable[[str], Session | None]
OpenTask: TypeAlias = Callable[[str], Task | None]
Closed: TypeAlias = Callable[[Kind, str], tuple[Reason, str] | None]
StepUp: TypeAlias = Callable[[Sequence[Message], RequestId | None], Reject | None]


def _opens_nothing(_token: str) -> None:
    return None


def _closes_nothing(_kind: Kind, _name: str) -> None:
    return None


def _has_all(_messages: Sequence[Message], _id: RequestId | None) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Caller:
    """What one principal may see and call, and what opens for it: sealed session ids and sealed task ids.

    `closed` returns why nobody may use an item, whoever asks (a reason and its detail); None for one that is open.
    `held` says that something in the call lane holds answers to their questions; else all takes the inspect lane.
    `step_up` returns the refusal of what the caller could do with more scopes than it has.
    """

    view: View
    open_session: OpenSession = _opens_nothing
    open_task: OpenTask = _opens_nothing
    closed: Closed = _closes_nothing
    held: bool = False
    step_up: StepUp = _has_all


def decide_post(guard: GuardTerms, caller: Caller, http_headers: http.Headers, body: bytes) -> Decision:
    """Decide over a POST."""
    read = envelope.read(http_headers, body, guard.limits)
    if isinstance(read, Reject):
        return read
    forgiven = _weigh(read, guard, caller, http_headers)
    if isinstance(forgiven, Reject):
        return forgiven
    id_ = None if read.batch else envelope.request_id(read.messages[0])
    if (refusal := caller.step_up(read.messages, id_)) is not None:
        if guard.enforce:
            return refusal
        forgiven = (*forgiven, refusal)
    session = _session(read.session, caller.open_session, id_)
    if isinstance(session, Reject):
        return session
    method, name = _truth(read)
    return Admitted(
        lane=_lane(read, guard, caller.view) if caller.held and not _may_be_lost(session) else Lane.INSPECT,
        era=read.era,
        version=read.version,
        method=method,
        name=name,
        id=id_,
        question=question.of_post(read.era, read.version, read.messages, batch=read.batch),
        session=session,
        would_refuse=forgiven,
        trace=() if read.batch else _trace(read.messages[0]),
    )


def _weigh(
    read: Envelope, guard: GuardTerms, caller: Caller, http_headers: http.Headers
) -> Reject | tuple[Reject, ...]:
    """Return the first refusal that holds, or all that monitor mode forgives.

    It lets pass what the policy forbids, and only where nothing else is wrong with any of the messages.
    """
    forgiven: list[Reject] = []
    for message in read.messages:
        for found in _refusals(message, read, guard, caller, http_headers):
            refusal = found
            if not isinstance(message, Response):
                named = dict(tracing.headers_of(message.params)).get(tracing.TRACEPARENT)
                refusal = replace(found, method=message.method[:_SHOWN], trace=named)
            if guard.enforce or refusal.kind is not RejectKind.POLICY:
                return refusal
            if len(forgiven) < MOST_FORGIVEN:
                forgiven.append(refusal)
    return tuple(forgiven)


def _refusals(
    message: Message, read: Envelope, guard: GuardTerms, caller: Caller, http_headers: http.Headers
) -> Iterator[Reject]:
    """Give all that is wrong with a message, as far as it is asked for."""
    if (refusal := extended.refusal(message, read, caller.view)) is not None:
        yield refusal
    if (refusal := _check_subscriptions(message, read, guard.limits)) is not None:
        yield refusal
    yield from authorise(message, read, guard.policy, caller)
    yield from constraints.check(guard.constraints, message, read.era)
    if (refusal := _check_params(message, read, guard.param_headers, http_headers)) is not None:
        yield refusal


def decide_endpoint_post(guard: GuardTerms, caller: Caller, http_headers: http.Headers, body: bytes) -> Decision:
    """Decide over a POST to the message endpoint of 2024-11-05's transport, whose answers come on another stream.

    It takes the inspect lane whatever it says: a server should answer it with nothing, so nothing else may pass.
    """
    decision = decide_post(guard, caller, http_headers, body)
    if isinstance(decision, Reject):
        return decision
    if extended.is_read_of(decision.method, decision.name, caller.view):
        return Reject(INVALID_REQUEST, extended.ALONE, Reason.ENDPOINT, id=decision.id)
    if decision.era is not Era.LEGACY or decision.session is not None:
        text = "Only messages of the HTTP+SSE transport are taken here: POST others to the path of the stream."
        return Reject(INVALID_REQUEST, text, Reason.ENDPOINT, id=decision.id)
    return replace(decision, lane=Lane.INSPECT)


def decide_stream(
    http_method: str, http_headers: http.Headers, open_session: OpenSession, body: bytes = b"", *, held: bool = False
) -> Decision:
    """Decide over anything but a POST: legacy GET opens a stream, legacy DELETE ends a session, all else is 405.

    `held` is as in Caller.
    """
    version = http.single(http_headers, methods.VERSION_HEADER)
    legacy = version is None or version in methods.LEGACY_VERSIONS
    if not legacy and version is not None and version not in methods.MODERN_VERSIONS:
        return envelope.unsupported(version)
    if http_method not in ("GET", "DELETE") or not legacy:
        allow = "POST, GET, DELETE" if legacy else "POST"
        text = f"Use one of these HTTP methods here: {allow}."
        return Reject(INVALID_REQUEST, text, Reason.HTTP_METHOD, status=405, headers={"Allow": allow})
    # In HTTP/2 a body needs no header to announce it.
    if body or http.single(http_headers, "content-length") not in (None, "0") or "transfer-encoding" in http_headers:
        return Reject(INVALID_REQUEST, f"Send {http_method} without a body here.", Reason.STREAM_BODY)
    for header in (methods.METHOD_HEADER, methods.NAME_HEADER):
        if (refusal := http.agree(http_headers, header, None, required=False)) is not None:
            return refusal
    session = _session(http.single(http_headers, methods.SESSION_HEADER), open_session, None)
    if isinstance(session, Reject):
        return session
    spoken = version or methods.ASSUMED_VERSION
    if http_method == "GET":
        asked = question.of_get(spoken, resumes=methods.LAST_EVENT_HEADER in http_headers)
        return Admitted(Lane.INSPECT, Era.LEGACY, spoken, "", None, None, asked, session)
    lane = Lane.CALL if held and not _may_be_lost(session) else Lane.INSPECT
    return Admitted(lane, Era.LEGACY, spoken, "", None, None, Question(Era.LEGACY, spoken), session)


_LISTENED: Final = Keys.of({methods.LISTEN_URIS, methods.LISTEN_TASKS})


def authorise(message: Message, read: Envelope, policy: Policy, caller: Caller) -> Iterator[Reject]:
    """Give every refusal of what a message asks, each as the answer that an unknown item, task or method would get."""
    if isinstance(message, Response):
        return
    method = METHODS.get(message.method)
    if method is None:
        if unknown.is_variant(message.method) or not policy.methods.matches(message.method):
            yield unknown.method(message, read)
        return
    if read.era not in method.eras or method.notification != isinstance(message, Notification):
        yield unknown.method(message, read)
    if isinstance(message, Request) and (refusal := _authorise_tasks(message, read, caller.open_task)) is not None:
        yield refusal
    if message.method == methods.LISTEN:
        yield from _authorise_listen(message, read, caller)
        return
    refusal = None
    if method.kind is not None and method.param is not None:
        refusal = _authorise_item(message, message.params.get(method.param), method.kind, read, caller)
    elif message.method == methods.COMPLETE:
        refusal = _authorise_completion(message, read, caller)
    if refusal is not None:
        yield refusal


def _authorise_item(message: Message, name: object, kind: Kind, read: Envelope, caller: Caller) -> Reject | None:
    id_, status = envelope.request_id(message), params_status(read.era)
    field_name = "uri" if kind is Kind.RESOURCE else "name"
    if not isinstance(name, str):
        return Reject(INVALID_PARAMS, f"params.{field_name} is a string.", Reason.ITEM_NAME, id=id_, status=status)
    if len(name) > MAX_URI:
        text = f"params.{field_name} has {MAX_URI} characters at most."
        return Reject(INVALID_PARAMS, text, Reason.ITEM_NAME, id=id_, status=status)
    extends = isinstance(message, Request) and message.method in methods.SKILL_METHODS
    # What these ask for goes through the sidecar, which learns from it what there is.
    closed, whose, cause = None if extends else caller.closed(kind, name), RejectKind.APPROVAL, None
    if closed is None:
        cause = caller.view.cause(kind, name)
        if cause.allows:
            return None
        closed, whose = (Reason.DENIED_ITEM, ""), RejectKind.POLICY
    (reason, detail), shown = closed, name[:_SHOWN]
    code, text, data = INVALID_PARAMS, f"Unknown {_SINGULAR[kind]}: {shown}", None
    if kind is Kind.RESOURCE and not extends:
        data = {"uri": shown}
        if read.era is Era.LEGACY:
            code, text, status = RESOURCE_NOT_FOUND, "Resource not found", 0
    refusal = Reject(code, text, reason, id=id_, status=status, data=data, kind=whose, name=shown)
    return replace(refusal, cause=cause, detail=detail)


def _authorise_completion(message: Request | Notification, read: Envelope, caller: Caller) -> Reject | None:
    """Completions speak of a prompt or a resource template: what is hidden has none (all revisions, completion)."""
    ref = message.params.get("ref")
    if isinstance(ref, dict):
        if ref.get("type") == "ref/prompt" and "uri" not in ref:
            return _authorise_item(message, ref.get("name"), Kind.PROMPT, read, caller)
        if ref.get("type") == "ref/resource" and "name" not in ref:
            return _authorise_item(message, ref.get("uri"), Kind.RESOURCE, read, caller)
    text = "params.ref is a ref/prompt with a name, or a ref/resource with a uri."
    return Reject(
        INVALID_PARAMS, text, Reason.COMPLETION_REF, id=envelope.request_id(message), status=params_status(read.era)
    )


def _authorise_listen(message: Request | Notification, read: Envelope, caller: Caller) -> Iterator[Reject]:
    """Subscriptions name resources: all of them must be allowed (2026-07-28, basic/patterns/subscriptions)."""
    wanted = message.params.get("notifications", {})
    if isinstance(wanted, dict):
        uris = wanted.get(methods.LISTEN_URIS, [])
        if isinstance(uris, list) and _LISTENED.misread(wanted) is None:
            refusals = (_authorise_item(message, uri, Kind.RESOURCE, read, caller) for uri in uris)
            yield from (refusal for refusal in refusals if refusal is not None)
            return
    text = f"params.notifications is an object, and its {methods.LISTEN_URIS} a list of URIs."
    yield Reject(INVALID_PARAMS, text, Reason.LISTEN, id=envelope.request_id(message), status=params_status(read.era))


def _check_subscriptions(message: Message, read: Envelope, limits: Limits) -> Reject | None:
    """Refuse a message that names more resources or tasks than are to be looked at, before anything looks at one."""
    wanted = None if isinstance(message, Response) else message.params.get("notifications")
    if wanted is None or counts.is_few(wanted, limits.subscriptions):
        return None
    text = (
        f"A message names {limits.subscriptions} resources and as many tasks at most, of {counts.URI_LENGTH} and "
        f"{counts.TASK_LENGTH} bytes on average: subscribe in several requests, or raise limits.subscriptions."
    )
    return Reject(INVALID_PARAMS, text, Reason.LISTEN, id=envelope.request_id(message), status=params_status(read.era))


def _check_params(message: Message, read: Envelope, known: ParamHeaders, headers: http.Headers) -> Reject | None:
    """Hold the headers that repeat arguments to the body; only the modern era requires them."""
    if not known or not isinstance(message, Request):
        return None
    method, name = METHODS.get(message.method), message.params.get("name")
    if method is None or method.kind is not Kind.TOOL or not isinstance(name, str):
        return None
    return params.check(known.get(name, ()), headers, message, required=read.era is Era.MODERN)


def _authorise_tasks(message: Request, read: Envelope, open_task: OpenTask) -> Reject | None:
    """A task of anybody else does not exist (2025-11-25, basic/utilities/tasks, security)."""
    asked = tasks.asked(message.method, message.params)
    if asked is not None and read.era is Era.MODERN and not tasks.declared(message.params):
        needed: dict[str, Any] = {"requiredCapabilities": {"extensions": {methods.TASKS_EXTENSION: {}}}}
        text = f"Declare {methods.TASKS_EXTENSION} among the client's capabilities."
        return Reject(MISSING_CAPABILITY, text, Reason.CAPABILITY, id=message.id, data=needed)
    related = tasks.related(message.params)
    named = [*(asked or ()), *([] if related is None else [related])]
    if all(isinstance(token, str) and open_task(token) is not None for token in named):
        return None
    return Reject(INVALID_PARAMS, "Task not found", Reason.TASK, id=message.id, status=params_status(read.era))


def _session(token: str | None, open_session: OpenSession, id_: RequestId | None) -> Session | Reject | None:
    if token is None:
        return None
    text = "Session not found: initialize again."
    return open_session(token) or Reject(SESSION_NOT_FOUND, text, Reason.SESSION, id=id_)


def _may_be_lost(session: Session | None) -> bool:
    """Return whether the sidecar opens the session again where its replica lost it: so it must see every answer."""
    return session is not None and session.hello is not None


def _lane(read: Envelope, guard: GuardTerms, view: View) -> Lane:
    """Return the inspect lane for what may carry a surface or the id of a task, the call lane for all else.

    Where results are scanned nothing takes the call lane. Nor does what its Lua does not judge: batches, methods of
    servers that only the policy knows, and what modern servers ask for within their results.
    """
    inspection, told = guard.inspection, guard.server_messages
    asks = read.era is Era.LEGACY or told.kinds >= methods.ALL_INPUT_KINDS
    if inspection.results is not Mode.OFF or read.batch or told.methods or not asks:
        return Lane.INSPECT
    for message in read.messages:
        if isinstance(message, Response):
            if tasks.related(message.result) is not None:
                return Lane.INSPECT
            continue
        method = METHODS.get(message.method)
        # What only the policy knows may carry a surface for all the gateway can tell.
        if method is None or method.lane is Lane.INSPECT or extended.is_read(message, view):
            return Lane.INSPECT
        timed = guard.limits.call_seconds and isinstance(message, Request)
        if timed or inspection.takes(message.method):
            return Lane.INSPECT
        starts = method.kind is Kind.TOOL and tasks.may_start(message.params, read.era)
        if starts or tasks.related(message.params) is not None:
            return Lane.INSPECT
    return Lane.CALL


def _trace(message: Message) -> tuple[tuple[str, str], ...]:
    return () if isinstance(message, Response) else tracing.headers_of(message.params)


def _truth(read: Envelope) -> tuple[str, str | None]:
    if read.batch:
        return methods.BATCH_METHOD, None
    message = read.messages[0]
    if isinstance(message, Response):
        return methods.RESPONSE_METHOD, None
    return message.method, envelope.item_name(message)
