"""Kong's side of the plugin protocol, for tests: a client that does what Kong 3.9.1 does, and servers to point it at.

It encodes with google.protobuf, so that the server's own codec is never checked against itself.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2

from servers.launch import whole_lines

BIN = Path(sys.executable).with_name("mcp-pluginserver")
_KINDS = {"int32": 5, "int64": 3, "string": 9, "bytes": 12, "bool": 8, "double": 1}
_TABLE = {
    "Start": [("name", 1, "string"), ("config", 2, "bytes")],
    "Close": [("instance_id", 1, "int32")],
    "Event": [("instance_id", 1, "int32"), ("event_name", 2, "string")],
    "Info": [("name", 1, "string")],
    "Nothing": [],
    "RpcCall": [
        ("sequence", 1, "int64"),
        ("names", 31, ".k.Nothing"),
        ("info", 32, ".k.Info"),
        ("start", 33, ".k.Start"),
        ("status", 34, ".k.Close"),
        ("close", 35, ".k.Close"),
        ("event", 36, ".k.Event"),
    ],
    "Names": [("names", 1, "string*")],
    "PluginInfo": [
        ("name", 1, "string"),
        ("phases", 4, "string*"),
        ("version", 5, "string"),
        ("priority", 6, "int32"),
        ("schema", 7, "string"),
    ],
    "Status": [("name", 1, "string"), ("instance_id", 2, "int32"), ("started_at", 4, "int64")],
    "RpcReturn": [
        ("sequence", 1, "int64"),
        ("names", 31, ".k.Names"),
        ("info", 32, ".k.PluginInfo"),
        ("status", 33, ".k.Status"),
    ],
    "ExitArgs": [("status", 1, "int32"), ("body", 2, "bytes"), ("headers", 3, ".google.protobuf.Struct")],
    "KV": [("k", 1, "string"), ("v", 2, ".google.protobuf.Value")],
    "Text": [("v", 1, "string")],
    "Int": [("v", 1, "int32")],
    "Bool": [("v", 1, "bool")],
    "Body": [("content", 1, "bytes"), ("body_filepath", 2, "string"), ("error", 3, "string")],
    "Consumer": [("id", 1, "string"), ("created_at", 2, "int64"), ("username", 3, "string"), ("tags", 5, "string*")],
}


def _messages():
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(
        name="k.proto", package="k", syntax="proto3", dependency=[struct_pb2.DESCRIPTOR.name]
    )
    for name, fields in _TABLE.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind in fields:
            one = message.field.add(name=field_name, number=number, label=3 if kind.endswith("*") else 1)
            if kind[0] == ".":
                one.type, one.type_name = 11, kind
            else:
                one.type = _KINDS[kind.rstrip("*")]
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"k.{name}")) for name in _TABLE}


M = _messages()


def headers(values: Mapping[str, object]) -> bytes:
    """A Struct reply, such as get_headers gets."""
    struct_message = struct_pb2.Struct()
    struct_message.update(dict(values))
    return struct_message.SerializeToString()


def text(value: str) -> bytes:
    return M["Text"](v=value).SerializeToString()


def body(content: bytes | None = None, path: str | None = None, error: str | None = None) -> bytes:
    return M["Body"](content=content or b"", body_filepath=path or "", error=error or "").SerializeToString()


def frame(payload: bytes) -> bytes:
    return struct.pack("=I", len(payload)) + payload


@dataclass
class Outcome:
    """How an event ended: `passed`, `exited` (with what the client would get), or `closed` without an answer."""

    kind: str
    status: int = 0
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    calls: list[tuple[str, bytes]] = field(default_factory=list)


Reply = bytes | Callable[["Link", bytes], bytes | None]
_PLUGINS: dict[str, Path] = {}


@functools.cache
def described(plugins: Path, name: str) -> dict[str, bool]:
    """What Kong adds to every configuration of a plugin, from the description that it has; nothing for no plugin."""
    command = [str(BIN), "--plugins", str(plugins), "--dump", name]
    dump = subprocess.run(command, capture_output=True, check=False, timeout=60).stdout
    fields = json.loads(dump)["Plugins"][0]["Schema"]["fields"][1]["config"]["fields"] if dump else []
    return {key: True for one in fields for key in one if key.startswith("described_")}


class Link:
    """One connection as Kong holds it."""

    def __init__(self, path: str | Path) -> None:
        self.sequence = 41
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(path))

    def send_call(self, **command: object) -> None:
        self.sequence += 1
        payload = M["RpcCall"](sequence=self.sequence, **command).SerializeToString()
        self.socket.sendall(struct.pack("=I", len(payload)))
        self.socket.sendall(payload)

    def read(self, size: int) -> bytes | None:
        data = b""
        while len(data) < size:
            try:
                piece = self.socket.recv(size - len(data))
            except ConnectionResetError:
                return None
            if not piece:
                return None
            data += piece
        return data

    def read_frame(self) -> bytes | None:
        head = self.read(4)
        return self.read(struct.unpack("=I", head)[0]) if head else None

    def reply(self, payload: bytes) -> None:
        self.socket.sendall(struct.pack("=I", len(payload)))
        if payload:
            self.socket.sendall(payload)

    def returned(self):
        payload = self.read_frame()
        if payload is None:
            return None
        message = M["RpcReturn"].FromString(payload)
        assert message.sequence == self.sequence
        return message

    def start(self, name: str, config: object = None) -> int | None:
        """Start an instance as a Kong with this server's dump does; None if the server closed instead."""
        values = config if config is not None else {}
        if isinstance(values, dict) and self.path in _PLUGINS:
            values = {**described(_PLUGINS[self.path], name), **values}
        return self.start_with(name, values)

    def start_with(self, name: str, values: object) -> int | None:
        """Start an instance with a configuration as it stands."""
        self.send_call(start={"name": name, "config": json.dumps(values).encode()})
        message = self.returned()
        return message.status.instance_id if message else None

    def call(self, **command: object):
        self.send_call(**command)
        return self.returned()

    def event(self, instance_id: int, phase: str = "access", pdk: Mapping[str, Reply] | None = None) -> Outcome:
        self.send_call(event={"instance_id": instance_id, "event_name": phase})
        return self.bridge(pdk or {})

    def bridge(self, pdk: Mapping[str, Reply]) -> Outcome:
        """Answer PDK calls until the event is over, as Kong's bridge loop does."""
        calls: list[tuple[str, bytes]] = []
        while True:
            method = self.read_frame()
            if method is None:
                return Outcome("closed", calls=calls)
            if method == b"":
                return Outcome("passed" if self.returned() else "closed", calls=calls)
            arguments = self.read_frame()
            assert arguments is not None, "a method frame without its arguments"
            calls.append((method.decode(), arguments))
            if method == b"kong.response.exit":
                told = M["ExitArgs"].FromString(arguments)
                return Outcome("exited", told.status, told.body, dict(told.headers.items()), calls)
            answer = pdk.get(method.decode(), b"")
            payload = answer(self, arguments) if callable(answer) else answer
            if payload is not None:
                self.reply(payload)

    def closed(self, within: float = 20) -> bool:
        """Say whether the server closes the connection, having sent nothing more."""
        self.socket.settimeout(within)
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Client:
    """One nginx worker of Kong's with one plugin: pooled connections, and Kong's way of starting anew."""

    def __init__(self, path: str | Path, plugin: str, config: object = None) -> None:
        self.path, self.plugin, self.config = path, plugin, config
        self.instance_id: int | None = None
        self.starts = 0
        self._pool: list[Link] = []

    def _link(self) -> Link:
        return self._pool.pop() if self._pool else Link(self.path)

    def event(self, phase: str = "access", pdk: Mapping[str, Reply] | None = None, tries: int = 50) -> Outcome:
        """Run one event; a connection closed without an answer means start the instance anew and try again."""
        for _ in range(tries):
            link = self._link()
            if self.instance_id is None:
                self.starts += 1
                try:
                    self.instance_id = link.start(self.plugin, self.config)
                except OSError:
                    self.instance_id = None
                if self.instance_id is None:
                    link.close()
                    continue
            try:
                outcome = link.event(self.instance_id, phase, pdk)
            except OSError:
                outcome = Outcome("closed")
            if outcome.kind == "passed":
                self._pool.append(link)
                return outcome
            link.close()
            if outcome.kind == "exited":
                return outcome
            self.instance_id = None
        return Outcome("closed")

    def close(self) -> None:
        for link in self._pool:
            link.close()
        self._pool.clear()


