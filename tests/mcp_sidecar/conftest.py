"""A sidecar process, a Kong internal route that plays scripted bytes, and the guard's way of asking."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import http.client
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_core.claims import Claims, ClaimSigner, Target
from mcp_core.errand import Address, Errand, ErrandSigner
from mcp_core.inspection import Inspection, Mode
from mcp_core.methods import Era, Place
from mcp_core.pins.states import Pinning
from mcp_core.policy import View
from mcp_core.principal import NOBODY, Principal, consumer
from mcp_core.question import Asked, Question
from mcp_core.seal import SessionSealer
from mcp_core.terms import Terms

KEY = b"k" * 32
METRICS_TOKEN = "metrics-token-0123456789"
ADDRESS = Address("mcp-files-sessions", "http", "/mcp")
DEADLINE = 30.0


def until(condition: Callable[[], Any]) -> Any:
    """Poll a condition until it holds, and return what it gave."""
    end = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < end, "the awaited condition never held"
        time.sleep(0.005)
    return value


@dataclasses.dataclass
class Request:
    """What the internal route was sent: header names in lower case, each with all its values."""

    method: str
    path: str
    headers: dict[str, list[str]]
    body: bytes

    @property
    def errand(self) -> Errand:
        """What the sidecar signed for exactly this request."""
        (word,) = self.headers["mcp-gateway-target"]
        errand = ErrandSigner([KEY]).verify(word, f"{self.method} {self.path}", now=time.time())
        assert errand is not None
        return errand


class FakeKong:
    """The internal route: each request is handed to `play(request, connection)`, which writes bytes as it likes.

    The connection is closed after each answer, without a word, unless `play` returns True.
    """

    def __init__(self) -> None:
        self.play: Callable[[Request, socket.socket], bool | None]
        self.forget()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def forget(self) -> None:
        """Know no request, and close every connection without an answer: no test is to meet another one's play."""
        self.requests: list[Request] = []
        self.play = lambda _request, _connection: None

    def answers(self, answer: bytes) -> None:
        """Answer every request with these bytes, and close."""
        self.play = lambda _request, connection: connection.sendall(answer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            reader = connection.makefile("rb")
            with reader:
                while line := reader.readline():
                    method, path, _ = line.decode().split(" ", 2)
                    headers: dict[str, list[str]] = {}
                    while (line := reader.readline().strip()) != b"":
                        name, _, value = line.decode("latin-1").partition(":")
                        headers.setdefault(name.lower(), []).append(value.strip())
                    body = reader.read(int(headers.get("content-length", ["0"])[0]))
                    request = Request(method, path, headers, body)
                    self.requests.append(request)
                    if self.play(request, connection) is not True:
                        connection.shutdown(socket.SHUT_WR)
                        return


class Sidecar:
    """A `mcp-sidecar serve` process."""

    def __init__(self, folder: Path, environment: dict[str, str | None]) -> None:
        self.log = folder / "log"
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("MCP_SIDECAR_", "KONG_"))}
        settings = {
            "KONG_MCP_KEYS": base64.b64encode(KEY).decode(),
            "MCP_SIDECAR_METRICS_TOKEN": METRICS_TOKEN,
            "MCP_SIDECAR_LISTEN": "127.0.0.1:0",
            **environment,
        }
        with self.log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mcp_sidecar", "serve"],
                env={**plain, **{name: value for name, value in settings.items() if value is not None}},
                stderr=stderr,
            )
        self.port = int(until(lambda: re.search(r"listening on 127\.0\.0\.1:(\d+)", self.log.read_text()))[1])

    def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(DEADLINE)
        finally:
            self.process.kill()

    def lines(self) -> list[dict[str, Any]]:
        """Return the log lines of requests."""
        text = self.log.read_text()
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [line for line in lines if line["event"] == "request"]

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        """Ask one of the operator's endpoints."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers or {})
            return Answer.of(connection.getresponse())


@dataclasses.dataclass
class Answer:
    """A whole answer, as the next hop of an agent sees it."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, response: http.client.HTTPResponse) -> Answer:
        return cls(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())

    @property
    def json(self) -> Any:
        return json.loads(self.body)


