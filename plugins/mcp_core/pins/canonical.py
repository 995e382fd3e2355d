"""One text for one JSON value: the canonical form of RFC 8785, and the digests that are made of it.

The laws, as RFC 8785 has them: no blanks; the keys of an object in the order of their UTF-16 code units; strings with
the escapes that JSON demands and no others (section 3.2.2.2); numbers as ECMAScript writes them (section 3.2.2.3); all
of it in UTF-8. One law goes further: an integer keeps every digit. RFC 8785 writes 9007199254740993 as the double next
to it, 9007199254740992, and two surfaces that some readers tell apart would have one digest. Integers that a double
holds exactly, and numbers with a point or an exponent, are written as RFC 8785 says: 1.0 and 1 are one number.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode
_string: Final = json.JSONEncoder(ensure_ascii=False).encode
# Python writes every float with one of these, and only characters beyond the BMP sort differently in UTF-16.
_SPECIAL: Final = re.compile("[0-9](?:\\.[0-9]|e)|[\U00010000-\U0010ffff]")


def canonical(value: Any) -> str:
    """Return the canonical text of a value of JSON (dict, list, str, int, float, bool, None).

    Raises:
        ValueError: a number is infinite or no number.
    """
    text = _encode(value)
    return text if _SPECIAL.search(text) is None else _write(value)


def digest(value: Any) -> str:
    """Return the SHA-256 (FIPS 180-4) of the canonical text in UTF-8, as 64 lower-case hexadecimal digits.

    Raises:
        ValueError: a number is infinite or no number, or a string holds a lone surrogate.
    """
    return digest_of(canonical(value))


def digest_of(text: str) -> str:
    """Return the digest of a value whose canonical text this is. Raises ValueError for a lone surrogate."""
    return hashlib.sha256(text.encode()).hexdigest()


def field_digests(item: Mapping[str, Any]) -> dict[str, str]:
    """Return the digest of every member of an object, by its key. Raises what `digest` raises."""
    return {key: digest(value) for key, value in item.items()}


def _write(value: Any) -> str:
    if isinstance(value, str):
        return _string(value)
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list | tuple):
        return f"[{','.join([_write(one) for one in value])}]"
    keys = sorted(value, key=_utf16)
    return f"{{{','.join([f'{_string(key)}:{_write(value[key])}' for key in keys])}}}"


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")


def _number(value: float) -> str:
    """Write a double as ECMAScript does (Number::toString): Python finds the same digits, and places them otherwise."""
    if value == 0:
        return "0"
    shortest = repr(value)
    if "e" not in shortest:
        return shortest.removesuffix(".0")
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    written = whole + fraction
    digits = written.lstrip("0")
    # The value is 0.DIGITS times ten to the power of `point`.
    point = len(whole) + int(exponent or 0) - (len(written) - len(digits))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = point - 1
    rest = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{rest}e{'+' if power > 0 else '-'}{abs(power)}"
