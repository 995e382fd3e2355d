"""How many tokens a list of items takes of a model's context: an estimate, without any model's vocabulary."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

_RUN: Final = re.compile(r"[A-Za-z]+|\d+|[^\x00-\x7f]+|[^\sA-Za-z\d]+")


def tokens(items: Iterable[Mapping[str, Any]]) -> int:
    """Return about how many tokens these items take, written as compact JSON as clients hand them to models."""
    return sum(text_tokens(json.dumps(one, ensure_ascii=False, separators=(",", ":"))) for one in items)


def text_tokens(text: str) -> int:
    """Return about how many tokens a text takes."""
    return sum(_cost(run) for run in _RUN.findall(text))


def _cost(run: str) -> int:
    if run[0] > "\x7f":
        return len(run)
    if run[0].isdigit():
        return -(-len(run) // 3)
    if run[0].isalpha():
        return -(-len(run) // 9)
    return -(-len(run) // 3)
