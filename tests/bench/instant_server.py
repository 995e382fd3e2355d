"""An HTTP server that answers every request at once with one fixed MCP result: the fastest server there could be."""

import asyncio
import sys

import uvloop

_BODY = (
    b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"ok"}],"isError":false,'
    b'"resultType":"complete"}}'
)
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)


class Instant(asyncio.Protocol):
    """Takes requests with a length from one connection, and answers each at once."""

    def connection_made(self, transport):
        self.transport = transport
        self.buffer = b""

    def data_received(self, data):
        self.buffer += data
        while True:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            lower = head.lower()
            at = lower.find(b"content-length:")
            length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            self.transport.write(self.answer(head, rest[:length]))

    def answer(self, head, body):  # noqa: ARG002 - it says the same to all
        """Return the bytes of the answer to one request."""
        return _ANSWER


async def serve(protocol, port):
    """Serve on a loopback port until the process is ended."""
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(Instant, int(sys.argv[1])))
