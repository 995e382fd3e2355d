"""WordLlama's vectors of 256 numbers, from the files of its package: nothing is fetched, and none of its code runs.

A text's vector is the mean of the vectors of its tokens: a table of 16 MB, and no network of neurons.
https://github.com/dleemiller/WordLlama, MIT.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from mcp_sidecar.search.embedding import Embedder, Vectors, whole

_WEIGHTS: Final = "weights/l2_supercat_256.safetensors"
_TOKENIZER: Final = "tokenizers/l2_supercat_tokenizer_config.json"
_LONGEST: Final = 8_000
"""Characters of one text that are read."""


class WordLlamaModel:
    """Makes vectors of texts. Raises ImportError or OSError where the extra `search` is not installed whole."""

    name = "wordllama-l2-supercat-256"

    def __init__(self, folder: Path) -> None:
        from safetensors.numpy import load_file  # noqa: PLC0415 - only the extra `search` has it
        from tokenizers import Tokenizer  # noqa: PLC0415 - as above

        (self._table,) = load_file(folder / _WEIGHTS).values()
        self._tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return a row for each text."""
        rows = np.zeros((len(texts), self._table.shape[1]), dtype=np.float32)
        read = [text[:_LONGEST] for text in texts]
        for row, encoded in zip(rows, self._tokenizer.encode_batch_fast(read, add_special_tokens=False), strict=True):
            if encoded.ids:
                row[:] = self._table[encoded.ids].astype(np.float32).mean(axis=0)
        return whole(rows)


def installed_embedder() -> Embedder | None:
    """Return the model of the extra `search` (pip install 'kong-mcp[search]'), or None: words are enough to search."""
    found = find_spec("wordllama")
    if found is None or not found.submodule_search_locations:
        return None
    return WordLlamaModel(Path(found.submodule_search_locations[0]))
