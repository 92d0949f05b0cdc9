"""Which language a text is in, as far as words are to be stemmed and embeddings to be trusted.

Scripts decide where they can; among languages in Latin letters the one that most words speak for: its stop words (those
of the sparse vectors' own engine) and words with letters that hardly another language has. A few words of neither kind
stay undecided.
"""

import re
from collections import Counter
from functools import cache

import qdrant_edge as edge

_SAMPLE = 600  # code points that are looked at
_PLACES = (0.1, 0.5, 0.9)  # of a long text where samples are taken: its beginning may be a cover or a licence

# (first, last, language): the language that a script is stemmed as
_SCRIPTS = (
    (0x0370, 0x03FF, "el"),
    (0x0400, 0x052F, "ru"),
    (0x0530, 0x058F, "hy"),
    (0x0590, 0x05FF, "he"),
    (0x0600, 0x06FF, "ar"),
    (0x0750, 0x077F, "ar"),
    (0x0900, 0x097F, "hi"),
    (0x0980, 0x09FF, "bn"),
    (0x0B80, 0x0BFF, "ta"),
    (0x0E00, 0x0E7F, "th"),
    (0x0E80, 0x0EFF, "lo"),
    (0x1000, 0x109F, "my"),
    (0x10A0, 0x10FF, "ka"),
    (0x1780, 0x17FF, "km"),
    (0x3040, 0x30FF, "ja"),
    (0x3400, 0x9FFF, "zh"),
    (0xAC00, 0xD7AF, "ko"),
)
_LATIN = {
    "en": edge.Language.English,
    "de": edge.Language.German,
    "fr": edge.Language.French,
    "es": edge.Language.Spanish,
    "it": edge.Language.Italian,
    "pt": edge.Language.Portuguese,
    "nl": edge.Language.Dutch,
    "da": edge.Language.Danish,
    "no": edge.Language.Norwegian,
    "sv": edge.Language.Swedish,
    "fi": edge.Language.Finnish,
    "hu": edge.Language.Hungarian,
    "ro": edge.Language.Romanian,
    "tr": edge.Language.Turkish,
}
_LETTERS = {
    "de": "ßäöü",
    "fr": "œçêèà",
    "es": "ñ¿¡",
    "pt": "ãõ",
    "da": "æø",
    "sv": "å",
    "hu": "őű",
    "ro": "ăâșşțţ",
    "tr": "ğışçöü",
    "vi": "ạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹơưđ",
    "pl": "łąęśźżćń",
    "cs": "řěůčšž",
}
_WITH_LETTERS = {language: re.compile(f"[{letters}]") for language, letters in _LETTERS.items()}
_IN_LATIN = frozenset({*_LATIN, *_LETTERS, "az", "ca", "id", "sl"})
_SHARING = {  # script → languages that are written in it, beside the one it is taken for
    "ar": frozenset({"fa", "ur", "ps", "ug"}),
    "ru": frozenset({"uk", "be", "bg", "sr", "mk", "kk", "mn"}),
    "hi": frozenset({"mr", "ne", "sa"}),
    "zh": frozenset({"ja"}),
    "he": frozenset({"yi"}),
}
_WORD = re.compile(r"\b[^\W\d_]+\b")  # without digits: a part number is no word


def language_of(text: str) -> str | None:
    """ISO 639-1, or None where nothing decides."""
    sample = text[:_SAMPLE]
    counts: Counter[str] = Counter()
    for character in sample:
        if character.isalpha():
            counts[_script(ord(character))] += 1
    if not counts:
        return None
    if counts["ja"] and counts["ja"] + counts["zh"] > counts["latin"]:
        return "ja"  # kana stands in Japanese only, among many Chinese characters
    script = counts.most_common(1)[0][0]
    return _of_latin(sample) if script == "latin" else script


def script_language(word: str, language: str | None) -> str | None:
    """The language to treat a word by: its text's, unless its script is not that language's own."""
    script = _script(ord(word[0]))
    if script == "latin":
        return language if language is None or language in _IN_LATIN else "en"
    return language if language in _SHARING.get(script, ()) else script


class StopWordLanguages:
    """The `LanguageDetector` port."""

    def detect(self, text: str) -> str | None:
        """What most of a few samples are in."""
        if len(text) <= len(_PLACES) * _SAMPLE:
            return language_of(text)
        found = Counter(language_of(text[int(place * len(text)) :]) for place in _PLACES)
        del found[None]
        return found.most_common(1)[0][0] if found else None

    def may_be(self, text: str, language: str) -> bool:
        """Whether it has words, and the script of none belongs to others."""
        words = _WORD.findall(text)
        return bool(words) and all(script_language(word, language) == language for word in words)


def _script(code: int) -> str:
    if code < 0x0370:  # noqa: PLR2004 - the end of the Latin blocks
        return "latin"
    return next((language for first, last, language in _SCRIPTS if first <= code <= last), "latin")


def _of_latin(sample: str) -> str | None:
    words = _WORD.findall(sample.lower())
    text = " ".join(words)
    different = len(_without_stop_words(None).embed_query(text).indices)
    counts = Counter({name: different - len(_without_stop_words(name).embed_query(text).indices) for name in _LATIN})
    for word in set(words):
        if not word.isascii():
            counts.update(name for name, letters in _WITH_LETTERS.items() if letters.search(word))
    best = max(counts.values())
    if not best:
        return None
    # on a tie English, the first: a short text has no more to tell
    return next(language for language, count in counts.items() if count == best)


@cache
def _without_stop_words(language: str | None) -> edge.Bm25:
    return edge.Bm25(
        edge.Bm25Config(
            tokenizer=edge.TokenizerType.Word,
            stopwords=edge.StopwordsSet() if language is None else _LATIN[language],
            stemmer=edge.DisabledStemmer(),
        )
    )
