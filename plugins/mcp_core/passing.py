"""Which headers of an agent a server gets: all but those of one hop, the gateway's own, and those that are hidden.

One rule for both lanes. In the call lane Kong sets the first two anew and the guard takes the hidden ones off; the
sidecar, which writes a request of its own, asks `passes`. Source: RFC 9110, section 7.6.1; spec/decisions/118.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mcp_core import methods
from mcp_core.policy import Matcher

HIDDEN_HEADERS: Final = (
    # Credentials.
    *("authorization", "*-authorization", "cookie", "cookie2", "*-cookie", "dpop", "x-auth", "x-auth-*"),
    *("*token", "*apikey", "*api-key", "*access-key", "*app-key", "*application-key", "*auth-key", "*private-key"),
    *("*secret-key", "*subscription-key", "*functions-key", "*secret", "*password", "*credentials", "*jwt"),
    # Identities that anybody could claim, but where somebody in front of Kong writes them.
    *("*-assertion", "cf-access-*", "forwarded", "remote-user", "tailscale-user-*", "x-amzn-oidc-*"),
    *("x-authenticated-*", "x-client-cert", "x-consumer-groups", "x-forwarded-access-token", "x-forwarded-client-cert"),
    *("x-forwarded-email", "x-forwarded-groups", "x-forwarded-preferred-username", "x-forwarded-user"),
    *("x-goog-authenticated-user-*", "x-goog-iap-*", "x-ms-client-principal*", "x-ms-token-*", "x-remote-user"),
    *("x-user-info", "x-userinfo"),
)
"""Headers of agents that no server gets unless the configuration says otherwise: globs, in lower case."""

ONE_HOP: Final = frozenset(
    {
        *("connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "proxy-connection", "te"),
        *("trailer", "transfer-encoding", "upgrade", "via", "x-real-ip"),
        methods.ACCEPT_ENCODING_HEADER,
        methods.ORIGIN_HEADER,
    }
)
"""What is said between two neighbours, and the Origin, which the guard has judged."""
_GATEWAYS_OWN: Final = methods.OWN_HEADERS | {
    methods.GATEWAY_SESSION_HEADER,
    methods.SESSION_HEADER,
}
_NOT_PASSED: Final = ONE_HOP | _GATEWAYS_OWN | methods.OVERRIDE_HEADERS
_NOT_PASSED_PREFIXES: Final = (*methods.IDENTITY_PREFIXES, "x-forwarded-", "x-kong-", "kong-")
"""How headers begin that Kong writes, or that tell Kong something."""
_NEEDED: Final = frozenset({"accept", "content-type", methods.LAST_EVENT_HEADER, *ONE_HOP}) - {methods.ORIGIN_HEADER}
"""What no glob takes off, so that a wide one does not break the request."""
_MOST, _LONGEST = 1024, 64


class Hidden:
    """Headers that are hidden, by name; `*` stands for any run of characters, and of the protocol's own for none."""

    def __init__(self, globs: Iterable[str] = HIDDEN_HEADERS) -> None:
        globs = tuple(globs)
        self._exact = frozenset(glob.lower() for glob in globs if "*" not in glob)
        self._wild = Matcher([glob.lower() for glob in globs if "*" in glob])
        self._known: dict[str, bool] = {}

    def hides(self, name: str) -> bool:
        """Return whether a header, in lower case, is hidden. Agents send the same few names: answers are kept."""
        known = self._known.get(name)
        if known is None:
            known = self._hides(name.replace("_", "-"))
            if len(name) <= _LONGEST:
                if len(self._known) >= _MOST:
                    self._known.clear()
                self._known[name] = known
        return known

    def _hides(self, name: str) -> bool:
        if name in self._exact:
            return True
        return name not in _NEEDED and not name.startswith("mcp-") and self._wild.matches(name)


def passes(name: str, hidden: Hidden) -> bool:
    """Return whether a server gets an agent's header, given by its name in lower case."""
    spelled = name.replace("_", "-")
    return spelled not in _NOT_PASSED and not spelled.startswith(_NOT_PASSED_PREFIXES) and not hidden.hides(name)
