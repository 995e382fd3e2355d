"""Texts as the rules read them: the visible characters, and the words of sentences.

`code` is the visible text in lower case, its look-alike letters made Latin, fields separated by FIELD. `words` is the
same as words with one space around each: `.` ends a sentence, FIELD a field; addresses, e-mail addresses, hosts and
sensitive paths have become the words xurl, xmail, xhost and xsensitive.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from mcp_core.scan.characters import composed, folded

_T = TypeVar("_T")
FIELD: Final = "\x00"
"""Separates the fields of a text; it is a control character, so no visible text contains it."""

_END: Final = "\x01"
# Expressions begin with a character or a class where they can: re then skips to those, several times as fast.
_URL: Final = re.compile(r"[hwf](?<!\w.)(?:(?<=h)ttps?|(?<=w)ss?|(?<=f)tp)://[^\s\"'<>)\]\x00]+")
_MAIL: Final = re.compile(r"@[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_HOST: Final = re.compile(
    r"\.(?:com|net|org|io|dev|app|xyz|example|co|ru|cn|info|site|online|top|me|ly|gd|gl|test|invalid|onion|sh)\b(?![.(=])"
)
SENSITIVE_PATH: Final = re.compile(
    r"[/\\.~$%](?=[.a-z/\\])(?:"
    r"(?<![a-z0-9]\.)\.?(?:ssh|aws|gnupg|gpg|kube|docker|azure|gcloud|netrc|npmrc|pypirc|pgpass|my\.cnf|"
    r"git-credentials|bash_history|zsh_history|bashrc|zshrc|env|cursor|claude|vault-token|password-store|keychain|"
    r"shadow|passwd|sudoers|environ|id_rsa|id_ed25519|id_ecdsa|id_dsa|authorized_keys|known_hosts|wallet\.dat|"
    r"secrets?|credentials?|kubeconfig|login data|cookies\.sqlite)(?![a-z])[/\\.\w-]{0,80}"
    r"|(?:(?<=~)|(?<=\$)home|(?<=%)userprofile%|(?<=/)(?:etc|root))[/\\][/\\.\w-]{0,60}"
    r"(?:cred|token|secret|passw|key|auth)[/\\.\w-]{0,40}"
    r"|(?<=mcp\.)json\b|(?<=/)proc/[\w$]{1,12}/)"
)
_SENSITIVE: Final = re.compile(
    "ssh|aws|gnupg|gpg|kube|docker|azure|gcloud|netrc|npmrc|pypirc|pgpass|cnf|history|bashrc|zshrc|env|cursor|claude|"
    "vault|keychain|shadow|sudoers|id_|known_hosts|wallet|login|cookies|json|proc|cred|token|secret|passw|key|auth"
)
"""Letters of which any sensitive path has some."""
_NO_CONTROLS: Final = bytes(code for code in range(1, 128) if code in (9, 10, 13) or 32 <= code < 127)
_SENTENCE: Final = re.compile(
    r"[.!?;\n](?:(?<!\n)(?=[\s\"')\]*<\x00]|$)|"
    r"(?<=\n)(?=[ \t]{0,40}(?:[-*#>\d\n]|\w{1,40}(?: \([^()\n]{0,40}\))?:)))"
)
_STOP: Final = re.compile(r" [.\x00](?= )")
_APOSTROPHE: Final = re.compile(r"['`](?<=[a-z].)(?=[a-z])")
_APART: Final = re.compile(r"[^\w\x00\x01]+")
_SNAKE: Final = re.compile(r"_[a-z0-9]+_[a-z0-9]+_[a-z0-9]+_[a-z0-9]")
_SENTENCE_NAME: Final = re.compile(r"[a-z0-9]+(?:_+[a-z0-9]+){4,}")
"""A name of five words or more, which may be a sentence rather than the name of a tool."""
_PARTS: Final = 4
"""Underscores that such a name holds at least."""
_SPACES: Final = {code: " " for code in range(128) if not (chr(code).isalnum() or chr(code) in f"_{FIELD}{_END}")}
_BLANKS: Final = bytes(ord(_SPACES.get(code, chr(code))) if code < 128 else code for code in range(256))
_DIGITS: Final = b"0123456789"
_NO_SIGNS: Final = bytes(code for code in range(128) if chr(code).isalnum() or chr(code) in " _")
LONG: Final = 16_384
"""Characters of a text from which it is worth while to gather what it has before it is searched."""
_SHORT: Final = 600
"""Characters up to which most texts hold no phrase that is looked for in their sentences."""
_FEW: Final = 100
"""Different characters up to which replacing one after the other is faster than an expression."""


PLACEHOLDERS: Final = frozenset({"xurl", "xmail", "xhost", "xsensitive"})
"""Words of `Reading.words` that stand for addresses and paths."""


class Once(Generic[_T]):
    """A property that is worked out when it is first asked for: `cached_property` without its lock, twice as fast."""

    def __init__(self, work: Callable[[Any], _T]) -> None:
        self._work = work
        self._name = work.__name__

    def __get__(self, owner: Any, _: type) -> _T:
        """Return the value, and keep it where Python looks before it asks here."""
        value = owner.__dict__[self._name] = self._work(owner)
        return value


@dataclass(frozen=True)
class Reading:
    """One reading of one or more fields: as they are, or as something decoded from them."""

    texts: tuple[str, ...]

    @Once
    def _joined(self) -> str:
        return FIELD.join(self.texts)

    @Once
    def is_plain(self) -> bool:
        """Whether the texts hold nothing but ASCII without controls."""
        joined = self._joined
        return joined.isascii() and len(joined.encode().translate(None, _NO_CONTROLS)) == len(self.texts) - 1

    @Once
    def code(self) -> str:
        """The visible characters."""
        if self.is_plain:
            return self._joined.lower()
        return FIELD.join(map(folded, self.texts))

    @Once
    def composed(self) -> str:
        """The visible characters with their accents and scripts, for languages other than English."""
        return FIELD.join(map(composed, self.texts))

    @Once
    def is_long(self) -> bool:
        """Whether `letters` and `signs` are worth their while."""
        return len(self.code) > LONG

    @Once
    def letters(self) -> str:
        """The words of `code`, each once and without its digits: of a log or a list of numbers few hundred remain."""
        return " ".join(set(_letters(self.code).split()))

    @Once
    def signs(self) -> str:
        """The signs of `code` in their order, without what stands between them."""
        return self.code.encode("utf-8", "surrogatepass").translate(None, _NO_SIGNS).decode("utf-8", "surrogatepass")

    @Once
    def _replaced(self) -> str:
        """`code` with the words for addresses and paths in their place."""
        text = self.code
        if "://" in text:
            text = _URL.sub(" xurl ", text)
        if "@" in text:
            text = _MAIL.sub(" xmail ", text)
        if "." in text or "/" in text:
            if not self.is_long or _SENSITIVE.search(self.letters):
                text = SENSITIVE_PATH.sub(" xsensitive ", text)
            text = _HOST.sub(" xhost", text)
        return text

    @Once
    def vocabulary(self) -> set[str]:
        """At least `unique`, of a long text without the digits in its words: cheap, and tells what a text has not."""
        if not self.is_long:
            return self.unique
        text = self._replaced
        if "_" in text and _SNAKE.search(text):  # names to be taken apart: which parts there are depends on the digits
            text = " ".join(self.unique)
        elif text is self.code and "'" not in text and "`" not in text:
            return set(self.letters.split())
        return set(_letters(_without_apostrophes(text)).split())

    @Once
    def words(self) -> str:
        """The words."""
        text = _SENTENCE.sub(_END, self._replaced)
        text = _apart(_without_apostrophes(text))
        return f" {' '.join(_spelled_out(text.replace(_END, ' . ').replace(FIELD, f' {FIELD} ')))} "

    @Once
    def unique(self) -> set[str]:
        """Each of the words once: of a short text without its sentences, which few are asked for."""
        if len(self.code) > _SHORT:
            return set(self.words.split())
        return set(_spelled_out(_apart(_without_apostrophes(self._replaced)).replace(FIELD, " ")))

    @Once
    def sentences(self) -> list[tuple[int, int]]:
        """Where each sentence of `words` begins and ends, the space before and after it included."""
        words, places, at = self.words, [], 0
        for found in _STOP.finditer(words):
            if found.start() > at:
                places.append((at, found.start() + 1))
            at = found.end()
        if at < len(words) - 1:
            places.append((at, len(words)))
        return places

    @Once
    def _word_fields(self) -> list[int]:
        return _separators(self.words)

    def field_at(self, position: int) -> int:
        """Return the number of the field at a position of `words`."""
        return bisect_right(self._word_fields, position)


def _without_apostrophes(text: str) -> str:
    """Return the text with don't written dont."""
    return _APOSTROPHE.sub("", text) if "'" in text or "`" in text else text


def _letters(text: str) -> str:
    """Return the words of a text without their digits."""
    return _apart(text, _DIGITS).replace(FIELD, " ")


def _apart(text: str, without: bytes = b"") -> str:
    """Return the text with a blank for each character that is of no word, and without some."""
    if text.isascii():
        return text.encode().translate(_BLANKS, without).decode()
    text = text.encode("utf-8", "surrogatepass").translate(_BLANKS, without).decode("utf-8", "surrogatepass")
    others = [one for one in set(text) if one > "\x7f" and not one.isalnum()]
    if len(others) > _FEW:
        return _APART.sub(" ", text)
    for other in others:
        text = text.replace(other, " ")
    return text


def _spelled_out(text: str) -> list[str]:
    """Return the words of a text, names that may be sentences taken apart: a_b_c_d_e is one of five words."""
    words = text.split()
    if "_" in text and _SNAKE.search(text):
        words = [word if word.count("_") < _PARTS else _SENTENCE_NAME.sub(_taken_apart, word) for word in words]
        return " ".join(words).split()
    return words


def _taken_apart(name: re.Match[str]) -> str:
    return " ".join(name[0].replace("_", " ").split())


def _separators(text: str) -> list[int]:
    return [found.start() for found in re.finditer(FIELD, text)]
