"""A virtual server whose flow rules are tried, and its agents."""

import copy
import json

from mcp_core.adaptive.flow import FlowRules
from mcp_core.outcome import Reject
from mcp_core.reasons import Reason
from mcp_sidecar.adaptive.relay import dumped
from mcp_sidecar.adaptive.serving import Serving
from mcp_sidecar.adaptive.sessions import AgentSaid, new_id
from mcp_sidecar.lane.fetched import Failed, Said, Whole
from mcp_sidecar.logs import Line

FLOW = {
    "mode": "enforce",
    "labels": [
        {"server": "weather", "tools": ["read_web"], "reads": ["untrusted"]},
        {"server": "weather", "tools": ["read_mail"], "reads": ["private"]},
        {"server": "weather", "tools": ["send_mail"], "writes": ["external"]},
    ],
}
MODERN = {"method": "tools/call", "era": "modern", "version": "2026-07-28"}
CAPABLE = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}
SESSION = new_id(AgentSaid("2025-11-25", {"elicitation": {}}, {}))
MUTE = new_id(AgentSaid("2025-11-25", {}, {}))


class Desk:
    """A virtual server, used by agents. `all` are those of its sidecar, `line` is the log line of the last request."""

    def __init__(self, all_, call, flow, budget):
        self.all = all_
        self.line = None
        self._call = lambda body, **said: call(body, flow=FlowRules.from_json(flow), budget=budget, **said)

    def at(self, all_):
        """Return it as it is at another sidecar."""
        other = copy.copy(self)
        other.all = all_
        return other

    async def used(
        self,
        name,
        arguments=None,
        *,
        meta=None,
        params=None,
        answer=None,
        at=None,
        headers=None,
        beside=None,
        **changes,
    ):
        """Return what an agent hears that calls a tool, or asks what `params` and `method` say.

        `beside` are members of its message that MCP does not know.

        `answer` is what it answers when it is asked something, at the sidecar whose virtual servers `at` are: one
        answer, or several of them and other messages.
        """
        said = {"name": name, "arguments": arguments or {}, **({"_meta": meta} if meta else {}), **(params or {})}
        era = {**MODERN, "id": 7, **changes}
        message = {"jsonrpc": "2.0", "id": era["id"], "method": era["method"], "params": said, **(beside or {})}
        asked = self._call(dumped(message), **era)
        asked.headers.update(headers or {})
        self.line = Line(0.0)
        self.line.outcome = "passed"
        found = await Serving(self.all, asked, asked.claims.terms.virtual, self.line).answer()
        if isinstance(found, Reject):
            return found
        if isinstance(found, tuple):
            return json.loads(found[2])["result"]
        texts = []
        async with found.answer() as parts:
            async for part in parts:
                if isinstance(part, Failed):
                    return part.refusal
                if answer is not None and isinstance(part, Said) and b"elicitation/create" in part.text:
                    for one in answer if isinstance(answer, list) else [answer]:
                        await self.answers(json.loads(part.text)["id"], one, at)
                elif isinstance(part, Whole | Said):
                    texts.append(part.text)
        return json.loads(texts[-1])["result"]

    async def answers(self, id_, answer, at=None):
        """Answer a question at a sidecar, or send what else `answer` is there: {} ends the session."""
        if callable(answer):
            answer()
            return
        message = answer if "method" in answer else {"id": id_, **answer}
        body = dumped({"jsonrpc": "2.0", **message}) if answer else b""
        said = {**legacy(SESSION), "method": "", "id": None, "http_method": "POST" if answer else "DELETE"}
        back = self._call(body, **said)
        status, _, _ = await Serving(at or self.all, back, back.claims.terms.virtual, Line(0.0)).answer()
        assert status == (202 if answer else 204)


def legacy(session=MUTE):
    return {"era": "legacy", "version": "2025-11-25", "session": session}


def is_closed(heard):
    return isinstance(heard, Reject) and heard.reason is Reason.FLOW and "writes outside" in heard.message


ERAS = [MODERN, legacy()]


async def tainted(desk, **era):
    await desk.used("read_web", **era)
    await desk.used("read_mail", **era)
