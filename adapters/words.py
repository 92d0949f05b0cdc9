"""Words of any language, good enough to see whether two texts speak of the same thing.

Scripts written with spaces give stemmed words; scripts written without (Han, kana, Thai, Lao, Khmer,
Burmese) and Hangul, whose endings vary, give overlapping pairs of characters.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

PAIRED: Final = re.compile(  # runs of what is compared by pairs of characters
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Burmese
    "\u1780-\u17ff"  # Khmer
    "\u3040-\u30ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"  # Han
    "\uac00-\ud7af"  # Hangul
    "]+"
)
_LETTERS: Final = re.compile(r"[^\W_]+")
_MAY_BE_MARK: Final = re.compile("[\u0300-\u1fff\u20d0-\u20ff\u2cef-\U0010ffff]")  # all marks, and letters too
_ASCII_WORD: Final = re.compile("[a-z0-9]+")
_STEM_LENGTH: Final = 6  # longer words are compared by their beginnings
_SHORTEST_STEM: Final = 3
_ENDINGS: Final = ("ing", "ies", "ed", "es", "s", "e", "y")


def terms(text: str) -> list[str]:
    """The comparable words of `text`, in order, repeats kept; empty for text without letters or digits."""
    if text.isascii():
        return [_stem(word) for word in _ASCII_WORD.findall(text.lower())]
    found: list[str] = []
    for word in runs(unicodedata.normalize("NFKC", text).casefold()):
        position = 0
        for run in PAIRED.finditer(word):
            if run.start() > position:
                found.append(_stem(word[position : run.start()]))
            found.extend(_pairs(run.group()))
            position = run.end()
        if position < len(word):
            found.append(_stem(word[position:]))
    return found


def overlap(wanted: Mapping[str, float], text: str) -> float:
    """The part, 0 to 1, of the wanted terms' weight that `text` has."""
    total = sum(wanted.values())
    if not total:
        return 0.0
    present = set(terms(text))
    return sum(weight for term, weight in wanted.items() if term in present) / total


def runs(text: str) -> Iterator[str]:
    """The words of a text as they stand: letters and digits with the marks upon them."""
    if not _MAY_BE_MARK.search(text):
        yield from _LETTERS.findall(text)
        return
    start: int | None = None
    end = 0
    for found in _LETTERS.finditer(text):
        if start is None or found.start() > end:
            if start is not None:
                yield text[start:end]
            start = found.start()
        end = found.end()
        # marks belong to the word: without them Devanagari and Thai fall into pieces
        while end < len(text) and unicodedata.category(text[end])[0] == "M":
            end += 1
    if start is not None:
        yield text[start:end]


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    if word.isascii():
        for ending in _ENDINGS:
            if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
                word = word[: -len(ending)]
                break
    return word if word[0].isdigit() else word[:_STEM_LENGTH]


def _pairs(run: str) -> list[str]:
    return [run] if len(run) == 1 else [run[i : i + 2] for i in range(len(run) - 1)]
