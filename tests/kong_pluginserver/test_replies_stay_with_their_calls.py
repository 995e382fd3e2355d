"""Whatever a phase does and however replies arrive, each reply reaches its own call, and no other event.

Every reply carries a token of its own: the number of the event and of the call. What Kong must be asked, in which
order, and which token each call must be given is worked out here from the phase's steps alone.
"""

from __future__ import annotations

import contextlib
import json
import select
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kongside import M, Server, body, frame, headers, text

SOURCE = Path(__file__).with_name("call_hints_plugin.py").read_text()
READS = {
    "headers": ("kong.request.get_headers", 100),
    "all headers": ("kong.request.get_headers", 1000),
    "body": ("kong.request.get_raw_body", ""),
    "path": ("kong.request.get_path", ""),
    "a": ("kong.request.get_header", "a"),
    "b": ("kong.request.get_header", "b"),
}
WRITES = {
    "set": ("kong.service.request.set_header", "x"),
    "log": ("kong.log.err", ""),
    "clear": ("kong.service.request.clear_header", "x"),
    "context": ("kong.nginx.set_ctx", "k"),
    "upstream": ("kong.service.set_upstream", "replicas"),
}
AHEAD = {"none": (), "two": ("headers", "body"), "many": ("a", "headers", "a", "body", "path")}
CALLS = {name: (method, argument) if argument else (method,) for name, (method, argument) in READS.items()}
END = "the end"


@pytest.fixture(scope="module")
def server():
    plugins = {
        f"{name}{'' if awaited else '-unawaited'}.py": f"{SOURCE}\n"
        f"prefetch = {{'access': {tuple(CALLS[one] for one in ahead)!r}}}\n"
        f"unawaited = {() if awaited else ('kong.service.set_upstream',)!r}\n"
        for name, ahead in AHEAD.items()
        for awaited in (True, False)
    }
    one = Server(plugins, "--deadline", "3", "--workers", "1").start()
    yield one
    one.stop()
    shutil.rmtree(one.home)


@dataclass
class Event:
    """One event: what the phase does, what is wrong with which reply, and how the replies' bytes are cut and held."""

    ahead: str
    awaited: bool
    steps: list[str]
    wrong: dict[int, str]
    cuts: list[int]

    @property
    def plugin(self) -> str:
        return self.ahead if self.awaited else f"{self.ahead}-unawaited"


@dataclass
class Expected:
    """What must come of an event: the calls, whose replies the phase is given, how it ends, and what then."""

    calls: list[tuple[str, object]] = field(default_factory=list)
    given: list[int] = field(default_factory=list)
    end: str = "passed"
    closes: bool = False


