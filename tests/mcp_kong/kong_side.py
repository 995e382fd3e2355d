"""Kong's side of one request: it answers the PDK calls of a phase and remembers them.

Kong is another process, so this stands in for it here; tests on a real Kong are elsewhere.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

KEY = b"k" * 32
CONFIG = {
    "server": "notes",
    "upstream": "notes-replicas",
    "route_id": "r-1",
    "tools": {"allow": ["open", "caf\xe9"], "deny": []},
}
POST_ROUTE = {"id": "r-1", "methods": ["POST"]}
ANN = {"id": "c-1", "username": "ann", "tags": ["group:readers", "paying"]}
ANNS_HEADERS = {
    "apikey": "anns-key",
    "x-consumer-id": "c-1",
    "x-consumer-username": "ann",
    "x-credential-identifier": "k-1",
}

SILENT = (
    *("response.exit", "log.set_serialize_value", "client.authenticate"),
    *("service.request.set_path", "service.request.set_scheme"),
)
"""What gives nothing back."""


class KongSide:
    """One request as Kong holds it.

    `calls` lists every PDK call of the guard's as (method, arguments), `carried` what mcp-answers did for it, and
    `next_hop` holds the headers that Kong would send on.
    `sidecar` takes what the guard asks at its local socket. With `answers`, mcp-answers is there: it gives the
    request's headers under a key, that of this release or, with a text for `answers`, that one alone, and does as the
    guard's question says. `said` is that question, and `question` what it says where it is a call's.
    """

    def __init__(
        self,
        body: bytes | str | None,
        headers: dict[str, Any],
        *,
        http_method: str = "POST",
        route: dict[str, Any] | None = POST_ROUTE,
        consumer: dict[str, Any] | None = None,
        knows_upstreams: bool = True,
        target: str = "/notes/mcp",
        answers: bool | str = True,
        line: str | None = None,
        word: str | None = None,
        sidecar: Any = None,
        certificate: str | None = None,
        whole: bool = False,
        consumers: dict[str, Any] | None = None,
    ) -> None:
        self.next_hop = dict(headers)
        self.question: dict[str, Any] | None = None
        self.said: str | None = None
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.carried: list[tuple[str, tuple[Any, ...]]] = []
        self._key = answers if isinstance(answers, str) else "mcp_request_5"
        self._knows_upstreams = knows_upstreams
        replies = {
            "request.get_method": http_method,
            "request.get_path": target.partition("?")[0],
            "request.get_raw_query": target.partition("?")[2],
            "request.get_headers": headers,
            "request.get_raw_body": body,
            "client.get_consumer": consumer,
            "client.load_consumer": lambda id_, _by_username: (consumers or {}).get(id_),
            "client.get_forwarded_ip": "192.0.2.7",
            "router.get_route": route,
            "service.set_upstream": knows_upstreams,
            "service.request.set_headers": self._set_headers,
            "nginx.get_var": {
                "request": line,
                "http_mcp_gateway_target": word,
                "kong_request_id": "r-1",
                "ssl_client_raw_cert": certificate,
            }.get,
            "ctx.shared.get": lambda key: self._shared(key, headers, body, whole=whole) if answers else None,
            "ctx.shared.set": self._set_shared,
            **dict.fromkeys(SILENT),
        }
        self.pdk = SimpleNamespace(
            request=SimpleNamespace(),
            service=SimpleNamespace(request=SimpleNamespace()),
            client=SimpleNamespace(),
            router=SimpleNamespace(),
            response=SimpleNamespace(),
            log=SimpleNamespace(),
            nginx=SimpleNamespace(),
            ctx=SimpleNamespace(shared=SimpleNamespace()),
            local_socket=SimpleNamespace(ask=sidecar or (lambda *_: None)),
        )
        self._answer(replies)

    def _answer(self, replies: dict[str, Any]) -> None:
        for path, answer in replies.items():
            at: Any = self.pdk
            *parents, name = path.split(".")
            for parent in parents:
                at = getattr(at, parent)
            setattr(at, name, self._method(path, answer))

    def _method(self, path: str, answer: Any) -> Any:
        def method(*arguments: Any) -> Any:
            assert "response.exit" not in self.names(), "a call after the request was over"
            self.calls.append((path, arguments))
            return answer(*arguments) if callable(answer) else answer

        return method

    def _set_headers(self, headers: dict[str, str | list[str]]) -> None:
        for name, value in headers.items():
            if value == []:  # no values at all clear the header (lua-nginx-module, ngx.req.set_header)
                self.next_hop.pop(name.lower(), None)
            else:
                self.next_hop[name.lower()] = value

    def _shared(self, key: str, headers: dict[str, Any], body: bytes, *, whole: bool) -> str | None:
        """Give what mcp-answers does: headers, and with `whole` the body behind them."""
        if key != self._key:
            return None
        return f"{json.dumps(headers)}\n{body.decode()}" if whole else json.dumps(headers)

    def _set_shared(self, name: str, said: str) -> None:
        """Do as mcp-answers does with the guard's word."""
        assert name == "mcp_question"
        self.said = said
        question = json.loads(said)
        assert question["format"] == "1"
        if "path" in question:
            self._to_sidecar(question)
            return
        self.question = question
        self._change(question["headers"])
        self.next_hop["accept-encoding"] = "identity"

    def _to_sidecar(self, question: dict[str, Any]) -> None:
        assert question["crit"] == ["path"]
        said = question.get("record")
        self.carried = [("service.set_upstream", (question["upstream"],))]
        if not self._knows_upstreams:
            self._change({name: value for name, value in question["headers"].items() if value is False})
            named = {name: said[name] for name in ("format", "hop", "server", "principal", "trace") if name in said}
            why = {"outcome": "refused", "reason": "upstream-missing", "detail": question["upstream"]}
            self.carried += [("log.set_serialize_value", ("mcp", named | why | {"kind": "protocol", "code": -32603}))]
            text = "This server is not available: the gateway's operator must add its upstream to the configuration."
            error = {"jsonrpc": "2.0", "id": question.get("id"), "error": {"code": -32603, "message": text}}
            body = json.dumps({name: value for name, value in error.items() if value is not None})
            self.carried += [("response.exit", (503, body, {"Content-Type": "application/json"}))]
            return
        self.carried += [
            ("service.request.set_scheme", (question["scheme"],)),
            ("service.request.set_path", (question["path"],)),
            ("log.set_serialize_value", (f"request.headers.{question['redacted']}", "REDACTED")),
            *([("log.set_serialize_value", ("mcp", said))] if said else []),
        ]
        self._change(question["headers"])

    def _change(self, headers: dict[str, Any]) -> None:
        for header, value in headers.items():
            if value is False:
                self.next_hop.pop(header.lower(), None)
            else:
                self.next_hop[header.lower()] = value

    @property
    def upstream(self) -> str | None:
        """What the request was opened to: by the guard itself, or by mcp-answers for it."""
        opened = self.arguments("service.set_upstream")
        return opened[-1][0] if opened else self.question and self.question["upstream"]

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def arguments(self, path: str) -> list[tuple[Any, ...]]:
        """Return with what something was called, by the guard, or by mcp-answers for it."""
        return [arguments for name, arguments in self.calls + self.carried if name == path]

    @property
    def exit(self) -> tuple[int, str, dict[str, str]] | None:
        """The answer that ended the request: status, body, headers."""
        exits = self.arguments("response.exit")
        return exits[0] if exits else None
