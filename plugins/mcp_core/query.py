"""The query with which a server is asked, as hosted servers want it (`?api_key=KEY`): the operator's, never an agent's.

Its values may be secrets, so nothing here puts one into an error, and whatever holds one leaves it out of its repr.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, unquote_plus

from mcp_core.scan import credentials

MOST: Final = 16
"""Parameters of one query."""
MOST_LENGTH: Final = 4096
"""Characters of the query as it is sent: some servers take a token in it."""
TEXT: Final = re.compile(r"[A-Za-z0-9._~%=&-]*")
"""What `read` gives: nothing in it ends a request line, or begins a fragment (RFC 3986, section 3.4)."""

_REFERENCE: Final = re.compile(r"\{vault://[^\s{}]+\}")
_WORDS: Final = re.compile(r"[A-Z]*[a-z]+|[A-Z]+")
_SECRET: Final = re.compile(
    r"key|token|secret|passw|passphrase|^pass$|^pwd$|^auth$|authori[sz]|credential|signature|^sig$|^sas$|jwt|^code$|bearer"
)
_RANDOM: Final = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+/=_.~-]{20,}")


class QueryError(ValueError):
    """A query cannot be used; the message names the parameter and what to write, and shows no value."""


def read(value: Any, *, resolved: bool = True) -> str:
    """Return the query (RFC 3986, section 3.4) that a configuration's `query` is: "" where there is none.

    Names are sorted, as Kong keeps no order. `resolved` says that vault references must have become their values.

    Raises:
        QueryError: it is no mapping of texts, is too long, or holds a value that a vault did not give.
    """
    if value is None or value in ({}, []):  # so Kong writes an empty map
        return ""
    if not isinstance(value, Mapping) or len(value) > MOST:
        raise QueryError(f"query: write NAME: VALUE, {MOST} parameters at most")
    for name, one in value.items():
        if not isinstance(name, str) or not name:
            raise QueryError("query: write a name before each value")
        if not isinstance(one, str) or not one:
            raise QueryError(f"query.{_shown(name)}: is empty: write a text, or see why its vault has none")
        if (alone := _REFERENCE.fullmatch(one)) and resolved:
            raise QueryError(f"query.{_shown(name)}: is a vault reference that Kong did not read")
        if not alone and "{vault://" in one:
            raise QueryError(
                f"query.{_shown(name)}: has text around a vault reference: Kong reads one that stands alone"
            )
    try:
        text = "&".join(f"{quote(name, safe='')}={quote(one, safe='')}" for name, one in sorted(value.items()))
    except UnicodeEncodeError:
        raise QueryError("query: write text that UTF-8 can write") from None
    if len(text) > MOST_LENGTH:
        raise QueryError(f"query: is longer than {MOST_LENGTH} characters")
    return text


def split(text: str) -> dict[str, str]:
    """Return the parameters of a URL's query by name. Raises QueryError where one could be read in two ways."""
    if "#" in text:
        raise QueryError("query: has a fragment, which no server gets: remove it, or write %23")
    found: dict[str, str] = {}
    for part in text.split("&"):
        name, equals, value = part.partition("=")
        name = unquote_plus(name)
        if not equals or not name or name in found:
            raise QueryError("query: write NAME=VALUE for each parameter, each name once")
        found[name] = unquote_plus(value)
    read(found, resolved=False)
    return found


def is_secret(name: str, value: str) -> bool:
    """Return whether a parameter seems to hold a secret in plain text: by its name, or by what a value looks like."""
    if _REFERENCE.fullmatch(value):
        return False
    words = [word.lower() for word in _WORDS.findall(name)]
    named = any(_SECRET.search(word) for word in (*words, "".join(words)))
    return named or _RANDOM.fullmatch(value) is not None or bool(credentials.find({"text": value}))


def variable(value: str) -> str | None:
    """Return the environment variable that a reference to Kong's `env` vault names, or None for any other value."""
    named = re.fullmatch(r"\{vault://env/([^\s{}/?]+)[^\s{}]*\}", value)
    return named[1].upper().replace("-", "_") if named else None


def _shown(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) else "*"
