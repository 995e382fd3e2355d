"""The vocabulary of the wire: revisions, header names, method names, and what each method is to a gateway.

No other module writes a header or method name. Sources are the published specifications of
modelcontextprotocol/modelcontextprotocol, docs/specification/REVISION.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LEGACY_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Revisions with the initialize handshake and sessions, oldest first."""

MODERN_VERSIONS: Final = ("2026-07-28",)
"""Stateless revisions: every request carries its version and capabilities."""

VERSIONS: Final = (*reversed(MODERN_VERSIONS), *reversed(LEGACY_VERSIONS))
"""Every revision that the gateway speaks, newest first."""

BATCH_VERSIONS: Final = frozenset({"2024-11-05", "2025-03-26"})
"""Revisions in which one POST may carry several messages."""

ASSUMED_VERSION: Final = "2025-03-26"
"""What a request without MCP-Protocol-Version speaks (2025-06-18, basic/transports, protocol version header)."""

# Header names, lower-case, as Kong and ASGI give them.
VERSION_HEADER: Final = "mcp-protocol-version"
METHOD_HEADER: Final = "mcp-method"
ACCEPT_ENCODING_HEADER: Final = "accept-encoding"
NAME_HEADER: Final = "mcp-name"
SESSION_HEADER: Final = "mcp-session-id"
LAST_EVENT_HEADER: Final = "last-event-id"
ORIGIN_HEADER: Final = "origin"
AUTHORIZATION_HEADER: Final = "authorization"
PROOF_HEADER: Final = "dpop"
NONCE_HEADER: Final = "DPoP-Nonce"
AUTHENTICATE_HEADER: Final = "WWW-Authenticate"
CONTEXT_HEADER: Final = "mcp-gateway-context"
"""The guard's signed word to the sidecar; an agent that sends it is refused."""
AFFINITY_HEADER: Final = "mcp-affinity"
"""What Kong hashes to find the replica of a session (`hash_on_header: mcp_affinity`); never taken from an agent."""
TARGET_HEADER: Final = "mcp-gateway-target"
"""The sidecar's signed word to mcp-internal: where its request goes."""
ACTING_HEADER: Final = "mcp-gateway-acting"
"""The sidecar's signed word to the guard of a member: for whom its request is (mcp_core.acting)."""
REFUSED_HEADER: Final = "mcp-gateway-refused"
"""A member's guard's word to the sidecar that it refused, code and reason: the virtual server's record says it too."""
GATEWAY_SESSION_HEADER: Final = "mcp-gateway-session"
"""The sealed session id once more, which decks of 0.1 rename to Mcp-Session-Id after they took that off."""
ALERT_SIGNATURE_HEADER: Final = "kong-mcp-signature"
"""Proves to a webhook who sent an alert, and when."""
PARAM_HEADER_PREFIX: Final = "mcp-param-"
"""Begins the headers that repeat single arguments (2026-07-28, streamable-http, custom headers from tool params)."""

SINGLE_HEADERS: Final = frozenset(
    {
        VERSION_HEADER,
        METHOD_HEADER,
        NAME_HEADER,
        SESSION_HEADER,
        LAST_EVENT_HEADER,
        ACCEPT_ENCODING_HEADER,
        "authorization",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        ORIGIN_HEADER,
        "transfer-encoding",
    }
)
"""Headers of which two copies would be read differently by different readers."""

OWN_HEADERS: Final = frozenset({CONTEXT_HEADER, AFFINITY_HEADER, TARGET_HEADER, ACTING_HEADER})
"""Headers that only the gateway writes."""

PASSING_HEADERS: Final = frozenset(
    {"content-length", "kong-request-id", "traceparent", "tracestate", "x-correlation-id", "x-request-id"}
)
"""Headers that say which request this is, and nothing of it: nothing is decided by them (spec/decisions/380)."""

OVERRIDE_HEADERS: Final = frozenset(
    {"x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"}
)
"""Headers with which some frameworks let a request become another method, or another path."""

IDENTITY_PREFIXES: Final = ("x-consumer-", "x-credential-", "x-anonymous-")
"""How headers begin with which Kong tells the next hop who calls."""

GUARDED_PREFIXES: Final = ("mcp-", *IDENTITY_PREFIXES)
"""How headers begin that this gateway or Kong writes: no other spelling of them may pass."""

# Keys of params._meta in the modern era (2026-07-28, basic/index, per-request protocol fields).
META_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
META_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
META_CLIENT_INFO: Final = "io.modelcontextprotocol/clientInfo"
META_LOG_LEVEL: Final = "io.modelcontextprotocol/logLevel"
META_SUBSCRIPTION: Final = "io.modelcontextprotocol/subscriptionId"
META_SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"
META_RELATED_TASK: Final = "io.modelcontextprotocol/related-task"
"""Names the task that a message belongs to (2025-11-25, basic/utilities/tasks), in params or in a result."""

