"""What a route asks of results and arguments, carried out: scanned, checked, counted and written down.

Nothing of a result's text, and nothing of an argument's value, is in a log, a metric or a refusal: only ids of rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import anyio
import anyio.to_thread
import structlog

from mcp_core import beside, jsonrpc, methods, results
from mcp_core.arguments import Unusable
from mcp_core.claims import Claims
from mcp_core.inspection import Mode
from mcp_core.jsonrpc import NotStrictError
from mcp_core.methods import Era
from mcp_core.outcome import INVALID_PARAMS, INVALID_REQUEST, Reject, RequestId, params_status
from mcp_core.pins.canonical import canonical
from mcp_core.pins.states import Pinning
from mcp_core.reasons import Reason
from mcp_core.results import ResultFindings
from mcp_core.scan import ItemKind, Report, ScanConfigError, Scanner, credentials
from mcp_core.surface import ANSWER_LIMITS
from mcp_core.terms import Terms
from mcp_sidecar.lane.pausing import Pausing
from mcp_sidecar.lane.schemas import Schemas, Usable
from mcp_sidecar.lane.screening import ListScreen, Readings, screen_of
from mcp_sidecar.metrics import Metrics
from mcp_sidecar.store.sightings import AS_SHIPPED, scanner_of
from mcp_sidecar.surface.surfaces import Surfaces

THREADS: Final = 2
"""How many requests' arguments are checked at a time."""

MISFIT: Final = "arguments.schema"
UNKNOWN: Final = "arguments.schema-unknown"
UNUSABLE: Final = "arguments.schema-unusable"
"""What is counted of arguments beside the rules of credentials: they do not fit; nothing is there to hold them to."""

