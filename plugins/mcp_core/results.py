"""The texts of what a server answers, and what stands in place of an answer that must not reach a model.

The shape of a message decides, not the request that it claims to answer: every string of a result or an error is read,
wherever it stands, and those of what a server asks or tells of itself: a request for sampling is text before a model.
Only what makes up a surface is left to pins and policy: an honest tool's description tells a model what to do.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

from mcp_core import methods
from mcp_core.methods import SURFACE_KEYS
from mcp_core.outcome import FORBIDDEN
from mcp_core.scan import Report, Severity, Verdict

Scan: TypeAlias = Callable[[Sequence[str]], Report]
"""Returns what rules find in some texts, each of which is one field."""

WINDOW: Final = 65_536
"""Characters that are read at a time: longer texts are read in pieces, so that the work grows with the length alone."""
OVERLAP: Final = 2_048
"""Characters at the end of one piece that the next one begins with: what steers is shorter."""
MOST: Final = 2 * 1024 * 1024
"""Characters of one message that are read. A rest is unread, which is a finding like any other."""

_SPOKEN: Final = "text"
_CUT: Final = 256
"""Characters at the end of a text that are read with the next one: what a rule needs together is shorter."""
_SHORT: Final = 512
"""Characters up to which base64 that is no text is read as it stands: a word could be both."""
_KEY: Final = 24
"""Characters from which a key is read like a text: it could be a sentence."""
_SURFACE: Final = frozenset({*SURFACE_KEYS, "capabilities", "instructions", "serverInfo"})
_OF_CALLS: Final = frozenset({"content", "isError", "structuredContent"})
_CONTENT: Final = _OF_CALLS | {"contents", "messages"}
_OF_TASKS: Final = frozenset(
    {
        "createdAt",
        "lastUpdatedAt",
        "pollInterval",
        "pollIntervalMs",
        "resultType",
        "status",
        methods.TASK_ID,
        "ttl",
        "ttlMs",
    }
)
"""What stays of a task whose texts do not, as long as it is one short word. Its id will be sealed."""
_WORD: Final = 40


@dataclass(frozen=True, slots=True)
class ResultFindings:
    """What rules found in one message: their ids, sorted, and whether anything was withheld for it.

    `where` is "results", "lists" for the items of lists, some of which `items` names, or "beside" for what stands
    beside them.
    """

    rules: tuple[str, ...]
    withheld: bool
    where: str = "results"
    items: tuple[str, ...] = ()


def scan(message: dict[str, Any], scanner: Scan, unread: Callable[[], Report] = Report) -> Report:
    """Return what the rules find in the texts of a server's message. `unread` says what a rest is that is not read."""
    report = Report()
    spoken, others = _told(message)
    again = _unbroken(spoken)
    left = MOST + len(again)
    for window in _windows(_in_order(spoken, others, again)):
        if left <= 0:
            return report + unread()
        left -= sum(map(len, window))
        report += scanner(window)
        if report.verdict is Verdict.BLOCK:
            break
    return report


def inspect(
    message: dict[str, Any], scanner: Scan, asked: str, *, block: bool, unread: Callable[[], Report] = Report
) -> ResultFindings | None:
    """Scan a message, and with `block` put something harmless in its place where a rule that blocks holds.

    `asked` is the method that is known to have been asked, "" where none is. None where nothing was found.
    """
    report = scan(message, scanner, unread)
    if report.verdict is Verdict.CLEAN:
        return None
    if not block or report.verdict is not Verdict.BLOCK:
        return ResultFindings(tuple(sorted({finding.rule for finding in report.findings})), withheld=False)
    rules = tuple(sorted({finding.rule for finding in report.findings if finding.severity is Severity.BLOCK}))
    withhold(message, rules, asked)
    return ResultFindings(rules, withheld=True)


def texts(message: dict[str, Any]) -> list[str]:
    """Return the texts of a message, in order. What is spoken (texts of content) is one: it is read in one go.

    Where a word may go on from one text to the next, it is read once more without a break between them: many clients
    put nothing there.
    """
    spoken, others = _told(message)
    return _in_order(spoken, others, _unbroken(spoken))


