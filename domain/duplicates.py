"""Passages that say the same: of copies of one text in several documents a search shows the best once."""

import re
from typing import Final

from attrs import frozen

_ALIKE: Final = 0.95  # Jaccard index of two texts' words from which they count as one
_WORD: Final = re.compile(r"\w+")
_UNSPACED_WORD: Final = 20  # characters a word on average: a text with longer ones has no spaces between words
_SHINGLE: Final = 3  # characters, where there are no words to compare


_APART: Final = {code: " " for code in range(128) if not re.match(r"\w", chr(code))}  # in plain English text


@frozen
class Fingerprint:
    """What two texts are compared by.

    Copies with other figures are different texts: forms, invoices and yearly reports differ in nothing else.
    """

    words: frozenset[str]
    _unspaced: str | None = None  # the text without white space, where it has no words

    @property
    def figures(self) -> frozenset[str]:
        """Looked for only in texts that have the same words otherwise."""
        if self._unspaced is not None:
            return frozenset(re.findall(r"\d+", self._unspaced))
        return frozenset([word for word in self.words if not word.isalpha()])

    def is_copy_of(self, other: "Fingerprint") -> bool:
        """Whether the two differ in hardly a word and in no figure."""
        mine, theirs = len(self.words), len(other.words)
        if mine < _ALIKE * theirs or theirs < _ALIKE * mine:
            return False
        shared = len(self.words & other.words)
        return shared >= _ALIKE * (mine + theirs - shared) and self.figures == other.figures


def fingerprint(text: str) -> Fingerprint:
    """Of a text without regard to case, white space, punctuation and order."""
    found = text.lower().translate(_APART).split() if text.isascii() else _WORD.findall(text.casefold())
    if len(text) > _UNSPACED_WORD * max(len(found), 1):
        joined = "".join(found)
        pieces = (joined[start : start + _SHINGLE] for start in range(max(len(joined) - _SHINGLE + 1, 1)))
        return Fingerprint(frozenset(pieces), joined)
    return Fingerprint(frozenset(found))