TASKS_EXTENSION: Final = "io.modelcontextprotocol/tasks"
"""The capability of agents that can wait for a task in place of a result (extensions/tasks)."""
TASK_PARAM: Final = "task"
"""The key of params with which a legacy agent asks for a task."""
TASK_ID: Final = "taskId"
TASK_RESULT: Final = "tasks/result"
"""Answered when the task has ended (2025-11-25, basic/utilities/tasks)."""
TASK_METHODS: Final = frozenset({"tasks/get", TASK_RESULT, "tasks/update", "tasks/cancel"})
TASK_NOTIFICATIONS: Final = frozenset({"notifications/tasks", "notifications/tasks/status"})
LIST_TASKS: Final = "tasks/list"
"""Not in METHODS: it would tell every agent of all tasks, so it passes only where the policy names it."""

BATCH_METHOD: Final = "batch"
"""What Mcp-Method says of a body with several messages; no revision defines a method of this name."""
RESPONSE_METHOD: Final = "response"
"""What Mcp-Method says of an agent's answer to a server's request; no revision defines a method of this name."""


HOP_OPTIONS: Final = frozenset({"", "close", "keep-alive", "te"})
"""What Connection may name. Kong removes every header that it names, after the guard has read them."""


class Era(StrEnum):
    """Which of the protocol's two shapes a request has."""

    LEGACY = "legacy"
    MODERN = "modern"


class Lane(StrEnum):
    """Which way a request takes through the gateway."""

    CALL = "call"
    INSPECT = "inspect"


class Kind(StrEnum):
    """What a policy rules over."""

    TOOL = "tools"
    PROMPT = "prompts"
    RESOURCE = "resources"
    SKILL = "skills"
    """Files of skills: resources that have globs of their own (mcp_core.extensions)."""
    APP = "apps"
    """Pages of apps: the same."""

    # That of Enum is written in Python, and each decision looks kinds up several times; equal texts, equal hashes.
    __hash__ = str.__hash__


URI_KINDS: Final = frozenset({Kind.RESOURCE, Kind.SKILL, Kind.APP})
"""Kinds whose items are named by URIs."""


@dataclass(frozen=True, slots=True)
class Method:
    """One client-to-server method: its lane, the eras that define it, and what it names.

    `params[param]` is what Mcp-Name says; with `kind`, it names an item that the policy rules over. `repeatable` says
    that asking twice does no harm.
    """

    name: str
    lane: Lane
    eras: frozenset[Era]
    kind: Kind | None = None
    param: str | None = None
    notification: bool = False
    repeatable: bool = False


_BOTH = frozenset({Era.LEGACY, Era.MODERN})
_LEGACY = frozenset({Era.LEGACY})
_MODERN = frozenset({Era.MODERN})

