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


class KongSide:
    """One request as Kong holds it.

    `calls` lists every PDK call as (method, arguments), and `next_hop` holds the headers that Kong would send on.
    `sidecar` takes what the guard asks at its local socket. With `answers`, mcp-answers is there: it gives the
    request's headers, and does as the guard's question says.
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
        answers: bool = True,
        line: str | None = None,
        word: str | None = None,
        sidecar: Any = None,
        certificate: str | None = None,
        whole: bool = False,
        consumers: dict[str, Any] | None = None,
    ) -> None:
        self.next_hop = dict(headers)
        self.question: dict[str, Any] | None = None
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
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
            **dict.fromkeys(("response.exit", "log.set_serialize_value", "client.authenticate")),
            **dict.fromkeys(("service.request.set_path", "service.request.set_scheme")),
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

    @staticmethod
    def _shared(key: str, headers: dict[str, Any], body: bytes, *, whole: bool) -> str | None:
        """Give what mcp-answers does: headers, and with `whole` the body behind them."""
        if key != "mcp_request_4":
            return None
        return f"{json.dumps(headers)}\n{body.decode()}" if whole else json.dumps(headers)

    def _set_shared(self, name: str, said: str) -> None:
        """Do as mcp-answers does with the guard's word."""
        assert name == "mcp_question"
        self.question = json.loads(said)
        assert self.question["format"] == "1"
        for header, value in self.question["headers"].items():
            if value is False:
                self.next_hop.pop(header.lower(), None)
            else:
                self.next_hop[header.lower()] = value
        self.next_hop["accept-encoding"] = "identity"

    @property
    def upstream(self) -> str | None:
        """What the request was opened to: by the guard itself, or by mcp-answers for it."""
        opened = self.arguments("service.set_upstream")
        return opened[-1][0] if opened else self.question and self.question["upstream"]

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def arguments(self, path: str) -> list[tuple[Any, ...]]:
        return [arguments for name, arguments in self.calls if name == path]

    @property
    def exit(self) -> tuple[int, str, dict[str, str]] | None:
        """The answer that ended the request: status, body, headers."""
        exits = self.arguments("response.exit")
        return exits[0] if exits else None
