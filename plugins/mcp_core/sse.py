"""Server-sent events, sans-IO: bytes in, events out, and events back to bytes in one canonical form.

Reads every line end and the byte order mark as the HTML standard does (section 9.2.6, interpreting an event stream),
so that nothing stands in a stream that another reader would see and this one would not. Types and ids in which another
reader would see a line end are ignored, as the standard has it for an id with NUL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

DEFAULT_MAX_EVENT: Final = 16 * 1024 * 1024


_OTHER_ENDS: Final = "\0\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""What ends a line for some readers (Python's splitlines), or the text (C), though not for the standard."""
_LINE_ENDS: Final = re.compile(f"[{_OTHER_ENDS}]")
_HARMLESS: Final = {"\n": " ", "\r": " ", **{end: f"\\u{ord(end):04x}" for end in _OTHER_ENDS}}


def one_line(text: str) -> str:
    """Return JSON text so that it is one line for every reader.

    Some readers take each `data:` line for a message of its own, and some end lines where Python's splitlines does.
    JSON holds CR and LF between its tokens, where they are blanks. The other line ends stand only in its strings, also
    those that strict JSON has escaped: a server may leave that out.
    """
    for end, harmless in _HARMLESS.items():
        text = text.replace(end, harmless)
    return text


class StreamTooLargeError(ValueError):
    """One event holds more than the limit."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: None where the stream said nothing. A comment has only `comment`; `retry` is milliseconds, as sent."""

    data: str | None = None
    event: str | None = None
    id: str | None = None
    retry: str | None = None
    comment: bool = False

    def encode(self) -> bytes:
        """Return the event as UTF-8 with LF line ends."""
        if self.comment:
            return b":\n\n"
        lines = []
        for name, value in (("event", self.event), ("id", self.id), ("retry", self.retry)):
            if value is not None:
                lines.append(f"{name}: {value}\n")
        if self.data is not None:
            lines.extend(f"data: {line}\n" for line in self.data.split("\n"))
        return ("".join(lines) + "\n").encode()


class Decoder:
    """Turns the bytes of one stream into events as they complete.

    What is unfinished at the end is dropped, as the standard has it, but for an event that lacks only its blank line.
    """

    def __init__(self, max_event: int = DEFAULT_MAX_EVENT) -> None:
        self._max = max_event
        # An unfinished line lies in pieces until its end comes: joining at every chunk would cost the square of it.
        self._pieces: list[bytes] = []
        self._pending = 0
        self._start = True
        self._skip_lf = False
        self._held = 0
        self._overflows = ""
        self._fresh()

    def _fresh(self) -> None:
        self._data: list[str] = []
        self._event: str | None = None
        self._id: str | None = None
        self._retry: str | None = None
        self._held = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes and return the events that they complete.

        What is not UTF-8 is replaced by U+FFFD, as the standard has it.

        Raises:
            StreamTooLargeError: an event or line outgrew the limit.
        """
        events: list[Event] = []
        if self._overflows:
            raise StreamTooLargeError(self._overflows)
        for line in self._lines(chunk):
            self._held += len(line)
            if self._held > self._max:
                return self._overflow(events)
            if (event := self._line(line.decode(errors="replace"))) is not None:
                events.append(event)
        return self._overflow(events) if self._pending + self._held > self._max else events

    def _overflow(self, events: list[Event]) -> list[Event]:
        """Give what was complete before an event that is too large; the next call raises where this one has some."""
        self._overflows = f"an event of more than {self._max} bytes"
        if not events:
            raise StreamTooLargeError(self._overflows)
        return events

    def end(self) -> Event | None:
        """Return the last event where the stream ended behind one of its lines.

        Many servers forget the blank line, and many clients do without.
        """
        return None if self._pending or self._overflows else self._dispatch()

    def _lines(self, chunk: bytes) -> list[bytes]:
        if self._skip_lf and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._skip_lf = False
        if self._start:
            chunk = self._unfinished() + chunk
            if len(chunk) < 3 and b"\xef\xbb\xbf".startswith(chunk):
                self._keep(chunk)
                return []
            self._start = False
            chunk = chunk.removeprefix(b"\xef\xbb\xbf")
        # A CR that ends the chunk already ends its line; an LF that follows it belongs to it.
        self._skip_lf = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = self._unfinished() + lines[0]
        self._keep(rest)
        return lines

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._pieces.append(piece)
            self._pending += len(piece)

    def _unfinished(self) -> bytes:
        line = b"".join(self._pieces)
        self._pieces.clear()
        self._pending = 0
        return line

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            return Event(comment=True)
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event" and not _LINE_ENDS.search(value):
            self._event = value
        elif name == "id" and not _LINE_ENDS.search(value):
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self._retry = value
        return None

    def _dispatch(self) -> Event | None:
        data = "\n".join(self._data) if self._data else None
        event = Event(data, self._event, self._id, self._retry)
        self._fresh()
        return None if event == Event() else event
