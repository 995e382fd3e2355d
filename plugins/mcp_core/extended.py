"""What the guard decides of skills and apps beside the policy's globs: methods that exist, and reads that stand alone.

What reading a skill's file or an app's page gives is held to pins and to the skill's manifest. For that the sidecar
must know which file was asked for: so such a read goes through it, alone, and on a transport whose answers come on the
same connection.
"""

from __future__ import annotations

from typing import Final

from mcp_core import envelope, methods, unknown
from mcp_core.envelope import Envelope
from mcp_core.extensions import kind_of
from mcp_core.jsonrpc import Message, Request, Response
from mcp_core.methods import Kind
from mcp_core.outcome import INVALID_REQUEST, Reject, params_status
from mcp_core.policy import View
from mcp_core.reasons import Reason

ALONE: Final = "Files of skills and pages of apps are read one by one, over Streamable HTTP and in no batch."


def refusal(message: Message, read: Envelope, view: View) -> Reject | None:
    """Return why a message about skills or apps goes no further, whatever globs say of its item; or None."""
    if isinstance(message, Response):
        return None
    if message.method in methods.SKILL_METHODS and not view.names(Kind.SKILL):
        return unknown.method(message, read, by_policy=True)
    if read.batch and (message.method in methods.SKILL_METHODS or is_read(message, view)):
        status = params_status(read.era)
        return Reject(INVALID_REQUEST, ALONE, Reason.BATCH, id=envelope.request_id(message), status=status)
    return None


def is_read(message: Message, view: View) -> bool:
    """Return whether a message reads what may be a file of a skill or a page of an app."""
    return isinstance(message, Request) and is_read_of(message.method, message.params.get("uri"), view)


def is_read_of(method: str, uri: object, view: View) -> bool:
    """Return whether a method reads what may be a file of a skill or a page of an app."""
    if method != methods.READ_RESOURCE or not isinstance(uri, str):
        return False
    return view.skills_anywhere or kind_of(uri) is not Kind.RESOURCE
