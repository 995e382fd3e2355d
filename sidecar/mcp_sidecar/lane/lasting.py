"""How long a request may be open: while its work lasts, while its server likes, or until the answer timeout."""

from __future__ import annotations

from mcp_core import methods
from mcp_core.claims import Claims


def works(method: str) -> bool:
    """Return whether the server may take as long as its work takes: Kong's timeouts end it, as in the call lane."""
    known = methods.METHODS.get(method)
    return known is not None and (known.lane is methods.Lane.CALL or known.name == methods.TASK_RESULT)


def may_stay(method: str) -> bool:
    """Return whether the stream of an answer may go on for ever: that of a list ends, or is ended."""
    known = methods.METHODS.get(method)
    return known is None or not known.repeatable or known.name == methods.LISTEN or works(method)


def may_last(claims: Claims) -> bool:
    """Return whether the request may be open for as long as its server likes. What asks nothing ends at once."""
    if claims.http_method != "POST" or not claims.question.asked:
        return claims.http_method == "GET"
    return claims.method not in methods.METHODS or claims.method == methods.LISTEN or works(claims.method)
