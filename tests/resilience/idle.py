"""Streams that agents hold open and on which nothing comes; one that ends is opened again, as clients do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import Counter
from urllib.parse import urlsplit

from e2e.harness import JSON_HEADERS, modern

_WAITS = 0.5
"""Seconds after which a client opens a stream again, as the specification has them by default, or less."""


def _request(url, headers):
    meta = modern("good")["json"]["params"]["_meta"]
    params = {"notifications": {"toolsListChanged": True}, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": "idle", "method": "subscriptions/listen", "params": params})
    said = JSON_HEADERS | headers | {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen"}
    place = urlsplit(url)
    lines = [
        f"POST {place.path} HTTP/1.1",
        f"Host: {place.netloc}",
        *(f"{name}: {text}" for name, text in said.items()),
    ]
    return ("\r\n".join([*lines, f"Content-Length: {len(body)}"]) + f"\r\n\r\n{body}").encode()


class IdleStreams:
    """So many streams to one URL. `open` are those that the server has acknowledged and that did not end since.

    `came` counts how streams ended or were refused: "ended", "cut", statuses and exceptions.
    """

    def __init__(self, url, count, **headers):
        self.count, self.open, self.came = count, 0, Counter()
        self._request, self._place = _request(url, headers), urlsplit(url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._all = asyncio.gather(*(self._keep(number) for number in range(self.count)), return_exceptions=True)
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._all)
        self._loop.close()

    async def _keep(self, number):
        await asyncio.sleep(number / 100)  # clients do not come all at once
        while True:
            try:
                self.came[await self._hold()] += 1
            except OSError as error:
                self.came[type(error).__name__] += 1
            await asyncio.sleep(_WAITS + number % 10 / 10)

    async def _hold(self):
        """Hold one stream to its end. Returns how it ended."""
        reader, writer = await asyncio.open_connection(self._place.hostname, self._place.port)
        try:
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1])
            if status != 200 or b"event-stream" not in head:
                return status
            await reader.readuntil(b"acknowledged")
            self.open += 1
            try:
                while await reader.read(65_536):
                    pass
            finally:
                self.open -= 1
        except asyncio.IncompleteReadError:
            return "cut"
        else:
            return "ended"
        finally:
            writer.close()

    def stop(self):
        with contextlib.suppress(RuntimeError):  # it is closed, where there were none
            self._loop.call_soon_threadsafe(self._all.cancel)
        self._thread.join(30)
