"""Results of tools that are too long for the budget: what is shown of them, and the whole behind a link.

The whole is kept in memory, for the principal and the client that called, for some minutes. It is what the member's
guard and the inspect lane had let through, so nothing is judged twice. What is no text (pictures, sounds) is not cut.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_core.adaptive.flow import ReadLabel
from mcp_core.principal import Principal
from mcp_core.token_count import text_tokens

URI_PREFIX: Final = "kong-mcp-output://"
"""How the URIs of wholes begin. No resource of a member that begins so can be read through a virtual server."""
KEPT_SECONDS: Final = 900.0
MOST_BYTES: Final = 64 * 1024 * 1024
"""Bytes of all wholes together."""
MOST_OF_CALLER: Final = 16 * 1024 * 1024
"""Bytes of one caller's: more than the longest answer has (MCP_SIDECAR_MAX_ANSWER). Its oldest go first."""
EACH: Final = 2_048
"""Bytes that each whole takes beside what is counted: its URI, digests and places in tables."""
_STRINGS: Final = tuple(2**power for power in range(16, 4, -1))
"""Characters of the strings of structured content, from the most that is tried to the least."""
_CUT: Final = " ... [cut]"
_STEPS: Final = 24
"""Halvings that find how much of a text fits."""


@dataclass(frozen=True, slots=True)
class KeptOutput:
    """The whole of one result: the texts that were cut, as contents of a resource have them, and what was read so.

    `tool` is the member that said it, and its own name of the tool.
    """

    tool: tuple[str, str]
    contents: tuple[Mapping[str, Any], ...]
    reads: frozenset[ReadLabel]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A whole as it is held: `owner` and `caller` are digests, `size` is all bytes of it.

    `written` is JSON, and so is `about`: the tool, and the scopes and groups of the call.
    """

    owner: bytes
    caller: bytes
    about: bytes
    written: bytes
    reads: frozenset[ReadLabel]
    until: float
    size: int


class Outputs:
    """The wholes of one sidecar, by their URIs. Takes a clock in seconds that never goes back.

    A whole is for whom it was fetched: the same principal, by the same client and whoever acts for it, with all scopes
    and groups that it had then.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, most: int = MOST_BYTES, of_caller: int = MOST_OF_CALLER
    ) -> None:
        self._clock = clock
        self._most = most
        self._most_of_caller = of_caller
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._of: dict[bytes, OrderedDict[str, int]] = {}
        self._sizes: dict[bytes, int] = {}
        self.size = 0
        """Bytes of all that is kept."""

    def __len__(self) -> int:
        return len(self._kept)

    def keep(
        self,
        server: str,
        principal: Principal,
        tool: tuple[str, str],
        output: CutOutput,
        reads: frozenset[ReadLabel] = frozenset(),
    ) -> str | None:
        """Keep a whole and return its URI, or None where it is larger than what is kept of anybody.

        `tool` is as KeptOutput has it.
        """
        # Each request has sets of its own: as JSON they take some bytes a name, and are counted so.
        about = json.dumps([tool, sorted(principal.scopes), sorted(principal.groups)]).encode()
        size = len(output.written) + len(about) + EACH
        if size > min(self._most, self._most_of_caller):
            return None
        now, caller = self._clock(), _digest(principal.seal_key)
        uri = f"{URI_PREFIX}{server}/{secrets.token_hex(16)}"
        owner, until = _owner(server, principal), now + KEPT_SECONDS
        self._kept[uri] = _Kept(owner, caller, about, output.written, reads, until, size)
        self._of.setdefault(caller, OrderedDict())[uri] = size
        self._sizes[caller] = self._sizes.get(caller, 0) + size
        self.size += size
        self._forget(caller, now)
        return uri

    def find(self, server: str, principal: Principal, uri: str) -> KeptOutput | None:
        """Return a whole, None for whatever this caller did not get a link to here, or no longer has.

        It reads as much as is kept: call it in a thread.
        """
        one = self._kept.get(uri)
        if one is None or one.owner != _owner(server, principal) or one.until <= self._clock():
            return None
        (member, name), scopes, groups = json.loads(one.about)
        if not (principal.scopes.issuperset(scopes) and principal.groups.issuperset(groups)):
            return None
        contents = json.loads(one.written.decode("utf-8", "surrogatepass"))
        return KeptOutput((member, name), tuple({**text, "uri": uri} for text in contents), one.reads)

    def _forget(self, caller: bytes, now: float) -> None:
        while self._kept and next(iter(self._kept.values())).until <= now:
            self._drop(next(iter(self._kept)))
        while self._sizes.get(caller, 0) > self._most_of_caller:
            self._drop(next(iter(self._of[caller])))
        while self.size > self._most:
            # Who has most makes room: nobody pushes out what is less than his own.
            self._drop(next(iter(self._of[max(self._sizes, key=self._sizes.__getitem__)])))

    def _drop(self, uri: str) -> None:
        one = self._kept.pop(uri)
        del self._of[one.caller][uri]
        self._sizes[one.caller] -= one.size
        self.size -= one.size
        if not self._of[one.caller]:
            del self._of[one.caller], self._sizes[one.caller]


