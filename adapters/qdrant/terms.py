"""The terms of a text in any language: what a keyword search compares.

A word is a run of letters, digits and the marks upon them. It gives one term by its stem and one as it stands,
without accents. A word's own script decides how it is stemmed: the language of a text tells apart only languages that
share one, so that an English name in a Greek text is stemmed as English. Where Snowball has no stemmer for a language,
endings are dropped that the script itself shows: the vowel signs of Indian scripts.

Scripts without spaces between words are divided by a dictionary where the engine brings one (Chinese, Japanese, Thai,
Khmer), else into overlapping pairs of characters, as Korean is, whose particles grow onto words.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import Final

import qdrant_edge as edge

from adapters.qdrant.languages import script_language
from adapters.words import runs

_STOP_WORDS: Final = {
    "ar": edge.Language.Arabic,
    "az": edge.Language.Azerbaijani,
    "bn": edge.Language.Bengali,
    "ca": edge.Language.Catalan,
    "da": edge.Language.Danish,
    "de": edge.Language.German,
    "el": edge.Language.Greek,
    "en": edge.Language.English,
    "es": edge.Language.Spanish,
    "fi": edge.Language.Finnish,
    "fr": edge.Language.French,
    "he": edge.Language.Hebrew,
    "hu": edge.Language.Hungarian,
    "id": edge.Language.Indonesian,
    "it": edge.Language.Italian,
    "ja": edge.Language.Japanese,
    "nl": edge.Language.Dutch,
    "no": edge.Language.Norwegian,
    "pt": edge.Language.Portuguese,
    "ro": edge.Language.Romanian,
    "ru": edge.Language.Russian,
    "sl": edge.Language.Slovene,
    "sv": edge.Language.Swedish,
    "tr": edge.Language.Turkish,
    "zh": edge.Language.Chinese,
}
_STEMS: Final = {
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

_DICTIONARY: Final = "\u0e00-\u0e7f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
_PAIRS: Final = "\u0e80-\u0eff\u1000-\u109f\uac00-\ud7af"  # Lao, Burmese, Hangul
_UNSPACED: Final = re.compile(f"[{_DICTIONARY}]+|[{_PAIRS}]+")
_OF_PAIRS: Final = re.compile(f"[{_PAIRS}]")
_ASCII: Final = re.compile(r"[a-z0-9]+")
_DROPPED: Final = re.compile("[\u0640\u064b-\u065f\u0670\u00ad\u200b-\u200d\u2060]")  # tatweel, vowel points, joiners
_TURKISH: Final = str.maketrans({"I": "\u0131", "\u0130": "i"})  # dotless and dotted
_HYPHEN: Final = re.compile("[-\u2010\u2011]")
_COMPOUND: Final = re.compile(f"[^\\W\\d_][^\\W_]*(?:{_HYPHEN.pattern}[^\\W_]+)+")  # begins with a letter
_LONGEST: Final = 64  # of a word; what is longer is none
_IDS: Final = 1 << 32  # how many ids of terms there are
_SPREAD: Final = 0x9E3779B1  # odd, near the golden ratio's part of them (Knuth): "a b" is another pair than "b a"
# of Hindi nouns and verbs, by length (Ramanathan and Rao, 2003, "A Lightweight Stemmer for Hindi")
_HINDI: Final = tuple(
    tuple(endings.split())
    for endings in (
        "ाएंगी ाएंगे ाऊंगी ाऊंगा",
        "ाएगी ाएगा ाओगी ाओगे एंगी ेंगी एंगे ेंगे ूंगी ूंगा ातीं नाओं नाएं ताओं ताएं ियाँ ियों ियां",
        "ाकर ाइए ाईं ाया ेगी ेगा ोगी ोगे ाने ाना ाते ाती ाता तीं ाओं ाएं ुओं ुएं ुआं",
        "कर ाओ िए ाई ाए ने नी ना ते ीं ती ता ाँ ां ों ें",
        "ो े ू ु ी ि ा",
    )
)


def terms(text: str, language: str | None) -> Iterator[tuple[int, ...]]:
    """The ids of each word's stems, in order; none for a stop word. `language`: ISO 639-1, of Latin words."""
    for word in words(text, language):
        yield _stemmed(word, language)


def plain_terms(text: str, language: str | None) -> Iterator[tuple[int, ...]]:
    """The ids of each word as it stands, without accents; none for a stop word."""
    for word in words(text, language):
        yield _as_it_stands(word, language)


