"""Secrets of the gateway taken out of what an API says back: some answer with the request, or tell of it in errors.

Laws: a secret is found in every spelling that one decoding of texts undoes (percent and HTML escapes, JSON's, hex, and
base64 from any offset), and replaced; where one is left in some mixture of them, nothing of the text is shown. The cost
is linear in the text.
Source: RFC 4648, sections 4, 5 and 8; RFC 3986, section 2.1; RFC 8259, section 7.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

REDACTED: Final = "REDACTED"
NOT_SHOWN: Final = "The answer holds a key of the gateway, and is not shown."
SHORTEST: Final = 4
"""Characters of a secret that is looked for as it is written."""
_SHORTEST_OF_MIXED: Final = 8
"""Letters and digits of a secret, or of a part of one, that is looked for in all spellings: fewer stand anywhere."""
_MOST_DECODINGS: Final = 8
_ESCAPE: Final = re.compile(r"%([0-9a-f]{2})|\\+(?:u00|u\{|x)([0-9a-f]{2})\}?", re.IGNORECASE)
_WHITE: Final = re.compile(r"\\+[nrtbf]")
_SIGN: Final = re.compile(r"[^a-z0-9]+")
_BETWEEN_WORDS: Final = re.compile(r"[\s;,=]+")


class Redaction:
    """Takes secrets out of texts. It may be shared, and shows none itself."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        parts = {part for secret in secrets for part in _parts(secret)}
        spelt = {spelling for part in parts for spelling in _spellings(part)}
        words = "|".join(map(re.escape, sorted(spelt, key=len, reverse=True)))
        self._spelt = re.compile(words, re.IGNORECASE) if words else None
        bare = {_SIGN.sub("", one.lower()) for part in parts for one in (part, *_encoded(part))}
        self._bare = tuple(one for one in bare if len(one) >= _SHORTEST_OF_MIXED)

    def __repr__(self) -> str:
        """Return nothing of the secrets."""
        return "Redaction()"

    def clean(self, text: str) -> str:
        """Return a text without secrets, or a sentence in its place where one would be left in it."""
        if self._spelt is None:
            return text
        text = self._spelt.sub(REDACTED, text)
        return NOT_SHOWN if self._is_left_in(text) else text

    def is_in(self, data: bytes) -> bool:
        """Return whether bytes that are no text hold a secret."""
        text = data.decode("latin-1")
        return self._spelt is not None and (self._spelt.search(text) is not None or self._is_left_in(text))

    def _is_left_in(self, text: str) -> bool:
        for _ in range(_MOST_DECODINGS):
            for one in (text, _WHITE.sub("", text)):
                bare = _SIGN.sub("", one.lower())
                if any(secret in bare for secret in self._bare):
                    return True
            decoded = html.unescape(_ESCAPE.sub(lambda found: chr(int(found[1] or found[2], 16)), text))
            if decoded == text:
                return False
            text = decoded
        return True


def _parts(secret: str) -> Iterator[str]:
    """Yield a secret, and what of it is one by itself: `Bearer TOKEN`, `Basic` with what it encodes, `session=ID`."""
    words = [one for one in _BETWEEN_WORDS.split(secret) if len(one) >= _SHORTEST_OF_MIXED]
    if len(secret) >= SHORTEST:
        yield secret
    yield from words
    scheme, _, credentials = secret.partition(" ")
    if scheme.lower() == "basic":  # RFC 7617, section 2
        try:
            known = base64.b64decode(credentials.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return
        yield from (one for one in (known, known.partition(":")[2]) if len(one) >= SHORTEST)


def _spellings(part: str) -> Iterator[str]:
    in_json = json.dumps(part)[1:-1]
    yield from (part, in_json, in_json.replace("/", "\\/"), html.escape(part))
    yield from (quote(part, safe=""), quote(part), quote_plus(part), "".join(f"%{one:02x}" for one in part.encode()))
    yield from _encoded(part)


def _encoded(part: str) -> Iterator[str]:
    """Yield a text in hex, and what all texts that hold it have of it in base64, by where in them it begins."""
    raw = part.encode()
    if len(raw) >= SHORTEST:
        yield raw.hex()
    for before in range(3):
        known = (before + len(raw)) * 8 // 6
        found = base64.b64encode(bytes(before) + raw).decode()[-(-before * 8 // 6) : known]
        if len(found) >= _SHORTEST_OF_MIXED:
            yield from (found, found.translate(str.maketrans("+/", "-_")))
