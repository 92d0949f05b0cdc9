"""Which blocks of the sources answer a question best, by the words they share with it.

Each term of the question weighs as in BM25's inverse document frequency, counted over the blocks given
(Robertson and Zaragoza 2009, eq. 3.3 without the relevance part); a block's score is the weight of the
question's terms that it has, as a part of all, nudged by the rank of its passage and by what kind of thing is
asked for. With sentence embeddings, their cosine is added.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import frozen

from adapters.words import terms
from domain.answers import Source

_LEAST_COVERAGE: Final = 0.25  # of the question's weight; less is chance
_ABSENT_SHARE: Final = 0.5  # of the average weight: what a word counts that no block has
_LEAST_COSINE: Final = 0.4  # where embeddings speak alone
_RELATIVE_FLOOR: Final = 0.45  # of the best score; weaker ones do not belong beside it
_SAME: Final = 0.8  # of the terms of the shorter: says the same again
_MOST_BLOCKS: Final = 6
_MOST_COMPARED: Final = 200
_HEADING_SHARE: Final = 0.3  # what a match in the title counts, against one in the text
_RANK_BONUS: Final = 0.1
_CUE_BONUS: Final = 0.15
_ENOUGH_TERMS: Final = 4  # a block with fewer is a heading or a scrap
_SCRAP_PENALTY: Final = 0.5

# words that ask; they tell what kind of thing is wanted, not what about
_ASKING: Final = frozenset(
    terms(
        "what which who whom whose when where why how does do did is are was were be been can could should would will "
        "shall may might must have has had a an the of in on at to for from by with and or not it its this that these "
        "those there we you they our your their me my i please tell explain give list show many much long often "
        "wie was wer wann wo warum welche welcher welches ist sind der die das ein eine und oder von im in zu mit "
        "que cual quien cuando donde como cuanto es son el la los las un una de del en y o por para "
        "quel quelle qui quand ou pourquoi comment combien est sont le les un une du des et dans pour"
    )
)
_NUMBER: Final = re.compile(r"\d")
_YEAR: Final = re.compile(r"\b(?:1[0-9]|20)\d\d\b|\b\d{1,2}[:./]\d{1,2}\b")
_NAME: Final = re.compile(r"(?<=[\w,;] )[A-Z\u00c0-\u00de\u0400-\u042f]\w+")
_CUES: Final = (
    (
        re.compile(r"\b(?:how (?:many|much|long|old|far|hot|big|often)|wie ?viele?|combien|cu[a\u00e1]nt[oa]s?)\b"),
        _NUMBER,
    ),
    (re.compile(r"\b(?:what|which) (?:\w+ )?(?:number|amount|temperature|price|percentage|rate)\b"), _NUMBER),
    (re.compile(r"\b(?:when|what (?:year|date|time)|wann|quand|cu[a\u00e1]ndo)\b"), _YEAR),
    (re.compile(r"\b(?:who|whom|whose|wer|qui|qui[e\u00e9]n)\b"), _NAME),
)


@frozen(kw_only=True)
class Found:
    """A block worth quoting."""

    source: Source
    index: int  # into source.blocks
    score: float
    terms: frozenset[str]

    @property
    def text(self) -> str:
        """Without the white space around it."""
        return self.source.blocks[self.index].strip()


def best_blocks(
    question: str, sources: Sequence[Source], similarities: Mapping[tuple[str, int], float] | None = None
) -> list[Found]:
    """The best blocks first, at most six, none that repeats another; empty if nothing fits.

    `similarities` are cosines of blocks to the question by (source URI, block index), where known.
    """
    blocks = [
        (rank, source, index, frozenset(terms(text)))
        for rank, source in enumerate(sources)
        for index, text in enumerate(source.blocks)
        if text.strip()
    ]
    wanted = _weights(question, [said for _, _, _, said in blocks])
    titles = [_HEADING_SHARE * _coverage(wanted, frozenset(terms(source.title))) for source in sources]
    signs = [sign for cue, sign in _CUES if cue.search(question.casefold())]
    cosines = similarities or {}
    found = []
    for rank, source, index, said in blocks:
        cosine = cosines.get((source.uri, index), 0.0)
        coverage = _coverage(wanted, said)
        if coverage < _LEAST_COVERAGE and cosine < _LEAST_COSINE:
            continue
        score = coverage + cosine + titles[rank] + _RANK_BONUS / (1 + rank)
        score += _CUE_BONUS * any(sign.search(source.blocks[index]) for sign in signs)
        if len(said) < _ENOUGH_TERMS:
            score *= _SCRAP_PENALTY
        found.append(Found(source=source, index=index, score=score, terms=said))
    found.sort(key=lambda each: -each.score)  # stable: passages keep their order
    return _distinct([each for each in found if each.score >= _RELATIVE_FLOOR * found[0].score])


def _weights(question: str, blocks: Sequence[frozenset[str]]) -> dict[str, float]:
    about = set(terms(question)) - _ASKING
    having = {term: sum(term in block for block in blocks) for term in about}
    weights = {term: _idf(count, len(blocks)) for term, count in having.items() if count}
    if weights:
        # a word that no block has would weigh most of all, and hide that the others are there
        absent = _ABSENT_SHARE * sum(weights.values()) / len(weights)
        weights |= {term: absent for term, count in having.items() if not count}
    return weights


def _idf(having: int, total: int) -> float:
    return math.log(1 + (total - having + 0.5) / (having + 0.5))


def _coverage(wanted: Mapping[str, float], said: frozenset[str]) -> float:
    total = sum(wanted.values())
    return sum(weight for term, weight in wanted.items() if term in said) / total if total else 0.0


def _distinct(found: Sequence[Found]) -> list[Found]:
    kept: list[Found] = []
    for each in found[:_MOST_COMPARED]:
        if not any(_repeats(each.terms, other.terms) for other in kept):
            kept.append(each)
        if len(kept) == _MOST_BLOCKS:
            break
    return kept


def _repeats(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= _SAME * max(min(len(one), len(other)), 1)
