"""Kong's path normalisation, nginx's own decoding of a path, and query strings as ngx.req.get_uri_args sees them.

Source: kong/tools/uri.lua; ngx_http_parse_complex_uri; RFC 3986 sections 2.3 and 5.2.4.
"""

import re
from urllib.parse import quote, unquote_to_bytes

from kong_devkit.headers import Value, decode, encode

_RESERVED = frozenset(b"!*'();:@&=+$,/?%#[]")
_TRIPLET = re.compile(rb"%([0-9A-Fa-f]{2})")
_UNSAFE = re.compile(rb"[^!#$&'()*+,/:;=?@\[\\\]A-Za-z0-9\-_.~%]")
_BAD_TRIPLET = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def _unreserved(match: re.Match[bytes]) -> bytes:
    code = int(match[1], 16)
    return match[0].upper() if code in _RESERVED else bytes([code])


def normalize(path: str) -> str:
    """Normalise as the router does: decode all but reserved characters, resolve dot segments, merge slashes."""
    if path in {"", "/"}:
        return path
    raw = _TRIPLET.sub(_unreserved, encode(path)) if "%" in path else encode(path)
    if b"." not in raw and b"//" not in raw:
        return decode(raw)
    return decode(_resolve(raw))


def _resolve(raw: bytes) -> bytes:
    out: list[bytes] = []
    if not raw.startswith(b"/"):
        raw = b"/" + raw.lstrip(b".")
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
    return b"/" + b"/".join(out)


def escape(path: str) -> str:
    """Percent-encode what must not stand in an HTTP request line; ``%`` is left alone."""
    return decode(_UNSAFE.sub(lambda match: b"%%%02X" % match[0][0], encode(path)))


def nginx_path(path: str) -> str | None:
    """``$uri``: percent-decoded, dots resolved, slashes merged. None where nginx answers 400.

    Refused: a bad triplet, ``%00``, and a path that climbs above its root.
    """
    raw = encode(path)
    if _BAD_TRIPLET.search(raw):
        return None
    raw = unquote_to_bytes(raw)
    if b"\0" in raw:
        return None
    depth = 0
    for segment in raw.split(b"/")[1:]:
        depth += -1 if segment == b".." else 0 if segment in {b"", b"."} else 1
        if depth < 0:
            return None
    return decode(_resolve(raw))


def parse_query(query: str, limit: int = 100) -> dict[str, Value | bool]:
    """``ngx.req.get_uri_args``: ``a`` alone is true, repeated names make a list, at most ``limit`` arguments."""
    found: dict[str, Value | bool] = {}
    parts = [part for part in query.split("&") if part]
    for part in parts[:limit]:
        name, equals, text = part.partition("=")
        key = _unescape(name)
        value: str | bool = _unescape(text) if equals else True
        if not key:
            continue
        before = found.get(key)
        if before is None:
            found[key] = value
        else:
            listed = before if isinstance(before, list) else [before]
            listed.append(value)  # type: ignore[arg-type]  # a list may hold booleans too, as in Lua
            found[key] = listed  # type: ignore[assignment]  # as above
    return found


def _unescape(text: str) -> str:
    return decode(unquote_to_bytes(encode(text.replace("+", " "))))


def encode_query(arguments: dict[str, object]) -> str:
    """``ngx.encode_args`` in Kong's order: each name on its own, sorted."""
    parts = []
    for name, value in arguments.items():
        for one in value if isinstance(value, list) else [value]:
            if one is True:
                parts.append(quote(encode(name), safe=""))
            elif one is not False and one is not None:
                parts.append(f"{quote(encode(name), safe='')}={quote(encode(lua_text(one)), safe='')}")
    return "&".join(sorted(parts))


def lua_text(value: object) -> str:
    """``tostring``: booleans in lower case, whole floats without a fraction."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def drop_query_argument(query: str, name: str) -> str:
    """The query without any argument of that name."""
    return "&".join(part for part in query.split("&") if _unescape(part.partition("=")[0]) != name)