def until(condition: Callable[[], object], seconds: float = 30, what: str = "the condition") -> object:
    """Wait for a condition to become true; return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(0.005)
    return value


class Server:
    """A plugin server process on its own plugin directory and socket."""

    def __init__(self, plugins: Mapping[str, str] | Path, *options: str, home: Path | None = None) -> None:
        self.home = home or Path(tempfile.mkdtemp(dir="/tmp", prefix="kps"))
        self.path = self.home / "s.sock"
        self.plugins = plugins if isinstance(plugins, Path) else self.home / "plugins"
        if not isinstance(plugins, Path):
            self.plugins.mkdir(exist_ok=True)
            for name, source in plugins.items():
                (self.plugins / name).write_text(source)
        _PLUGINS[str(self.path)] = self.plugins
        self.log = self.home / f"log{time.monotonic_ns()}"
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        return [str(BIN), "--plugins", str(self.plugins), "--socket", str(self.path), *self.options]

    def start(self) -> Server:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: self.logged("serving") or self.process.poll() is not None, what="the start")
        assert self.process.poll() is None, self.log.read_text()
        return self

    @property
    def pid(self) -> int:
        return self.process.pid

    def workers(self) -> list[int]:
        return children(self.pid)

    def records(self) -> list[dict]:
        return [json.loads(line) for line in whole_lines(self.log) if line.startswith("{")]

    def logged(self, event: str) -> list[dict]:
        return [record for record in self.records() if record["event"] == event]

    def link(self) -> Link:
        return Link(self.path)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                for pid in [*self.workers(), self.pid]:
                    os.kill(pid, signal.SIGKILL)
                self.process.wait(5)
                raise
        return self.process.returncode

    def remove(self) -> None:
        """Stop, and leave nothing behind."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)


def children(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
