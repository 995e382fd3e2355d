"""What a turn of the event loop writes goes out in one write, before a connection ends too."""

import asyncio
import socket

import pytest

from mcp_sidecar.one_write import _Gathering

pytestmark = pytest.mark.requirement("SIDE-144")


class Transport(asyncio.Transport):
    """Takes down what is done to it."""

    def __init__(self):
        super().__init__({"peername": "there"})
        self.done = []

    def write(self, data):
        self.done.append(bytes(data))

    def close(self):
        self.done.append("closed")


def run(play):
    """Return what was done to a transport that `play` had for two turns of the loop."""

    async def turns():
        transport = Transport()
        play(_Gathering(transport, asyncio.get_running_loop()))
        await asyncio.sleep(0)
        return transport.done

    return asyncio.run(turns())


def test_what_is_written_in_one_turn_is_one_write():
    def play(transport):
        for piece in (b"head", b"", b"body"):
            transport.write(piece)

    assert run(play) == [b"headbody"]


def test_a_connection_ends_behind_what_was_written():
    def play(transport):
        transport.write(b"last")
        transport.close()

    assert run(play) == [b"last", "closed"]


def test_all_else_is_the_transports_own():
    run(lambda transport: transport.get_extra_info("peername") == "there" or pytest.fail("another transport"))


def test_an_answer_of_the_sidecar_comes_in_one_piece(sidecar):
    with socket.create_connection(("127.0.0.1", sidecar.port), timeout=30) as connection:
        for _ in range(20):
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n")
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert body
