"""Labels of flow rules that the words of an item speak for: a proposal for the person who writes its server's file.

A proposal is never in force. It only adds: a word, an argument's name, or a hint of the server each speak for a label,
and nothing speaks against one, for a server's word about itself is a hint (2025-11-25, server/tools, annotations). An
item of which nothing speaks is left out, and then counts as if it had all labels.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp_core.adaptive.flow import ReadLabel
from mcp_core.pins.effects import Effect, effects_of
from mcp_core.scan import ItemKind


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_STRANGERS: Final = _set(
    """
    chat comment comments crawl discussion email emails feed forum gmail html inbox issue issues mail mails
    mailbox message messages news page pages pr pull reddit review reviews rss scrape slack social thread ticket
    tickets tweet tweets url web webpage website wiki
    """
)
"""Words of what strangers write, in names and titles."""
_OURS: Final = _set(
    """
    account accounts address billing branch calendar channel chat code commit commits contact contacts contract
    credential credentials crm customer customers database db dm document documents drive email emails employee
    employees event events file files folder folders gmail inbox invoice invoices key keys lead leads log logs
    mail mailbox mails memory message messages note notes order orders password passwords patient payment
    payments payroll profile query record records repo repository row rows salary schema secret secrets sql
    table tables token tokens transaction transactions user users vault
    """
)
"""Words of what must not leave the house."""
_SENDS: Final = _set(
    """
    announce book browse comment crawl download email fetch forward http invite mail navigate notify order pay
    post publish push reply request scrape send share submit transfer tweet upload webhook
    """
)
"""Words of what goes to others, a URL that is asked for included: it takes along whatever it holds."""
_ONLY_SENDS: Final = _set(
    """
    announce forward invite notify post publish push reply send share submit transfer tweet upload
    """
)
"""Words of _SENDS with which the name begins of what brings nothing back."""
_WAYS_OUT: Final = _set(
    """
    bcc callback cc endpoint href link recipient recipients to uri url urls webhook webhookurl website
    """
)
"""Names of arguments that say where something goes."""
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_MOST_TEXT: Final = 2_000


@dataclass(frozen=True, slots=True)
class Proposal:
    """Labels of one item; `because` has a few words for each of what speaks for it."""

    reads: frozenset[ReadLabel]
    external: bool
    because: tuple[str, ...]


def propose(kind: ItemKind, item: Mapping[str, Any]) -> Proposal | None:
    """Return the labels that speak for themselves of an item as it is listed, None where nothing speaks."""
    words = _words(item)
    # What only hands something on brings nothing back: with labels for reading, nobody could use it twice.
    sends = kind is ItemKind.TOOL and _first_word(item) in _ONLY_SENDS
    effects = effects_of(kind, item)
    says = effects.said == "server" and kind is ItemKind.TOOL
    because = [
        *_named("untrusted", () if sends else words & _STRANGERS),
        *_named("private", () if sends else words & _OURS),
        *_named("external", words & _SENDS if kind is ItemKind.TOOL else ()),
        *_named("external", _arguments(item) & _WAYS_OUT, "argument "),
    ]
    hints = item.get("annotations")
    open_world = isinstance(hints, Mapping) and hints.get("openWorldHint") is True
    if open_world and not sends:
        because.append("untrusted: openWorldHint")
    if open_world and says and Effect.WRITES in effects.labels:
        because.append("external: openWorldHint of what is not read-only")
    found = {one.partition(":")[0] for one in because}
    if not found:
        return None
    return Proposal(
        frozenset(read_label for read_label in ReadLabel if read_label in found), "external" in found, tuple(because)
    )


def _named(label: str, words: Collection[str], what: str = "") -> Iterator[str]:
    if words:
        yield f"{label}: {what}{', '.join(sorted(words)[:3])}"


def _words(item: Mapping[str, Any]) -> frozenset[str]:
    """Return the words of an item's name, title and URI, in lower case."""
    texts = (item.get(one) for one in ("name", "title", "uri", "uriTemplate"))
    return frozenset(
        word.lower() for text in texts if isinstance(text, str) for word in _WORD.findall(text[:_MOST_TEXT])
    )


def _first_word(item: Mapping[str, Any]) -> str:
    name = item.get("name")
    found = _WORD.search(name[:_MOST_TEXT]) if isinstance(name, str) else None
    return found[0].lower() if found else ""


def _arguments(item: Mapping[str, Any]) -> frozenset[str]:
    """Return the words of the names of a tool's arguments."""
    schema = item.get("inputSchema")
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    names = properties if isinstance(properties, Mapping) else ()
    return frozenset(word.lower() for name in names for word in _WORD.findall(str(name)[:_MOST_TEXT]))
