"""An OpenAPI 3 description as it was read: what its references mean.

Laws: a reference leads into this document, or into one of the documents that the operator named; a chain of references
that leads in a circle is an error of whatever refers to it, and of nothing else.
Source: OpenAPI 3.0.3 and 3.1.0, Reference Object; RFC 6901.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

MOST_HOPS: Final = 32
"""References that one reference may lead through."""
LONGEST_NAME: Final = 256
"""Characters of the name of a parameter, or of a member of an object."""
LONGEST_REFERENCE: Final = 2_000
MOST_STEPS: Final = 5_000_000
"""Steps that reading one description may take, some seconds: what is referred to from many places is read in each. The
dearest of 2,639 public descriptions takes a tenth of it."""


class OpenApiError(ValueError):
    """A description, or a part of it, cannot be used. The message says what was found, on one line."""


class TooMuchWorkError(OpenApiError):
    """The operations that are chosen take more work than one API may."""


class ApiDocument:
    """A description and the documents that it may refer to, by their names as its references write them.

    A place in it is (document, pointer): "" is the description itself.
    """

    def __init__(self, root: Any, others: Mapping[str, Any] | None = None) -> None:
        """Take what was read. Raises OpenApiError where it is no description that can be used."""
        if not isinstance(root, dict):
            raise OpenApiError("found no mapping; an OpenAPI 3 description begins with openapi: 3.0.3 or the like")
        version = root.get("openapi")
        if not isinstance(version, str) or not version.startswith("3."):
            is_old = "swagger" in root
            raise OpenApiError(
                "found Swagger 2; convert it to OpenAPI 3"
                if is_old
                else "found no `openapi: 3...`; name an OpenAPI 3 description"
            )
        if not isinstance(root.get("paths"), dict):
            raise OpenApiError("found no paths in it, so it has no operations")
        self.root: dict[str, Any] = root
        self.is_draft_2020 = not version.startswith("3.0")
        """Whether its schemas are JSON Schema 2020-12, where more may stand beside a reference (OpenAPI 3.1.0)."""
        self._others = dict(others or {})
        self._left = MOST_STEPS

    def count(self, steps: int = 1) -> None:
        """Count work that is done next. Raises TooMuchWorkError: the same long part may stand in every operation."""
        self._left -= steps
        if self._left < 0:
            raise TooMuchWorkError(f"the operations take more than {MOST_STEPS:,} steps to read; write `operations`")

    def place(self, reference: str, document: str) -> tuple[str, str]:
        """Return where a reference that stands in a document leads. Raises OpenApiError where it may not lead there."""
        if len(reference) > LONGEST_REFERENCE:
            raise OpenApiError(f"refers to {_shown(reference)}, which is longer than {LONGEST_REFERENCE:,} characters")
        name, _, pointer = reference.partition("#")
        if name and name not in self._others:
            raise OpenApiError(f"refers to {_shown(name)}, another document, which `references` does not name")
        return name or document, pointer

    def at(self, place: tuple[str, str]) -> Any:
        """Return what stands at a place. Raises OpenApiError where nothing does."""
        document, pointer = place
        if pointer and not pointer.startswith("/"):
            raise OpenApiError(f"refers to {_shown(f'{document}#{pointer}')}, an anchor; write the way to it, #/...")
        self.count(1 + pointer.count("/"))
        node: Any = self._others[document] if document else self.root
        for word in pointer.split("/")[1:] if pointer else ():
            key = unquote(word).replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict) and key in node:
                node = node[key]
            elif isinstance(node, list) and key.isascii() and key.isdecimal() and int(key[:9]) < len(node):
                node = node[int(key[:9])]
            else:
                raise OpenApiError(f"refers to {_shown(f'{document}#{pointer}')}, which is not there")
        return node

    def resolve(self, node: Any, document: str = "") -> tuple[dict[str, Any], str]:
        """Return the mapping that a node is or refers to, and the document that it stands in. Raises OpenApiError."""
        for _ in range(MOST_HOPS):
            if not isinstance(node, dict):
                raise OpenApiError("holds something else where a mapping belongs")
            reference = node.get("$ref")
            if not isinstance(reference, str):
                return node, document
            place = self.place(reference, document)
            node, document = self.at(place), place[0]
        raise OpenApiError("refers to itself, in a circle")

    def part(self, *names: str) -> dict[str, Any]:
        """Return a mapping of the description by the names that lead to it, an empty one where there is none."""
        node: Any = self.root
        for name in names:
            node = node.get(name) if isinstance(node, dict) else None
        return node if isinstance(node, dict) else {}


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 120 else text[:117] + "...")


def text_of(node: Mapping[str, Any], name: str, most: int) -> str:
    """Return a text of a mapping, no longer than so many characters; "" where there is none."""
    value = node.get(name)
    if not isinstance(value, str):
        return ""
    text = value[: 2 * most].strip()  # a long one may be looked at in every operation
    return text if len(text) <= most and len(value) <= 2 * most else text[: most - 4].rstrip() + " ..."
