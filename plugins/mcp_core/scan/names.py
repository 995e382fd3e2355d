"""Names of tools, parameters and other keys: a model reads them like any text, so one may be a sentence in disguise."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase
from typing import Final

from mcp_core.scan.items import TextField, TextRole
from mcp_core.scan.rule import BLOCK, FLAG, ScanRule

SENTENCE: Final = ScanRule("names.sentence", BLOCK, "A name is long enough to be a sentence to the model.")
LONG: Final = ScanRule("names.long", FLAG, "A name is as long as a sentence, without a word that orders anything.")
HARVEST: Final = ScanRule(
    "names.context-harvest", FLAG, "A parameter asks the model for its conversation, its instructions or its reasoning."
)
SECRET_FILE: Final = ScanRule(
    "names.secret-file", BLOCK, "A parameter's name spells out a file of secrets, which the model is to fill in."
)
RULES: Final[tuple[ScanRule, ...]] = (SENTENCE, LONG, HARVEST, SECRET_FILE)

WORDS: Final = 10
"""Words from which a name is long, and a sentence if it orders something. Honest ones, made of labels, have twelve."""
ANY_WORDS: Final = 14
"""Words from which a name is a sentence, whatever they are."""

_SHORT: Final = 24
_LONG_NAME: Final = 200
_KEPT_NAME: Final = 40
_PARTS: Final = re.compile(r"[_\W]+|(?<=[a-z0-9])(?=[A-Z])")
_CAMEL: Final = re.compile(r"\b([a-z]{3,24})((?:[A-Z][a-z0-9]{1,24}){1,6})\b")
_HUMP: Final = re.compile(r"[A-Z](?<=[a-z].)")
_CASES: Final = bytes(
    ord("a" if chr(code) in ascii_lowercase else "A" if chr(code) in ascii_uppercase else ".") for code in range(256)
)
_CAPITAL: Final = re.compile(r"[A-Z]")
_HARVEST: Final = re.compile(
    r"(?:(?:full|entire|complete|user|users|chat|conversation|system|previous|prior|raw|original|hidden|internal|all)_)?"
    r"(?:system_?prompt|conversation_?history|chat_?history|message_?history|chat_?log|conversation_?context|"
    r"conversation|previous_?messages|hidden_?instructions|chain_?of_?thought|reasoning_?trace|tool_?history|"
    r"context_?window|model_?name_?and_?prompt|user_?secrets?|sidenote|side_?note)",
    re.IGNORECASE,
)
# Words of a name with one _ between them. The first name nothing but the file; the others where content is asked for.
_FILE: Final = re.compile(
    r"(?:^|_)(?:id_(?:rsa|ed25519|ecdsa|dsa)|etc_(?:passwd|shadow|sudoers)|"
    r"(?:dot|home|root|user|tilde)_(?:dot_)?(?:ssh|aws|gnupg|netrc|kube)|(?:bash|zsh|shell)_history_file|wallet_dat|dot_env)(?:_|$)"
)
_FILED: Final = re.compile(
    r"(?:^|_)(?:ssh_(?:config|dir|folder|private_key|key)|aws_credentials|kube_?config|known_hosts|authorized_keys|"
    r"(?:bash|zsh|shell)_history|env_file|mcp_json|login_keychain|npmrc|netrc|pgpass)(?:_|$)"
)
_ORDERS: Final = frozenset(
    ("you", "your", "must", "please", "before", "always", "never", "whenever", "ignore", "this", "tool", "tools")
)
"""Words that names generated from labels do not have, and orders do."""
_CONTENT: Final = re.compile(r"(?:^|_)(?:contents?|dump|dumped|raw|text_of|content_of|base64)(?:_|$)")


def is_plain(field: TextField) -> bool:
    """Return whether a field is a short name: nothing that could be read as a sentence."""
    return (
        field.role is TextRole.NAME and len(field.text) < _SHORT and field.text.isascii() and field.text.isidentifier()
    )


def spelled_out(fields: Sequence[TextField]) -> tuple[str, ...]:
    """Return what a reader makes of fields: readFile in prose as read_file, and long names as words."""
    humps = _has_humps("".join([f"{field.text}\n" for field in fields if field.role is TextRole.PROSE]))
    return tuple(
        [
            (snake(field.text) if humps else field.text) if field.role is TextRole.PROSE else _apart(field.text)
            for field in fields
        ]
    )


def _apart(name: str) -> str:
    return name if len(name) < _SHORT or "/" in name else _PARTS.sub(" ", name)


def _has_humps(text: str) -> bool:
    """Return whether a capital follows a small letter anywhere in a text."""
    return b"aA" in text.encode("utf-8", "surrogatepass").translate(_CASES)


def snake(text: str) -> str:
    """Return the text with names such as readFile written read_file, as phrases know names."""
    if _HUMP.search(text) is None:
        return text
    pieces: list[str] = []
    at = 0
    for hump in _HUMP.finditer(text):
        start, end = hump.span()
        if start < at:
            continue
        while start > at and (text[start - 1].isalnum() or text[start - 1] == "_"):
            start -= 1
        while end < len(text) and (text[end].isalnum() or text[end] == "_"):
            end += 1
        pieces += (text[at:start], _CAMEL.sub(_snake, text[start:end]))
        at = end
    return "".join((*pieces, text[at:]))


def _snake(found: re.Match[str]) -> str:
    return found[1] + _CAPITAL.sub(r"_\g<0>", found[2])


def _spells_a_file(name: str) -> bool:
    """Return whether a name is that of a file of secrets, written out: home_dot_ssh_id_rsa."""
    words = _PARTS.sub("_", name).lower()
    return _FILE.search(words) is not None or (_FILED.search(words) is not None and _CONTENT.search(words) is not None)


def _sentence(words: list[str]) -> ScanRule | None:
    """Return which rule holds for a long name of these words."""
    if len(words) < WORDS:
        return None
    return SENTENCE if len(words) >= ANY_WORDS or not _ORDERS.isdisjoint(words) else LONG


def findings(read: Sequence[TextField]) -> list[tuple[ScanRule, int]]:
    """Return which rules hold for which of the fields, by their number."""
    found = []
    for number, field in enumerate(read):
        if field.role is not TextRole.NAME:
            continue
        text = field.text
        long = _sentence(_PARTS.sub(" ", text).lower().split()) if len(text) > 40 and "/" not in text else None
        if long:
            found.append((long, number))
        elif field.key == text:
            rule = _rule_of(text) if len(text) <= _KEPT_NAME else _told(text)
            if rule:
                found.append((rule, number))
    return found


def _told(name: str) -> ScanRule | None:
    """Return which rule holds for the name of a parameter, or of another key."""
    if _HARVEST.fullmatch(name):
        return HARVEST
    return SECRET_FILE if len(name) <= _LONG_NAME and _spells_a_file(name) else None


_rule_of = lru_cache(maxsize=4096)(_told)
"""The same, remembered: servers call their parameters by the same few names."""
