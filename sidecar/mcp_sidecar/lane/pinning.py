"""Pins in the inspect lane: of what a server answers, only the versions that are open go on to an agent."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from mcp_core.claims import Claims, Target
from mcp_core.keys import Keys
from mcp_core.methods import READ_DIRECTORY, SKILL, SURFACE_KEYS
from mcp_core.outcome import INVALID_PARAMS
from mcp_core.pins.canonical import canonical
from mcp_core.pins.states import Pinning, Trust
from mcp_core.scan import ItemKind
from mcp_core.skill_files import is_entry
from mcp_core.terms import Terms
from mcp_sidecar.store.sightings import TRUST, Sighting
from mcp_sidecar.surface.pin_metrics import PinMetrics
from mcp_sidecar.surface.surfaces import Surfaces

INSTRUCTIONS: Final = ItemKind.INSTRUCTIONS.value
_SPELLINGS: Final = Keys.of({INSTRUCTIONS})


class Pins:
    """How pins see the answers of one request. Texts come one after the other: each is revised, then learnt from."""

    def __init__(
        self,
        terms: Terms,
        target: Target,
        surfaces: Surfaces | None,
        metrics: PinMetrics,
        *,
        lists_files: bool = False,
    ) -> None:
        """Take whether what is listed are files of skills, which their skills' entries speak for."""
        self._lists_files = lists_files
        self._server = target.server
        self._address = target.address
        self.enforces = terms.pins is Pinning.ENFORCE
        self._mode = terms.pins.value
        self._scan = canonical(terms.scan)
        self._foreign = terms.scan.get(TRUST) == Trust.FOREIGN
        self._surfaces = surfaces
        self._metrics = metrics
        self._seen: list[Sighting] = []
        self._judged: tuple[int, bool] | None = None
        self.judged_by: tuple[int, bool] | None = None
        """What was known of the server's items when the last text was judged, None where there was nothing to judge."""
        self.showed_all = True
        """Whether all of them were open."""
        self._unapproved: Counter[ItemKind] = Counter()

    def revise(self, message: dict[str, Any]) -> bool:
        """Take out of a message what is not open, and return whether anything was taken out."""
        result = message.get("result")
        if not isinstance(result, dict):
            return False
        changed = self._single(message, result)
        for key, (_, named) in SURFACE_KEYS.items():
            if key in result and not (key == "resources" and self._lists_files):
                kept = [item for item in result[key] if self._shows(ItemKind(key), item[named], item)]
                changed = changed or len(kept) != len(result[key])
                result[key] = kept
        for key in [one for one in result if one == INSTRUCTIONS or _SPELLINGS.could_be(one)]:
            text = result[key]
            exact = key == INSTRUCTIONS and isinstance(text, str)
            # What only some readers take for instructions is never open.
            if not (self.passes(ItemKind.INSTRUCTIONS, "", {key: text}) if exact else not self.enforces):
                del result[key]
                changed = True
        return changed

    def _single(self, message: dict[str, Any], result: dict[str, Any]) -> bool:
        """Put an error in the place of a single skill that is not open."""
        skill = result.get(SKILL)
        if not isinstance(skill, dict) or self._shows(ItemKind.SKILL, skill["uri"], skill):
            return False
        del message["result"]
        message["error"] = {"code": INVALID_PARAMS, "message": f"Unknown resource: {skill['uri'][:256]}"}
        return True

    def _shows(self, kind: ItemKind, name: str, item: dict[str, Any]) -> bool:
        """Return whether an item passes. An entry of a skill that hosts must not load is never open."""
        sound = kind is not ItemKind.SKILL or is_entry(item)
        return self.passes(kind, name, item) if sound else not self.enforces

    async def learn(self) -> bool:
        """Have the store know what the last text held. Returns whether the text is to be revised again.

        That is so whenever anything of the server changed since its first item was judged, whoever wrote that down.
        """
        seen, judged = self._seen, self._judged
        self._seen, self._judged = [], None
        if self._surfaces is not None:
            await self._surfaces.learn(self._server, seen, self._scan)
            await self._surfaces.reach(self._server, self._address)
            if judged is not None and judged != self._surfaces.view(self._server):
                self._unapproved.clear()
                return True
        self.count()
        return False

    def count(self) -> None:
        """Count what of the last text is not open, once it was judged for good."""
        for kind, count in self._unapproved.items():
            self._metrics.unapproved.labels(self._server, kind.value, self._mode).inc(count)
        self._unapproved.clear()
        self._seen, self._judged = [], None

    def passes(self, kind: ItemKind, name: str, item: dict[str, Any]) -> bool:
        """Return whether this version of an item goes on to the agent, and note that it was seen."""
        if self._surfaces is None:
            return not self.enforces
        if self._judged is None:
            self._judged = self.judged_by = self._surfaces.view(self._server)
            self.showed_all = True
        sighting = Sighting.of(kind, name, item)
        # What a look opened before a guard said whose server it is has waited for nobody.
        waits = self._foreign and not self._surfaces.is_foreign(self._server)
        shown = not waits and self._surfaces.shown(self._server, kind, name, sighting.digest)
        self._seen.append(sighting)
        if not shown:
            self.showed_all = False
            self._unapproved[kind] += 1
        return bool(shown) or not self.enforces


def pins_of(claims: Claims, target: Target, surfaces: Surfaces | None, metrics: PinMetrics) -> Pins | None:
    """Return how pins see the answer to a request, or None where they have nothing to do with it."""
    terms = claims.terms
    lists_files = claims.method == READ_DIRECTORY
    return None if terms.pins is Pinning.OFF else Pins(terms, target, surfaces, metrics, lists_files=lists_files)