def _owner(server: str, principal: Principal) -> bytes:
    return _digest(server, principal.seal_key, principal.client, principal.via)


def _digest(*parts: str) -> bytes:
    return hashlib.sha256(json.dumps(parts).encode()).digest()


@dataclass(frozen=True, slots=True)
class CutOutput:
    """A result that was cut: what is shown of it, and what was cut, as it is and as JSON to be kept."""

    result: Mapping[str, Any]
    shown: tuple[Mapping[str, Any], ...]
    whole: tuple[Mapping[str, Any], ...]
    written: bytes

    def linked(self, uri: str | None) -> dict[str, Any]:
        """Return the result with a link to the whole, or with the word that it is not kept."""
        characters = sum(len(str(one["text"])) for one in self.whole)
        return {**self.result, "content": [*self.shown, *_told(uri, characters)]}


def cut(result: Mapping[str, Any], budget: int, fits: Callable[[Any], bool] | None = None) -> CutOutput | None:
    """Cut a tool's result so that its texts take at most `budget` tokens; None where it is short enough.

    `fits` tells whether structuredContent is as the tool's output schema has it, to which clients hold it: there long
    strings are cut as far as they may be. Without a schema (None) structuredContent is the first that goes.
    Time is in proportion to the text: this is for a thread.
    """
    content = result.get("content")
    blocks = [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []
    texts = [_text_of(block) for block in blocks]
    cost = sum(map(text_tokens, filter(None, texts)))
    data = result.get("structuredContent")
    written = "" if data is None else json.dumps(data, ensure_ascii=False)
    said = dict(result)
    if fits is None:
        if cost + text_tokens(written) <= budget:
            return None
        said.pop("structuredContent", None)
    else:
        short = _shortened(data, budget, fits) if text_tokens(written) > budget else None
        if cost <= budget and short is None:
            return None
        if short is None:
            written = ""
        else:
            said["structuredContent"] = short
    shown, whole = _fitting(blocks, texts, budget)
    if written:
        whole.append({"mimeType": "application/json", "text": written})
    kept = json.dumps(whole, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return CutOutput(said, tuple(shown), tuple(whole), kept)


def _fitting(
    blocks: list[dict[str, Any]], texts: list[str | None], left: int
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Return the blocks that fit, the last one cut, and the texts of all."""
    shown, whole = list[Mapping[str, Any]](), list[Mapping[str, Any]]()
    for block, text in zip(blocks, texts, strict=True):
        if text is None:
            shown.append(block)
            continue
        whole.append(_whole(block, text))
        cost = text_tokens(text)
        if cost <= left:
            shown.append(block)
        elif block.get("type") == "text" and (start := _start(text, left)):
            shown.append({**block, "text": start})
        left = max(0, left - cost)
    return shown, whole


def _shortened(data: Any, budget: int, fits: Callable[[Any], bool]) -> Any:
    """Return data whose long strings are cut, so that it fits; None where that is not enough, or not allowed."""
    for most in _STRINGS:
        short = _with_short_strings(data, most)
        if text_tokens(json.dumps(short, ensure_ascii=False)) <= budget:
            return short if fits(short) else None
    return None


def _with_short_strings(data: Any, most: int) -> Any:
    if isinstance(data, str):
        return data if len(data) <= most else data[:most] + _CUT
    if isinstance(data, dict):
        return {name: _with_short_strings(one, most) for name, one in data.items()}
    if isinstance(data, list):
        return [_with_short_strings(one, most) for one in data]
    return data


def _text_of(block: Mapping[str, Any]) -> str | None:
    """Return the text of a block (ContentBlock), None for one that is no text."""
    within = block.get("resource") if block.get("type") == "resource" else block
    text = within.get("text") if isinstance(within, dict) else None
    return text if isinstance(text, str) else None


def _whole(block: Mapping[str, Any], text: str) -> dict[str, Any]:
    within = block.get("resource")
    kind = within.get("mimeType") if isinstance(within, dict) else None
    return {"mimeType": kind if isinstance(kind, str) else "text/plain", "text": text}


def _start(text: str, budget: int) -> str:
    """Return as much of the beginning of a text as fits, or nearly so."""
    # Runs of blanks take next to no tokens: a text that has more than so many characters for each is shown no further.
    low, high = 0, min(len(text), 64 * budget)
    for _ in range(_STEPS):
        if low >= high:
            break
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text_tokens(text[:middle]) <= budget else (low, middle - 1)
    return text[:low]


def _told(uri: str | None, characters: int) -> list[dict[str, Any]]:
    if uri is None:
        return [{"type": "text", "text": f"[Cut: the whole had {characters} characters, too many to be kept.]"}]
    minutes = int(KEPT_SECONDS // 60)
    said = f"[Cut by the gateway: the whole has {characters} characters. Read it within {minutes} minutes at {uri}]"
    link = {"type": "resource_link", "uri": uri, "name": "whole-output", "title": "The whole output"}
    return [{"type": "text", "text": said}, link]
