"""A relay between a client and where it connects, which breaks connections off as a bad network does."""

import asyncio
import contextlib


class Relay:
    """Passes bytes on both ways. `cut` ends every connection at once, in the middle of whatever it carries."""

    def __init__(self, port):
        self._target = port
        self._open = set()
        self.port = None

    async def _pass_on(self, reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _connected(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        ends = {writer.transport, far_writer.transport}
        self._open |= ends
        await asyncio.gather(self._pass_on(reader, far_writer), self._pass_on(far_reader, writer))
        self._open -= ends

    def cut(self):
        """Reset every open connection."""
        for transport in self._open:
            transport.abort()


@contextlib.asynccontextmanager
async def relay_to(port):
    """Run a relay on a free loopback port."""
    relay = Relay(port)
    server = await asyncio.start_server(relay._connected, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        relay.cut()
        server.close()
        await server.wait_closed()