def pairs(stems: Iterable[tuple[int, ...]]) -> Iterator[int]:
    """The ids of neighbouring stems, two by two; stop words between them do not count, divided runs part them."""
    before: int | None = None
    for ids in stems:
        if len(ids) == 1:
            if before is not None:
                yield (before * _SPREAD ^ ids[0]) % _IDS
            before = ids[0]
        elif ids:
            before = None


def closed(text: str, language: str | None) -> Iterator[int]:
    """The ids of hyphenated compounds written as one word: "e-mail" and "IL-6" are also "email" and "IL6"."""
    for compound in _COMPOUND.findall(text) if _HYPHEN.search(text) else ():
        for ids in terms(_HYPHEN.sub("", compound), language):
            yield from ids


def words(text: str, language: str | None) -> Iterator[str]:
    """In lower case and compatible form; runs of scripts without spaces are divided further, as words of their own."""
    if text.isascii() and language != "tr":
        yield from (word[:_LONGEST] for word in _ASCII.findall(text.lower()))
        return
    if language == "tr":
        text = text.translate(_TURKISH)
    text = _DROPPED.sub("", unicodedata.normalize("NFKC", text).casefold())
    text = unicodedata.normalize("NFC", text)
    if not _UNSPACED.search(text):
        yield from (word[:_LONGEST] for word in runs(text))
        return
    for word in runs(text):
        place = 0
        for run in _UNSPACED.finditer(word):
            if run.start() > place:
                yield word[place : run.start()][:_LONGEST]
            yield from _pairs(run.group()) if _OF_PAIRS.match(run.group()) else (run.group(),)
            place = run.end()
        if place < len(word):
            yield word[place:][:_LONGEST]


def _pairs(run: str) -> list[str]:
    return [run] if len(run) == 1 else [run[i : i + 2] for i in range(len(run) - 1)]


@lru_cache(maxsize=50_000)
def _stemmed(word: str, language: str | None) -> tuple[int, ...]:
    own = script_language(word, language)
    return tuple(_engine(own, stem=True).embed_query(_light(word, own)).indices)


@lru_cache(maxsize=50_000)
def _as_it_stands(word: str, language: str | None) -> tuple[int, ...]:
    if not _engine(script_language(word, language), stem=False).embed_query(word).indices:
        return ()
    return tuple(_engine(None, stem=False).embed_query(folded(word)).indices)


def folded(word: str) -> str:
    """Without accents, vowel points and nuktas; signs that are letters of their own script stay."""
    if word.isascii():
        return word
    kept = (c for c in unicodedata.normalize("NFD", word) if not _is_accent(unicodedata.combining(c)))
    return unicodedata.normalize("NFC", "".join(kept))


def _is_accent(combining: int) -> bool:
    """By canonical combining class: 7 nukta, 10-35 Hebrew and Arabic points, from 200 on above or below a letter."""
    return combining == 7 or 10 <= combining <= 35 or combining >= 200  # noqa: PLR2004


def _light(word: str, language: str | None) -> str:
    """Endings off, for languages that Snowball does not know; accents off where they tell nothing."""
    if language == "en":
        return folded(word)
    if language in _STEMS or word.isascii():
        return word
    word = folded(word) if "\u0900" <= word[0] <= "\u0dff" else word
    if language == "hi":
        for endings in _HINDI:
            for ending in endings:
                if len(word) > len(ending) + 1 and word.endswith(ending):
                    return word[: -len(ending)]
    while len(word) > 2 and "\u0900" <= word[0] <= "\u0dff" and unicodedata.category(word[-1])[0] == "M":  # noqa: PLR2004
        word = word[:-1]
    return word


@cache
def _engine(language: str | None, *, stem: bool) -> edge.Bm25:
    """Its hashes are the terms' ids. The tokenizer divides what has no spaces and leaves words as they are."""
    stems = _STEMS.get(language or "") if stem else None
    return edge.Bm25(
        edge.Bm25Config(
            tokenizer=edge.TokenizerType.Multilingual if language in _DIVIDED else edge.TokenizerType.Whitespace,
            stopwords=_STOP_WORDS.get(language or "", edge.StopwordsSet()),
            stemmer=edge.DisabledStemmer() if stems is None else edge.SnowballParams(stems),
        )
    )


_DIVIDED: Final = frozenset({"zh", "ja", "th", "km"})
