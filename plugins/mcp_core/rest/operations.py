"""The operations of a description as tools: which, by what names, with which arguments.

Laws: a name has 1 to 64 characters of [A-Za-z0-9_-], and is the same whichever operations are chosen; two operations
never share one; a tool says which operation it calls, where its pin holds it to that; what holds a credential is no
argument; an operation that cannot be called exactly as it is described is left out, with a sentence that says why, and
takes no other with it.
Source: OpenAPI 3.0.3 and 3.1.0, Paths Object, Operation Object, Parameter Object.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from mcp_core.rest.arguments import Arguments
from mcp_core.rest.document import ApiDocument, OpenApiError, TooMuchWorkError, text_of
from mcp_core.rest.tools import RestTool
from mcp_core.rest.withheld import withheld_of

MOST_TOOLS: Final = 1_000
MOST_LISTED: Final = 8 * 1024 * 1024
"""Characters of all tools of one API together."""
LONGEST_NAME: Final = 64
TAG: Final = "tag:"
_DIGITS: Final = 8
_DIGITS_OF_WAY: Final = 16
_BAD: Final = re.compile(r"[^A-Za-z0-9_-]+")
_METHODS: Final = ("get", "put", "post", "delete", "patch")
"""Methods that are offered. `head` brings nothing to read; `options` and `trace` are about the way, not the API."""
_MOST_TAGS, _LONGEST_ID, _MOST_SERVERS = 64, 500, 64
"""Of one operation: paths may all refer to the same one, so what is beyond is not looked at."""
_LONGEST_TITLE: Final = 120
_LONGEST_DESCRIPTION: Final = 1_500


@dataclass(frozen=True, slots=True)
class NoTool:
    """An operation that is no tool, by the name that it would have, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class RestTools:
    """The tools of an API, and what of the chosen operations is none.

    `unmatched` are the words of the choice that no operation answers to.
    """

    tools: tuple[RestTool, ...]
    left_out: tuple[NoTool, ...] = ()
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Operation:
    """One operation. `item` is its path item, in which its document is `document`."""

    method: str
    path: str
    id: str
    tags: tuple[str, ...]
    node: dict[str, Any]
    item: dict[str, Any]
    document: str

    @property
    def wanted_name(self) -> str:
        words = _BAD.sub("_", self.id).strip("_") or _BAD.sub("_", f"{self.method.lower()}{self.path}").strip("_")
        return words if len(words) <= LONGEST_NAME else self.told_apart(words)

    def told_apart(self, words: str) -> str:
        """Return a name that another operation has only where its id was made to come out so."""
        digest = hashlib.sha256(f"{self.method} {self.path}".encode()).hexdigest()[:_DIGITS]
        return f"{words[: LONGEST_NAME - _DIGITS - 1]}_{digest}"


def tools_of(document: ApiDocument, chosen: Sequence[str] = (), taken_headers: Sequence[str] = ()) -> RestTools:
    """Return the tools of a description.

    `chosen` are globs of ids, or of tags after `tag:`; without any, all operations are. `taken_headers` are the
    names of headers that every request gets from the operator.

    Raises:
        OpenApiError: there are too many, or all together are too long to be listed.
    """
    left_out: list[NoTool] = []
    operations = list(_operations(document, left_out))
    names = _names(operations)
    often = Counter(names)
    picked = [
        (operation, name)
        for operation, name in zip(operations, names, strict=True)
        if _is_chosen(operation, name, chosen)
    ]
    if len(picked) > MOST_TOOLS:
        raise OpenApiError(f"{len(picked):,} operations are chosen, and {MOST_TOOLS:,} may be; write `operations`")
    withheld = withheld_of(document, taken_headers)
    usual = _usual_servers(document, operations)
    tools, size = [], 0
    for operation, name in picked:
        if often[name] > 1:
            left_out.append(NoTool(name, "comes out under the same name as another operation; give it another id"))
            continue
        try:
            _check_servers(operation, usual)
            arguments = Arguments.of(
                document, operation.method, operation.path, operation.node, operation.item, operation.document, withheld
            )
        except TooMuchWorkError:
            raise
        except OpenApiError as error:
            left_out.append(NoTool(name, str(error)))
            continue
        item = _item(name, operation, {**arguments.schema, "$comment": _way(operation, arguments)})
        size += len(json.dumps(item))
        if size > MOST_LISTED:
            raise OpenApiError(f"the tools take more than {MOST_LISTED:,} characters together; write `operations`")
        tools.append(
            RestTool(name, operation.method, operation.path, arguments.parameters, arguments.body, item, withheld)
        )
    unmatched = [
        word
        for word in chosen
        if not any(_is_chosen(operation, name, [word]) for operation, name in zip(operations, names, strict=True))
    ]
    return RestTools(tuple(tools), tuple(left_out), tuple(unmatched))


