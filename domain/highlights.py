"""Which words of a passage answer to a query: for showing, not for ranking.

Words match without regard to case and accents, by a light stem or as the beginning of a longer word. Scripts
without spaces between words match by pairs of characters. Linear in both lengths.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

_UNSPACED: Final = (
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Japanese, Chinese
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
)
_MARKS: Final = "".join(chr(code) for code in range(0x300, 0x2000) if unicodedata.category(chr(code))[0] == "M")
_WORDS: Final = re.compile(rf"(?P<run>[{_UNSPACED}]+)|[^\W_{_UNSPACED}](?:[^\W_{_UNSPACED}]|[{_MARKS}])*")
# words of questions that every passage holds: English, German, French, Spanish; folded
_COMMON: Final = """
    a about an and any are as at be been but by can could did do does for from had has have how i if in into is it its
    may me my no not of on or our shall should so such than that the their them then there these they this to was we
    were what when where which who whom whose why will with would you your
    aber als am an auch auf aus bei das dass dem den der des die ein eine einem einen einer es fur hat ich im ist mit
    nach nicht oder sich sie sind und von war was wer wie wird wo zu zum zur
    au aux avec ce ces dans de des du elle en est et il la le les leur ne nous ou par pas pour qui que quel quelle sa
    se ses son sont sur un une vous
    al como con cual de del donde el ella en es esta la las los mas o para pero por que quien se sin su sus un una y
"""
_STOP_WORDS: Final = frozenset(_COMMON.split())
_SUFFIXES: Final = "ations ation ments ment ings ing edly ies ied est ers er ed es ly s e y"
_ENDINGS: Final = tuple(_SUFFIXES.split())  # of English words, the longest first
_SHORTEST_STEM: Final = 3
_SHORTEST_PREFIX: Final = 4
_LONGEST_WORD: Final = 64  # of what is compared; nobody's word is longer
_REST: Final = re.compile("[a-z0-9]*")  # of a word in lower case ASCII
_FEW_HEADS: Final = 32  # that a text is searched for one by one; with more of them it is quicker to look at each word


def highlights(text: str, query: str) -> tuple[tuple[int, int], ...]:
    """Code point ranges of the query's words in `text`: ascending, disjoint, none when nothing matches.

    Stop words of the query are left out unless it has nothing else.
    """
    terms = _terms(query)
    ranges: list[tuple[int, int]] = []
    for start, end in terms.matches(text):
        if ranges and start <= ranges[-1][1]:
            ranges[-1] = (ranges[-1][0], max(end, ranges[-1][1]))
        else:
            ranges.append((start, end))
    return tuple(ranges)


class _Terms:
    """A query's words, ready to be looked up."""

    def __init__(self, query: str) -> None:
        words: set[str] = set()
        self._pairs: set[str] = set()  # of neighbours in scripts without spaces
        self._singles: set[str] = set()  # runs of one character
        for match in _WORDS.finditer(query):
            run = match.group("run")
            if run is None:
                words.add(fold(match.group()))
            elif len(run) == 1:
                self._singles.add(run)
            else:
                self._pairs.update(run[i : i + 2] for i in range(len(run) - 1))
        told = words - _STOP_WORDS
        words = told or ({*words} if not self._pairs and not self._singles else set())
        self._stems = {stem(word) for word in words}
        self._heads = {stem_[:_SHORTEST_STEM] for stem_ in self._stems}  # stems and prefixes keep so much of a word
        self._prefixes = {word for word in words if len(word) >= _SHORTEST_PREFIX}
        self._lengths = sorted({len(word) for word in self._prefixes if len(word) <= _LONGEST_WORD})

    def matches(self, text: str) -> Iterator[tuple[int, int]]:
        """Ranges in ascending order of their starts."""
        if text.isascii() and len(self._heads) <= _FEW_HEADS:
            yield from self._in_plain(text.lower())
            return
        for match in _WORDS.finditer(text):
            if match.group("run") is None:
                if self._means(match.group()):
                    yield match.span()
            else:
                yield from self._in_run(match.group(), match.start())

    def _in_plain(self, text: str) -> list[tuple[int, int]]:
        """In ASCII: only where a head stands a word is looked at, which is nearly nowhere."""
        found: set[tuple[int, int]] = set()
        for head in self._heads:
            at = text.find(head)
            while at >= 0:
                if at == 0 or not text[at - 1].isalnum():
                    rest = _REST.match(text, at)
                    if rest is not None and self._means(rest.group()):
                        found.add(rest.span())
                at = text.find(head, at + 1)
        return sorted(found)

    def _means(self, word: str) -> bool:
        folded = word.lower() if word.isascii() else fold(word)
        if folded[:_SHORTEST_STEM] not in self._heads:
            return False
        folded = folded[:_LONGEST_WORD]
        if stem(folded) in self._stems:
            return True
        for length in self._lengths:
            if length >= len(folded):
                return False
            if folded[:length] in self._prefixes:
                return True
        return False

    def _in_run(self, run: str, offset: int) -> Iterator[tuple[int, int]]:
        for index in range(len(run)):
            if run[index : index + 2] in self._pairs:
                yield offset + index, offset + index + len(run[index : index + 2])
            elif run[index] in self._singles:
                yield offset + index, offset + index + 1


@lru_cache(maxsize=64)
def _terms(query: str) -> _Terms:
    """Made once for all passages of an answer."""
    return _Terms(query)


@lru_cache(maxsize=8192)
def fold(word: str) -> str:
    """Without case and accents, cut to a sane length."""
    # capitals of formulas are letters with a case only once they are decomposed
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", word[:_LONGEST_WORD]).casefold())
    plain = "".join(c for c in decomposed if unicodedata.category(c) != "Mn" or c >= "\u0370")
    return unicodedata.normalize("NFC", plain)


@lru_cache(maxsize=8192)
def stem(folded: str) -> str:
    """A folded word without a common English ending; other words and short ones as they are."""
    if not folded.isascii() or not folded.isalpha():
        return folded
    for ending in _ENDINGS:
        base = folded.removesuffix(ending)
        if len(base) < len(folded) and len(base) >= _SHORTEST_STEM:
            return base[:-1] if len(base) > _SHORTEST_STEM and base[-1] == base[-2] else base
    return folded
