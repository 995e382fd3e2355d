"""What Kong's log records tell a person: refusals with the rule that made them, and calls that no server answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kong_mcp.happenings import Happening, Sort, line, shown
from kong_mcp.policies.asking import MethodError, Wanted, wanted
from kong_mcp.policies.documents import PolicySourceError
from kong_mcp.policies.explain import explain
from kong_mcp.policies.source import Policies, principal
from kong_mcp.policies.surfaces import NOTHING_KNOWN
from kong_mcp.surface_words import surface_command
from mcp_core import methods
from mcp_core.methods import METHODS
from mcp_core.outcome import RejectKind
from mcp_core.reasons import Ending, Reason
from mcp_core.record import KEY, Record, RefusedBecause
from mcp_core.telemetry.visit import PROBE_AGENT

_NO_NAME: Final = 256
"""Characters from which the guard cuts a name: no policy can be asked about the rest."""
_INSPECT: Final = "/inspect/"
_KEY_TO_DO: Final = "have the agent send its key in the header apikey; --consumer NAME=KEY says which there are"
_PROTOCOL_TO_DO: Final = "the agent's answer says what to send instead"
_REASONS_TO_DO: Final[dict[Reason | None, str]] = {
    Reason.SESSION: "the agent initializes again",
    Reason.ENDPOINT_SESSION: "the agent opens its stream again",
    Reason.TASK: "each agent uses the ids of tasks that it was given itself",
    Reason.ORIGIN: "name the page's origin in the policy's origins, if it may call",
    Reason.HOST: "name the host in the policy's hosts, if it is one of this gateway's",
    Reason.TOO_MANY: "see what the agent asks for; limits.refusals says how often it may",
}
_WITHHELD_TO_DO: Final = {
    "an answer that is too large": "raise max_answer of mcp-answers, if the server is meant to send so much",
    "an event that is too large": "raise max_event of mcp-answers, if the server is meant to send so much",
}
_REFUSED: Final = frozenset({Ending.REFUSED, Ending.LIMITED})


@dataclass(frozen=True, slots=True)
class Called:
    """One request of an agent that Kong wrote down. `server` is one of the gateway's; `refused` by guard or Kong."""

    server: str
    method: str
    refused: bool


