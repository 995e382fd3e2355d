"""What Kong itself vouches for: who calls, and by which HTTP method.

Both could be read from what the agent sent, and then be forged. Asking Kong costs a PDK call each time, so the answer
is kept for a short while where it provably still holds, and asked for again wherever that is in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from mcp_core import methods
from mcp_core.headers import Headers
from mcp_core.principal import NOBODY, Principal
from mcp_core.principal import consumer as consumer_of_kong
from mcp_kong.pdk import Kong

SECONDS: Final = 5.0
"""How long an answer is believed: what a configuration change may be late by, where Kong keeps the instance."""

GROUP_TAG: Final = "group:"
"""Consumer tags that begin so name the groups of a consumer."""

_MOST: Final = 1024
_CONSUMER_HEADERS: Final = ("x-consumer-id", "x-credential-identifier")
# Headers that differ from request to request and cannot be a credential of Kong's auth plugins.
_PASSING: Final = frozenset(
    {
        methods.VERSION_HEADER,
        methods.METHOD_HEADER,
        methods.NAME_HEADER,
        methods.SESSION_HEADER,
        "content-length",
        "traceparent",
        "tracestate",
    }
)


class Principals:
    """Who calls, from Kong's authentication.

    Kong's auth plugins write X-Consumer-* headers over whatever the agent sent, but a route without one lets forged
    ones through. So headers are believed only when Kong was asked about exactly this set of headers, credentials
    included, on this very route, a moment ago. Elsewhere Kong is asked.
    """

    def __init__(self, clock: Callable[[], float], *, one_route: bool) -> None:
        """Take a monotonic clock in seconds, and whether every request comes by one and the same route."""
        self._clock = clock
        self._one_route = one_route
        self._known: dict[frozenset[tuple[str, str | Sequence[str]]], tuple[float, Principal]] = {}

    def of(self, kong: Kong, headers: Headers) -> Principal:
        """Return the principal of this request."""
        if not self._one_route or not all(isinstance(headers.get(name), str) for name in _CONSUMER_HEADERS):
            return of_consumer(kong.client.get_consumer())
        told = [pair for pair in headers.items() if pair[0] not in _PASSING]
        try:
            key = frozenset(told)
        except TypeError:  # a header that was sent twice is a list
            key = frozenset((name, value if isinstance(value, str) else tuple(value)) for name, value in told)
        now = self._clock()
        known = self._known.get(key)
        if known is not None and now < known[0]:
            return known[1]
        principal = of_consumer(kong.client.get_consumer())
        if len(self._known) >= _MOST:
            self._known.clear()
        # Only a consumer that the headers name is what they prove.
        if principal is not NOBODY:
            self._known[key] = (now + SECONDS, principal)
        return principal


def of_consumer(consumer: Mapping[str, Any] | None) -> Principal:
    """Return the principal that a consumer of Kong is, NOBODY for none."""
    if not consumer:
        return NOBODY
    # A consumer without a username is known by its id alone: a custom_id could be another one's username.
    name = consumer.get("username")
    if not name:
        if not consumer.get("id"):
            return NOBODY
        name = f"id:{consumer['id']}"
    tags = consumer.get("tags") or ()
    return consumer_of_kong(name, (tag.removeprefix(GROUP_TAG) for tag in tags if tag.startswith(GROUP_TAG)))


class HttpMethods:
    """The HTTP method of a request: a route that Kong matches for POST alone proves it; elsewhere Kong is asked."""

    def __init__(self, clock: Callable[[], float], *, one_route: bool) -> None:
        """Take a monotonic clock in seconds, and whether every request comes by one and the same route."""
        self._clock = clock
        self._one_route = one_route
        self._until = 0.0
        self._post_only = False

    def of(self, kong: Kong) -> tuple[str, bool]:
        """Return the request's HTTP method, and whether its route is one for POST alone."""
        if self._one_route and self._proves_post(kong):
            return "POST", True
        return kong.request.get_method(), False

    def _proves_post(self, kong: Kong) -> bool:
        now = self._clock()
        if now >= self._until:
            route = kong.router.get_route() or {}
            self._post_only = list(route.get("methods") or ()) == ["POST"]
            self._until = now + SECONDS
        return self._post_only
