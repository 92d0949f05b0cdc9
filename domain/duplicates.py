"""Passages that say the same: of copies of one text in several documents a search shows the best once."""

import re
from functools import cached_property
from typing import Final

from attrs import frozen

_ALIKE: Final = 0.95  # Jaccard index of two texts' words from which they count as one
_WORD: Final = re.compile(r"\w+")
_NUMBER: Final = re.compile(r"\d+")
_UNSPACED_WORD: Final = 20  # characters a word on average: a text with longer ones has no spaces between words
_SHINGLE: Final = 3  # characters, where there are no words to compare

_APART: Final = {code: " " for code in range(128) if not _WORD.match(chr(code))}  # in ASCII, where it is quicker


@frozen
class Fingerprint:
    """What two texts are compared by.

    Copies with other figures are different texts: forms, invoices and yearly reports differ in nothing else.
    """

    words: frozenset[str]
    _joined: str = ""  # the whole text, where it has no spaces between words

    @cached_property  # hardly any two texts are alike enough to be asked for it
    def figures(self) -> frozenset[str]:
        """Words that are not made of letters alone; where there are no words, numbers."""
        if self._joined:
            return frozenset(_NUMBER.findall(self._joined))
        return frozenset(word for word in self.words if not word.isalpha())

    def is_copy_of(self, other: "Fingerprint") -> bool:
        """Whether the two differ in hardly a word and in no figure."""
        smaller, larger = sorted((len(self.words), len(other.words)))
        if smaller < _ALIKE * larger:
            return False
        shared = len(self.words & other.words)
        return shared >= _ALIKE * (smaller + larger - shared) and self.figures == other.figures


def fingerprint(text: str) -> Fingerprint:
    """Of a text without regard to case, white space, punctuation and order."""
    found = text.lower().translate(_APART).split() if text.isascii() else _WORD.findall(text.casefold())
    if len(text) <= _UNSPACED_WORD * max(len(found), 1):
        return Fingerprint(frozenset(found))
    joined = "".join(found)
    starts = range(max(len(joined) - _SHINGLE + 1, 1))
    return Fingerprint(frozenset(joined[start : start + _SHINGLE] for start in starts), joined)