def _operations(document: ApiDocument, left_out: list[NoTool]) -> Iterator[_Operation]:
    for path, entry in document.part("paths").items():
        if not path.startswith("/"):
            continue
        try:
            item, where = document.resolve(entry)
        except OpenApiError as error:
            left_out.append(NoTool(path, str(error)))
            continue
        for method in _METHODS:
            document.count()
            node = item.get(method)
            if not isinstance(node, dict):
                continue
            own, tags = node.get("operationId"), node.get("tags")
            words = tuple(tag for tag in tags[:_MOST_TAGS] if isinstance(tag, str)) if isinstance(tags, list) else ()
            id_ = own[:_LONGEST_ID] if isinstance(own, str) else ""
            yield _Operation(method.upper(), path, id_, words, node, item, where)


def _names(operations: Sequence[_Operation]) -> list[str]:
    """Return the name of each operation. Those that want the same one all lose it: none gets another's."""
    wanted = [operation.wanted_name for operation in operations]
    often = Counter(wanted)
    return [name if often[name] == 1 else one.told_apart(name) for one, name in zip(operations, wanted, strict=True)]


def _is_chosen(operation: _Operation, name: str, chosen: Sequence[str]) -> bool:
    if not chosen:
        return True
    for word in chosen:
        if word.startswith(TAG):
            if any(fnmatchcase(tag, word.removeprefix(TAG)) for tag in operation.tags):
                return True
        elif fnmatchcase(operation.id, word) or fnmatchcase(name, word):
            return True
    return False


def _usual_servers(document: ApiDocument, operations: Sequence[_Operation]) -> list[Any]:
    """Return the URLs of the description's servers, those that most operations name where it names none itself."""
    if usual := _urls(document.root.get("servers")):
        return usual
    own = [_urls(node.get("servers")) for operation in operations for node in (operation.item, operation.node)]
    often = Counter(json.dumps(urls) for urls in own if urls)
    return next(urls for urls in own if json.dumps(urls) == often.most_common(1)[0][0]) if often else []


def _check_servers(operation: _Operation, usual: list[Any]) -> None:
    """Refuse an operation that has servers of its own: Kong has one service for the API."""
    for node in (operation.item, operation.node):
        own = _urls(node.get("servers"))
        if own and own != usual:
            raise OpenApiError("has servers of its own, so it is not where Kong serves the API")


def _urls(servers: Any) -> list[Any]:
    urls = (
        [server.get("url") for server in servers[:_MOST_SERVERS] if isinstance(server, dict)]
        if isinstance(servers, list)
        else []
    )
    return [url.removeprefix("https:").removeprefix("http:") if isinstance(url, str) else None for url in urls]


def _way(operation: _Operation, arguments: Arguments) -> str:
    """Return what a tool calls, and a digest of how, to stand where pins hold it."""
    sent = repr((operation.method, operation.path, arguments.parameters, arguments.body))
    return f"{operation.method} {operation.path} {hashlib.sha256(sent.encode()).hexdigest()[:_DIGITS_OF_WAY]}"


def _item(name: str, operation: _Operation, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a tool as it is listed (2025-11-25, server/tools)."""
    title = text_of(operation.node, "summary", _LONGEST_TITLE)
    about = text_of(operation.node, "description", _LONGEST_DESCRIPTION)
    described = about if about.startswith(title) else f"{title}\n\n{about}".strip()
    if operation.node.get("deprecated") is True:
        described = f"Deprecated. {described}"
    reads = operation.method == "GET"  # RFC 9110, section 9.2.1
    hints: dict[str, Any] = {"readOnlyHint": reads, "openWorldHint": True}
    if not reads:
        # Section 9.2.2: PUT and DELETE may be repeated.
        hints |= {
            "destructiveHint": operation.method != "POST",
            "idempotentHint": operation.method in {"PUT", "DELETE"},
        }
    return {
        "name": name,
        **({"title": title} if title else {}),
        "description": described or f"{operation.method} {operation.path}",
        "inputSchema": schema,
        "annotations": hints,
    }
