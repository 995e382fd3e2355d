"""What a reviewer must know of a server that somebody asks for, and the server file that would bring it in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kong_mcp.declare.new_file import server_text
from mcp_core.methods import SURFACE_KEYS
from mcp_core.pins.canonical import field_digests
from mcp_core.pins.states import Pinning, Trust
from mcp_core.scan import ItemKind, Report, Scanner, Verdict
from mcp_core.scan.excerpt import escaped
from mcp_core.scan.items import KIND_WORDS
from mcp_sidecar.store.sightings import Sighting
from mcp_sidecar.store.values import ItemId
from mcp_sidecar.surface.lockfile import FIELD_HEX, Locked

_ALLOWED: Final = {ItemKind.TOOL: "tools", ItemKind.PROMPT: "prompts", ItemKind.RESOURCE: "resources"}
_MOST: Final = 200
"""Characters of a text of the server in a review, and items that are named in full."""


@dataclass(frozen=True, slots=True)
class SeenItem:
    """One item of the server, and what the scanner says of it."""

    kind: ItemKind
    name: str
    item: Mapping[str, Any]
    report: Report

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found that would hold it back."""
        return self.report.verdict is not Verdict.BLOCK

    @property
    def label(self) -> str:
        """What it is called where people read: ASCII, on one line."""
        return f"{KIND_WORDS[self.kind]} {escaped(self.name)[:_MOST]}".strip()


@dataclass(frozen=True, slots=True)
class ServerRequest:
    """Who asks for which server, and what its file is to say: title, description, owner."""

    name: str
    url: str
    address: str
    requester: str
    said: Mapping[str, str]


def scanned(surface: Mapping[str, Any]) -> list[SeenItem]:
    """Return all items of a surface (scan_live.fetch_surface), as far as they have names, with what was found."""
    found: list[tuple[ItemKind, str, Mapping[str, Any]]] = []
    instructions = surface.get("instructions")
    if isinstance(instructions, str):
        found.append((ItemKind.INSTRUCTIONS, "", {ItemKind.INSTRUCTIONS.value: instructions}))
    for key, (_, named) in SURFACE_KEYS.items():
        items = surface.get(key, ())
        found += [
            (ItemKind(key), one[named], one)
            for one in items
            if isinstance(one, dict) and isinstance(one.get(named), str)
        ]
    reports = Scanner().scan_surface(surface)
    return [SeenItem(kind, name, item, reports[kind, name]) for kind, name, item in found if (kind, name) in reports]


def file_text(request: ServerRequest, items: Sequence[SeenItem], schema: str | None) -> str:
    """Return the server file: pins are enforced, everything waits for a person, and what was found is not allowed."""
    allow = {
        word: {"allow": [item.name for item in items if item.kind is kind and item.is_clean and "*" not in item.name]}
        for kind, word in _ALLOWED.items()
    }
    values = {
        **request.said,
        **{word: one for word, one in allow.items() if one["allow"]},
        "name": request.name,
        "replicas": [request.url],
        "pins": {"mode": Pinning.ENFORCE.value, "trust": Trust.FOREIGN.value},
    }
    return server_text(values, schema)


def locked(request: ServerRequest, items: Iterable[SeenItem]) -> dict[ItemId, Locked]:
    """Return the pins: the digests of what is clean, as `kong-mcp surface approve --lock` takes them."""
    pins = {}
    for seen_item in items:
        if seen_item.is_clean:
            fields = {name: digest[:FIELD_HEX] for name, digest in sorted(field_digests(seen_item.item).items())}
            digest = Sighting.of(seen_item.kind, seen_item.name, seen_item.item).digest
            pins[ItemId(request.name, seen_item.kind, seen_item.name)] = Locked(digest, fields)
    return pins


def description(request: ServerRequest, items: Sequence[SeenItem]) -> str:
    """Return the review in Markdown. Texts of the server stand in it as code, in ASCII, one line each."""
    return "\n".join([*_head(request, items), *_found(items), *_listed(items), *_decisions(request, items), ""])


def _code(text: str) -> str:
    """Return a text as code that ends nowhere but at its end."""
    return f"`{escaped(text)[:_MOST].replace('`', chr(39))}`"


def _head(request: ServerRequest, items: Sequence[SeenItem]) -> Iterator[str]:
    yield f"Bring in the MCP server {request.name}"
    yield ""
    yield f"- asked for by: {_code(request.requester)}"
    yield f"- URL: {_code(request.url)}, which led to {_code(request.address)}"
    yield f"- owner: {_code(request.said['owner'])}" if request.said.get("owner") else "- owner: nobody is named"
    blocked = sum(not item.is_clean for item in items)
    yield f"- {len(items)} items were seen; {blocked} of them read like texts that would steer a model"


def _found(items: Sequence[SeenItem]) -> Iterator[str]:
    bad = [item for item in items if item.report.findings]
    if bad:
        yield from ("", "## What the scanner found", "")
    for item in bad[:_MOST]:
        yield f"- {_code(item.label)}{'' if item.is_clean else ': not allowed, and not pinned'}"
        for finding in item.report.findings:
            yield f"  - {finding.message} At {_code(finding.path)}: {_code(finding.excerpt)}"


def _listed(items: Sequence[SeenItem]) -> Iterator[str]:
    yield from ("", "## What it offers", "")
    for seen_item in items[:_MOST]:
        text = seen_item.item.get("description") or seen_item.item.get(ItemKind.INSTRUCTIONS.value) or ""
        yield f"- {_code(seen_item.label)}{f': {_code(text)}' if isinstance(text, str) and text else ''}"
    if len(items) > _MOST:
        yield f"- and {len(items) - _MOST} more"


def _decisions(request: ServerRequest, items: Sequence[SeenItem]) -> Iterator[str]:
    yield from ("", "## To decide", "")
    if not request.said.get("owner"):
        yield "- [ ] Who answers for it? Write `owner` into the file."
    yield "- [ ] Is the URL the right one, and may the gateway reach it?"
    yield "- [ ] Whose server is it? `pins.trust` says foreign: every change waits for a person. known, own wait less."
    yield "- [ ] Who may use it? Everybody who has a key may use what is listed under `allow`; `rules` narrow it."
    yield "- [ ] Does it need a credential of its own? None stands in the file (docs/server-file.md, Secrets)."
    yield "- [ ] Do descriptions and schemas say what the tools do? What is in mcp.lock is what agents get."
    if any(not item.is_clean for item in items):
        yield "- [ ] What the scanner found is left out. Let the server's owner change it, or allow it by hand."
    yield from ("", "After the merge: decK syncs the file, the sidecar looks, and")
    yield f"`kong-mcp surface approve --lock mcp.lock --why 'review of {request.name}'` opens what was reviewed."