class Model:
    """The steps of one event, carried out one after the other."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.out = Expected()
        self.waiting = [(name, self.call(READS[name])) for name in AHEAD[event.ahead]]
        self.silent: list[int] = []
        self.lost = False

    def call(self, call: tuple[str, object]) -> int:
        self.out.calls.append(call)
        return len(self.out.calls) - 1

    def wrong(self, number: int) -> str | None:
        return self.event.wrong.get(number)

    def wait(self) -> None:
        """Replies come in order, so whoever waits for one has those to earlier calls read too."""
        self.lost = self.lost or any(self.wrong(number) == "junk" for number in self.silent)

    def read(self, name: str) -> bool:
        known = next((one for one in self.waiting if one[0] == name), None)
        if known:
            self.waiting.remove(known)
            number = known[1]
        else:
            number = self.call(READS[name])
            self.wait()
        if self.lost or self.wrong(number) == "junk":
            return False
        self.out.given.append(number)
        return True

    def write(self, name: str) -> bool:
        self.waiting.clear()
        number = self.call(WRITES[name])
        if name == "context" or (name == "upstream" and self.event.awaited):
            self.wait()
            return not self.lost and (name == "context" or self.wrong(number) is None)
        self.silent.append(number)
        return True

    def run(self) -> Expected:
        out = self.out
        stopped = False  # the phase has swallowed the end of the event; all it still can is exit
        for step in self.event.steps:
            kind, _, name = step.partition(" ")
            if kind == "exit":
                out.end = "exited"
                break
            if stopped:
                if kind == "swallow":
                    continue
                out.end = "refused"
                break
            if kind == "quiet":
                out.end = "quiet"
                break
            fine = kind != "raise"
            if kind == "read":
                fine = self.read(name)
            elif kind == "write":
                fine = self.write(name)
            elif kind == "swallow":
                before = len(out.given)
                stopped = not self.read(name)
                del out.given[before:]
            if not fine:
                out.end = "refused"
                break
        else:
            if stopped:
                out.end = "refused"
            else:
                self.silent.append(self.call(WRITES["set"]))
        self.wait()
        out.closes = out.end not in {"passed", "quiet"} or self.lost
        return out


def argument(method: str, data: bytes) -> object:
    if method == "kong.request.get_headers":
        return M["Int"].FromString(data).v
    if method in {"kong.service.request.set_header", "kong.nginx.set_ctx"}:
        return "x" if M["KV"].FromString(data).k.startswith("x") else M["KV"].FromString(data).k
    return "" if method == "kong.log.err" else M["Text"].FromString(data).v


def answer(method: str, token: str, wrong: str | None) -> bytes:
    if wrong == "junk":
        return b"\xff"
    if method == "kong.request.get_headers":
        return headers({"token": token})
    if method == "kong.request.get_raw_body":
        return body(token.encode())
    if method.startswith("kong.request."):
        return text(token)
    return b"\x08\x01" if method == "kong.service.set_upstream" and wrong is None else b""


class Kong:
    """Kong's side of events on one connection, with its replies cut into pieces and held back."""

    def __init__(self, link) -> None:
        self.link = link

    def send(self, data: bytes, cuts: list[int]) -> None:
        for cut in cuts:
            piece, data = data[: cut % 7], data[cut % 7 :]
            if piece:
                self.link.socket.sendall(piece)
            if cut > 6:  # until the server has had its say to what there is
                select.select([self.link.socket], [], [], 0.001)
        if data:
            self.link.socket.sendall(data)

    def run(self, instance: int, number: int, event: Event):
        """Return the calls, the numbers of the calls whose tokens the phase was given, and how it ended."""
        self.link.send_call(event={"instance_id": instance, "event_name": "access"})
        calls: list[tuple[str, object]] = []
        last = b""
        while True:
            method = (self.link.read_frame() or b"").decode()
            if not method:
                assert self.link.returned()
                told = M["KV"].FromString(last) if calls and calls[-1] == WRITES["set"] else None
                return calls, json.loads(told.v.string_value) if told and told.k == "x-told" else None, "passed"
            last = self.link.read_frame()
            if method == "kong.response.exit":
                told = M["ExitArgs"].FromString(last)
                return calls, json.loads(told.body) if told.status == 200 else None, "exited"
            wrong = event.wrong.get(len(calls))
            if wrong == "vanish":
                return calls, None, "vanished"
            reply = frame(answer(method, f"{number}-{len(calls)}", wrong))
            calls.append((method, argument(method, last)))
            self.send(reply, event.cuts)


steps = st.lists(
    st.one_of(
        st.sampled_from(["read headers", "read body"]),
        st.sampled_from([f"read {name}" for name in READS]),
        st.sampled_from([f"write {name}" for name in WRITES]),
        st.sampled_from([*(f"swallow {name}" for name in READS), "raise", "exit", "quiet"]),
    ),
    max_size=12,
)
events = st.builds(
    Event,
    st.sampled_from(list(AHEAD)),
    st.booleans(),
    steps,
    st.dictionaries(st.integers(0, 10), st.sampled_from(["junk", "junk", "no", "vanish"]), max_size=2),
    st.lists(st.integers(0, 9), max_size=4),
)


def wrong_where_it_can_be(event: Event) -> None:
    """Leave `no` to set_upstream alone, and junk to calls that make something of their reply."""
    calls = Model(event).run().calls
    for number in list(event.wrong):
        method = calls[number][0] if number < len(calls) else END
        kind = event.wrong[number]
        if (kind == "no" and method != "kong.service.set_upstream") or (
            kind == "junk" and method == "kong.nginx.set_ctx"
        ):
            del event.wrong[number]


def run_and_compare(link, number: int, event: Event) -> bool:
    """Run one event; say whether the connection may carry another."""
    instance = link.start(event.plugin, {"steps": event.steps})
    expected = Model(event).run()
    try:
        calls, tokens, end = Kong(link).run(instance, number, event)
    except OSError:
        # Only a server that has seen an impossible reply may close before all was written, and only where that undoes a
        # pass: who is refused, or answered by the plugin, is told so.
        assert expected.closes
        assert expected.end in {"passed", "quiet"}
        return False
    if end == "vanished":
        assert calls == expected.calls[: len(calls)]
        return False
    assert calls == expected.calls
    assert end == ("passed" if expected.end in {"passed", "quiet"} else "exited")
    tells = expected.end in {"passed", "exited"}
    assert tokens == ([f"{number}-{one}" for one in expected.given] if tells else None)
    if expected.closes:
        assert link.closed()
    return not expected.closes


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(several=st.lists(events, min_size=2, max_size=3))
def test_each_reply_reaches_its_own_call(server, several):
    with contextlib.ExitStack() as stack:
        link = None
        for number, event in enumerate(several):
            wrong_where_it_can_be(event)
            link = link or stack.enter_context(server.link())
            if not run_and_compare(link, number, event):
                link = link.close()