class Records:
    """Reads Kong's log records of requests to some servers. `review` is as in causes.Causes."""

    def __init__(
        self, servers: Sequence[str], policies: Policies, groups: Mapping[str, Sequence[str]], review: str = ""
    ) -> None:
        self._services = {f"mcp-{server}": server for server in servers}
        self._policies = policies
        self._groups = groups
        self._review = review

    def called(self, record: Mapping[str, Any]) -> Called | None:
        """Return what was called, or None for a record that is of no agent's request."""
        server = self._server(record)
        if server is None:
            return None
        request = _below(record, "request")
        headers, told = _below(request, "headers"), Record.from_json(record.get(KEY))
        method = (told and told.method) or headers.get(methods.METHOD_HEADER) or str(request.get("method"))
        status = _below(record, "response").get("status")
        return Called(server, str(method), status in (401, 403, 429) if told is None else told.outcome in _REFUSED)

    def happenings(self, record: Mapping[str, Any]) -> Iterator[Happening]:
        """Give what a record tells people."""
        server = self._server(record)
        if server is None:
            return
        told, status = Record.from_json(record.get(KEY)), _below(record, "response").get("status")
        if told is not None and told.outcome in _REFUSED:
            text = self._refused(server, "refused", told.refused, told.principal)
            yield Happening(Sort.REFUSAL, server, text)
        who, forgiven = (None, ()) if told is None else (told.principal, told.forgiven)
        for because in forgiven:
            text = self._refused(server, "would be refused, and passes in monitor mode", because, who)
            yield Happening(Sort.REFUSAL, server, text)
        withheld = _below(record, "mcp_answer")
        if withheld.get("failed"):
            parts = ["answer withheld", shown(withheld.get("method")), shown(withheld["failed"])]
            do = _WITHHELD_TO_DO.get(str(withheld["failed"]), "the server's operator must look into what it sends")
            yield Happening(Sort.TROUBLE, server, line(server, parts, do))
        elif (told is None or told.reason is Reason.NO_REPLICA) and not _inspected(record):
            yield from _by_kong(server, status)

    def _server(self, record: Mapping[str, Any]) -> str | None:
        """Return the server of an agent's request; the gateway's own, and those on the internal route, are none."""
        headers = _below(_below(record, "request"), "headers")
        if headers.get("user-agent") == PROBE_AGENT:
            return None
        return self._services.get(str(_below(record, "service").get("name")))

    def _refused(self, server: str, word: str, said: RefusedBecause, who: str | None) -> str:
        method, name, reason = said.method, said.name, said.reason
        asked = " ".join(shown(one) for one in (method, name if name != method else None) if one is not None)
        parts = [word, shown(who or "nobody known"), asked or "a request"]
        if said.kind is RejectKind.APPROVAL:
            if reason is Reason.NO_SNAPSHOT:
                return line(
                    server, [*parts, "pins: nothing is known to be approved yet"], "wait for the sidecar's look"
                )
            show = surface_command("show", server, _kind(method), str(name or ""), self._review)
            do = f"{show}, then approve in place of show, with --why"
            return line(server, [*parts, "pins: it is not open"], do)
        if said.kind is RejectKind.POLICY and name is not None and len(name) < _NO_NAME:
            why, do = self._explained(server, str(method), name, said.cause, who)
            if why:
                return line(server, [*parts, why], do)
        return line(server, [*parts, shown(reason)], _REASONS_TO_DO.get(reason, _PROTOCOL_TO_DO))

    def _explained(self, server: str, method: str, name: str, cause: str | None, who: str | None) -> tuple[str, str]:
        """Return why the policy has no such item, with its line, and what to write; nothing where that is not known."""
        policy = self._policies.of(server)
        if policy is None:
            return "", ""
        try:
            groups = self._groups.get(who or "", ())
            explained = explain(policy, principal(who, groups), _wanted(method, name), NOTHING_KNOWN, server)
        except (MethodError, PolicySourceError):
            return "", ""
        if explained.allowed or (cause is not None and explained.cause != cause):
            return "", ""  # the gateway runs by another policy than this one
        do = explained.changes[0].text if explained.changes else ""
        return explained.sentence.partition(f" of {server}: ")[2].removesuffix("."), do


def _wanted(method: str, name: str) -> Wanted:
    known = METHODS.get(method)
    return wanted(method, known.kind if known else None, name if known and known.kind else None)


def _kind(method: object) -> str:
    known = METHODS.get(str(method))
    return "tool" if known is None or known.kind is None else known.kind.value.removesuffix("s")


def _by_kong(server: str, status: object) -> Iterator[Happening]:
    """Tell of what Kong itself answered: its own plugins, or nobody behind it."""
    if status == 401:
        yield Happening(
            Sort.REFUSAL, server, line(server, ["refused by Kong", "401: no key that it knows"], _KEY_TO_DO)
        )
    elif status in (403, 429):
        do = "see the plugins of this route"
        yield Happening(Sort.REFUSAL, server, line(server, ["refused by Kong", f"{status} of a plugin"], do))
    elif status in (502, 503, 504):
        do = "start the server, or mend its address; it is tried again when its health check passes"
        yield Happening(Sort.TROUBLE, server, line(server, [f"no replica answered a call ({status})"], do))
    elif status == 500:
        do = "see gateway.log in the folder of the logs"
        yield Happening(Sort.TROUBLE, server, line(server, ["the gateway could not serve a request (500)"], do))


def _inspected(record: Mapping[str, Any]) -> bool:
    """Return whether the sidecar was asked, which tells of it itself."""
    return str(record.get("upstream_uri")).startswith(_INSPECT)


def _below(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = record.get(key)
    return value if isinstance(value, dict) else {}
