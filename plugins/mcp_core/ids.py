"""Whole ids that are written as floats: `1.0`, as clients write them whose language has one kind of number.

RFC 8259 (section 6) knows one kind of number, and every reader takes `1.0` for the number 1: the body goes on as it is,
and here it counts as the integer. Only the plainest spelling is taken, digits and a fraction of zeros: an exponent, a
negative zero, or a fraction that rounding makes whole stays a float, which is no id.
"""

from __future__ import annotations

import re
from typing import Any, Final

_ESCAPED: Final = re.compile(rb"\\u00(?:69|64)")
"""An escaped letter of a key `id`."""
_ID: Final = re.compile(rb'"id"[ \t\n\r]*:[ \t\n\r]*(-?[0-9][0-9.eE+-]*)')
_PLAIN: Final = re.compile(rb"(?:0|-?[1-9][0-9]{0,15})(?:\.0{1,16})?")


def make_whole(value: Any, body: bytes, largest: int) -> None:
    """Put integers in place of the whole ids of the message or batch that was read from `body`, up to `largest`."""
    messages = value if isinstance(value, list) else [value]
    floats = [message for message in messages if isinstance(message, dict) and isinstance(message.get("id"), float)]
    if not floats or _ESCAPED.search(body) is not None:
        return
    # Wherever such a member stands, and inside of strings too: among them are those of the messages.
    odd = {float(one[1]) for one in _ID.finditer(body) if _PLAIN.fullmatch(one[1]) is None and _is_number(one[1])}
    for one in floats:
        id_: float = one["id"]
        if id_.is_integer() and abs(id_) <= largest and id_ not in odd:
            one["id"] = int(id_)


def _is_number(digits: bytes) -> bool:
    try:
        float(digits)
    except ValueError:
        return False
    return True