ALL = {"tools": {"allow": ["*"]}, "prompts": {"allow": ["*"]}, "resources": {"allow": ["*"]}}
SOME = {"tools": {"allow": ["*"], "deny": ["secret*"]}}
LIST = b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}'


NOTHING_ASKED = {"", "response"}
REPLAY = {"http_method": "GET", "method": "", "id": None, "place": Place.REPLAY}
"""How a stream is asked for that goes on where another one broke off: any answer may come on it."""


def asked(era: Era, version: str, flat: dict[str, Any], body: bytes) -> Question:
    """Return the question of what asks one thing, or nothing, or what the batch in its body asks."""
    http_method, method, id_ = flat["http_method"], flat["method"], flat["id"]
    if "question" in flat:
        return Question.from_json(era, version, flat["question"])
    if http_method == "GET":
        return Question(era, version, flat.get("place", Place.GET))
    if method == "batch":
        members = [load for load in json.loads(body) if "id" in load and "method" in load]
        return Question(
            era, version, asked=tuple(Asked(member["id"], member["method"]) for member in members), batch=True
        )
    nothing = id_ is None or method in NOTHING_ASKED or method.startswith("notifications/")
    place = Place.LISTEN if method == "subscriptions/listen" else Place.POST
    return Question(era, version, place, () if nothing else (Asked(id_, method),))


def who(name: str | Principal | None) -> Principal:
    """Return the consumer of a name, nobody for None, and whoever is named exactly."""
    return name if isinstance(name, Principal) else NOBODY if name is None else consumer(name)


def said(body: bytes, **changes: Any) -> tuple[Claims, Target]:
    """Return what a guard says of a request, with some of it changed, whichever part of it that stands in."""
    flat: dict[str, Any] = {"principal": "alice", "http_method": "POST", "method": "tools/list", "id": 7, "view": SOME}
    flat |= {"server": "files", "era": "legacy", "version": "2025-06-18", "affinity": "a1b2c3d4", **changes}
    era, version = Era(flat["era"]), flat["version"]

    def given(*names: str) -> dict[str, Any]:
        return {name: flat[name] for name in names if name in flat}

    modes = [Mode(flat.get(one, "off")) for one in ("results", "schema", "secrets")]
    lists, resumes = Mode(flat.get("lists", "block")), flat.get("resumes", False)
    inspection = Inspection(*modes, lists=lists, resumes=resumes)
    hide = flat.get("hide")
    terms = Terms(
        View.from_json(flat["view"]),
        hide=None if hide is None else tuple(hide),
        pins=Pinning(flat.get("pins", "off")),
        inspection=inspection,
        **given("enforce", "lists_tasks", "server_messages", "scan", "call_seconds"),
    )
    claims = Claims(
        who(flat["principal"]),
        terms,
        flat["http_method"],
        flat["method"],
        flat["id"],
        asked(era, version, flat, body),
        hashlib.sha256(body).hexdigest(),
        flat.get("expires", int(time.time()) + 30),
        **given("announce", "refusal"),
    )
    where = {"address": ADDRESS, **given("session", "endpoint", "address", "hello")}
    return claims, Target(flat["server"], era, flat["affinity"], **where)


