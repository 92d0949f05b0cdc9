"""Sparse vectors for keyword search: BM25 without its idf, which the engine adds (`modifier=idf`).

A passage is indexed three times in one vector:

* by the stems of its language, so that "cancelling" finds "cancelled";
* by its words as they stand, so that a question in another language, or one whose language is not known, still
  finds names and shared words;
* by its identifiers as they stand ("ERR_42", "v2.3.1", "C++", "2024"): the tokenizer that can part Chinese, Japanese
  and Thai words drops digits and punctuation.

The weights are BM25's with k1 = 1.2, b = 0.75 (Robertson and Zaragoza, 2009, "The Probabilistic Relevance Framework").
"""

import re
from collections.abc import Iterable
from functools import cache

import qdrant_edge as edge
from attrs import frozen

from adapters.qdrant.languages import language_of

_AVERAGE_LENGTH = 100.0  # tokens of a passage once its stop words are gone
_AS_IT_STANDS = 0.3  # weight of a question's unstemmed word beside its stem
_FALLBACK = "en"  # stems of a text whose language is not known

# letters and digits, joined by the marks that names and versions are joined by; C++ and C# keep their tail
_CANDIDATE = re.compile(r"[A-Za-z0-9]+(?:[-_./:@][A-Za-z0-9]+)*(?:\+\+|#)?")
_HAS_MARK = re.compile(r"[0-9_@+#]")
_NUMBER = re.compile(r"[0-9][A-Za-z0-9]+")

_STOP_WORDS = {
    "ar": edge.Language.Arabic,
    "bn": edge.Language.Bengali,
    "da": edge.Language.Danish,
    "de": edge.Language.German,
    "el": edge.Language.Greek,
    "en": edge.Language.English,
    "es": edge.Language.Spanish,
    "fi": edge.Language.Finnish,
    "fr": edge.Language.French,
    "he": edge.Language.Hebrew,
    "hu": edge.Language.Hungarian,
    "it": edge.Language.Italian,
    "ja": edge.Language.Japanese,
    "nl": edge.Language.Dutch,
    "no": edge.Language.Norwegian,
    "pt": edge.Language.Portuguese,
    "ro": edge.Language.Romanian,
    "ru": edge.Language.Russian,
    "sv": edge.Language.Swedish,
    "tr": edge.Language.Turkish,
    "zh": edge.Language.Chinese,
}
_STEMS = {
    "ar": edge.SnowballLanguage.Arabic,
    "da": edge.SnowballLanguage.Danish,
    "de": edge.SnowballLanguage.German,
    "el": edge.SnowballLanguage.Greek,
    "en": edge.SnowballLanguage.English,
    "es": edge.SnowballLanguage.Spanish,
    "fi": edge.SnowballLanguage.Finnish,
    "fr": edge.SnowballLanguage.French,
    "hu": edge.SnowballLanguage.Hungarian,
    "hy": edge.SnowballLanguage.Armenian,
    "it": edge.SnowballLanguage.Italian,
    "nl": edge.SnowballLanguage.Dutch,
    "no": edge.SnowballLanguage.Norwegian,
    "pt": edge.SnowballLanguage.Portuguese,
    "ro": edge.SnowballLanguage.Romanian,
    "ru": edge.SnowballLanguage.Russian,
    "sv": edge.SnowballLanguage.Swedish,
    "ta": edge.SnowballLanguage.Tamil,
    "tr": edge.SnowballLanguage.Turkish,
}


@frozen
class Sparse:
    """Weights by token; both of one length, no token twice. Empty when a text holds nothing to match."""

    indices: list[int]
    values: list[float]


def sparse_of_passage(text: str, language: str | None) -> Sparse:
    """How a passage is found by its words. `language`: ISO 639-1, found out where it is None."""
    language = _base(language) or language_of(text) or _FALLBACK
    weights: dict[int, float] = {}
    for vector in (
        _words(language, stem=True).embed_document(text),
        _words(language, stem=False).embed_document(text),
        _identifiers().embed_document(identifiers(text)),
    ):
        for index, value in zip(vector.indices, vector.values, strict=True):
            weights[index] = max(value, weights.get(index, 0.0))
    return Sparse(list(weights), list(weights.values()))


def sparse_of_question(text: str, language: str | None) -> Sparse:
    """What a question asks for. `language`: ISO 639-1, found out where it is None."""
    known = _base(language) or language_of(text)
    used = known or _FALLBACK
    as_it_stands = _AS_IT_STANDS if known else 1.0  # stems that may be another language's deserve no lead
    weights = dict.fromkeys(_words(used, stem=True).embed_query(text).indices, 1.0)
    for index in _identifiers().embed_query(identifiers(text)).indices:
        weights.setdefault(index, 1.0)
    for index in _words(used, stem=False).embed_query(text).indices:
        weights.setdefault(index, as_it_stands)
    return Sparse(list(weights), list(weights.values()))


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
    """`pt-BR` is stemmed as `pt`; what nothing is known of counts as unknown."""
    base = (language or "").replace("_", "-").partition("-")[0].lower()
    return base if base in _STOP_WORDS or base in _STEMS else None


@cache
def _words(language: str, *, stem: bool) -> edge.Bm25:
    stems = _STEMS.get(language) if stem else None
    return edge.Bm25(
        edge.Bm25Config(
            avg_len=_AVERAGE_LENGTH,
            tokenizer=edge.TokenizerType.Multilingual,
            stopwords=_STOP_WORDS.get(language, edge.StopwordsSet()),
            stemmer=edge.DisabledStemmer() if stems is None else edge.SnowballParams(stems),
        )
    )


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
