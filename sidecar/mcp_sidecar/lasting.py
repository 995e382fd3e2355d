"""How long a request may be open: while its work lasts, while its server likes, or until the answer timeout."""

from __future__ import annotations

from mcp_core import methods
from mcp_core.question import Question
from mcp_core.seal import Context


def works(context: Context) -> bool:
    """Return whether the server may take as long as its work takes: Kong's timeouts end it, as in the call lane."""
    known = methods.METHODS.get(context.method)
    return known is not None and (known.lane is methods.Lane.CALL or known.name == methods.TASK_RESULT)


def may_stay(context: Context) -> bool:
    """Return whether the stream of an answer may go on for ever: that of a list ends, or is ended."""
    known = methods.METHODS.get(context.method)
    return known is None or not known.repeatable or known.name == methods.LISTEN or works(context)


def may_last(context: Context, question: Question) -> bool:
    """Return whether the request may be open for as long as its server likes. What asks nothing ends at once."""
    if context.http_method != "POST" or not question.asked:
        return context.http_method == "GET"
    return context.method not in methods.METHODS or context.method == methods.LISTEN or works(context)
