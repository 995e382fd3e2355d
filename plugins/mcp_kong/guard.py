"""mcp-guard's access phase: one request in, one outcome carried out.

The number of PDK calls is the speed of the gateway: what is allowed makes two, one that reads the request and one
that leaves what is to be done with it, or the first alone where that was decided a moment ago. Whatever is not admitted
ends in response.exit, and whatever raises ends in the plugin server's refusal; the service behind the route has no
targets of its own, so that silence refuses too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from mcp_core import endpoint, methods, record, tracing
from mcp_core import headers as http
from mcp_core.auth import metadata, wanted
from mcp_core.decide import Admitted, Caller, Decision, decide_endpoint_post, decide_post, decide_stream
from mcp_core.methods import Era, Kind, Lane
from mcp_core.outcome import ACCEPTED, SESSION_NOT_FOUND, UNAVAILABLE, Reject, RequestId
from mcp_core.passing import Hidden
from mcp_core.policy import View
from mcp_core.principal import CONSUMER, NOBODY
from mcp_core.question import Question
from mcp_core.reasons import Reason
from mcp_core.seal import Session, SessionSealer
from mcp_core.tasks import Task
from mcp_kong import again, answers, inspecting, parts
from mcp_kong.acting import ActingCallers, Deputies, without_word
from mcp_kong.asked import Incoming, WhoAsks
from mcp_kong.pages import Pages
from mcp_kong.pdk import Kong
from mcp_kong.proofs import HttpMethods, Principals
from mcp_kong.refusals import Refusals
from mcp_kong.revocations import cuts_of
from mcp_kong.settings import read_settings
from mcp_kong.tokens import Tokens

MAX_REFUSAL: Final = 2048
"""Bytes of a refusal that a server is to bring back in the id of a ping."""
_SHOWN: Final = 64
_METADATA_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def _is_about_tokens(kong: Kong, tokens: Tokens, http_method: str) -> bool:
    """Return whether a request asked who issues tokens, or the provider's facade, and was answered."""
    if http_method in _METADATA_METHODS and metadata.is_asked(kong.request.get_path()):
        tokens.answer(kong, http_method)
        return True
    return tokens.has_facade and tokens.speak_for_provider(kong, http_method, kong.request.get_path())