def _told(message: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the texts of content, and the other ones."""
    spoken: list[str] = []
    others: list[str] = []
    for key, text in _strings(_body(message)):
        (spoken if key == _SPOKEN else others).append(text)
    return spoken, others


def _in_order(spoken: list[str], others: list[str], again: str) -> list[str]:
    return [text for text in ("\n".join(spoken), again, *others) if text]


def _unbroken(spoken: list[str]) -> str:
    """Return texts as one where a word may go on from one to the next, and nothing where none can."""
    goes_on = any(not (one[-1].isspace() or other[0].isspace()) for one, other in pairwise(spoken))
    return "".join(map(_ends, spoken)) if goes_on else ""


def _ends(text: str) -> str:
    """Return what of a text the ones before and after it can go on from."""
    return text if len(text) <= 2 * _CUT else f"{text[:_CUT]}\n{text[-_CUT:]}"


def _body(message: dict[str, Any]) -> Any:
    if "method" in message:
        return message.get("params")
    result = message.get("result")
    if isinstance(result, dict):
        return result if result.keys() & _CONTENT else {key: result[key] for key in result if key not in _SURFACE}
    return message.get("error")


def _strings(value: Any) -> Iterator[tuple[str, str]]:
    """Yield (key, text) for every string, and for every key that is long enough to be one."""
    stack = [("", value)]
    while stack:
        key, one = stack.pop()
        if isinstance(one, str):
            if one:
                yield key, one
        elif isinstance(one, dict):
            yield from (("", name) for name in one if len(name) >= _KEY)
            for name, inner in reversed(one.items()):
                if isinstance(inner, str) and (name == "blob" or (name == "data" and "mimeType" in one)):
                    stack.append(_decoded(name, inner))
                else:
                    stack.append((name, inner))
        elif isinstance(one, list):
            stack.extend((key, inner) for inner in reversed(one))


def _decoded(key: str, text: str) -> tuple[str, str]:
    """Return what base64 holds where that is text. Pictures and sound are not read."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return key, text
    try:
        return _SPOKEN, data.decode()
    except UnicodeDecodeError:
        return key, text if len(text) <= _SHORT else ""


def _windows(fields: Sequence[str]) -> Iterator[list[str]]:
    window: list[str] = []
    held = 0
    for text in fields:
        for start in range(0, max(1, len(text) - OVERLAP), WINDOW - OVERLAP):
            piece = text[start : start + WINDOW]
            if window and held + len(piece) > WINDOW:
                yield window
                window, held = [], 0
            window.append(piece)
            held += len(piece) + 1
    if window:
        yield window


def withhold(message: dict[str, Any], rules: Sequence[str], asked: str) -> None:
    """Put what says why in place of a message's texts; nothing of them is left. The message stays a valid one.

    What a server asks or tells of itself has no place for that: nothing of it is left at all.
    """
    # These words must not look to a scanner like what they speak of: gateways stand behind gateways.
    text = (
        f"The gateway withheld this answer, whose text matches rules against prompt injection: {', '.join(rules)}. The "
        "work can continue without it, and the user should be told. The operator of the gateway finds it in the "
        "sidecar's log."
    )
    error = {"code": FORBIDDEN, "message": text}
    params, result = message.get("params"), message.get("result")
    if message.get("method") in methods.TASK_NOTIFICATIONS and isinstance(params, dict):
        message["params"] = _task(params, error)
    elif "method" in message:
        message.clear()
    elif not isinstance(result, dict):
        message["error"] = error
    elif not result.keys().isdisjoint(_OF_CALLS):
        message["result"] = _refused(result, error)
    elif methods.TASK_ID in result:
        message["result"] = _task(result, error)
    elif isinstance(task := result.get(methods.TASK_PARAM), dict) and methods.TASK_ID in task:
        message["result"] = {methods.TASK_PARAM: _task(task, error)}
    elif asked == methods.CALL:
        message["result"] = _refused(result, error)
    else:
        del message["result"]
        message["error"] = error


def _refused(result: dict[str, Any], error: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a call that failed (all revisions, server/tools, error handling)."""
    refused: dict[str, Any] = {"content": [{"type": "text", "text": error["message"]}], "isError": True}
    if "resultType" in result:
        refused["resultType"] = "complete"
    meta = result.get("_meta")
    related = meta.get(methods.META_RELATED_TASK) if isinstance(meta, dict) else None
    id_ = related.get(methods.TASK_ID) if isinstance(related, dict) else None
    if isinstance(id_, str):
        refused["_meta"] = {methods.META_RELATED_TASK: {methods.TASK_ID: id_}}
    return refused


def _task(task: dict[str, Any], error: dict[str, Any]) -> dict[str, Any]:
    """Return a task without its texts (2025-11-25, basic/utilities/tasks; extensions/tasks)."""
    kept = {
        key: value for key, value in task.items() if key in _OF_TASKS and (key == methods.TASK_ID or _is_word(value))
    }
    result = task.get("result")
    if isinstance(result, dict):
        kept["result"] = _refused(result, error)
    if "error" in task:
        kept["error"] = error
    if "statusMessage" in task:
        kept["statusMessage"] = error["message"]
    return kept


def _is_word(value: Any) -> bool:
    return len(value) <= _WORD and " " not in value if isinstance(value, str) else not isinstance(value, dict | list)
