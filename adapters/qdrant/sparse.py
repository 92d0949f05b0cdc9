"""Sparse vectors for keyword search: BM25 without its idf, which the engine adds (`modifier=idf`).

A passage is indexed four times in one vector:

* by the stems of its language, so that "cancelling" finds "cancelled", of which half the weight belongs to the passage
  and half to the passage with what stands around it: a question's words are often spread over two passages;
* by its words as they stand, without accents, so that a question in another language, or one whose language is not
  known, still finds names and shared words, and by its hyphenated compounds as one word;
* by its identifiers as they stand ("ERR_42", "v2.3.1", "C++");
* by its pairs of neighbouring stems, so that a passage in which a question's words stand together comes before one that
  holds them apart.

The weights are BM25's with k1 = 1.2, b = 0.75 (Robertson and Zaragoza, 2009, "The Probabilistic Relevance Framework").
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import chain

import qdrant_edge as edge
from attrs import frozen

from adapters.qdrant.languages import language_of
from adapters.qdrant.terms import closed, pairs, plain_terms, terms

_K1, _B = 1.2, 0.75
_AVERAGE_LENGTH = 100.0  # words of a passage once its stop words are gone
_AVERAGE_AROUND = 150.0  # with what stands around it: from 100 of abstracts to 200 of papers and reports
_AROUND = 0.5  # the part of a stem's weight that the surroundings decide
_AS_IT_STANDS = 0.3  # weight of a question's unstemmed word beside its stem
_CLOSED = 0.5  # weight of a question's compound written as one word, beside its parts
_PAIR = 0.1  # weight of a question's pair, which is far rarer than a word
_FALLBACK = "en"  # stems of a text whose language is not known

# letters and digits, joined by the marks that names and versions are joined by; C++ and C# keep their tail
_CANDIDATE = re.compile(r"[A-Za-z0-9]+(?:[-_./:@][A-Za-z0-9]+)*(?:\+\+|#)?")
_HAS_MARK = re.compile(r"[0-9_@+#]")
_NUMBER = re.compile(r"[0-9][A-Za-z0-9]+")


@frozen
class Sparse:
    """Weights by token; both of one length, no token twice. Empty when a text holds nothing to match."""

    indices: list[int]
    values: list[float]


def sparse_of_passage(text: str, language: str | None, *, around: str = "") -> Sparse:
    """How a passage is found by its words.

    `around`: the passage with what stands before and after it, empty where that is not known. `language`: ISO 639-1,
    found out where it is None.
    """
    language = _base(language) or language_of(text) or _FALLBACK
    stems = [*terms(text, language)]
    weights = _weights(stems)
    if around:
        wider = _weights(terms(around, language), average=_AVERAGE_AROUND)
        weights = {
            term: (1 - _AROUND) * weights.get(term, 0.0) + _AROUND * wider.get(term, 0.0)
            for term in weights.keys() | wider.keys()
        }
    exact = _identifiers().embed_document(identifiers(text))
    for others in (_weights(plain_terms(text, language)), dict(zip(exact.indices, exact.values, strict=True))):
        for term, weight in others.items():
            weights[term] = max(weight, weights.get(term, 0.0))
    for term in closed(text, language):
        weights.setdefault(term, 1.0)
    for pair, count in Counter(pairs(stems)).items():
        weights.setdefault(pair, count * (_K1 + 1) / (count + _K1))
    return Sparse(list(weights), list(weights.values()))


def sparse_of_question(text: str, language: str | None) -> Sparse:
    """What a question asks for. `language`: ISO 639-1, found out where it is None."""
    known = _base(language) or language_of(text)
    used = known or _FALLBACK
    as_it_stands = _AS_IT_STANDS if known else 1.0  # stems that may be another language's deserve no lead
    stems = [*terms(text, used)]
    weights = _repeated(stems)
    for term in _identifiers().embed_query(identifiers(text)).indices:
        weights.setdefault(term, 1.0)
    for term, weight in _repeated(plain_terms(text, used)).items():
        weights.setdefault(term, as_it_stands * weight)
    for term in closed(text, used):
        weights.setdefault(term, _CLOSED)
    for pair in pairs(stems):
        weights.setdefault(pair, _PAIR)
    return Sparse(list(weights), list(weights.values()))


def _repeated(words: Iterable[tuple[int, ...]]) -> dict[int, float]:
    """A question's terms: one that it comes back to weighs more, by the logarithm of how often (SMART's `l`)."""
    return {term: 1 + math.log(count) for term, count in Counter(term for word in words for term in word).items()}


def _weights(words: Iterable[tuple[int, ...]], *, average: float = _AVERAGE_LENGTH) -> dict[int, float]:
    """BM25's weight of each term; a word that gives none is a stop word and counts for no length."""
    counts = Counter(chain.from_iterable(words))
    share = _K1 * (1 - _B + _B * counts.total() / average)
    return {term: count * (_K1 + 1) / (count + share) for term, count in counts.items()}


def identifiers(text: str) -> str:
    """The names, numbers and versions in a text, a space between them."""
    return " ".join(_identifiers_in(text))


def _identifiers_in(text: str) -> Iterable[str]:
    for match in _CANDIDATE.finditer(text):
        found = match.group()
        if not _HAS_MARK.search(found):
            continue
        yield found
        for part in re.split(r"[-_./:@]", found):
            if part != found and _NUMBER.fullmatch(part):
                yield part


def _base(language: str | None) -> str | None:
    """`pt-BR` is stemmed as `pt`."""
    base = (language or "").replace("_", "-").partition("-")[0].lower()
    return base if len(base) == 2 else None  # noqa: PLR2004 - ISO 639-1


@cache
def _identifiers() -> edge.Bm25:
    """Weighs by frequency only: how many identifiers a passage has says nothing about its length."""
    return edge.Bm25(
        edge.Bm25Config(
            b=0.0,
            tokenizer=edge.TokenizerType.Whitespace,
            stopwords=edge.StopwordsSet(),
            stemmer=edge.DisabledStemmer(),
        )
    )