class Guard:
    """One instance of the plugin: one configuration, one guarded server."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Read the configuration and the keys. Raises SettingsError, which leaves the route closed."""
        self._settings = read_settings(config, os.environ)
        one_route = self._settings.route_id is not None
        self._hidden = Hidden(self._settings.hide_headers)
        self._words = inspecting.Words(self._settings)
        self._methods = HttpMethods(time.monotonic, one_route=one_route)
        self._refusals = Refusals(time.monotonic)
        # The sidecar comes by a host of its own.
        self._hosts = self._settings.guard.hosts if self._settings.deputies is Deputies.NOBODY else ()
        self._principals = Principals(time.monotonic, one_route=one_route)
        acts = (self._settings.server, self._settings.deputies, self._settings.keys, self._settings.tokens)
        self._acting = None if self._settings.deputies is Deputies.NOBODY else ActingCallers(*acts)
        self._reuse = again.Reuse(self._settings, config)
        self._pages = Pages(self._settings) if self._settings.pages else None

    def access(self, kong: Kong) -> None:
        """Decide over the request and carry the decision out."""
        settings = self._settings
        http_method, post_only = self._methods.of(kong)
        # Before all else that ends an event well: what mcp-answers uses again stands until somebody decides.
        read = answers.read_request(kong, answers.MAX_HEADERS, self._reuse.stands)
        if read is None:  # what was decided a moment ago is done again
            return
        tokens = settings.tokens if self._acting is None else None
        if tokens and _is_about_tokens(kong, tokens, http_method):
            return
        headers, given, knows = read
        if self._pages is not None:
            self._pages.open(kong, http_method, headers, self._principals.of(kong, headers))
            return
        asked = self._asked(kong, http_method, headers, given, knows)
        if asked is not None:
            self._go_on(asked, post_only=post_only)

    def _asked(
        self, kong: Kong, http_method: str, headers: http.Headers, given: bytes | None, knows: answers.Knows
    ) -> Incoming | None:
        """Return a request whose caller and headers are in order, with its body; None for one that was refused."""
        # For whom the sidecar acts is signed with the body.
        given = given if self._acting is None else parts.body(kong, given)
        caller = self._caller(kong, headers, http_method, given)
        headers = headers if self._acting is None else without_word(headers)
        if isinstance(caller, Reject):
            self._refuse_caller(Incoming(kong, http_method, headers, b"", WhoAsks(lambda: NOBODY)), caller)
            return None
        origins = self._settings.guard.origins
        refusal = http.check(headers, origins=origins, hosts=self._hosts, most=answers.MAX_HEADERS)
        # A GET goes to the sidecar, which sends one of its own: only what reaches a server need be read.
        body = parts.body(kong, given) if refusal is None and http_method in ("POST", "DELETE") else b""
        asked = Incoming(kong, http_method, headers, body, caller, knows)
        if refusal is not None:
            self._refuse(asked, refusal)
            return None
        return asked

    def _go_on(self, asked: Incoming, *, post_only: bool) -> None:
        """Decide over what is asked, and carry the decision out."""
        settings = self._settings
        # A route for POST alone serves the one path of the newer transports.
        messages = None if post_only else self._endpoint(asked)
        if isinstance(messages, Reject):
            self._refuse(asked, messages)
            return
        decision = self._decide(asked, messages)
        if isinstance(decision, Reject):
            challenges = methods.AUTHENTICATE_HEADER in decision.headers
            if messages is not None and decision.id is not None and not challenges:
                self._tell_on_stream(asked, decision, messages)
            else:
                self._refuse(asked, decision)
            return
        if settings.health and (unwell := settings.health.refusal(settings.server, asked.http_method, decision.id)):
            self._refuse(asked, unwell)
            return
        authorization = self._server_token(asked, decision.id)
        if isinstance(authorization, Reject):
            self._refuse(asked, authorization)
        elif decision.lane is Lane.CALL:
            self._call(asked, decision, authorization)
        else:
            self._inspect(asked, decision, messages, authorization=authorization)

    def _server_token(self, asked: Incoming, id_: RequestId | None) -> str | Reject | None:
        """Return what the server gets in Authorization, None where that is nothing of the gateway's."""
        settings = self._settings
        if settings.server_tokens is None:
            return None
        brought = settings.tokens.brought(asked.headers) if settings.tokens else None
        return settings.server_tokens.find(asked.kong, asked.principal, brought, id_)

    def _caller(self, kong: Kong, headers: http.Headers, http_method: str, body: bytes | None) -> WhoAsks | Reject:
        """Return what knows who calls. Where tokens are taken, nothing else is looked at before there is a good one.

        `body` is that of a request on the sidecar's own route, and not read on any other.
        """
        if self._acting is not None:
            acted = self._acting.principal(kong, headers, http_method, body or b"", time.time())
            return acted if isinstance(acted, Reject) else WhoAsks(lambda: acted, acted)
        tokens = self._settings.tokens
        if tokens is None:
            return WhoAsks(lambda: self._principals.of(kong, headers))
        principal = tokens.principal(kong, headers, http_method)
        return principal if isinstance(principal, Reject) else WhoAsks(lambda: principal, principal)

    def _refuse_caller(self, asked: Incoming, refusal: Reject) -> None:
        """Refuse who brought no good token; where its key may just have come, the sidecar looks and answers instead."""
        settings, kong = self._settings, asked.kong
        tokens = settings.tokens
        word = tokens.wanted(asked.headers, refusal, settings.keys) if tokens else None
        if word is None or not kong.service.set_upstream(settings.sidecar):
            self._refuse(asked, refusal, stranger=True)
            return
        self._record(asked, refusal)
        changes = {**dict.fromkeys(self._taken_off(asked)), methods.CONTEXT_HEADER: word}
        inspecting.turn(kong, wanted.PATH, changes)

    def _view(self, asked: Incoming) -> View:
        """Return what the caller may see and call, by policy and scopes."""
        policy, tokens = self._settings.guard.policy, self._settings.tokens
        if tokens is not None:
            return tokens.narrow(policy.view(asked.principal()), asked.principal())
        return policy.view(asked.principal() if policy.by_principal else NOBODY)

    def _endpoint(self, asked: Incoming) -> Session | Reject | None:
        """Open what the path of a POST says of 2024-11-05's transport: None on every other path."""
        request, settings = asked.kong.request, self._settings
        if asked.http_method != "POST" or not endpoint.takes_messages(request.get_path()):
            return None
        token = endpoint.read_query(request.get_raw_query())
        opened = self._open(settings.endpoints, token, asked) if token else None
        return opened or Reject(SESSION_NOT_FOUND, "Session not found: open the stream again.", Reason.ENDPOINT_SESSION)

    def _open(self, sealer: SessionSealer, token: str, asked: Incoming) -> Session | None:
        settings = self._settings
        if settings.revoked is not None and settings.revoked.cuts_session(token):
            return None
        principal, most = asked.principal(), settings.session_max_age
        opened = sealer.open(token, settings.server, principal, now=time.time(), max_age=most)
        return opened and opened.under(resumes=settings.guard.inspection.resumes)

    def _decide(self, asked: Incoming, messages: Session | None) -> Decision:
        settings = self._settings
        # What virtual servers answer is the sidecar's.
        held = asked.knows is not answers.Knows.NOTHING and settings.virtual is None

        def open_session(token: str) -> Session | None:
            return self._open(settings.sessions, token, asked)

        def open_task(token: str) -> Task | None:
            return settings.tasks.open(token, settings.server, asked.principal())

        if asked.http_method != "POST":
            return decide_stream(asked.http_method, asked.headers, open_session, asked.body, held=held)
        caller = Caller(self._view(asked), open_session, open_task, self._closed, held)
        if (tokens := settings.tokens) is not None:
            caller = replace(caller, step_up=partial(tokens.step_up, asked.principal()))
        decide = decide_post if messages is None else decide_endpoint_post
        return decide(settings.guard, caller, asked.headers, asked.body)

    def _closed(self, kind: Kind, name: str) -> tuple[Reason, str] | None:
        """Return why nobody may use an item now, or None for one that is open."""
        settings = self._settings
        if settings.snapshot is None:
            return None
        reason = settings.snapshot.refusal(settings.server, kind, name, foreign=settings.foreign)
        return None if reason is None else (reason, "")

    def _call(self, asked: Incoming, admitted: Admitted, authorization: str | None) -> None:
        """Have mcp-answers open the way to the server's replicas: it holds what comes back to the question."""
        settings, kong, headers = self._settings, asked.kong, asked.headers
        upstream = settings.upstream if admitted.session is None else settings.session_upstream
        changes: dict[str, str | None] = {
            name: value for name, value in parts.truth(admitted).items() if headers.get(name) != value
        }
        changes.update(dict.fromkeys(self._taken_off(asked, admitted)))
        # Where nothing authenticates, whoever calls could write them.
        identity = [name for name in headers if name.startswith(methods.IDENTITY_PREFIXES)]
        if identity and asked.principal().kind != CONSUMER:
            changes.update(dict.fromkeys(identity))
        # The guard has judged it; a server that knows its own name alone would refuse it.
        if methods.ORIGIN_HEADER in headers:
            changes[methods.ORIGIN_HEADER] = None
        if authorization is not None:
            changes[methods.AUTHORIZATION_HEADER] = authorization
        if admitted.would_refuse:
            self._record(asked, admitted)
        # Of all else mcp-answers writes the record: to tell Kong here would be one call more for each tools/call.
        who = None if admitted.would_refuse else asked.principal.known or NOBODY
        cuts = cuts_of(settings.revoked, asked.principal.known, headers)
        word, law = self._reuse.word(admitted), self._reuse.law
        said = settings.questions.write(admitted.question, upstream, changes, who, cuts, word, law)
        kong.ctx.shared.set(answers.SHARED, said)

    def _taken_off(self, asked: Incoming, admitted: Admitted | None = None) -> list[str]:
        """Return the headers that have no business behind the guard: neither servers nor logs get them."""
        hides, headers = self._hidden.hides, asked.headers
        names = [name for name in headers if hides(name)]
        if self._acting is not None:
            names.append(methods.ACTING_HEADER)
        if methods.SESSION_HEADER in headers and admitted is not None and admitted.session is None:
            names.append(methods.SESSION_HEADER)
        return names

    def _counted(self, asked: Incoming, refusal: Reject) -> Reject:
        """Count a refusal and log it. Returns it, or 429 where its caller had too many.

        What nobody hears (a notification that nobody knows) and what the operator must mend is nobody's fault.
        """
        if refusal.status == ACCEPTED or refusal.http_status() >= 500:
            self._record(asked, refusal)
            return refusal
        who = asked.principal()
        number, seconds = self._refusals.count(
            f"address:{asked.kong.client.get_forwarded_ip()}" if who is NOBODY else who.seal_key
        )
        if number > self._settings.guard.limits.refusals:
            text = "Too many refused requests: see what your agent asks for, and try again in a minute."
            wait = {"Retry-After": str(seconds)}
            refusal = replace(
                refusal, code=UNAVAILABLE, message=text, reason=Reason.TOO_MANY, status=429, data=None, headers=wait
            )
        self._record(asked, refusal, number)
        return refusal

    def _record(self, asked: Incoming, decision: Decision, refusals: int | None = None) -> None:
        """Put what happened into Kong's own log records. One call: a second one would replace the first."""
        asked.kong.log.set_serialize_value(record.KEY, self._told(asked, decision, refusals).to_json())

    def _told(self, asked: Incoming, decision: Decision, refusals: int | None = None) -> record.Record:
        name, trace = asked.principal().name, asked.headers.get(tracing.TRACEPARENT)
        return record.of_decision(decision, self._settings.server, name, refusals, trace)

    def _refuse(self, asked: Incoming, refusal: Reject, *, stranger: bool = False) -> None:
        """End the request with a refusal."""
        self._end(asked, self._counted(asked, refusal), stranger=stranger)

    def _end(self, asked: Incoming, refusal: Reject, *, stranger: bool = False) -> None:
        # Kong's log plugins read the agent's headers afterwards.
        if changes := parts.cleared(self._taken_off(asked)):
            asked.kong.service.request.set_headers(changes)
        body = refusal.body().decode()
        kind = {"Content-Type": "application/json"} if body else {}
        # On the sidecar's way to a member, whoever has its word is the sidecar.
        to_sidecar = self._acting is not None and not stranger
        told = {methods.REFUSED_HEADER: f"{refusal.code} {refusal.reason}"} if to_sidecar else {}
        asked.kong.response.exit(refusal.http_status(), body, {**kind, **refusal.headers, **told})

    def _tell_on_stream(self, asked: Incoming, refusal: Reject, messages: Session) -> None:
        """Let the sidecar bring a refusal to the stream on which its sender waits; the server hears a ping at most."""
        refusal = self._counted(asked, refusal)
        if refusal.status == 429:
            self._end(asked, refusal)
            return
        if len(refusal.body()) > MAX_REFUSAL:  # what was asked for may be as long as a header, and is repeated in it
            refusal = replace(refusal, message=refusal.message[:_SHOWN], data=None)
        spoken = methods.LEGACY_VERSIONS[0]
        ping = Admitted(Lane.INSPECT, Era.LEGACY, spoken, methods.PING, None, refusal.id, Question(Era.LEGACY, spoken))
        authorization = self._server_token(asked, refusal.id)
        self._inspect(asked, ping, messages, refusal, authorization if not isinstance(authorization, Reject) else None)

    def _inspect(
        self,
        asked: Incoming,
        admitted: Admitted,
        messages: Session | None,
        refusal: Reject | None = None,
        authorization: str | None = None,
    ) -> None:
        """Open the way to the sidecar, with the signed context that it acts on."""
        kong, sidecar = asked.kong, self._settings.sidecar
        word = self._words.write(asked, admitted, self._view(asked), messages, refusal, authorization)
        if word is None:
            self._refuse(asked, replace(parts.UNWRITTEN, id=admitted.id))
            return
        changes: dict[str, str | None] = dict.fromkeys(self._taken_off(asked, admitted))
        changes.update(parts.truth(admitted))
        changes[methods.CONTEXT_HEADER] = word
        # A refusal that a stream brings is told already.
        told = self._told(asked, admitted) if refusal is None else None
        if asked.knows is answers.Knows.SIDECAR:
            said = answers.to_sidecar(sidecar, self._words.path, changes, told, admitted.id)
            kong.ctx.shared.set(answers.SHARED, said)
            return
        if not kong.service.set_upstream(sidecar):
            self._refuse(asked, parts.missing(sidecar, admitted))
            return
        if told is not None:
            kong.log.set_serialize_value(record.KEY, told.to_json())
        inspecting.turn(kong, self._words.path, changes)
