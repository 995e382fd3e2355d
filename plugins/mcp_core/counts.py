"""What is counted before it is looked at, so that no request costs more than reading an honest one of its size.

The bytes of a JSON text are counted by searches and translations of the whole of it: hooks of a JSON reader, called for
one number at a time, cost ten times as much. Texts here need not be JSON: what is none is counted somehow, and the
reader refuses it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

from mcp_core import methods

# Digits, points, signs and exponents keep their meaning, and every other byte becomes a space.
_NUMBER_BYTES: Final = bytes(
    ord("0") if byte in b"0123456789" else ord("e") if byte in b"eE" else byte if byte in b"+-." else ord(" ")
    for byte in range(256)
)
_LARGE_EXPONENT: Final = b"0e000"
_LARGE: Final = 209
"""Digits before the point that make a number infinite, at least, where its exponent has two digits."""
_ZEROS: Final = b"0" * (_LARGE // 3)
_FINITE: Final = 308
"""Digits before the point, and the exponent on top, of the longest number that is finite whatever its digits are."""
_MOST_EXPONENTS: Final = 200_000
"""How many numbers may have an exponent, as they are dear to read: 4 MiB hold fewer in full precision."""
_MOST_LARGE: Final = 20_000
"""How many numbers may have an exponent of three digits, as each is looked at."""
MOST_MEMBERS: Final = 1000
"""Members of a message, of its params, and of the objects in them that the protocol knows."""
URI_LENGTH: Final = 128
TASK_LENGTH: Final = 1024
"""Bytes of the URIs and of the sealed ids of a subscription, on average over as many as there may be."""
_FOLDED: Final = 8
"""Characters that one beyond ASCII counts for: NFKC makes up to 18 of it."""
_CHUNK: Final = 1 << 16
"""Bytes that are taken apart at once: of more, the processor's caches would not hold the parts."""
_NOT_MARKS: Final = bytes(byte for byte in range(256) if byte not in b":{[")
_NOT_OPENING: Final = bytes(byte for byte in range(256) if byte not in b"{[")


def excess(body: bytes, *, keys: int, values: int, digits: int) -> str | None:
    """Return what a JSON text holds too much of, or None: keys or containers, values, digits or size of a number."""
    # Colons and opening brackets, those in strings too: never less than there are keys, or objects and arrays.
    many = len(body) > keys and len(body.translate(None, _NOT_MARKS)) > keys
    many = many or (len(body) > values and body.count(b",") > values)
    dear = len(body) > _MOST_EXPONENTS and _exponents(body) > _MOST_EXPONENTS
    if not many and not dear and not may_hold_odd_numbers(body, digits):
        return None
    # Of the values of each object and array, one has no comma before it.
    outside = _outside(body, 2 * keys + values + 1)
    if outside is None:
        return "more strings than so many keys and values could be"
    return _excess(outside, keys, values, digits)


def may_be_deeper(body: bytes, depth: int) -> bool:
    """Return whether a JSON text could be nested deeper than that."""
    return len(body.translate(None, _NOT_OPENING)) > depth


def is_few(wanted: object, most: int) -> bool:
    """Return whether the `notifications` of a subscription name so many URIs and so many tasks at most."""
    if not isinstance(wanted, dict):
        return True
    lists = (wanted.get(methods.LISTEN_URIS), URI_LENGTH), (wanted.get(methods.LISTEN_TASKS), TASK_LENGTH)
    return len(wanted) <= MOST_MEMBERS and all(
        len(named) <= most and sum(_weight(one) for one in named if isinstance(one, str)) <= most * length
        for named, length in lists
        if isinstance(named, list)
    )


def _weight(text: str) -> int:
    return len(text) if text.isascii() else _FOLDED * len(text)


def _exponents(text: bytes) -> int:
    """Return how many numbers a text holds at most that have an exponent."""
    letters = text.count(b"e") + text.count(b"E")
    return letters if letters <= _MOST_EXPONENTS else text.translate(_NUMBER_BYTES).count(b"0e")


def may_hold_odd_numbers(body: bytes, digits: int) -> bool:
    """Return whether a text could hold a number of more than so many digits, or one beyond what readers can hold."""
    numbers = body.translate(_NUMBER_BYTES, b"+")
    if _LARGE_EXPONENT in numbers:
        return True
    # Of n characters, a third are digits in a row, whatever point, sign and exponent stand between them.
    length = min(digits, _LARGE)
    return _ZEROS[: max(1, (length - 4) // 3)] in numbers and any(_long_ones(numbers, length))


def _long_ones(numbers: bytes, length: int) -> Iterator[tuple[int, int]]:
    """Give the start and end of everything between spaces that has at least so many bytes."""
    at = length - 1
    while at < len(numbers):
        end = at
        if numbers[at] != ord(" "):
            start, end = numbers.rfind(b" ", 0, at) + 1, numbers.find(b" ", at)
            end = len(numbers) if end < 0 else end
            if end - start >= length:
                yield start, end
        at = end + length


def _outside(body: bytes, strings: int) -> bytes | None:
    """Return what stands outside the strings of a text, or None where there are more strings than that."""
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    if plain.count(b'"') > 2 * strings:
        return None
    found, inside = [], 0
    for at in range(0, len(plain), _CHUNK):
        parts = plain[at : at + _CHUNK].split(b'"')
        found.append(b" ".join(parts[inside::2]))
        inside ^= 1 - len(parts) % 2
    return b"".join(found)


def _excess(outside: bytes, keys: int, values: int, digits: int) -> str | None:
    if outside.count(b"{") + outside.count(b"[") > keys:
        return f"more than {keys} objects and arrays"
    if outside.count(b":") > keys:
        return f"more than {keys} keys"
    # A comma stands before every value but the first of its object or array.
    if outside.count(b",") > values:
        return f"more than {values} values"
    if _exponents(outside) > _MOST_EXPONENTS:
        return f"more than {_MOST_EXPONENTS} numbers with an exponent"
    if any(_long_ones(outside.translate(_NUMBER_BYTES), digits + 1)):
        return f"a number of more than {digits} digits"
    bare = outside.replace(b"+", b"")
    numbers = bare.translate(_NUMBER_BYTES)
    large = chain(_long_ones(numbers, _LARGE), _of_large_exponent(numbers))
    if any(_is_infinite(bare[start:end]) for start, end in islice(large, _MOST_LARGE)):
        return "a number beyond what every reader can hold"
    if any(large):
        return f"more than {_MOST_LARGE} numbers near what every reader can hold"
    return None


def _of_large_exponent(numbers: bytes) -> Iterator[tuple[int, int]]:
    """Give the start and end of the numbers whose exponent has three digits or more."""
    at = numbers.find(_LARGE_EXPONENT)
    while at >= 0:
        start, end = numbers.rfind(b" ", 0, at) + 1, numbers.find(b" ", at)
        end = len(numbers) if end < 0 else end
        yield start, end
        at = numbers.find(_LARGE_EXPONENT, end)


def _is_infinite(number: bytes) -> bool:
    whole, _, exponent = number.lower().partition(b"e")
    digits, point, _ = whole.partition(b".")
    try:
        return bool(point or exponent) and len(digits) + int(exponent or b"0") > _FINITE and math.isinf(float(number))
    except ValueError:  # what is no number is no JSON either
        return False
