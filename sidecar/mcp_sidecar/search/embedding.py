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


def whole(vectors: NDArray[np.float32]) -> Vectors:
    """Return vectors of length SCALE in whole numbers, and zeros as they are."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths == 0] = 1.0
    return np.asarray(np.rint(vectors * (SCALE / lengths)), dtype=np.float32)
