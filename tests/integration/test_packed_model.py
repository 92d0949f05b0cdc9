"""A BERT computed with weights laid out for the processor gives the vectors of the plain one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.embedding.model import MIN_COSINE, SentenceTransformerModel, Vectors
from tests.samples.models import tiny_model

TEXTS = ["a", "the harbour office", "vessels, cargo and the hour of their arrival; " * 9, "grain 7"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def model(folder: Path) -> SentenceTransformerModel:
    return SentenceTransformerModel(str(folder), dtype="float32")


def plain(folder: Path, tokens: list[list[int]]) -> Vectors:
    """Each text alone, by sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(folder), local_files_only=True, device="cpu").eval()
    texts = theirs.tokenizer.batch_decode(tokens, skip_special_tokens=True)
    vectors: Vectors = np.vstack([theirs.encode([text], normalize_embeddings=True) for text in texts])
    return vectors


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_vectors_are_those_of_the_plain_model(folder: Path, model: SentenceTransformerModel, name: str) -> None:
    """Texts of any length, alone and padded to the longest of a batch."""
    import torch

    from adapters.embedding.packed import packed

    tokens = model.tokenise(TEXTS)
    exact = plain(folder, tokens)
    form = packed(bare(folder), getattr(torch, name))
    assert form is not None
    model._form = form

    together, alone = model.encode(tokens), np.vstack([model.encode([each]) for each in tokens])

    least = 0.99999 if name == "float32" else MIN_COSINE
    assert (together * exact).sum(axis=1).min() > least
    assert (alone * exact).sum(axis=1).min() > least


@pytest.mark.parametrize("mode", ["mean", "cls", "max"])
def test_whatever_stands_behind_the_encoder(folder: Path, model: SentenceTransformerModel, mode: str) -> None:
    """Pooled from rows without padding, or by sentence-transformers' own modules: the same, neighbours or not."""
    import torch
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    from adapters.embedding.packed import packed

    theirs = bare(folder)
    theirs[1] = Pooling(theirs[1].embedding_dimension, pooling_mode=mode)
    theirs.append(Normalize())
    texts = ["a b", "c d", *TEXTS, "e f"]
    exact = theirs.encode(texts, normalize_embeddings=True)
    form = packed(theirs, torch.float32)
    assert form is not None
    model._form = form

    assert (model.encode(model.tokenise(texts)) * exact).sum(axis=1).min() > 0.99999


def test_what_is_no_bert_is_left_as_it_is(folder: Path) -> None:
    """Another architecture, or another activation, is not computed in BERT's way."""
    import torch

    from adapters.embedding.packed import packed

    other = bare(folder)
    other[0].model.config.hidden_act = "relu"

    assert packed(other, torch.float32) is None
    assert packed([torch.nn.Linear(2, 2)], torch.float32) is None


@pytest.mark.parametrize("dtype", ["auto", "float32", "bfloat16"])
def test_every_choice_keeps_the_vectors(folder: Path, dtype: Any) -> None:
    """Whatever form is found fastest, and whichever type was asked for."""
    chosen = SentenceTransformerModel(str(folder), dtype=dtype)
    tokens = chosen.tokenise(TEXTS)

    assert dtype in {"auto", chosen.dtype}
    assert (chosen.encode(tokens) * plain(folder, tokens)).sum(axis=1).min() > MIN_COSINE


def test_a_processor_that_cannot_keeps_the_plain_form(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found out while it computes, as on a processor without the instructions."""
    import torch

    from adapters.embedding import packed

    def cannot(*_: object) -> None:
        raise RuntimeError("mkldnn: not on this device")

    monkeypatch.setattr(packed._Linear, "__call__", cannot)
    chosen = SentenceTransformerModel(str(folder), dtype="float32")

    assert packed.packed(bare(folder), torch.float32) is not None
    assert chosen.dtype == "float32"
    assert chosen.encode(chosen.tokenise(TEXTS)).shape == (len(TEXTS), chosen.dimensions)


def bare(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), local_files_only=True, device="cpu").eval()
