"""Which resource URIs readers take for the same resource.

Servers resolve a URI before they use it: the readers of URLs in many languages fold case, drop dot segments, decode
what need not be encoded, and take a backslash or several slashes for one slash. A policy compares text, so
`file:///public/../private` would pass for something below `file:///public/`. So what is not in the normal form of
RFC 3986, section 6.2.2, is no resource, neither listed nor read, unless the policy allows all of them and denies none.

Readers also differ in what a URI names: `file:/x` is `file:///x` to some, and `note://h:/x` is `note://h/x` to all. So
whatever is denied is denied in all its `spellings`. Sources: RFC 3986; the URL standard of WHATWG, section 4; what
Python's urllib.parse, Go's net/url and Java's java.net.URI do.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final
from urllib.parse import unquote

from mcp_core.keys import alike

# Control characters are dropped by WHATWG readers, and backslashes become slashes.
_ODD_CHARACTER: Final = re.compile(r"[\x00-\x1f\x7f\\]")
# Some readers take blanks off a segment, and then look what is left.
_DOT_SEGMENT: Final = re.compile(r"(?:[/:]|%2[fF]|%5[cC])\.{1,2} *(?:[/?#]|%2[fF]|%5[cC]|\Z)")
# And parameters, behind a semicolon: of paths alone, for in a query it stands between values.
_DOTS_WITH_PARAMETERS: Final = re.compile(r"/(?:[^:/?#]*:|[^?#]*(?:/|%2[fF]|%5[cC]))?\.{1,2} *(?:;|%3[bB])")
_NEEDLESS_ENCODING: Final = re.compile(r"%(?:2[dDeE]|3[0-9]|[46][1-9a-fA-F]|[57][0-9aA]|5[fF]|7[eE])")
# What UTF-8 forbids and old readers decode (RFC 3629, section 10: an ASCII character in more than one byte), and what
# other readers take for UTF-16.
_STRANGE_ENCODING: Final = re.compile(r"%(?:[cC][01]%[89aAbB]|[eE]0%[89]|[fF]0%8|[uU][0-9a-fA-F]{4})")
# File systems and routers take several slashes for one.
_SLASHES: Final = re.compile(r"[^:/]//|[^:]///")
_SEVERAL: Final = re.compile(r"//+")
# In turn: what old readers unwrap; a scheme in capitals; a host in capitals, a user, and a default port; localhost of a
# file, and a drive in the place of a host; other letters of a host, which readers decode and map to ASCII (UTS 46).
_ABNORMAL: Final = re.compile(
    r"<|[uU][rR][lL]:|[a-z0-9+.-]*[A-Z][A-Za-z0-9+.-]*:"
    r"|https?://[^/?#]*(?:[A-Z@]|:(?:80|443)?(?:[/?#]|\Z))"
    r"|file:(?://localhost(?:/|\Z)|(?://)?[a-zA-Z][:|]|/+[a-zA-Z]\|)"
    r"|(?:(?:https?|wss?|ftp):/*|file://)[^/?#]*(?:%|[^\x00-\x7f])"
)
_PARTS: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):(/*)([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
# Python takes what stands in brackets for the host, whatever stands before them.
_HOST: Final = re.compile(r"(?:[^\[]*(?=\[))?(\[[^\]]*\]|[^:]*)(.*)", re.DOTALL)
# Windows takes these for slashes where a program asks it in the code page of old (its "best fit" tables).
_LIKE_SLASHES: Final = str.maketrans("\u2044\u2215\u29f8\u2216\u29f5\u29f9", "///\\\\\\")
# What has one spelling only, and most URIs are like it.
_ORDINARY: Final = re.compile(
    r"(?:(?!(?:https?|wss?|ftp|file):)[a-z][a-z0-9+-]*://[a-z0-9_-]+|file://)(?:/[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)*"
)
_NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")
_PORTS: Final = {"http": ":80", "https": ":443", "ws": ":80", "wss": ":443", "ftp": ":21"}
"""Schemes whose URIs all have a host to WHATWG readers, and the port that says nothing."""
_NO_HOST: Final = frozenset({"skill", "ui"})
"""Schemes whose URIs are a path from the first segment on (SEP-2640, SEP-1865): servers join it to a directory."""

MAX_LENGTH: Final = 8192
"""Characters of a URI: more would not fit into the header that names it."""


_DECODINGS: Final = 4
_MAX_ENCODED: Final = 1024
_MAX_ENCODED_AGAIN: Final = 64
_MAX_PUNYCODE: Final = 4
"""Labels in Punycode: names of hosts have one or two, and to decode them is dear."""
_MAX_HOST: Final = 255
"""Characters of a host that could be found (RFC 1035, section 2.3.4)."""


def readings(uri: str) -> list[str] | None:
    """Return a URI as it is, as it reads once decoded, and again until nothing is left to decode.

    None for a URI that takes more rounds, or has more characters encoded, than anybody encodes honestly.
    """
    if uri.count("%") > _MAX_ENCODED or uri.count("%25") > _MAX_ENCODED_AGAIN:
        return None
    found = [uri]
    while "%" in uri:
        decoded = unquote(uri)
        if decoded == uri:
            break
        if len(found) > _DECODINGS:
            return None
        found.append(decoded)
        uri = decoded
    return found


def is_normal(uri: str) -> bool:
    """Return whether a URI or URI template is in normal form, as far as readers may change its meaning."""
    return (
        _ABNORMAL.match(uri) is None
        and _ODD_CHARACTER.search(uri) is None
        and uri == uri.strip()
        and ("//" not in uri or _SLASHES.search(uri) is None)
        and ("." not in uri or not _has_dots(f"/{uri}"))
        and ("%" not in uri or (_NEEDLESS_ENCODING.search(uri) is None and _STRANGE_ENCODING.search(uri) is None))
        and ("--" not in uri or uri.lower().count("xn--") <= _MAX_PUNYCODE)
        and (uri.isascii() or _stays(uri))
    )


def _stays(uri: str) -> bool:
    """Return whether a reader that folds a URI in normal form, and then resolves it, is led nowhere else."""
    folded = _folded(uri)
    if _has_dots(f"/{folded}") or "\\" in folded:
        return False
    # A wide percent sign encodes nothing, unless it is folded first.
    return folded.count("%") == uri.count("%") or _folded(unquote(folded)) == _folded(unquote(uri))


def _has_dots(text: str) -> bool:
    return _DOT_SEGMENT.search(text) is not None or _DOTS_WITH_PARAMETERS.match(text) is not None


def denied(glob: str) -> set[str]:
    """Return a glob of denied resources as it is written, and as `spellings` of what it stands for are."""
    plain = _plain(glob)
    parts = map(_parts, {*(readings(glob) or [glob]), plain})
    return {glob, plain, *("".join(part) for part in parts if part is not None)}


def spellings(read: list[str]) -> set[str]:
    """Return what readers could take a URI of these readings for: where it is denied, one matches a glob of `denied`.

    Some leave out what need not lead to another resource: a fragment, a query, a user, a port, the host of a file, and
    parameters, dots and the name of a stream at the end of a segment, and one of two slashes.
    """
    plain = _folded(read[-1])
    found = {*read, plain}
    if _ORDINARY.fullmatch(plain):
        return found
    # Readers differ in what they do first: take a URI apart, decode it, or fold it.
    for parts in map(_parts, (*found,)):
        if parts is None:
            continue
        start, authority, path, query, fragment = parts
        bare = "" if start == "file://" else _HOST.sub(r"\1", authority.rpartition("@")[2])
        bare = _short(bare) if start.removesuffix("://") in _NO_HOST else bare
        short = "/".join(map(_short, _SEVERAL.sub("/", path).split("/")))
        for host in {authority, bare}:
            for below in {path, short}:
                found.update(f"{start}{host}{below}{rest}" for rest in (query + fragment, query, ""))
    return found


def _short(segment: str) -> str:
    # Behind these colons NTFS has the kind of a stream: that of the file's content, or of the folder itself.
    return segment.partition(";")[0].partition("::$")[0].partition(":$i30:$")[0].rstrip(". ")


def _plain(text: str) -> str:
    return _folded((readings(text) or [text])[-1])


def _folded(text: str) -> str:
    folded = alike(text)
    return folded if folded.isascii() else folded.translate(_LIKE_SLASHES)


def _parts(text: str) -> tuple[str, str, str, str, str] | None:
    """Return the scheme and slashes, authority, path, query and fragment, each in the one form of all its spellings.

    None for a text without a scheme, and for a glob whose star may stand for more than one part.
    """
    match = _PARTS.fullmatch(text)
    if match is None or "*" in match[3]:
        return None
    scheme, slashes, authority, path, query, fragment = (_plain(part or "") for part in match.groups())
    if scheme in _PORTS or (scheme == "file" and len(slashes) == 2):
        path = path or "/"
    elif scheme in _NO_HOST:
        pass  # path.join and its like take any number of slashes before the first segment for none
    elif not slashes and scheme != "file":
        return f"{scheme}:", "", authority + path, query, fragment
    elif len(slashes) != 2:  # an empty authority is none
        authority, path = "", f"/{authority}{path}"
    user, _, place = authority.rpartition("@")
    host, port = _HOST.sub(r"\1", place), _HOST.sub(r"\2", place)
    user = user.rstrip(":") and f"{user.rstrip(':')}@"
    authority = f"{user}{_host(host, scheme)}{_port(port, scheme)}"
    return f"{scheme}://", authority, path, query, fragment


def _port(port: str, scheme: str) -> str:
    port = ":" + port[1:].lstrip("0")
    return "" if port in (":", _PORTS.get(scheme)) else port


def _host(host: str, scheme: str) -> str:
    """Return a host in one spelling: one form of each address, letters in place of Punycode, no dot at its end."""
    host = host.rstrip(".")
    if len(host) > _MAX_HOST:
        return host
    if host.startswith("["):
        try:
            return f"[{IPv6Address(host[1:-1]).compressed}]"
        except AddressValueError:
            return host
    if scheme not in _PORTS and scheme != "file":
        return host
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]) and len(labels) <= 4:
        return _address(labels) or host
    return ".".join(map(_letters, labels))


def _address(labels: list[str]) -> str | None:
    """Return the one form of an IPv4 address that may be octal, hexadecimal or short (URL standard, IPv4 parser)."""
    numbers = []
    for label in labels:
        if _NUMBER.fullmatch(label) is None:
            return None
        hexadecimal, octal = label.startswith("0x"), label.startswith("0")
        try:
            numbers.append(int(label[2:] or "0", 16) if hexadecimal else int(label, 8 if octal else 10))
        except ValueError:
            return None
    *first, last = numbers
    if any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
        return None
    return str(IPv4Address(last + sum(number << 8 * (3 - at) for at, number in enumerate(first))))


def _letters(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return alike(label[4:].encode().decode("punycode"))
    except UnicodeError:
        return label
