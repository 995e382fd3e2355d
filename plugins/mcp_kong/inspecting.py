"""The guard's way to the sidecar: its signed word, and what has Kong turn a request there.

Where mcp-answers knows that way, all of it is one call, as for a tools/call: see spec/decisions/381. Elsewhere it is a
call of the PDK for each part.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from typing import Final

from mcp_core import endpoint, methods
from mcp_core.claims import Claims, Target
from mcp_core.decide import Admitted
from mcp_core.outcome import Reject
from mcp_core.passing import HIDDEN_HEADERS
from mcp_core.policy import View
from mcp_core.seal import Session
from mcp_core.terms import Terms
from mcp_kong.asked import Incoming
from mcp_kong.pdk import Kong
from mcp_kong.policies import WrittenTerms
from mcp_kong.revocations import cuts_of
from mcp_kong.settings import Settings
from mcp_kong.tokens import REDACTED

CONTEXT_SECONDS: Final = 30
"""How long the sidecar may believe a context: the time from the guard to the sidecar, with room for a busy machine."""


class Words:
    """Writes the words of one guarded server's guard to the sidecar.

    Attributes:
        path: where the sidecar takes them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        hide = settings.hide_headers
        self._hide = None if hide == frozenset(HIDDEN_HEADERS) else tuple(sorted(hide))
        self._terms = WrittenTerms(self._make_terms, settings.policies)
        self.path = f"/inspect/{settings.server}"

    def write(
        self,
        asked: Incoming,
        admitted: Admitted,
        view: View,
        messages: Session | None = None,
        refusal: Reject | None = None,
        authorization: str | None = None,
    ) -> str | None:
        """Return the word of a request, None where the sidecar could not read its terms.

        `view` is the caller's, `messages` what the path of 2024-11-05's transport says, `refusal` what its sender must
        get on its stream, and `authorization` what the server gets of the gateway's.
        """
        settings = self._settings
        terms = self._terms.of(view)
        if terms is None:
            return None
        # What an answer opens (a session, a task) is bound to its principal, so here it is always asked for.
        principal = asked.principal()
        session = admitted.session or messages
        opens = asked.http_method == "GET" and session is None
        claims = Claims(
            principal=principal,
            terms=terms[0],
            http_method=asked.http_method,
            method=admitted.method,
            id=admitted.id,
            question=admitted.question,
            body=hashlib.sha256(asked.body).hexdigest(),
            expires=int(time.time()) + CONTEXT_SECONDS,
            announce=endpoint.announced_path(asked.kong.request.get_path()) if opens else None,
            refusal=refusal.body().decode() if refusal else None,
            cuts=cuts_of(settings.revoked, principal, asked.headers),
        )
        target = Target(
            server=settings.server,
            era=admitted.era,
            affinity=session.affinity if session else secrets.token_hex(8),
            session=admitted.session.upstream if admitted.session else None,
            endpoint=messages.upstream if messages else None,
            address=settings.address,
            authorization=authorization,
            hello=admitted.session.hello if admitted.session else None,
        )
        return settings.signer.sign(claims, target, terms[1])

    def _make_terms(self, view: View) -> Terms:
        """Return what the sidecar carries out of the configuration, for whoever has a view."""
        settings, guard = self._settings, self._settings.guard
        return Terms(
            view=view,
            enforce=guard.enforce,
            lists_tasks=guard.policy.methods.matches(methods.LIST_TASKS),
            server_messages=guard.server_messages,
            hide=self._hide,
            pins=settings.pinning,
            inspection=guard.inspection,
            scan=settings.scan,
            call_seconds=guard.limits.call_seconds,
            virtual=settings.virtual,
        )


def turn(kong: Kong, path: str, changes: Mapping[str, str | None]) -> None:
    """Turn a request, whose upstream is the sidecar's already, to one of its paths. None takes a header off."""
    # The service's protocol and path are the server's; the sidecar speaks plain HTTP on a private network.
    kong.service.request.set_scheme("http")
    kong.service.request.set_path(path)
    # Set to no values at all, a header is cleared (lua-nginx-module).
    kong.service.request.set_headers({name: [] if value is None else value for name, value in changes.items()})
    # Kong's log plugins write down every header of the request. A name with dots changes their record alone.
    kong.log.set_serialize_value(f"request.headers.{methods.CONTEXT_HEADER}", REDACTED)
