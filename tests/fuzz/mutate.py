"""How inputs are changed, beside libFuzzer's own ways: as an attacker would change JSON, headers and events."""

from __future__ import annotations

import random
from pathlib import Path

from fuzz.oracles import Pairs, pairs, write

ODD = [*"\0\u017f\u212a\u0131\u0130\ufeff\u2028\x85\u00a0_- \t", "\\u0000"]
ALIKE = {"s": "\u017f", "k": "\u212a", "i": "\u0131", "I": "\u0130", "n": "\uff4e", "a": "\u0430"}
ENDS = [b"\n", b"\r", b"\r\n", b"\n\n", "\u2028".encode(), "\x85".encode(), b"\v", b"\x1e", b" "]
WORDS = [line.encode() for line in (Path(__file__).parent / "words.txt").read_text().splitlines()]
MEMBERS = [member for word in WORDS if b'":' in word and word.startswith(b'"') for member in pairs(b"{%b}" % word)]
TEXTS = [pairs(word) for word in WORDS if word.startswith(b'"') and b'":' not in word]
SCALARS = [*TEXTS, {}, Pairs(), [], None, True, 1, 1.0, -1, 2**63, "", "ok\0", "ok\u2028", "\u00e9", "ok:/%2e"]


def _respell(text, rng):
    """Spell one character as another reader would, or let an odd one stand beside it."""
    at = rng.randrange(len(text) + 1)
    one, odd = text[at : at + 1], rng.choice(ODD)
    return text[:at] + rng.choice([ALIKE.get(one, one), one.swapcase(), one + odd, odd + one]) + text[at + 1 :]


def _objects(value):
    """Return every object and array of a JSON value."""
    inner = [one for _, one in value] if isinstance(value, Pairs) else value if isinstance(value, list) else []
    return [value] * isinstance(value, list) + [found for one in inner for found in _objects(one)]


def _change_json(text, rng):
    """Change one object or array of a JSON text, and write the text so that it stays JSON."""
    value = pairs(text)
    places = _objects(value)
    if not places:
        return text
    place = rng.choice(places)
    at = rng.randrange(len(place) + 1)
    if isinstance(place, Pairs):
        key, old = place[at] if at < len(place) else (rng.choice(TEXTS), rng.choice(SCALARS))
        place[at : at + rng.randint(0, 1)] = rng.choice(
            [
                [(_respell(key, rng), old)],
                [(key, rng.choice(SCALARS))],
                [(key, old), (rng.choice(TEXTS), rng.choice(SCALARS))],
                [(key, _respell(old, rng) if isinstance(old, str) else old)],
                [rng.choice(MEMBERS)],
                [],
            ]
        )
    else:
        place[at:at] = [rng.choice([value, rng.choice(places), rng.choice(SCALARS)])]
    return write(value, indent=rng.choice(["", "", "", "\n", "\r\n"]), ascii_=rng.random() < 0.5).encode()


def _texts(data):
    """Return (start, end) of what may be JSON texts: all, what follows the headers, and the data of events."""
    found = [(0, len(data)), (data.find(b"\n\n") + 2, len(data))]
    at = data.find(b"data:")
    while at >= 0:
        end = min((end for end in (data.find(b"\n", at), data.find(b"\r", at)) if end >= 0), default=len(data))
        found.append((at + 5, end))
        at = data.find(b"data:", end)
    return found


def _in_json(data, rng):
    start, end = rng.choice(_texts(data))
    try:
        changed = _change_json(data[start:end], rng)
    except (ValueError, RecursionError):
        return data
    return data[:start] + changed + data[end:]


def _copy(data, rng):
    """Let a line or a part stand twice."""
    part = rng.choice(data.split(b"\n")) + b"\n"
    if rng.random() < 0.3:
        start = rng.randrange(len(data) + 1)
        part = data[start : start + rng.randint(1, 80)]
    at = rng.randrange(len(data) + 1) if rng.random() < 0.5 else data.find(b"\n") + 1
    return data[:at] + part + data[at:]


def _word(data, rng):
    """Put a word of the protocol in the place of another, or in."""
    word = rng.choice(WORDS)
    there = [one for one in WORDS if one in data]
    if there and rng.random() < 0.8:
        return data.replace(rng.choice(there), word, 1)
    at = rng.choice([0, data.find(b"\n") + 1, rng.randrange(len(data) + 1)])
    return data[:at] + word + b"\n" * rng.randint(0, 1) + data[at:]


def _end(data, rng):
    """End a line otherwise, or where none ended."""
    at = rng.choice([at for at, byte in enumerate(data) if byte in b"\n\r ,{"] or [0])
    return data[:at] + rng.choice(ENDS) + data[at + rng.randint(0, 1) :]


def _byte(data, rng):
    at = rng.randrange(len(data) + 1)
    return data[:at] + bytes([rng.randrange(256)]) + data[at + rng.randint(0, 1) :]


def mutate(data, most, seed, sound):
    """Return the input, or one of the `sound` ones, changed in one or two ways.

    Most of what a fuzzer keeps is refused, each in its own way, and stays so however it is changed.
    """
    rng = random.Random(seed)
    if rng.random() < 0.4:
        data = rng.choice(sound)
    for _ in range(rng.choice([1, 1, 2])):
        data = rng.choice([_in_json, _in_json, _in_json, _copy, _word, _end, _byte])(data, rng)
    return data[:most]
