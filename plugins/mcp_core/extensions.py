"""Skills and apps: which resources are theirs. Policies name them, or they do not exist.

A skill's files and an app's pages are resources, which any policy for resources would let pass; but a SKILL.md is text
that a model obeys, and a page is code that runs beside a person. So they are ruled by globs of their own, `skills` and
`apps`. Sources: SEP-2640 (ext-skills, specification/stable/skills.mdx) and SEP-1865 (ext-apps, 2026-01-26/apps.mdx).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from mcp_core import uris
from mcp_core.keys import alike
from mcp_core.methods import Kind

SKILL_FILE: Final = "SKILL.md"
"""The file at the root of every skill; it stands in the URI (Resource Mapping)."""
_SKILL: Final = "skill:"
_APP: Final = "ui:"

# Readers drop blanks and controls, and unwrap <URL:...>.
_DROPPED: Final = re.compile(r"[\x00-\x20\x7f]")
_WRAPPED: Final = re.compile(r"(?:<|url:)+")
_END: Final = re.compile(r"[?#>]")
_DEEPEST: Final = 64
"""Directories above a file that are looked at."""
_SLASHES: Final = re.compile(r"[/\\]+")


def kind_of(uri: str) -> Kind:
    """Return by which globs of a policy a resource is ruled: those of SKILL, APP, or RESOURCE.

    A URI that any reader could take for a skill's or an app's is one, however it is spelled.
    """
    lower = uri.lower()
    if "%" not in uri and uri.isascii() and uri.isprintable() and "skill" not in lower and "ui:" not in lower:
        return Kind.RESOURCE
    for reading in uris.readings(uri) or [uri]:
        plain = _WRAPPED.sub("", _DROPPED.sub("", alike(reading)), count=1) if reading else ""
        if plain.startswith(_APP):
            return Kind.APP
        if plain.startswith(_SKILL) or _last(plain) == SKILL_FILE.lower():
            return Kind.SKILL
    return Kind.RESOURCE


def _last(plain: str) -> str:
    path = _END.split(plain, maxsplit=1)[0]
    segments = [one for one in _SLASHES.split(path) if one.strip(". ")]
    return segments[-1].partition(";")[0].rstrip(". ") if segments else ""


def skills_above(uri: str) -> Iterator[str]:
    """Give the URIs of the SKILL.md of every skill that a file could be of: the innermost first.

    A skill's root is the directory of its SKILL.md; skills nest (Nested Skills).
    """
    head, slash, _ = uri.rpartition("/")
    for _ in range(_DEEPEST):
        if not slash or head.endswith(("/", ":")):
            return
        yield f"{head}/{SKILL_FILE}"
        head, slash, _ = head.rpartition("/")


def root_of(uri: str) -> str:
    """Return the directory of a skill, by the URI of its SKILL.md, with a slash at its end."""
    return uri.removesuffix(SKILL_FILE)
