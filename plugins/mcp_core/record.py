"""What happened to one request, as one hop saw it: the one value that logs, metrics, usage and audit are made of.

The guard leaves its record in Kong's log record, under KEY; for an admitted call mcp-answers writes the same fields, as
then no Python is on the way back. The sidecar's is its log line. The two hops of one request have Kong's request id in
common, and a session's records the hash of its id: the id itself lets whoever has it into the session.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final, TypeVar

from mcp_core import tracing
from mcp_core.decide import Decision
from mcp_core.methods import Era, Lane
from mcp_core.outcome import Reject, RejectKind
from mcp_core.reasons import Ending, Reason

FORMAT: Final = 1
"""The number of the format, in the member `format`. See `formats`."""
KEY: Final = "mcp"
"""Where Kong's log records have the guard's record."""
MOST_TEXT: Final = 256
"""Characters of a text that are kept: names are the agent's, and may be as long as a header."""

MOST_TOLD: Final = 10
"""What monitor mode forgave of one request is told so often: 400 records have to fit into one of Kong's deliveries."""


class Hop(StrEnum):
    """Who saw it."""

    GUARD = "guard"
    INTERNAL = "internal"
    """mcp-internal, where the sidecar's requests come back into Kong."""
    SIDECAR = "sidecar"


@dataclass(frozen=True, slots=True)
class RefusedBecause:
    """One refusal: of what, and why. `code` is the JSON-RPC error's, `cause` a policy.Cause."""

    reason: Reason | None = None
    detail: str | None = None
    kind: RejectKind | None = None
    code: int | None = None
    method: str | None = None
    name: str | None = None
    cause: str | None = None

    @classmethod
    def of(cls, refusal: Reject) -> RefusedBecause:
        """Return what a log may say of a refusal."""
        cause, detail = refusal.cause and str(refusal.cause), refusal.detail or None
        return cls(refusal.reason, detail, refusal.kind, refusal.code, refusal.method, refusal.name, cause)

    def cut(self) -> RefusedBecause:
        """Return it with texts as short as `to_json` writes them."""
        return _read_refused(_known(self, _BECAUSE))


_NOTHING: Final = RefusedBecause()


@dataclass(frozen=True, slots=True)
class Record:
    """What happened to one request.

    `method` is what Mcp-Method says (None for the GET and DELETE of a session), `name` the item, `principal` what logs
    call it (None where it is nobody, or where nothing depended on it), `session` what hash_session gave. `refused` says
    why the request, or its answer, went no further, `forgiven` all that monitor mode let pass (to_json tells the first
    MOST_TOLD of it), and `refusals` how often this caller was refused within a minute. `trace` is the traceparent of
    the span that it belongs to.
    """

    hop: Hop
    outcome: Ending
    server: str | None = None
    method: str | None = None
    name: str | None = None
    principal: str | None = None
    era: Era | None = None
    lane: Lane | None = None
    session: str | None = None
    refused: RefusedBecause = _NOTHING
    refusals: int | None = None
    forgiven: tuple[RefusedBecause, ...] = ()
    trace: str | None = None

    @property
    def reason(self) -> Reason | None:
        """Why it ended so, where there is something to say."""
        return self.refused.reason

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, flat and without what is not known: Kong's serializer takes no nulls."""
        told = {"format": FORMAT, **_known(self.refused, _BECAUSE), **_known(self, _OWN)}
        if self.forgiven:
            told["forgiven"] = [_known(because, _BECAUSE) for because in self.forgiven[:MOST_TOLD]]
        return told

    @classmethod
    def from_json(cls, value: Any) -> Record | None:
        """Return the record that `to_json` or mcp-answers wrote, or None for what is none of this format.

        What is not known here is as if it were not there: a word of a later release, a member of another type.
        """
        if not isinstance(value, Mapping) or value.get("format") != FORMAT:
            return None
        hop, outcome = _word(Hop, value.get("hop")), _word(Ending, value.get("outcome"))
        if hop is None or outcome is None:
            return None
        forgiven = value.get("forgiven")
        listed = forgiven if isinstance(forgiven, list) else []
        return cls(
            hop,
            outcome,
            _text(value.get("server")),
            _text(value.get("method")),
            _text(value.get("name")),
            _text(value.get("principal")),
            _word(Era, value.get("era")),
            _word(Lane, value.get("lane")),
            _text(value.get("session")),
            _read_refused(value),
            _number(value.get("refusals")),
            tuple(_read_refused(one) for one in listed if isinstance(one, Mapping)),
            _traceparent(value.get("trace")),
        )


_BECAUSE: Final = tuple(member.name for member in fields(RefusedBecause))
_OWN: Final = tuple(member.name for member in fields(Record) if member.name not in ("refused", "forgiven"))


def of_decision(
    decision: Decision,
    server: str,
    principal: str | None = None,
    refusals: int | None = None,
    trace: object = None,
) -> Record:
    """Return the guard's record of what was decided. A caller with too many refusals is limited, not refused.

    `trace` is the request's header traceparent.
    """
    if isinstance(decision, Reject):
        ending = Ending.LIMITED if decision.reason is Reason.TOO_MANY else Ending.REFUSED
        told = RefusedBecause.of(decision)
        method, name, own = told.method, told.name, decision.trace or _traceparent(trace)
        return Record(Hop.GUARD, ending, server, method, name, principal, refused=told, refusals=refusals, trace=own)
    own = dict(decision.trace).get(tracing.TRACEPARENT) or _traceparent(trace)
    forgiven = tuple(map(RefusedBecause.of, decision.would_refuse))
    return Record(
        Hop.GUARD,
        Ending.WOULD_REFUSE if forgiven else Ending.PASSED,
        server,
        decision.method or None,
        decision.name,
        principal,
        era=decision.era,
        lane=decision.lane,
        session=hash_session(server, decision.session.upstream) if decision.session else None,
        forgiven=forgiven,
        trace=own,
    )


def hash_session(server: str, session: str) -> str:
    """Return what stands for a server's session in logs: 16 hexadecimal digits, from which nobody gets the id."""
    return hashlib.sha256(f"{server}\0{session}".encode()).hexdigest()[:16]


def _known(value: Record | RefusedBecause, names: tuple[str, ...]) -> dict[str, Any]:
    told = {}
    for name in names:
        said = getattr(value, name)
        if said is not None:
            told[name] = str(said)[:MOST_TEXT] if isinstance(said, str) else said
    return told


def _read_refused(value: Mapping[str, Any]) -> RefusedBecause:
    return RefusedBecause(
        _word(Reason, value.get("reason")),
        _text(value.get("detail")),
        _word(RejectKind, value.get("kind")),
        _number(value.get("code")),
        _text(value.get("method")),
        _text(value.get("name")),
        _text(value.get("cause")),
    )


_Word = TypeVar("_Word", bound=StrEnum)


def _word(words: type[_Word], value: Any) -> _Word | None:
    try:
        return words(value)
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    return value[:MOST_TEXT] if isinstance(value, str) else None


def _traceparent(value: Any) -> str | None:
    return value if tracing.read_parent(value) is not None else None


def _number(value: Any) -> int | None:
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
    return int(value) if whole else None
