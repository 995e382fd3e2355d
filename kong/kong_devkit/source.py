"""Reads requests and their bodies from a client connection.

Source: nginx's ngx_http_request_body.c (discarding, a file above client_body_buffer_size) and ngx_http_parse_chunked.
"""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from kong_devkit.httpin import HEAD_LIMIT, LINE_LIMIT, Refused, Request, parse_head

_BLOCK: Final = 65536
_END = re.compile(rb"\n\r?\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(;[^\r\n]*)?\r?\n")
_DISCARD: Final = 1024 * 1024
_DISCARD_SECONDS: Final = 5.0


class Gone(Exception):  # noqa: N818 - the client may leave; that is no error
    """The client ended the connection."""


class Source:
    """A client's byte stream with look-ahead."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self.buffer = bytearray()

    async def fill(self) -> bool:
        """Read some more into the buffer; False at the end of the stream."""
        try:
            data = await self._reader.read(_BLOCK)
        except ConnectionError:
            data = b""
        self.buffer += data
        return bool(data)

    async def until_gone(self) -> None:
        """Return when the client has closed; stop looking once it sends something else first, as nginx does."""
        if await self.fill():
            await asyncio.Future()

    async def request(self) -> Request | None:
        """Read the next request head; None where the client has gone.

        Raises:
            Refused: the head is not acceptable.
        """
        while True:
            while self.buffer.startswith((b"\r", b"\n")):
                del self.buffer[:1]
            end = _END.search(self.buffer)
            if end is not None and end.end() <= HEAD_LIMIT:
                head = bytes(self.buffer[: end.end()])
                del self.buffer[: end.end()]
                return parse_head(head)
            if len(self.buffer) > HEAD_LIMIT:
                long_line = b"\n" not in self.buffer[: LINE_LIMIT + 2]
                raise Refused(414 if long_line else 494, "the request head is too large")
            if not await self.fill():
                return None


class Body:
    """A request body, read whole when it is asked for. ``proceed`` sends ``100 Continue``."""

    def __init__(
        self, source: Source, request: Request, limits: tuple[int, int], folder: Path, proceed: Callable[[], None]
    ) -> None:
        self._source = source
        self._left = 0 if request.chunked else request.length or 0
        self._chunked = request.chunked
        self._buffer_limit, self._most = limits
        self._folder = folder
        expects = request.version == 11 and (request.headers.get("expect") or "").lower() == "100-continue"
        self._proceed = proceed if expects else None
        self._taken = 0
        self._file: Path | None = None
        self.length = request.length or 0
        self.finished = not request.chunked and not self._left
        self.data: bytes | None = b"" if self.finished else None
        if self._most and self.length > self._most:
            raise Refused(413, "the body is too large", request.headers)

    async def read(self) -> None:
        """Read all of it into ``data``.

        Raises:
            Refused: bad chunking, or larger than allowed.
            Gone: the client left in the middle.
        """
        if self.data is not None:
            return
        collected = bytearray()
        while piece := await self._next():
            collected += piece
        self.replace(bytes(collected))

    def in_file(self) -> Path | None:
        """The file that a body above the buffer's size is in, as nginx has it; None for one that fits."""
        if self.data is None or len(self.data) <= self._buffer_limit:
            return None
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self._folder, prefix="body-", delete=False) as stored:
                self._file = Path(stored.name)  # from here on ``clean`` removes it, however the request ends
                stored.write(self.data)
        return self._file

    def replace(self, data: bytes) -> None:
        """Have these bytes for the body."""
        self.clean()
        self.data, self.length = data, len(data)

    def clean(self) -> None:
        """Remove the file."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)
            self._file = None

    async def _next(self) -> bytes:
        if self.finished:
            return b""
        if self._proceed is not None:
            self._proceed()
            self._proceed = None
        if self._chunked and not self._left:
            await self._chunk_head()
            if not self._left:
                return b""
        if not self._source.buffer:
            await self._fill()
        piece = bytes(self._source.buffer[: min(self._left, _BLOCK)])
        del self._source.buffer[: len(piece)]
        self._left -= len(piece)
        self._taken += len(piece)
        if self._most and self._taken > self._most:
            raise Refused(413, "the body is too large")
        if not self._chunked and not self._left:
            self.finished = True
        elif self._chunked and not self._left and await self._line() not in {b"\r\n", b"\n"}:
            raise Refused(400, "a chunk is longer than it said")
        return piece

    async def _fill(self) -> None:
        if not await self._source.fill():
            raise Gone

    async def _line(self) -> bytes:
        while (end := self._source.buffer.find(b"\n")) < 0:
            if len(self._source.buffer) > LINE_LIMIT:
                raise Refused(400, "a chunk line is too long")
            await self._fill()
        line = bytes(self._source.buffer[: end + 1])
        del self._source.buffer[: end + 1]
        return line

    async def _chunk_head(self) -> None:
        match = _CHUNK.fullmatch(await self._line())
        if match is None:
            raise Refused(400, "a chunk size is malformed")
        self._left = int(match[1], 16)
        if not self._left:
            while await self._line() not in {b"\r\n", b"\n"}:  # trailers are dropped, as nginx does
                pass
            self.finished = True

    async def discard(self) -> bool:
        """Throw away what is left unread; False where the connection had better be closed."""
        if self.finished:
            return True
        if self._proceed is not None or self._left > _DISCARD:
            return False
        before = self._taken
        try:
            async with asyncio.timeout(_DISCARD_SECONDS):
                while await self._next():
                    if self._taken - before > _DISCARD:
                        return False
        except (TimeoutError, Refused, Gone):
            return False
        return True
