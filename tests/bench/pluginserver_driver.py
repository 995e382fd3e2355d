"""One load process for the plugin server benchmark: plays Kong on some connections for some seconds, prints the events.

    python pluginserver_driver.py protobuf|msgpack SOCKET INSTANCE CONNECTIONS SECONDS

It sends as Kong 3.9.1 does: on ProtoBuf:1 one connection for the whole event, length and payload in two sends; on
MsgPack:1 one call for each step. All that can be prepared is, so that it costs less than any server.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import time
from dataclasses import dataclass, field

import msgpack
from google.protobuf import struct_pb2

HEADERS = {
    "host": "gateway.example.com",
    "user-agent": "bench/1.0",
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
    "content-length": "118",
    "authorization": "Bearer 0123456789abcdef0123456789abcdef",
    "mcp-session-id": "8c5b2a9e-6f0e-4a8b-9a53-0e64c6d6a001",
    "mcp-protocol-version": "2025-06-18",
    "x-request-id": "b6f1d7c4e1c84e7fa2f2a8f6f2f7d3d1",
}
BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"}}}'


def framed(payload: bytes) -> list[bytes]:
    """Return the sends of one frame."""
    head = struct.pack("=I", len(payload))
    return [head, payload] if payload else [head]


def replies() -> list[list[bytes]]:
    """Return the sends that answer get_headers, get_raw_body and set_header."""
    headers = struct_pb2.Struct()
    headers.update(HEADERS)
    body = b"\x0a" + bytes([len(BODY)]) + BODY
    return [framed(headers.SerializeToString()), framed(body), framed(b"")]


def handle_event(instance: int) -> list[bytes]:
    """Return the sends of an RpcCall of sequence 7."""
    number = b""
    while instance > 0x7F:
        number += bytes([instance & 0x7F | 0x80])
        instance >>= 7
    command = b"\x08" + number + bytes([instance]) + b"\x12\x06access"
    return framed(b"\x08\x07\xa2\x02" + bytes([len(command)]) + command)


@dataclass
class Peer:
    """One connection in the middle of an event."""

    socket: socket.socket
    step: int = 0
    missing: int = 0
    input: bytes = b""
    unpacker: msgpack.Unpacker = field(default_factory=lambda: msgpack.Unpacker(strict_map_key=False))


def connect(path: str, count: int) -> list[Peer]:
    """Return connections to the server."""
    peers = []
    for _ in range(count):
        one = socket.socket(socket.AF_UNIX)
        one.connect(path)
        peers.append(Peer(one))
    return peers


def protobuf(path: str, instance: int, count: int, seconds: float) -> int:
    """Drive a ProtoBuf:1 server; return the events that ended."""
    opening = handle_event(instance)
    answers = [*replies(), opening]
    # Lengths of what each of ours answers: method and arguments, or the end of the event. The server may send several
    # at once; they are answered one after the other, as Kong does.
    lengths = [
        4 + len("kong.request.get_headers") + 4 + 3,
        4 + len("kong.request.get_raw_body") + 4,
        4 + len("kong.service.request.set_header") + 4 + len(b"\n\x06x-seen\x12\x15\x1a\x13gateway.example.com"),
        4 + 4 + 2,
    ]
    peers = connect(path, count)
    poll = select.epoll()
    by_fd = {}
    for peer in peers:
        by_fd[peer.socket.fileno()] = peer
        poll.register(peer.socket.fileno(), select.EPOLLIN)
        peer.missing = lengths[0]
        for piece in opening:
            peer.socket.send(piece)
    events = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for fd, _ in poll.poll():
            peer = by_fd[fd]
            peer.missing -= len(peer.socket.recv(4096))
            send = peer.socket.send
            while peer.missing <= 0:
                if peer.step == 3 and peer.missing:
                    raise SystemExit("the server sent more than was expected")
                for piece in answers[peer.step]:
                    send(piece)
                peer.step += 1
                if peer.step == 4:
                    peer.step = 0
                    events += 1
                peer.missing += lengths[peer.step]
    return events


def msgpack_rpc(path: str, instance: int, count: int, seconds: float) -> int:
    """Drive a MsgPack:1 server; return the events that ended."""
    opening = msgpack.packb([0, 1, "plugin.HandleEvent", [{"InstanceId": instance, "EventName": "access"}]])
    data = {
        "kong.request.get_headers": ("plugin.StepMultiMap", HEADERS),
        "kong.request.get_raw_body": ("plugin.Step", BODY.decode()),
        "kong.service.request.set_header": ("plugin.Step", None),
    }
    # A step is the same bytes but for the event's id, which is put last.
    steps = {
        method: b"\x94\x00\x01"
        + msgpack.packb(step)
        + b"\x91\x82"
        + msgpack.packb("Data")
        + msgpack.packb(value)
        + msgpack.packb("EventId")
        for method, (step, value) in data.items()
    }
    pack = msgpack.Packer().pack
    peers = connect(path, count)
    poll = select.epoll()
    by_fd = {}
    for peer in peers:
        by_fd[peer.socket.fileno()] = peer
        poll.register(peer.socket.fileno(), select.EPOLLIN)
        peer.socket.send(opening)
    events = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for fd, _ in poll.poll():
            peer = by_fd[fd]
            peer.unpacker.feed(peer.socket.recv(4096))
            for _kind, _id, error, result in peer.unpacker:
                if error:
                    raise SystemExit(f"the server says: {error}")
                if result["Data"] == "ret":
                    events += 1
                    peer.socket.send(opening)
                else:
                    peer.socket.send(steps[result["Data"]["Method"]] + pack(result["EventId"]))
    return events


def main() -> None:
    """Run as the module says."""
    kind, path, instance, count, seconds = sys.argv[1:]
    drive = {"protobuf": protobuf, "msgpack": msgpack_rpc}[kind]
    sys.stdout.write(f"{drive(path, int(instance), int(count), float(seconds))}\n")


if __name__ == "__main__":
    main()
