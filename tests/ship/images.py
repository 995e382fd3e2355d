"""The base images of a release, by digest: what is built of a tag alone is other bytes tomorrow, and no release."""

import re
from collections.abc import Mapping

from ship.parts import ROOT

IMAGES = {"PYTHON_IMAGE": "python:3.13-slim-bookworm", "KONG_IMAGE": "kong:3.9.3-ubuntu"}
"""Variable of `make release` -> the image that kong/Dockerfile, compose.yaml and values.yaml name by its tag."""
FILES = ("Dockerfile", "compose.yaml")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}")


class UnpinnedImageError(ValueError):
    """An image of a release has no digest, or is another one; the message says what to write."""


def pinned(environment: Mapping[str, str]) -> dict[str, bytes]:
    """Return Dockerfile and compose.yaml with all base images by digest, {} where none was given.

    Raises:
        UnpinnedImageError: one is missing, has no digest, or is not the one that this release was tried with.
    """
    given = {name: environment.get(name, "") for name in IMAGES}
    if not any(given.values()):
        return {}
    texts = {name: (ROOT / "kong" / name).read_text(encoding="utf-8") for name in FILES}
    for name, tag in IMAGES.items():
        rest = given[name].removeprefix(tag)
        if rest == given[name] or not _DIGEST.fullmatch(rest):
            raise UnpinnedImageError(
                f"{name} is {given[name] or 'not set'}: write {name}={tag}@sha256:..., as "
                f"`docker buildx imagetools inspect {tag}` says (the digest of the index, its first line)"
            )
        texts = {file: re.sub(rf"{re.escape(tag)}(?![\w.@-])", given[name], text) for file, text in texts.items()}
    for file, text in texts.items():
        for image in re.findall(r"(?m)^(?:FROM| +image:) (\S+)", text):
            if image != "kong-mcp" and not _DIGEST.search(image):
                raise UnpinnedImageError(f"kong/{file} names {image} without a digest; add it to tests/ship/images.py")
    return {file: text.encode() for file, text in texts.items()}
