"""What the core decides about one message, and the one table from error code to HTTP status.

A refusal is a value, never an exception: it travels from wherever it was found to the edge that writes it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias

from mcp_core.methods import Era
from mcp_core.reasons import Reason

RequestId: TypeAlias = str | int

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
SESSION_NOT_FOUND: Final = -32001
RESOURCE_NOT_FOUND: Final = -32002
FORBIDDEN: Final = -32003
UNAVAILABLE: Final = -32004
HEADER_MISMATCH: Final = -32020
MISSING_CAPABILITY: Final = -32021
UNSUPPORTED_VERSION: Final = -32022

ACCEPTED: Final = 202
"""The HTTP status of a notification that was taken, without a body (all legacy revisions, sending messages)."""


def params_status(era: Era) -> int:
    """Return the HTTP status of bad params, as each era's servers answer them: 200 with the error, or 400."""
    return 200 if era is Era.LEGACY else 400


STATUS: Final = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    METHOD_NOT_FOUND: 404,
    INVALID_PARAMS: 400,
    INTERNAL_ERROR: 500,
    SESSION_NOT_FOUND: 404,
    RESOURCE_NOT_FOUND: 200,
    FORBIDDEN: 403,
    UNAVAILABLE: 503,
    HEADER_MISMATCH: 400,
    MISSING_CAPABILITY: 400,
    UNSUPPORTED_VERSION: 400,
}
"""JSON-RPC error code -> HTTP status, unless a rule of the transport asks for another (405, 413, 415, 431)."""


class RejectKind(StrEnum):
    """Who refuses: it decides whether monitor mode may let the message pass, which it may only for POLICY."""

    POLICY = "policy"
    """The operator's allow and deny lists."""
    APPROVAL = "approval"
    """Pins: nobody approved the item in its present form."""
    PROTOCOL = "protocol"
    """What readers could read differently, what no revision defines, and what belongs to another principal."""


@dataclass(frozen=True, slots=True)
class Pass:
    """The message goes on as it is."""


@dataclass(frozen=True, slots=True)
class Mutated:
    """The message goes on with `message` (JSON values) in its place."""

    message: Any


@dataclass(frozen=True, slots=True)
class Reject:
    """The message goes no further, and this is what its sender hears.

    `id` stays out of the body when the request's own id could not be read (2025-11-25, basic, responses). With ACCEPTED
    for its status the sender of a notification hears nothing, as from a server that does not know it.
    `reason` is for logs and metrics and `detail` what is particular to this case; `name` is the item or method that was
    refused, `method` how it was asked for, `trace` the span that its message names, and `cause` why the policy has
    no such item (a policy.Cause). They are for logs, and none reaches the sender as such.
    """

    code: int
    message: str
    reason: Reason
    id: RequestId | None = None
    status: int = 0
    data: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    kind: RejectKind = RejectKind.PROTOCOL
    name: str | None = None
    method: str | None = None
    cause: str | None = None
    detail: str = ""
    trace: str | None = None

    @property
    def why(self) -> str:
        """The reason with its detail, as people read it."""
        return f"{self.reason}: {self.detail}" if self.detail else self.reason.value

    def http_status(self) -> int:
        """Return the HTTP status: the rule's own, or the table's."""
        return self.status or STATUS[self.code]

    def body(self) -> bytes:
        """Return the JSON-RPC error response as UTF-8 JSON, or nothing where nothing is said."""
        if self.status == ACCEPTED:
            return b""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        document: dict[str, Any] = {"jsonrpc": "2.0"}
        if self.id is not None:
            document["id"] = self.id
        document["error"] = error
        return json.dumps(document, separators=(",", ":")).encode()


Outcome: TypeAlias = Pass | Mutated | Reject