class Guard:
    """Asks the sidecar as the guard makes Kong ask."""

    def __init__(self, sidecar: Sidecar) -> None:
        self.sidecar = sidecar
        self.signer = ClaimSigner([KEY])
        self.trace = ""

    def says(self, body: bytes, **changes: Any) -> tuple[Claims, Target]:
        """Return what is said of a request."""
        return said(body, **changes)

    def sign(self, body: bytes, **changes: Any) -> str:
        """Return the header of a request."""
        return self.signer.sign(*self.says(body, **changes))

    def open(
        self,
        body: bytes = LIST,
        *,
        http_method: str = "POST",
        path: str = "/inspect/files",
        headers: dict[str, str] | None = None,
        signed: str | None = None,
        **changes: Any,
    ) -> http.client.HTTPConnection:
        """Send a request and return its connection, on which the answer can be awaited."""
        body = body if http_method == "POST" else b""
        if signed is None:
            signed = self.sign(body, http_method=http_method, **changes)
        connection = http.client.HTTPConnection("127.0.0.1", self.sidecar.port, timeout=DEADLINE)
        sent = {"content-type": "application/json"} if body else {}
        self.trace = sent["x-kong-request-id"] = secrets.token_hex(16)
        sent["mcp-gateway-context"] = signed
        connection.request(http_method, path, body, {**sent, **(headers or {})})
        return connection

    def line(self) -> dict[str, Any]:
        """Return the log line of the last request."""
        (line,) = until(lambda: [line for line in self.sidecar.lines() if line["trace"] == self.trace])
        return line

    def ask(self, body: bytes = LIST, **changes: Any) -> Answer:
        """Send a request and return the whole answer."""
        with contextlib.closing(self.open(body, **changes)) as connection:
            return Answer.of(connection.getresponse())


CLOSES = "Connection: close\r\n"
"""What a server says that closes its connection: no call, which may not be repeated, is sent on it just then."""


def json_answer(body: bytes, headers: str = "", status: str = "200 OK", connection: str = CLOSES) -> bytes:
    """Return the bytes of an HTTP answer with a JSON body."""
    headers += connection
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode("latin-1") + body


def stream_answer(*chunks: bytes, headers: str = "", end: bool = True) -> bytes:
    """Return the bytes of a chunked HTTP answer that is an event stream."""
    headers += CLOSES
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n{headers}\r\n"
    return head.encode("latin-1") + b"".join(map(chunk, filter(None, chunks))) + (b"0\r\n\r\n" if end else b"")


def chunk(data: bytes) -> bytes:
    """Return one HTTP chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def result(*names: str, key: str = "tools", named: str = "name", id_: int = 7) -> bytes:
    """Return the JSON text of a list's answer."""
    return json.dumps({"jsonrpc": "2.0", "id": id_, "result": {key: [{named: name} for name in names]}}).encode()


@pytest.fixture(scope="session")
def words() -> SimpleNamespace:
    """What tests say again and again."""
    return SimpleNamespace(
        json_answer=json_answer,
        stream_answer=stream_answer,
        chunk=chunk,
        result=result,
        said=said,
        list=LIST,
        until=until,
        replay=REPLAY,
        key=KEY,
        metrics_token=METRICS_TOKEN,
    )


@pytest.fixture
def opened(words):
    """Open a sealed session id as the guard does."""
    sealer = SessionSealer([words.key], AESGCM, InvalidTag)
    return lambda token, server="files", principal="alice": sealer.open(
        token, server, who(principal), now=time.time(), max_age=60
    )


@pytest.fixture(scope="session")
def _fake_kong() -> Iterator[FakeKong]:
    kong = FakeKong()
    yield kong
    kong.close()


@pytest.fixture
def kong(_fake_kong: FakeKong) -> FakeKong:
    _fake_kong.forget()
    return _fake_kong


@pytest.fixture(scope="session")
def sidecar(_fake_kong: FakeKong, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """The sidecar that most tests share."""
    sidecar = Sidecar(
        tmp_path_factory.mktemp("sidecar"), {"MCP_SIDECAR_KONG_URL": f"http://127.0.0.1:{_fake_kong.port}"}
    )
    yield sidecar
    sidecar.stop()


@pytest.fixture
def start(kong: FakeKong, tmp_path: Path) -> Iterator[Callable[..., Guard]]:
    """Start a sidecar with settings of its own."""
    started = []

    def start(**environment: str | None) -> Guard:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        sidecar = Sidecar(folder, {"MCP_SIDECAR_KONG_URL": f"http://127.0.0.1:{kong.port}", **environment})
        started.append(sidecar)
        return Guard(sidecar)

    yield start
    for sidecar in started:
        sidecar.stop()


@pytest.fixture
def guard(sidecar: Sidecar) -> Guard:
    return Guard(sidecar)
