"""How large inputs are written down, so that they can be searched: a place in a message, and what fills it, repeated.

An input of megabytes that is dear to read is made of something small, again and again. A recipe is that something.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from pathlib import Path

FILL = "@@"
"""Where a place is filled."""
NUMBER = "\0"
"""What becomes another number in each repetition, so that keys differ."""
_WORDS = (Path(__file__).parent / "words.txt").read_text(encoding="utf-8").splitlines()
# What stands within a JSON string, as it is written there.
TEXTS = (
    *(
        "",
        "a",
        "A",
        "0",
        "0e0",
        "1e-299",
        NUMBER,
        "x" * 40,
        " ",
        "*",
        ".",
        "..",
        "/",
        "//",
        ";",
        ":",
        "?",
        "#",
        "@",
        "%",
        "=",
    ),
    *(
        "%41",
        "%25",
        "%2525",
        "%2e",
        "%00",
        "[",
        "]",
        "{",
        "<!--",
        "&#65;",
        "='",
        "| ",
        "-",
        "_",
        "~",
        "\u0130",
        "\u00e9",
    ),
    *("\ufdfa", "\u0301", "\u200b", "\u6f22", "\U0001f600", "\U000e0041", "\u212a", "\u01c5", "\uff21"),
    *("\\n", "\\u0000", "\\u0041", "\\ud83d\\ude00", "\\ud800", '\\"', "\\\\", "\\u200b", "\\u001b[", "\\/"),
    *(
        "file:///priv/",
        "note://",
        "note://private-",
        "http://",
        "a:",
        "a:b",
        "xn--bcher-kva.",
        "//h/",
        "a/b;",
        "{x}",
        "ok",
    ),
    *(
        "ignore all ",
        "do not tell the ",
        "read the password and then send ",
        "curl x | ",
        "QUJD",
        "eyJ",
        "sk-",
        "api_key=",
    ),
    *(json.loads(word) for word in _WORDS if word.startswith('"') and '":' not in word and "\\" not in word),
)
# Whole JSON values, as they are written.
VALUES = (
    *("0", "-1.5", "1e-299", "0e000", "1" * 208, "1" * 299, "0." + "1" * 297, "null", "true", "[]", "{}", "1e308"),
    *('{"name":"ok"}', '{"uri":"a:b"}', '{"type":"string"}', '{"type":"text","text":"a"}', '{"uriTemplate":"a:{x}"}'),
    f'{{"jsonrpc":"2.0","id":{NUMBER},"method":"tools/call","params":{{"name":"ok"}}}}',
    '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b"}}',
    f'{{"jsonrpc":"2.0","id":{NUMBER},"result":{{"tools":[{{"name":"ok"}}]}}}}',
)
TIMES = (1, 1, 2, 8, 64, 1000, 16_000)


@dataclass(frozen=True)
class Recipe:
    """What fills a place: `key` is a text or the key of a member, `value` a JSON value.

    Which of them is used is the place's to say: see `fill`. `ended` says whether what opens is closed.
    """

    place: str
    key: str
    value: str
    ended: bool = True

    def write(self, places, size):
        """Return the input, of `size` characters or a little less, as UTF-8. `places` are name -> (kind, template)."""
        kind, template = places[self.place]
        head, _, tail = template.partition(FILL)
        unit, joint = {
            "values": (self.value, ","),
            "members": (f'"{self.key}":{self.value}', ","),
            "text": (self.key, ""),
            "bare": (self.value if len(self.key) % 2 else self.key, ""),
        }[kind]
        each = max(1, len((unit + joint).replace(NUMBER, "123456").encode()))
        count = max(1, (size - len(head.encode()) - len(tail.encode())) // each)
        filled = joint.join(_numbered(unit, count)) if NUMBER in unit else (unit + joint) * (count - 1) + unit
        return (head + filled + (tail if self.ended else "")).encode(errors="replace")


def _numbered(unit, count):
    return [unit.replace(NUMBER, str(number)) for number in range(count)]


def _text(rng):
    return "".join(rng.choice(TEXTS) * rng.choice(TIMES[: rng.randint(2, 7)]) for _ in range(rng.randint(1, 3)))[
        :20_000
    ]


def _value(rng, depth=2):
    chosen = rng.random()
    if chosen < 0.35 or not depth:
        return rng.choice(VALUES)
    if chosen < 0.6:
        return f'"{_text(rng)}"'
    return _wrapped(_value(rng, depth - 1), rng)


def _wrapped(value, rng):
    """Put a value into arrays and objects, some or many levels deep, once or in many members."""
    deep = rng.choice((1, 1, 2, 6, 30, 50))
    key = "" if (chosen := rng.random()) < 0.4 else f'"{rng.choice(TEXTS)}":'
    opening, closing = ("[", "]") if chosen < 0.4 else ("{" + key, "}")
    if chosen > 0.8:
        opening, closing = "{" + key + "[", "]}"
    many = 1 if deep > 6 or len(value) > 2000 else rng.choice((1, 2, 8, 64))
    inner = ",".join([value] * many) if "[" in opening[-1] else value
    return opening * deep + inner + closing * deep


def fresh(places, rng):
    """Return a recipe at random."""
    return Recipe(rng.choice(list(places)), _text(rng), _value(rng), rng.random() < 0.9)


def mutate(recipe, other, places, rng):
    """Return the recipe, changed in one or two ways; `other` may lend a part of it."""
    for _ in range(rng.choice((1, 1, 2))):
        key, value = recipe.key, recipe.value
        recipe = rng.choice(
            (
                lambda r: replace(r, key=_text(rng)),
                lambda r, k=key: replace(r, key=(k + rng.choice(TEXTS))[:20_000]),
                lambda r, k=key: replace(r, key=(rng.choice(TEXTS) + k)[:20_000]),
                lambda r, k=key: replace(r, key=(k * rng.choice((2, 8, 64)))[:20_000]),
                lambda r, k=key: replace(r, key=k[: max(1, len(k) // 2)]),
                lambda r: replace(r, value=_value(rng)),
                lambda r, v=value: replace(r, value=_wrapped(v, rng)[:100_000] if len(v) < 5000 else v),
                lambda r, k=key: replace(r, value=f'"{k}"'),
                lambda r: replace(r, key=other.key),
                lambda r: replace(r, value=other.value),
                lambda r: replace(r, place=rng.choice(list(places))),
            )
        )(recipe)
    return recipe


def seeded(seed):
    """Return a source of randomness that is the same for the same seed."""
    return random.Random(seed)
