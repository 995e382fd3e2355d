"""What is counted, logged and told of one request; the answers to agents are made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import structlog

from mcp_core.answer import Judge
from mcp_core.claims import Claims
from mcp_core.outcome import Reject
from mcp_sidecar.lane.fetched import Failed
from mcp_sidecar.lane.filtering import Filtered
from mcp_sidecar.lane.parts import Parts
from mcp_sidecar.lane.repeating import as_heard
from mcp_sidecar.logs import Line
from mcp_sidecar.metrics import method_label
from mcp_sidecar.surface.alerts import WITHHELD, Notice


class Account:
    """Keeps the account of one request in `line`. `answered` says whether the server's own status was a success."""

    def __init__(self, parts: Parts, claims: Claims, server: str, judge: Judge, line: Line) -> None:
        self._parts = parts
        self._server = server
        self._judge = judge
        self.claims = claims
        self.line = line
        self.answered = False

    def passed(self) -> None:
        """Note that the answer passes, unless more is known of it."""
        if self.line.outcome == "failed":
            self.line.outcome = "passed"

    def refused(self, refusal: Reject) -> None:
        """Note that the request was refused."""
        self.line.end("refused", refusal)

    def count(self, filtered: Filtered) -> None:
        """Count what was hidden and found in one text."""
        enforce, hidden = self.claims.terms.enforce, filtered.hidden
        for kind, count in hidden.items():
            self._parts.metrics.hide(self._server, kind, count, enforce=enforce)
        if hidden:
            self.line.hidden += hidden.total()
            self.line.outcome = "filtered" if enforce else "would-filter"
        self._parts.inspector.tell(self.claims, self._server, filtered.found, self.line.trace)
        if filtered.found:
            self.line.outcome = "withheld" if any(findings.withheld for findings in filtered.found) else "flagged"

    def left_out(self) -> None:
        """Count the messages that were left out of the answer, once it has ended."""
        self.line.dropped = self._judge.dropped.total()
        for why, count in self._judge.dropped.items():
            self._parts.metrics.dropped.labels(self._server, why).inc(count)

    def tell(self, event: str, refusal: Reject, reason: str, told: Mapping[str, str | int]) -> None:
        """Count and log that an answer does not pass as it came."""
        self._parts.metrics.refused.labels(self._server, reason).inc()
        structlog.get_logger().warning(
            event,
            server=self._server,
            principal=self.line.principal,
            method=self.claims.method,
            why=refusal.why,
            trace=self.line.trace,
            **told,
        )

    def withhold(self, refusal: Reject, reason: str, told: Mapping[str, str | int] | None = None) -> Failed:
        """Tell that an answer is withheld, and return what takes its place."""
        self.tell("answer withheld", refusal, reason, told or {})
        detail = {"method": method_label(self.claims.method), "reason": reason, "why": refusal.why}
        self._parts.alerts.say(Notice(WITHHELD, self._server, detail))
        return self.fail(refusal, "withheld")

    def fail(self, refusal: Reject, outcome: str) -> Failed:
        """Note that there is no answer, or no more of it, and return what takes its place."""
        self.line.end(outcome, refusal)
        refusal = as_heard(refusal, self.claims)
        waiting = self._judge.waiting if outcome == "withheld" else ()
        if waiting and self.answered:
            # Some clients end their session at any 5xx; to them one answer is missing, and the server is there.
            refusal = replace(refusal, status=200)
        return Failed(refusal, outcome, waiting, batch=self._judge.question.batch)
