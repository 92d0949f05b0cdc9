"""Which sentences of the sources answer a question, and whether any does.

Each term of the question weighs as in BM25's inverse document frequency, counted over the blocks given
(Robertson and Zaragoza 2009, eq. 3.3 without the relevance part); terms that no block has weigh as the average of the
others. A block's coverage is the weight of the terms that it has, as a part of all; what stands in its title or
heading alone counts half. Coverage and the cosine of sentence embeddings, where known, add up to its evidence; where
the best evidence is too little, the sources do not answer.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import frozen

from adapters.extractive.quotable import row, sentence
from adapters.words import PAIRED, terms
from domain.answers import Source
from domain.follow_ups import own_words

_BEFORE_SHARE: Final = 0.5  # what a word of the question before counts, in a follow-up
_RELATIVE_FLOOR: Final = 0.85  # of the best score; weaker ones do not belong beside it
_SAME: Final = 0.8  # of the terms of the shorter: says the same again
_MOST: Final = 3
_MOST_COMPARED: Final = 200
_HEADING_SHARE: Final = 0.5  # what a word counts that stands in the title or the heading alone
_RANK_BONUS: Final = 0.1
_CUE_BONUS: Final = 0.15


@frozen
class _Bar:
    """How much evidence answers. Measured on XQuAD with the model that is brought along: see ADR 0016."""

    words: float  # coverage, where it decides alone
    both: float | None = None  # coverage and cosine together; None where cosines say too little
    near: float = 0.66  # cosine that answers without a common word, where `both` is there
    cosine: float = 0.5  # what a cosine counts in the order of the sentences


_ENGLISH_BAR: Final = _Bar(words=0.4, both=0.87, cosine=1.0)
_SPACED_BAR: Final = _Bar(words=0.33)  # inflected words are missed more often
_PAIRS_BAR: Final = _Bar(words=0.24)  # pairs of characters, of which a question shares few with its answer

# words that ask; they tell what kind of thing is wanted, not what about
_ASKING_IN_ENGLISH: Final = frozenset(
    terms(
        "what which who whom whose when where why how does do did is are was were be been can could should would will "
        "shall may might must have has had a an the of in on at to for from by with and or not it its this that these "
        "those there we you they our your their me my i please tell explain give list show many much long often"
    )
)
_ASKING_ELSEWHERE: Final = frozenset(
    terms(
        "wie was wer wann wo warum welche welcher welches ist sind der die das ein eine und oder von im in zu mit "
        "que cual quien cuando donde como cuanto es son el la los las un una de del en y o por para "
        "quel quelle qui quand ou pourquoi comment combien est sont le les un une du des et dans pour"
    )
)
_ASKING: Final = _ASKING_IN_ENGLISH | _ASKING_ELSEWHERE
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
    shown: str  # what of it is said
    score: float
    terms: frozenset[str]

    @property
    def text(self) -> str:
        """The whole block without the white space around it."""
        return self.source.blocks[self.index].strip()


def best_blocks(
    question: str,
    sources: Sequence[Source],
    similarities: Mapping[tuple[str, int], float] | None = None,
    *,
    before: str = "",
) -> list[Found]:
    """The best sentences first, at most three, none that repeats another; empty where the sources do not answer.

    `similarities` are cosines of blocks to the question by (source URI, block index), where known; `before` are the
    questions that this one points back to. Where no sentence is good enough, a line of what is none (a table) may be.
    """
    blocks = [
        (rank, source, index, frozenset(terms(text)))
        for rank, source in enumerate(sources)
        for index, text in enumerate(source.blocks)
        if text.strip()
    ]
    wanted = _weights(question, before, [said for _, _, _, said in blocks])
    headings = [frozenset(terms(" ".join([one.title, *one.passage.chunk.heading_path]))) for one in sources]
    bar = _bar_for(question)
    own = _own(question, before, [said for _, _, _, said in blocks])
    signs = [sign for cue, sign in _CUES if cue.search(question.casefold())]
    sentences: list[Found] = []
    fragments: list[Found] = []
    for rank, source, index, said in blocks:
        coverage = _coverage(wanted, said) + _HEADING_SHARE * _coverage(wanted, headings[rank] - said)
        cosine = similarities.get((source.uri, index), 0.0) if similarities else None
        if not _answers(bar, coverage, cosine) or (own and own.isdisjoint(said)):
            continue
        text = source.blocks[index]
        score = coverage + bar.cosine * (cosine or 0.0) + _RANK_BONUS / (1 + rank)
        score += _CUE_BONUS * any(sign.search(text) for sign in signs)
        whole = sentence(text)
        shown = whole or row(_best_line(text, wanted))
        if shown is not None:
            found = Found(source=source, index=index, shown=shown, score=score, terms=said)
            (fragments if whole is None else sentences).append(found)
    return _best(sentences) or _best(fragments)[:1]


def nearest(question: str, places: Sequence[tuple[str, int, str]], count: int) -> list[tuple[str, int, str]]:
    """The `count` blocks that share most words with the question, and else those of the best passages, in order."""
    if len(places) <= count:
        return list(places)
    said = [frozenset(terms(text)) for _, _, text in places]
    wanted = _weights(question, "", said)
    order = sorted(range(len(places)), key=lambda each: (-_coverage(wanted, said[each]), each))
    return [places[each] for each in sorted(order[:count])]


def _bar_for(question: str) -> _Bar:
    if PAIRED.search(question):
        return _PAIRS_BAR
    asked = terms(question)
    elsewhere = sum(term in _ASKING_ELSEWHERE for term in asked)
    is_english = question.isascii() and elsewhere <= sum(term in _ASKING_IN_ENGLISH for term in asked)
    return _ENGLISH_BAR if is_english else _SPACED_BAR


def _answers(bar: _Bar, coverage: float, cosine: float | None) -> bool:
    """Whether a block with so much of the question, and so near to it, may be said to answer it."""
    if cosine is None or bar.both is None:
        return coverage >= bar.words
    return coverage + cosine >= bar.both or cosine >= bar.near


def _best_line(block: str, wanted: Mapping[str, float]) -> str:
    """The line of a table that has most of the question; what has no lines stays whole."""
    lines = [line for line in block.splitlines() if line.strip()]
    return max(lines, key=lambda line: _coverage(wanted, frozenset(terms(line))))


def _best(found: list[Found]) -> list[Found]:
    found.sort(key=lambda each: -each.score)  # stable: passages keep their order
    return _distinct([each for each in found if each.score >= _RELATIVE_FLOOR * found[0].score])


def _weights(question: str, before: str, blocks: Sequence[frozenset[str]]) -> dict[str, float]:
    about = set(terms(question)) - _ASKING
    having = {term: sum(term in block for block in blocks) for term in about}
    weights = {term: _idf(count, len(blocks)) for term, count in having.items() if count}
    if weights:
        # a word that no block has would weigh most of all, and hide that the others are there
        absent = sum(weights.values()) / len(weights)
        weights |= {term: absent for term, count in having.items() if not count}
    for term in set(terms(before)) - _ASKING - about:
        if count := sum(term in block for block in blocks):
            weights[term] = _BEFORE_SHARE * _idf(count, len(blocks))
    return weights


def _idf(having: int, total: int) -> float:
    return math.log(1 + (total - having + 0.5) / (having + 0.5))


def _own(question: str, before: str, blocks: Sequence[frozenset[str]]) -> frozenset[str]:
    """What a follow-up asks that the questions before did not, as far as any block has it.

    A sentence with none of it would say the answer before again.
    """
    if not before:
        return frozenset()
    about = frozenset(terms(" ".join(own_words(question)))) - _ASKING - frozenset(terms(before))
    return about & frozenset[str]().union(*blocks)


def _coverage(wanted: Mapping[str, float], said: frozenset[str]) -> float:
    total = sum(wanted.values())
    return sum(weight for term, weight in wanted.items() if term in said) / total if total else 0.0


def _distinct(found: Sequence[Found]) -> list[Found]:
    kept: list[Found] = []
    for each in found[:_MOST_COMPARED]:
        if not any(_repeats(each.terms, other.terms) for other in kept):
            kept.append(each)
        if len(kept) == _MOST:
            break
    return kept


def _repeats(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= _SAME * max(min(len(one), len(other)), 1)
