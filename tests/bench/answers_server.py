"""A server whose answer is named by the tool that is called: small, large, a stream that stays open, or a nuisance."""

import asyncio
import sys

import uvloop

_RESULT = b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"%s"}],"resultType":"complete"}}'
_PIECE = 65536
_TOOLS = b",".join(b'{"name":"small%d","inputSchema":{"type":"object"}}' % number for number in range(20))
_LIST = (
    b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"small","inputSchema":{"type":"object"}},%s],'
    b'"resultType":"complete","ttlMs":0,"cacheScope":"private"}}' % _TOOLS
)


def _json(body):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    return [head + body]


def _chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def _stream(pieces, end=_RESULT % b"ok"):
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield from pieces
    if end is not None:
        yield (_chunk(b"data: " + end + b"\n\n") if end else b"") + b"0\r\n\r\n"


def _in_pieces(data, size):
    return (_chunk(data[at : at + size]) for at in range(0, len(data), size))


_EVENTS = b"data: 1\n\n"
_PROGRESS = b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}\n\n'
_ANSWERS = {
    "small": lambda: _json(_RESULT % (b"x" * 900)),
    "large": lambda: _json(_RESULT % (b"x" * (5 << 20))),
    "prose": lambda: _json(
        _RESULT % (b"The weather of the city is fine, and the rest of the week is what it was. " * 14_000)
    ),
    "tools/list": lambda: _json(_LIST),
    "open": lambda: _stream([_chunk(_PROGRESS)], end=None),
    "bytes": lambda: _stream(_in_pieces(b"data: " + _RESULT % (b"x" * 200_000) + b"\n\n", 1), end=b""),
    "events": lambda: _stream(_chunk(_EVENTS * 1000) for _ in range(1000)),
    "logs": lambda: _stream(_chunk(_PROGRESS * 500) for _ in range(2000)),
    "comments": lambda: _stream(_chunk(b":\n" * 32_000) for _ in range(100)),
    "event": lambda: _stream([_chunk(b"data: "), *(_chunk(b"x" * _PIECE) for _ in range((100 << 20) // _PIECE))]),
    "nested": lambda: _json(b"[" * 100_000),
    "quotes": lambda: _json(_RESULT % (b'\\"' * (2 << 20))),
    "members": lambda: _json(b"[" + b'{"a":{"b":1}},' * 500_000 + b"1]"),
}


class _Answers(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.buffer = b""
        self.flows = asyncio.Event()
        self.flows.set()
        self.answering = None

    def pause_writing(self):
        self.flows.clear()

    def resume_writing(self):
        self.flows.set()

    def connection_lost(self, _error):
        if self.answering is not None:
            self.answering.cancel()

    def data_received(self, data):
        self.buffer += data
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if len(rest) < int(lines.get(b"content-length", b"0")):
            return
        self.buffer = b""
        asked = lines.get(b"mcp-name") or lines.get(b"mcp-method", b"")
        answer = _ANSWERS.get(asked.decode(), _ANSWERS["small"])()
        if isinstance(answer, list):
            self.transport.write(b"".join(answer))
        else:
            self.answering = asyncio.ensure_future(self._answer(answer))

    async def _answer(self, pieces):
        for piece in pieces:
            await self.flows.wait()
            self.transport.write(piece)


async def _serve(port):
    server = await asyncio.get_running_loop().create_server(_Answers, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
