"""Kong's path normalisation, and nginx's own check of a path.

Source: kong/tools/uri.lua; ngx_http_parse_complex_uri; RFC 3986 sections 2.3 and 5.2.4.
"""

import re
from urllib.parse import unquote_to_bytes

from kong_devkit.headers import decode, encode

_RESERVED = frozenset(b"!*'();:@&=+$,/?%#[]")
_TRIPLET = re.compile(rb"%([0-9A-Fa-f]{2})")
_UNSAFE = re.compile(rb"[^!#$&'()*+,/:;=?@\[\\\]A-Za-z0-9\-_.~%]")
_BAD_TRIPLET = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def _unreserved(match: re.Match[bytes]) -> bytes:
    code = int(match[1], 16)
    return match[0].upper() if code in _RESERVED else bytes([code])


def normalize(path: str) -> str:
    """Normalise as the router does: decode all but reserved characters, resolve dot segments, merge slashes."""
    raw = _TRIPLET.sub(_unreserved, encode(path))
    if b"." not in raw and b"//" not in raw:
        return decode(raw)
    out: list[bytes] = []
    segments = raw.split(b"/")[1:]
    for index, segment in enumerate(segments):
        last = index == len(segments) - 1
        if segment == b"..":
            if out:
                out.pop()
            if last:
                out.append(b"")
        elif segment == b"." or (segment == b"" and not last):
            if last:
                out.append(b"")
        else:
            out.append(segment)
    return decode(b"/" + b"/".join(out))


def escape(path: str) -> str:
    """Percent-encode what must not stand in an HTTP request line; ``%`` is left alone."""
    return decode(_UNSAFE.sub(lambda match: b"%%%02X" % match[0][0], encode(path)))


def nginx_takes(path: str) -> bool:
    """Whether nginx takes a path: no bad triplet, no ``%00``, and nothing that climbs above its root."""
    raw = encode(path)
    if _BAD_TRIPLET.search(raw):
        return False
    raw = unquote_to_bytes(raw)
    if b"\0" in raw:
        return False
    depth = 0
    for segment in raw.split(b"/")[1:]:
        depth += -1 if segment == b".." else 0 if segment in {b"", b"."} else 1
        if depth < 0:
            return False
    return True