_INSPECTED: Final = methods.ARGUMENT_METHODS | {methods.BATCH_METHOD}


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is wrong with the arguments of one request: the rule that says so, and what its sender is told."""

    rule: str
    message: str


class Results(Pausing):
    """How the answers to one request are scanned. Texts come one after the other: `found` is about the last one."""

    def __init__(self, scanner: Scanner, asked: str, *, block: bool) -> None:
        self._scanner = scanner
        self._asked = asked
        self._block = block
        self.found: list[ResultFindings] = []

    def revise(self, message: dict[str, Any]) -> bool:
        """Scan a message, and withhold what is to be. Returns whether it was changed."""
        found = results.inspect(message, self._scan, self._asked, block=self._block, unread=self._scanner.unread)
        if found is None:
            return False
        self.found.append(found)
        return found.withheld

    def _scan(self, texts: Sequence[str]) -> Report:
        self._rest()
        return self._scanner.scan_result(*texts)


class Beside:
    """How what stands beside items and instructions is read, in the answers to one request.

    `settings` are the scanner's, as canonical JSON. Those that only another release knows leave the scanner as shipped.
    """

    def __init__(self, settings: str, *, enforce: bool) -> None:
        self._settings = settings
        self._enforce = enforce
        self.found: list[ResultFindings] = []

    def revise(self, message: dict[str, Any]) -> bool:
        """Read what stands beside the items of a message, and take out what is to be. Returns whether it changed."""
        governed = beside.govern(message, self._scan, enforce=self._enforce)
        if governed is None:
            return False
        rules, changed = governed
        self.found.append(ResultFindings(tuple(sorted(rules)), withheld=changed, where="beside"))
        return changed

    def _scan(self, value: Mapping[str, Any]) -> Report:
        try:
            scanner = scanner_of(self._settings)
        except ScanConfigError:
            scanner = scanner_of(AS_SHIPPED)
        return scanner.scan_item(ItemKind.INSTRUCTIONS, value)


class Inspector:
    """Serves all requests of a process."""

    def __init__(self, surfaces: Surfaces | None, metrics: Metrics) -> None:
        self._schemas = Schemas(surfaces)
        self._metrics = metrics
        self._threads = anyio.CapacityLimiter(THREADS)
        self._readings = Readings()

    def results(self, claims: Claims) -> Results | None:
        """Return how the answers to a request are scanned, or None where they are not."""
        mode = claims.terms.inspection.results
        if mode is Mode.OFF:
            return None
        return Results(scanner_of(canonical(claims.terms.scan)), claims.method, block=mode is Mode.BLOCK)

    def lists(self, terms: Terms) -> ListScreen | None:
        """Return how the items of lists are read, or None where they are not, or pins hold what is found."""
        return screen_of(terms, self._readings)

    def beside(self, terms: Terms) -> Beside | None:
        """Return how what stands beside items is read, or None where nothing that servers write is read at all."""
        lists, results, pins = terms.inspection.lists, terms.inspection.results, terms.pins
        if {lists, results} == {Mode.OFF} and pins is Pinning.OFF:
            return None
        blocks = results is Mode.BLOCK or (lists is Mode.BLOCK and terms.enforce)
        return Beside(canonical(terms.scan), enforce=blocks or pins is Pinning.ENFORCE)

    def tell(self, claims: Claims, server: str, found: Sequence[ResultFindings], trace: str | None) -> None:
        """Count and write down what was found in answers."""
        for findings in found:
            action = "withheld" if findings.withheld else "flagged"
            self._tell(claims, server, findings.where, findings.rules, action, trace, items=findings.items)

    async def check(self, claims: Claims, server: str, body: bytes, trace: str | None) -> Reject | None:
        """Return why the arguments of a request go no further, or None where they may.

        One member of a batch refuses the whole.
        """
        schema, secrets = claims.terms.inspection.schema, claims.terms.inspection.secrets
        if claims.method not in _INSPECTED or claims.refusal is not None or not claims.terms.inspection.arguments:
            return None
        try:
            value = jsonrpc.load(body, ANSWER_LIMITS)
        except NotStrictError as error:
            # The guard may be set to let more pass than the sidecar reads.
            return Reject(INVALID_REQUEST, f"Send less where arguments are checked: {error}.", Reason.ARGUMENTS_LIMITS)
        refusal = None
        for id_, method, params in _requests(value):
            arguments = {} if params.get("arguments") is None else params["arguments"]
            problems: list[tuple[Mode, _Problem]] = []
            if secrets is not Mode.OFF:
                found = await anyio.to_thread.run_sync(credentials.find, arguments, limiter=self._threads)
                problems += [
                    (secrets, _Problem(finding.rule, _leaves(finding.message, finding.path))) for finding in found
                ]
            if schema is not Mode.OFF and method == methods.CALL:
                problem = await self._misfit(server, str(params.get("name")), arguments)
                problems += [] if problem is None else [(schema, problem)]
            for mode, problem in problems:
                action = "refused" if mode is Mode.BLOCK else "flagged"
                self._tell(claims, server, "arguments", (problem.rule,), action, trace)
                if mode is Mode.BLOCK:
                    refusal = refusal or _refuse(claims.question.era, id_, problem)
        return refusal

    async def _misfit(self, server: str, tool: str, arguments: Any) -> _Problem | None:
        schemas = await self._schemas.of(server, tool)
        if not schemas:
            text = (
                "The gateway knows no approved input schema of this tool, so it lets no call of it pass. The gateway's "
                "operator must turn pins on for this server and have the tool listed and approved."
            )
            return _Problem(UNKNOWN, text)
        return await anyio.to_thread.run_sync(_hold, schemas, arguments, limiter=self._threads)

    def _tell(
        self,
        claims: Claims,
        server: str,
        where: str,
        rules: Sequence[str],
        action: str,
        trace: str | None,
        *,
        items: Sequence[str] = (),
    ) -> None:
        for rule in rules:
            self._metrics.findings.labels(server, rule, action).inc()
        structlog.get_logger().warning(
            "found",
            where=where,
            rules=list(rules),
            action=action,
            server=server,
            principal=claims.principal.name,
            method=claims.method,
            trace=trace,
            **({"items": list(items)} if items else {}),
        )


def _requests(value: Any) -> Iterator[tuple[RequestId, str, dict[str, Any]]]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict) and one.get("method") in methods.ARGUMENT_METHODS:
            yield one["id"], one["method"], one.get("params") or {}


def _hold(schemas: Sequence[Usable], arguments: Any) -> _Problem | None:
    """Return what is wrong with arguments that fit none of the approved schemas."""
    problems = []
    for schema in schemas:
        said = schema if isinstance(schema, Unusable) else schema.misfit(arguments)
        if said is None:
            return None
        problems.append(said)
    first = problems[0]
    if isinstance(first, Unusable):
        text = f"The gateway cannot hold these arguments to the tool's approved input schema: {first.why}."
        return _Problem(UNUSABLE, f"{text} Its operator can set arguments.schema to flag for this server.")
    return _Problem(MISFIT, f"The arguments do not fit the tool's approved input schema at {first}.")


def _leaves(message: str, path: str) -> str:
    """Return what the sender of a credential is told."""
    return f"The gateway lets no credentials leave in arguments: look at {path}. {message} Send a name for it instead."


def _refuse(era: Era, id_: RequestId, problem: _Problem) -> Reject:
    status = params_status(era)
    return Reject(INVALID_PARAMS, problem.message, Reason.ARGUMENTS, id=id_, status=status, detail=problem.rule)
