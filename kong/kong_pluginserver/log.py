"""One line of JSON on standard error for what an operator should know. Kong copies it into its own log.

Never in a line: bodies, header values, configuration, or an exception's message, which may quote any of them. An
exception class may vouch for its own messages with the class attribute `log_safe = True`.
"""

from __future__ import annotations

import json
import os
import select
import time
import traceback
from pathlib import Path
from typing import Any, Final

_STDERR: Final = 2
_LONGEST: Final = 4000
_FRAMES: Final = 3


def line(level: str, event: str, **fields: Any) -> None:
    """Write one line; `level` is info, warning or error. A reader that is gone or does not read never blocks us."""
    record = {"time": round(time.time(), 3), "level": level, "event": event, "pid": os.getpid(), **fields}
    text = _text(record, list(fields)) + "\n"
    try:
        poll = select.poll()
        poll.register(_STDERR, select.POLLOUT)
        if poll.poll(0):
            os.write(_STDERR, text.encode())
    except OSError:
        return


def _text(record: dict[str, Any], may_be_cut: list[str]) -> str:
    """Return a record as JSON of at most `_LONGEST` bytes: its longest fields are cut, and `cut` names them.

    A line that is cut itself would be no JSON, and a reader of lines would lose all of it.
    """
    text = json.dumps(record, default=str)
    cut: set[str] = set()
    while len(text) > _LONGEST and may_be_cut:
        name = max(may_be_cut, key=lambda one: len(json.dumps(record[one], default=str)))
        value = record[name]
        kept = value if isinstance(value, str) else json.dumps(value, default=str)
        record[name] = kept[: len(kept) // 2]
        if not record[name]:
            del record[name]
            may_be_cut.remove(name)
        cut.add(name)
        text = json.dumps({**record, "cut": sorted(cut)}, default=str)
    return text


def cause(error: BaseException) -> dict[str, str]:
    """Return what may be told of an exception: its type, the last places it came through, a vouched-for message."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    told = {
        "error": type(error).__name__,
        "at": " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames),
    }
    if getattr(type(error), "log_safe", False):
        told["message"] = str(error)[:500]
    return told