INITIALIZE: Final = "initialize"
INITIALIZED: Final = "notifications/initialized"
DISCOVER: Final = "server/discover"
PING: Final = "ping"
SET_LOG_LEVEL: Final = "logging/setLevel"
ROOTS_CHANGED: Final = "notifications/roots/list_changed"
LOG_LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""From the least to the most severe (2025-11-25, server/utilities/logging)."""
SUBSCRIBE: Final = "resources/subscribe"
UNSUBSCRIBE: Final = "resources/unsubscribe"
CANCELLED: Final = "notifications/cancelled"
TOOLS_CHANGED: Final = "notifications/tools/list_changed"
PROMPTS_CHANGED: Final = "notifications/prompts/list_changed"
RESOURCES_CHANGED: Final = "notifications/resources/list_changed"
LISTEN: Final = "subscriptions/listen"
LISTEN_URIS: Final = "resourceSubscriptions"
"""The key of params.notifications that names resources (2026-07-28, basic/patterns/subscriptions)."""
LISTEN_TASKS: Final = "taskIds"
"""The key of params.notifications that names tasks (extensions/tasks)."""
LISTEN_ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
RESOURCE_UPDATED: Final = "notifications/resources/updated"
COMPLETE: Final = "completion/complete"
CALL: Final = "tools/call"
GET_PROMPT: Final = "prompts/get"
READ_RESOURCE: Final = "resources/read"
LIST_SKILLS: Final = "skills/list"
GET_SKILL: Final = "skills/get"
READ_DIRECTORY: Final = "resources/directory/read"
SKILL_METHODS: Final = frozenset({LIST_SKILLS, GET_SKILL, READ_DIRECTORY})
"""Methods of the skills extension (SEP-2640): they exist where the policy names skills."""
SKILLS_EXTENSION: Final = "io.modelcontextprotocol/skills"
APPS_EXTENSION: Final = "io.modelcontextprotocol/ui"
SKILL: Final = "skill"
"""The key of the result of skills/get."""
CONTENTS: Final = "contents"
"""The key of the result of resources/read."""
ARGUMENT_METHODS: Final = frozenset({CALL, GET_PROMPT})
"""Methods whose params hold arguments for an item."""

METHODS: Final = {
    method.name: method
    for method in (
        Method(INITIALIZE, Lane.INSPECT, _LEGACY, repeatable=True),
        Method(PING, Lane.CALL, _LEGACY),
        Method("tools/list", Lane.INSPECT, _BOTH, repeatable=True),
        Method(CALL, Lane.CALL, _BOTH, Kind.TOOL, "name"),
        Method("prompts/list", Lane.INSPECT, _BOTH, repeatable=True),
        Method(GET_PROMPT, Lane.CALL, _BOTH, Kind.PROMPT, "name"),
        Method("resources/list", Lane.INSPECT, _BOTH, repeatable=True),
        Method("resources/templates/list", Lane.INSPECT, _BOTH, repeatable=True),
        Method(READ_RESOURCE, Lane.CALL, _BOTH, Kind.RESOURCE, "uri"),
        Method(SUBSCRIBE, Lane.CALL, _LEGACY, Kind.RESOURCE, "uri"),
        Method(UNSUBSCRIBE, Lane.CALL, _LEGACY, Kind.RESOURCE, "uri"),
        Method(COMPLETE, Lane.CALL, _BOTH),
        Method(SET_LOG_LEVEL, Lane.CALL, _LEGACY),
        Method(LIST_SKILLS, Lane.INSPECT, _BOTH, repeatable=True),
        Method(GET_SKILL, Lane.INSPECT, _BOTH, Kind.RESOURCE, "uri", repeatable=True),
        Method(READ_DIRECTORY, Lane.INSPECT, _BOTH, Kind.RESOURCE, "uri", repeatable=True),
        Method(DISCOVER, Lane.INSPECT, _MODERN, repeatable=True),
        Method(LISTEN, Lane.INSPECT, _MODERN, repeatable=True),
        Method("tasks/get", Lane.INSPECT, _BOTH, param=TASK_ID, repeatable=True),
        Method(TASK_RESULT, Lane.INSPECT, _LEGACY, param=TASK_ID, repeatable=True),
        Method("tasks/update", Lane.INSPECT, _MODERN, param=TASK_ID),
        Method("tasks/cancel", Lane.INSPECT, _BOTH, param=TASK_ID),
        Method(INITIALIZED, Lane.CALL, _LEGACY, notification=True),
        Method(CANCELLED, Lane.CALL, _BOTH, notification=True),
        Method("notifications/progress", Lane.CALL, _LEGACY, notification=True),
        Method(ROOTS_CHANGED, Lane.CALL, _LEGACY, notification=True),
        Method("notifications/tasks/status", Lane.CALL, _LEGACY, notification=True),
    )
}
"""Every method that a client may send, by name. What is not here passes only where the policy names it."""

NAME_HEADER_METHODS: Final = frozenset({CALL, GET_PROMPT, READ_RESOURCE, "tasks/get", "tasks/update", "tasks/cancel"})
"""Methods that must carry Mcp-Name in the modern era (2026-07-28, streamable-http, standard request headers; for tasks,
extensions/tasks, routing headers)."""

SURFACE_KEYS: Final = {
    "tools": (Kind.TOOL, "name"),
    "prompts": (Kind.PROMPT, "name"),
    "resources": (Kind.RESOURCE, "uri"),
    "resourceTemplates": (Kind.RESOURCE, "uriTemplate"),
    "skills": (Kind.RESOURCE, "uri"),
}
"""Result key of each list -> what the policy rules it by and the field of an item that it compares."""

LIST_METHODS: Final = (
    ("tools/list", "tools", "tools"),
    ("prompts/list", "prompts", "prompts"),
    ("resources/list", "resources", "resources"),
    ("resources/templates/list", "resourceTemplates", "resources"),
)
"""Each method that lists items, the key of its result, and the capability with which a server says that it has it."""

LIST_CHANGED: Final = frozenset(
    {
        TOOLS_CHANGED,
        PROMPTS_CHANGED,
        RESOURCES_CHANGED,
    }
)
"""What a server says when one of its lists changed (all revisions, server/tools and others)."""
LISTEN_CHANGES: Final = ("toolsListChanged", "promptsListChanged", "resourcesListChanged")
"""Keys of params.notifications that ask to be told so (2026-07-28, basic/patterns/subscriptions)."""


class ServerKind(StrEnum):
    """The kinds of messages that a server sends of itself, as the policy's `server_messages` name them."""

    PROGRESS = "progress"
    LOG = "log"
    LIST_CHANGED = "list_changed"
    RESOURCE_UPDATED = "resource_updated"
    CANCELLED = "cancelled"
    PING = "ping"
    SAMPLING = "sampling"
    ELICITATION = "elicitation"
    ROOTS = "roots"
    TASKS = "tasks"


