"""Lists without pins: an item whose text would steer a model is left out of what an agent is shown.

Where pins are enforced, what was found waits for a person, and nothing is to be done here. A version is read once for
as long as it is remembered, so a list that an agent asks for again costs a digest an item.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, Final

from mcp_core.inspection import Mode
from mcp_core.keys import Keys
from mcp_core.methods import SKILL, SURFACE_KEYS
from mcp_core.outcome import INVALID_PARAMS
from mcp_core.pins.canonical import canonical, digest_of
from mcp_core.pins.states import Pinning
from mcp_core.results import ResultFindings
from mcp_core.scan import ItemKind, ScanConfigError, Severity
from mcp_core.terms import Terms
from mcp_sidecar.lane.pausing import Pausing
from mcp_sidecar.store.sightings import AS_SHIPPED, Sighting, scanner_of, weighty

REMEMBERED: Final = 50_000
"""How many versions' reports a process keeps, of all servers: some 20 MB."""
_NAMED: Final = 5
"""How many of the items that were found are named."""
_NAME: Final = 64
_TELLS: Final = "override"
"""What an honest server's instructions do too: they tell a model how to work. It is only told of them."""
_INSTRUCTIONS: Final = ItemKind.INSTRUCTIONS.value
_SPELLINGS: Final = Keys.of({_INSTRUCTIONS})

_Found = tuple[tuple[str, ...], bool]
"""Ids of the rules that hold, sorted, and whether one of them blocks."""


class Readings:
    """What was found in versions that were read, those that were asked for last. Threads may share it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ItemKind, str, str], _Found] = OrderedDict()
        self._lock = Lock()

    def of(self, settings: str, seen: Sighting, around: str, read: Callable[[], _Found]) -> _Found:
        """Return what was found in a version beside the tools that `around` stands for; it is read where not known."""
        key = (settings, seen.kind, seen.digest, around)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = read()
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > REMEMBERED:
                self._kept.popitem(last=False)
        return found


class ListScreen(Pausing):
    """How the items of the answers to one request are read. `found` is about the last text.

    `settings` are the scanner's, as canonical JSON. Those that only another release knows leave the scanner as shipped.
    """

    def __init__(self, settings: str, readings: Readings, *, block: bool) -> None:
        try:
            self._scanner = scanner_of(settings)
        except ScanConfigError:
            settings, self._scanner = AS_SHIPPED, scanner_of(AS_SHIPPED)
        self._settings = settings
        self._readings = readings
        self._block = block
        self.found: list[ResultFindings] = []

    def revise(self, message: dict[str, Any]) -> bool:
        """Take out of a message what must not be shown, and return whether anything was taken out."""
        result = message.get("result")
        if not isinstance(result, dict):
            return False
        changed = self._single(message, result)
        for key, (_, named) in SURFACE_KEYS.items():
            if key in result:
                kept = self._list(ItemKind(key), named, result[key])
                changed = changed or len(kept) != len(result[key])
                result[key] = kept
        # What only some readers take for instructions is read as they would.
        for key in [one for one in result if one == _INSTRUCTIONS or _SPELLINGS.could_be(one)]:
            rules, blocks = self._read(ItemKind.INSTRUCTIONS, "", {_INSTRUCTIONS: result[key]})
            if self._tell(rules, (), blocks=blocks):
                del result[key]
                changed = True
        return changed

    def _single(self, message: dict[str, Any], result: dict[str, Any]) -> bool:
        """Put an error in the place of a single skill that must not be shown."""
        skill = result.get(SKILL)
        if not isinstance(skill, dict):
            return False
        rules, blocks = self._read(ItemKind.SKILL, skill["uri"], skill)
        if not self._tell(rules, (skill["uri"],), blocks=blocks):
            return False
        del message["result"]
        message["error"] = {"code": INVALID_PARAMS, "message": f"Unknown resource: {skill['uri'][:256]}"}
        return True

    def _list(self, kind: ItemKind, named: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        siblings = frozenset(item[named] for item in items) if kind is ItemKind.TOOL else frozenset[str]()
        around = digest_of(canonical(sorted(siblings)))
        kept: list[dict[str, Any]] = []
        out: dict[tuple[str, ...], list[str]] = {}
        for item in items:
            rules, blocks = self._read(kind, item[named], item, siblings, around)
            if blocks:
                out.setdefault(rules, []).append(item[named])
            elif rules:
                self._tell(rules, (item[named],), blocks=False)
            if not blocks or not self._block:
                kept.append(item)
        for rules, names in out.items():
            self._tell(rules, names, blocks=True)
        return kept

    def _tell(self, rules: tuple[str, ...], names: Any, *, blocks: bool) -> bool:
        """Note what was found, and return whether it keeps the item from being shown."""
        withheld = blocks and self._block
        if rules:
            told = tuple(name[:_NAME] for name in names)[:_NAMED]
            self.found.append(ResultFindings(rules, withheld, where="lists", items=told))
        return withheld

    def _read(
        self, kind: ItemKind, name: str, item: dict[str, Any], siblings: frozenset[str] = frozenset(), around: str = ""
    ) -> _Found:
        self._rest()

        def read() -> _Found:
            findings = weighty(self._scanner.scan_item(kind, item, siblings - {name}).findings)
            bad = [finding for finding in findings if finding.severity is Severity.BLOCK]
            if kind is ItemKind.INSTRUCTIONS:
                bad = [finding for finding in bad if finding.family != _TELLS]
            blocking = tuple(sorted({finding.rule for finding in bad}))
            return (blocking, True) if blocking else (tuple(sorted({finding.rule for finding in findings})), False)

        return self._readings.of(self._settings, Sighting.of(kind, name, item), around, read)


def screen_of(terms: Terms, readings: Readings) -> ListScreen | None:
    """Return how lists are read for a caller, or None where they are not, or pins hold what was found."""
    mode = terms.inspection.lists
    if mode is Mode.OFF or terms.pins is Pinning.ENFORCE:
        return None
    # Kept with each reading: one text for all of them.
    return ListScreen(sys.intern(canonical(terms.scan)), readings, block=mode is Mode.BLOCK and terms.enforce)
