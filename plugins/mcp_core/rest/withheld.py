"""The parameters that no argument sets: credentials, whose request it is, how it is sent; however they are spelt.

Laws: what some server on the way could read as a withheld parameter is one. CGI, WSGI and their like make one of `-`
and `_` in a header's name; readers of queries, forms and cookies fold case, wide forms of letters, and what is no
letter or digit.
Source: RFC 3875, section 4.1.18; OpenAPI 3.0.3 and 3.1.0, Parameter Object, Security Scheme Object.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeAlias
from unicodedata import normalize

from mcp_core.methods import GUARDED_PREFIXES
from mcp_core.passing import Hidden, passes
from mcp_core.rest.document import ApiDocument, OpenApiError
from mcp_core.rest.tools import ParameterPlace

Withheld: TypeAlias = frozenset[tuple[ParameterPlace, str]]
"""Places, and names as `folded` gives them."""

_OF_THE_WAY: Final = frozenset(
    {
        *("accept", "content-encoding", "content-type", "set-cookie"),  # beside what mcp_core.passing knows
        *("proxy", "proxy-authenticate", "proxy-status", "x-forwarded", "x-middleware-subrequest", "x-original-method"),
        *("client-ip", "cf-connecting-ip", "cf-connecting-ipv6", "fastly-client-ip", "true-client-ip", "x-client-ip"),
        *("x-azure-clientip", "x-cluster-client-ip", "x-original-forwarded-for", "x-originating-ip", "x-remote-addr"),
        *("x-remote-ip", "x-appengine-user-ip", "x-envoy-external-address", "x-host", "x-original-host"),
        *("x-proxyuser-ip", "x-arr-ssl", "ssl-client-cert", "x-ssl-cert"),
    }
)
"""Headers that say whose request it is, where it goes or how it is sent: OpenAPI's own exceptions (Parameter Object,
`name`), what other gateways write of the one who asks, and `Proxy`, which CGI
takes for its own proxy (CVE-2016-5385)."""
_PREFIXES_OF_THE_WAY: Final = (
    *GUARDED_PREFIXES,
    "ssl-client-",
    "x-client-cert-",
    "x-original-remote-",
    "x-ssl-client-",
)
_HIDDEN: Final = Hidden()
_CREDENTIALS: Final = frozenset(
    {
        *("accesskey", "accesstoken", "apikey", "apisecret", "apitoken", "authorization", "authtoken", "bearertoken"),
        *("clientsecret", "idtoken", "oauthtoken", "refreshtoken", "secretkey", "token"),
    }
)
"""What credentials are called where a description says of no scheme that they are some, as `folded` gives it, and
without an `x` before them. Path parameters are not among them: there a token is what is asked about."""
_NO_WORD: Final = re.compile(r"[\W_]+")


def folded(name: str) -> str:
    """Return the letters and digits of a name, which all its spellings have in common; the name where it has none."""
    # Some readers compare names in upper case and some in lower case; few letters are alike in one of them only.
    return _NO_WORD.sub("", normalize("NFKC", name).upper().casefold()) or name


def _header(name: str) -> str:
    """Return a header's name as servers take it that put every sign between words as one."""
    return _NO_WORD.sub("-", name.lower()).strip("-")


def withheld_of(document: ApiDocument, taken_headers: Sequence[str]) -> Withheld:
    """Return the parameters that no argument may set: API keys of security schemes, and the operator's headers."""
    found = {(ParameterPlace.HEADER, folded(name)) for name in taken_headers}
    for entry in document.part("components", "securitySchemes").values():
        document.count()
        try:
            scheme, _ = document.resolve(entry)
        except OpenApiError:
            continue
        name, place = scheme.get("name"), scheme.get("in")
        if scheme.get("type") == "apiKey" and isinstance(name, str) and str(place) in set(ParameterPlace):
            document.count(len(name))
            found.add((ParameterPlace(str(place)), folded(name)))
    return frozenset(found)


def is_withheld(place: ParameterPlace, name: str, withheld: Withheld) -> bool:
    """Return whether no argument may set a parameter, as some server could read its name."""
    if place is ParameterPlace.HEADER:
        header = _header(name)
        if not passes(header, _HIDDEN) or header in _OF_THE_WAY or header.startswith(_PREFIXES_OF_THE_WAY):
            return True
    word = folded(name)
    if place is not ParameterPlace.PATH and {word, word.removeprefix("x")} & _CREDENTIALS:
        return True
    return (place, word) in withheld
