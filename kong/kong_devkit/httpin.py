"""Parses request heads by nginx's rules. Pure: bytes in, a Request or a refusal out.

Why not h11: it accepts what nginx refuses (Content-Length beside Transfer-Encoding, repeated Content-Length,
obs-fold), and
a stand-in for Kong must refuse it in the same way. See spec/decisions/020.
Source: nginx 1.25 src/http/ngx_http_parse.c and ngx_http_request.c.
"""

import re
from dataclasses import dataclass
from typing import Final

from kong_devkit.headers import Headers, decode
from kong_devkit.uri import nginx_takes

LINE_LIMIT: Final = 8192
HEAD_LIMIT: Final = 4 * LINE_LIMIT
_REQUEST_LINE = re.compile(rb"([A-Z_-]+) +([^ \x00-\x1f\x7f]+) +HTTP/(\d)\.(\d{1,3}) *")
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)(.*)")
_NAME_BYTES = re.compile(rb"[A-Za-z0-9_-]+")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\x00-\x20\x7f/\\?#@:\[\]]*)(:\d*)?")
# nginx refuses a second line of any of these.
_ONCE: Final = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "expect",
        "authorization",
        "if-modified-since",
        "if-unmodified-since",
        "if-match",
        "if-none-match",
        "if-range",
        "content-range",
    }
)


class Refused(Exception):  # noqa: N818 - the verb reads as what happened
    """A request that nginx answers by itself; ``status`` is nginx's (494: head too large)."""

    def __init__(self, status: int, reason: str, headers: Headers | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers or Headers()


@dataclass(frozen=True, slots=True)
class Request:
    """One request head.

    Attributes:
        target: the request URI as sent.
        path: the target without query.
        query: what follows the first ``?``; None where there is none.
        version: 10 or 11.
        host: ``$host``: lower case, no port.
        length: Content-Length; None where absent.
        chunked: the body is chunked.
        size: bytes of the head.
    """

    method: str
    target: str
    path: str
    query: str | None
    version: int
    headers: Headers
    host: str
    length: int | None
    chunked: bool
    size: int

    @property
    def keep_alive(self) -> bool:
        """Whether the client lets the connection live on."""
        connection = ",".join(self.headers.values("connection")).lower()
        return "close" not in connection if self.version == 11 else "keep-alive" in connection


def parse_head(head: bytes) -> Request:
    """Parse a head that ends with an empty line.

    Raises:
        Refused: with nginx's status.
    """
    lines = [line.removesuffix(b"\r") for line in head.split(b"\n")]
    while lines and not lines[-1]:
        lines.pop()
    if len(lines[0]) > LINE_LIMIT:
        raise Refused(414, "the request line is too long")
    match = _REQUEST_LINE.fullmatch(lines[0])
    if match is None:
        raise Refused(400, "the request line is malformed")
    major, minor = int(match[3]), int(match[4])
    headers = _headers(lines[1:])
    if major != 1:
        raise Refused(505 if major > 1 else 400, f"HTTP/{major} is not spoken here", headers)
    method = match[1].decode()
    version = 11 if minor >= 1 else 10
    target, authority = _target(match[2], headers)
    if method in {"CONNECT", "TRACE"}:
        raise Refused(405, f"{method} is not allowed", headers)
    path, mark, query = target.partition("?")
    if not nginx_takes(path.partition("#")[0]):
        raise Refused(400, "the path is malformed", headers)
    host = _host(headers, authority, version)
    length, chunked = _framing(headers, version)
    return Request(
        method,
        target,
        path,
        query.partition("#")[0] if mark else None,
        version,
        headers,
        host,
        length,
        chunked,
        len(head),
    )


def _headers(lines: list[bytes]) -> Headers:
    parsed: list[tuple[str, str]] = []
    for line in lines:
        if len(line) > LINE_LIMIT:
            raise Refused(494, "a header line is too long", Headers(parsed))
        name, _, value = line.partition(b":")
        if not name or min(name) <= 0x20 or 0x7F in name:
            # Folded lines and "Name : value" end here: both hide a header from one of two parsers.
            raise Refused(400, "a header line is malformed", Headers(parsed))
        if b"\0" in value or b"\r" in value:
            raise Refused(400, "a header value is malformed", Headers(parsed))
        if _NAME_BYTES.fullmatch(name):  # ignore_invalid_headers is on: others are dropped in silence
            parsed.append((name.decode(), decode(value.strip(b" "))))
    seen: set[str] = set()
    for name_text, _ in parsed:
        lower = name_text.lower()
        if lower in _ONCE and lower in seen:
            raise Refused(400, f"{lower} is sent twice", Headers(parsed))
        seen.add(lower)
    return Headers(parsed)


def _target(raw: bytes, headers: Headers) -> tuple[str, str | None]:
    if raw.startswith(b"/"):
        return decode(raw), None
    match = _ABSOLUTE.fullmatch(raw)
    if match is None or not match[1]:
        raise Refused(400, "the request target is malformed", headers)
    rest = match[2]
    return decode(rest if rest.startswith(b"/") else b"/" + rest), decode(match[1])


def _host(headers: Headers, authority: str | None, version: int) -> str:
    host = headers.get("host")
    if host is None and version == 11:
        raise Refused(400, "an HTTP/1.1 request needs a Host header", headers)
    match = _HOST.fullmatch(authority or host or "")
    if match is None:
        raise Refused(400, "the Host header is malformed", headers)
    return match[1].lower().rstrip(".")


def _framing(headers: Headers, version: int) -> tuple[int | None, bool]:
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if length is not None and (not length.isascii() or not length.isdigit() or len(length) > 18):
        raise Refused(400, "Content-Length is not a number", headers)
    if coding is None:
        return (int(length) if length is not None else None), False
    if version == 10:
        raise Refused(400, "Transfer-Encoding in HTTP/1.0", headers)
    if coding.lower() != "chunked":
        raise Refused(501, "an unknown Transfer-Encoding", headers)
    if length is not None:
        raise Refused(400, "Content-Length beside Transfer-Encoding", headers)
    return None, True
