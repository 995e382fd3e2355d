"""Which resource URIs every reader takes for the same resource.

Servers resolve a URI before they use it: the readers of URLs in many languages fold case, drop dot segments, decode
what need not be encoded, and take a backslash or several slashes for one slash. A policy compares text, so
`file:///public/../private` would pass for something below `file:///public/`. So what is not in the normal form of
RFC 3986, section 6.2.2, is no resource, neither listed nor read, unless the policy allows all of them and denies none.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

# Control characters are dropped by WHATWG readers, blanks at the ends too, and backslashes become slashes.
_ODD_CHARACTER: Final = r"[\x00-\x1f\x7f\\]|^ | \Z"
_DOT_SEGMENT: Final = r"(?:^|[/:]|%2[fF]|%5[cC])\.{1,2}(?:[/?#]|%2[fF]|%5[cC]|\Z)"
_NEEDLESS_ENCODING: Final = r"%(?:2[dDeE]|3[0-9]|[46][1-9a-fA-F]|[57][0-9aA]|5[fF]|7[eE])"
_UPPER_SCHEME: Final = r"^[a-z0-9+.-]*[A-Z][A-Za-z0-9+.-]*:"
_UPPER_HOST: Final = r"^https?://[^/?#]*[A-Z]"
# File systems and routers take several slashes for one; a default port, a user or file's localhost says nothing.
_NEEDLESS_PART: Final = r"[^:/]//|[^:]///|^https?://[^/?#]*(?:@|:(?:80|443)?(?:[/?#]|\Z))|^file://localhost(?:/|\Z)"
# Readers map other letters of a host to ASCII (UTS 46).
_OTHER_HOST: Final = r"^https?://[^/?#]*[^/?#\x00-\x7f]"
_ABNORMAL: Final = re.compile(
    f"{_ODD_CHARACTER}|{_DOT_SEGMENT}|{_NEEDLESS_ENCODING}|{_UPPER_SCHEME}|{_UPPER_HOST}|{_NEEDLESS_PART}|{_OTHER_HOST}"
)

MAX_LENGTH: Final = 8192
"""Characters of a URI: more would not fit into the header that names it."""


_DECODINGS: Final = 4
_MAX_ENCODED: Final = 1024


def readings(uri: str) -> list[str] | None:
    """Return a URI as it is, as it reads once decoded, and again until nothing is left to decode.

    None for a URI that takes more rounds, or has more characters encoded, than anybody encodes honestly.
    """
    if uri.count("%") > _MAX_ENCODED:
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
    return _ABNORMAL.search(uri) is None
