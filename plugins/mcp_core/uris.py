"""Which resource URIs every reader takes for the same resource.

Servers resolve a URI before they use it: the readers of URLs in many languages fold case, drop dot segments, decode
what need not be encoded and take a backslash for a slash. A policy compares text, so `file:///public/../private` would
pass for something below `file:///public/`. What is not in the normal form of RFC 3986, section 6.2.2, is therefore no
resource, neither listed nor read, unless the policy allows every resource and denies none.
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
_ABNORMAL: Final = re.compile(f"{_ODD_CHARACTER}|{_DOT_SEGMENT}|{_NEEDLESS_ENCODING}|{_UPPER_SCHEME}|{_UPPER_HOST}")

MAX_LENGTH: Final = 8192
"""Characters of a URI: more would not fit into the header that names it."""


_DECODINGS: Final = 4


def readings(uri: str) -> list[str] | None:
    """Return a URI as it is, as it reads once decoded, and again until nothing is left to decode.

    None for a URI that takes more rounds than anybody encodes honestly.
    """
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
