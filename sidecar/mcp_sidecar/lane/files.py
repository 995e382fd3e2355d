"""Files of skills and pages of apps in the inspect lane: held to the skill's approved manifest, and to pins by content.

An answer does not say which file was asked for, but in the server's own words: so the request does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from mcp_core import jsonrpc, methods, uris
from mcp_core.claims import Claims
from mcp_core.extensions import kind_of, root_of, skills_above
from mcp_core.jsonrpc import NotStrictError
from mcp_core.keys import Keys
from mcp_core.loosejson import Doubled
from mcp_core.methods import CONTENTS, Kind
from mcp_core.outcome import FORBIDDEN
from mcp_core.pins.states import Pinning
from mcp_core.scan import ItemKind
from mcp_core.skill_files import as_item, child, is_as_said
from mcp_core.surface import ANSWER_LIMITS
from mcp_sidecar.lane.pinning import Pins
from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.store.values import ItemId, UnknownItemError
from mcp_sidecar.surface.surfaces import Surfaces

NO_SKILL: Final = "no approved skill lists it: ask skills/get for its skill first"
OTHER: Final = "it is not the file that its skill lists, by digest and size"
UNREADABLE: Final = "clients could read it differently"
UNAPPROVED: Final = "this version of it is not approved"
REPLAYED: Final = "a stream does not say which file it is of: read it again"
_SPELLINGS: Final = Keys.of({CONTENTS})
_DIRECTORY_KEY: Final = "resources"


class Files:
    """How the answer to one read is held. `manifests` are the open entries of the skills that the file could be of.

    None where it must be of one, and none is open. An app's page has none, and needs none.
    """

    def __init__(self, uri: str, pins: Pins, manifests: Sequence[Mapping[str, Any]] | None, *, of_skill: bool) -> None:
        self._uri = uri
        self._pins = pins
        self._manifests = manifests
        self._of_skill = of_skill
        self.why: str | None = None

    def revise(self, message: dict[str, Any]) -> bool:
        """Put an error in the place of what must not pass, and return whether that was done."""
        result = message.get("result")
        if not isinstance(result, dict) or CONTENTS not in result:
            return False
        self.why = self._problem(result)
        if self.why is None or not self._pins.enforces:
            return False
        _withhold(message, self.why)
        return True

    def _problem(self, result: dict[str, Any]) -> str | None:
        twice = isinstance(result, Doubled) and CONTENTS in result.twice
        item = None if twice or _SPELLINGS.misread(result) is not None else as_item(self._uri, result[CONTENTS])
        if item is None:
            return UNREADABLE
        if self._of_skill and not self._manifests:
            return NO_SKILL
        if self._of_skill and not is_as_said(item, self._manifests or ()):
            return OTHER
        return None if self._pins.passes(ItemKind.FILE, self._uri, item) else UNAPPROVED


class Directory:
    """How a listing of a directory is held: children of open skills alone, and nothing of them but what they are."""

    def __init__(self, roots: Sequence[str], *, enforce: bool) -> None:
        self._roots = roots
        self._enforce = enforce

    def revise(self, message: dict[str, Any]) -> bool:
        """Change a listing in place, and return whether it was one."""
        result = message.get("result")
        if not isinstance(result, dict) or not isinstance(listed := result.get(_DIRECTORY_KEY), list):
            return False
        result[_DIRECTORY_KEY] = [child(one) for one in listed if not self._enforce or self._is_of_skill(one["uri"])]
        return True

    def _is_of_skill(self, uri: str) -> bool:
        below = f"{uri.rstrip('/')}/"
        return any(uri.startswith(root) or root.startswith(below) for root in self._roots)


class NoReads:
    """On streams that answer what nobody knows, no read passes where any could be a skill's or an app's."""

    def revise(self, message: dict[str, Any]) -> bool:
        """Put an error in the place of a read, and return whether that was done."""
        result = message.get("result")
        if not isinstance(result, dict) or CONTENTS not in result:
            return False
        _withhold(message, REPLAYED)
        return True


def _withhold(message: dict[str, Any], why: str) -> None:
    del message["result"]
    message["error"] = {"code": FORBIDDEN, "message": f"The gateway withheld this file: {why}."}


async def files_of(
    claims: Claims, server: str, body: bytes, surfaces: Surfaces | None, pins: Pins | None
) -> Files | Directory | NoReads | None:
    """Return how an answer about files is held, or None where it is about none or nothing holds it."""
    view = claims.terms.view
    if pins is None or surfaces is None:
        return None
    if claims.http_method != "POST":
        return NoReads() if pins.enforces and (view.names(Kind.SKILL) or view.names(Kind.APP)) else None
    if claims.method == methods.READ_DIRECTORY:
        roots = [root_of(name) for name in surfaces.open_names(server, ItemKind.SKILL)]
        return Directory(roots, enforce=claims.terms.pins is Pinning.ENFORCE)
    uri = _asked(body) if claims.method == methods.READ_RESOURCE else None
    if uri is None:
        return None
    kind, above = kind_of(uri), [one for one in skills_above(uri) if surfaces.has(server, ItemKind.SKILL, one)]
    if kind is Kind.RESOURCE and not above and not _could_be_of(uri, surfaces.names(server, ItemKind.SKILL)):
        return None
    of_skill = kind is not Kind.APP or bool(above)
    return Files(uri, pins, await _manifests(surfaces, server, above), of_skill=of_skill)


def _could_be_of(uri: str, skills: list[str]) -> bool:
    """Return whether a server could take a URI for a file of one of these skills, of other schemes than skill:."""
    roots = tuple(root for skill in skills if not skill.startswith("skill:") for root in _roots_of(skill))
    if not roots:
        return False
    read = uris.readings(uri)
    if read is None or not all(map(uris.is_normal, read)):
        return True
    return any(form.startswith(roots) for form in uris.spellings(read))


@lru_cache(maxsize=4096)
def _roots_of(skill: str) -> tuple[str, ...]:
    return tuple(uris.denied(root_of(skill)))


async def _manifests(surfaces: Surfaces, server: str, above: Sequence[str]) -> list[Mapping[str, Any]] | None:
    """Return the entries of skills that are open, in all the versions that are; None where any of the skills is not."""
    opened = set(surfaces.open_names(server, ItemKind.SKILL))
    if not opened.issuperset(above):
        return None
    found: list[Mapping[str, Any]] = []
    for one in above:
        id_ = ItemId(server, ItemKind.SKILL, one)
        try:
            versions = await surfaces.ask(lambda store, id_=id_: store.approved(id_))  # type: ignore[misc]
        except (StoreError, UnknownItemError):
            return None
        # The one that was seen last: what an older one says of a file is no longer so.
        found += list(versions.values())[:1]
    return found


def _asked(body: bytes) -> str | None:
    try:
        value = jsonrpc.load(body, ANSWER_LIMITS)
    except NotStrictError:
        return None
    params = value.get("params") if isinstance(value, dict) else None
    uri = params.get("uri") if isinstance(params, dict) else None
    return uri if isinstance(uri, str) else None
