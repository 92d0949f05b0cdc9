"""Passages that say the same: of copies of one text in several documents a search shows the best once."""

import re
from typing import Final

from attrs import frozen

_ALIKE: Final = 0.95  # Jaccard index of two texts' words from which they count as one
_WORD: Final = re.compile(r"\w+")
_UNSPACED_WORD: Final = 20  # characters a word on average: a text with longer ones has no spaces between words
_SHINGLE: Final = 3  # characters, where there are no words to compare


@frozen
class Fingerprint:
    """What two texts are compared by.

    Copies with other figures are different texts: forms, invoices and yearly reports differ in nothing else.
    """

    words: frozenset[str]
    figures: frozenset[str]

    def is_copy_of(self, other: "Fingerprint") -> bool:
        """Whether the two differ in hardly a word and in no figure."""
        smaller, larger = sorted((len(self.words), len(other.words)))
        if smaller < _ALIKE * larger or self.figures != other.figures:
            return False
        shared = len(self.words & other.words)
        return shared >= _ALIKE * (smaller + larger - shared)


def fingerprint(text: str) -> Fingerprint:
    """Of a text without regard to case, white space, punctuation and order."""
    found = _WORD.findall(text.casefold())
    words = frozenset(found)
    figures = frozenset(word for word in words if not word.isalpha())
    if len(text) > _UNSPACED_WORD * max(len(found), 1):
        joined = "".join(found)
        words = frozenset(joined[start : start + _SHINGLE] for start in range(max(len(joined) - _SHINGLE + 1, 1)))
        figures = frozenset(re.findall(r"\d+", joined))
    return Fingerprint(words, figures)
