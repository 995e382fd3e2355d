"""Methods that nobody knows here, and those that a lax server could take for one that is known."""

from __future__ import annotations

from typing import Final

from mcp_core import methods
from mcp_core.envelope import Envelope
from mcp_core.jsonrpc import Notification, Request
from mcp_core.keys import fold
from mcp_core.methods import METHODS, Era
from mcp_core.outcome import ACCEPTED, INVALID_REQUEST, METHOD_NOT_FOUND, Reject, RejectKind
from mcp_core.reasons import Reason

SHOWN: Final = 256
"""Characters of a name that a refusal gives back: it need not be as long as what was sent."""
_FOLDED_METHODS: Final = frozenset(fold(name) for name in (*METHODS, methods.LIST_TASKS))


def is_variant(method: str) -> bool:
    """Return whether a lax server could take an unknown method for one that the policy rules over, or would hide."""
    return method != methods.LIST_TASKS and fold(method).strip("/") in _FOLDED_METHODS


def method(message: Request | Notification, read: Envelope, *, by_policy: bool = False) -> Reject:
    """Refuse a method as each era's servers refuse unknown ones.

    Legacy clients take a 404 for the end of their session. A legacy notification is taken and goes no further; of a
    batch nothing can be left out, so all of it is refused.
    Monitor mode forgives only what no reader takes for a method of MCP, and no list of all agents' tasks: whose they
    are is no matter of policy.
    """
    shown, legacy = message.method[:SHOWN], read.era is Era.LEGACY
    known = message.method in METHODS or message.method == methods.LIST_TASKS or is_variant(message.method)
    kind = RejectKind.PROTOCOL if known and not by_policy else RejectKind.POLICY
    if isinstance(message, Notification):
        text, status = f"Notification not accepted: {shown}", ACCEPTED if legacy and not read.batch else 400
        return Reject(INVALID_REQUEST, text, Reason.DENIED_METHOD, status=status, kind=kind, name=shown)
    code, text, status = METHOD_NOT_FOUND, "Method not found", 200 if legacy else 404
    return Reject(code, text, Reason.DENIED_METHOD, id=message.id, status=status, data=shown, kind=kind, name=shown)