class Place(StrEnum):
    """Where what a server sends arrives."""

    POST = "post"
    """The answer to a POST, or the stream that brings it."""
    LISTEN = "listen"
    """The stream of subscriptions/listen."""
    GET = "get"
    """A legacy stream, which answers nothing."""
    REPLAY = "replay"
    """A legacy stream that goes on where another one broke off: what that one was asked, only the server knows."""
    ENDPOINT = "endpoint"
    """The stream of 2024-11-05's transport, which brings all answers."""


@dataclass(frozen=True, slots=True)
class ServerMethod:
    """One method that a server may send: its kind, whether it wants an answer, and the modern places that it has.

    Legacy revisions know it at every place where `legacy` is set.
    """

    name: str
    kind: ServerKind
    request: bool = False
    legacy: bool = True
    modern: frozenset[Place] = frozenset()


PROGRESS: Final = "notifications/progress"
PROGRESS_TOKEN: Final = "progressToken"  # noqa: S105 - a name of the protocol
SAMPLING: Final = "sampling/createMessage"
ELICITATION: Final = "elicitation/create"
ROOTS: Final = "roots/list"
_ON_POST = frozenset({Place.POST})
_ON_LISTEN = frozenset({Place.LISTEN})

SERVER_METHODS: Final = {
    method.name: method
    for method in (
        ServerMethod(PROGRESS, ServerKind.PROGRESS, modern=_ON_POST),
        ServerMethod("notifications/message", ServerKind.LOG, modern=_ON_POST),
        *(ServerMethod(name, ServerKind.LIST_CHANGED, modern=_ON_LISTEN) for name in sorted(LIST_CHANGED)),
        ServerMethod(LISTEN_ACKNOWLEDGED, ServerKind.LIST_CHANGED, legacy=False, modern=_ON_LISTEN),
        ServerMethod(RESOURCE_UPDATED, ServerKind.RESOURCE_UPDATED, modern=_ON_LISTEN),
        ServerMethod(CANCELLED, ServerKind.CANCELLED, modern=_ON_LISTEN),
        ServerMethod(PING, ServerKind.PING, request=True),
        ServerMethod(SAMPLING, ServerKind.SAMPLING, request=True),
        ServerMethod(ELICITATION, ServerKind.ELICITATION, request=True),
        ServerMethod("notifications/elicitation/complete", ServerKind.ELICITATION),
        ServerMethod(ROOTS, ServerKind.ROOTS, request=True),
        ServerMethod("notifications/tasks/status", ServerKind.TASKS),
        ServerMethod("notifications/tasks", ServerKind.TASKS, legacy=False, modern=_ON_LISTEN),
        *(
            ServerMethod(name, ServerKind.TASKS, request=True)
            for name in ("tasks/get", TASK_RESULT, LIST_TASKS, "tasks/cancel")
        ),
    )
}
"""Every method that a server may send (ServerRequest and ServerNotification in schema.ts of each revision; for tasks,
extensions/tasks). What is not here passes only where `server_messages.methods` names it."""

INPUT_KINDS: Final = {
    SAMPLING: ServerKind.SAMPLING,
    ELICITATION: ServerKind.ELICITATION,
    ROOTS: ServerKind.ROOTS,
}
"""What a modern server asks for within a result (2026-07-28, basic/patterns/mrtr), and the kind that it is of."""
ALL_INPUT_KINDS: Final = frozenset(INPUT_KINDS.values())
INPUT_REQUESTS: Final = "inputRequests"
INPUT_RESPONSES: Final = "inputResponses"
REQUEST_STATE: Final = "requestState"

RESULT_KEYS: Final = {
    **{key: frozenset({method}) for method, key, _ in LIST_METHODS},
    "capabilities": frozenset({INITIALIZE, DISCOVER}),
    "messages": frozenset({GET_PROMPT}),
    CONTENTS: frozenset({READ_RESOURCE}),
    "completion": frozenset({COMPLETE}),
    "tasks": frozenset({LIST_TASKS}),
    "skills": frozenset({LIST_SKILLS}),
    SKILL: frozenset({GET_SKILL}),
}
"""The key by which the reader of each method's result knows it: another method's result of a call has none of them."""
