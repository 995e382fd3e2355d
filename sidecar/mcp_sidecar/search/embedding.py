"""Vectors of texts: near each other where the texts mean alike, also where they have no word in common.

A vector's numbers are whole, between -127 and 127. A product of two of them is then below 2**24 and exact in any order
of adding, so that a score is the same on every machine and whatever else is in the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float32]
"""One row a text; whole numbers."""

SCALE: Final = 127.0


class Embedder(Protocol):
    """A model that makes vectors of texts."""

    @property
    def name(self) -> str:
        """Return which model it is."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return a row for each text, made by `whole`; a row of zeros says that the text has no word that it knows."""


def whole(vectors: NDArray[np.float32], length: float = SCALE) -> Vectors:
    """Return vectors of one length, at most SCALE, in whole numbers, and zeros as they are."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths == 0] = 1.0
    return np.asarray(np.rint(vectors * (length / lengths)), dtype=np.float32)


class Joined:
    """Several models as one: a vector holds those of each beside each other, with the length that each is given.

    The product of two such vectors is the sum of the models' own, each by the square of its length.
    """

    def __init__(self, *parts: tuple[Embedder, float]) -> None:
        self._parts = parts
        self.name = "+".join(model.name for model, _ in parts)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return a row for each text."""
        return np.hstack([whole(model.embed(texts), length) for model, length in self._parts])
