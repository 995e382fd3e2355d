"""Which packages an extra of kong-mcp pulls in, under which licences, as the installed metadata says."""

import tomllib
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = ("sidecar", "devkit", "postgres")
"""What users install; `dev` is for those who work on it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One package with its version, its licence (an SPDX expression where it gives one) and what it needs itself."""

    name: str
    version: str
    licence: str
    needs: tuple[str, ...]


def parts(*extras: str) -> dict[str, Part]:
    """Return the packages that kong-mcp with these extras needs on this machine, by name."""
    wanted = [*PROJECT["dependencies"], *(one for extra in extras for one in PROJECT["optional-dependencies"][extra])]
    found: dict[str, Part] = {}
    open_ones = [(needed.name, frozenset(needed.extras)) for needed in map(Requirement, wanted) if _here(needed)]
    seen = set()
    while open_ones:
        name, chosen = open_ones.pop()
        name = canonicalize_name(name)
        if (name, chosen) in seen:
            continue
        seen.add((name, chosen))
        needs = [one for one in map(Requirement, distribution(name).requires or []) if _here(one, chosen)]
        open_ones += [(need.name, frozenset(need.extras)) for need in needs]
        before = found[name].needs if name in found else ()
        names = {*before, *(canonicalize_name(need.name) for need in needs)}
        found[name] = Part(name, distribution(name).version, licence(name), tuple(sorted(names)))
    return dict(sorted(found.items()))


def licence(name: str) -> str:
    """Return what a package says of its licence, in the order in which packaging came to say it."""
    about = distribution(name).metadata
    if expression := about.get("License-Expression"):
        return expression
    classes = [one.rpartition(" :: ")[2] for one in about.get_all("Classifier") or [] if one.startswith("License ::")]
    short = (about.get("License") or "").strip().splitlines()
    return "; ".join(one for one in classes if one != "OSI Approved") or (short[0] if short else "not stated")


def _here(needed: Requirement, extras: frozenset[str] = frozenset()) -> bool:
    return needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras or {""})
