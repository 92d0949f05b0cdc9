"""Exact phrases in a question: passages that hold what stands in quotation marks are found first, or alone."""

import re
import unicodedata
from typing import Final

# a straight mark after a letter or digit opens nothing: it means inches or seconds
_QUOTED: Final = re.compile(r'(?<!\w)"([^"]*)"|“([^“”]*)”|„([^„“”]*)[“”]|«([^«»]*)»|「([^「」]*)」')
_SPACE: Final = re.compile(r"\s+")
_SPACED: Final = re.compile(r"[^\W\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def phrases(query: str) -> tuple[str, ...]:
    """The quoted phrases in order, without those that hold no letter or digit. An open quotation mark is none."""
    found = ("".join(group or "" for group in match.groups()) for match in _QUOTED.finditer(query))
    return tuple(phrase for phrase in map(_plain, found) if any(c.isalnum() for c in phrase))


def is_nothing_else(query: str) -> bool:
    """Whether the query is phrases alone: then nothing is asked for that does not hold them."""
    return bool(phrases(query)) and not any(c.isalnum() for c in _QUOTED.sub(" ", query))


def holds_all(text: str, wanted: tuple[str, ...]) -> bool:
    """Whether every phrase stands in the text, whatever its case and white space, at the borders of words."""
    if not wanted:
        return True
    plain = _plain(text)
    return all(_holds(plain, _plain(phrase)) for phrase in wanted)


def _holds(plain: str, phrase: str) -> bool:
    start = plain.find(phrase)
    while start >= 0:
        end = start + len(phrase)
        if not _inside_word(plain, start) and not _inside_word(plain, end):
            return True
        start = plain.find(phrase, start + 1)
    return False


def _inside_word(text: str, place: int) -> bool:
    """Whether letters or digits of one word stand on both sides; scripts without spaces know no such thing."""
    return 0 < place < len(text) and bool(_SPACED.match(text[place - 1]) and _SPACED.match(text[place]))


def _plain(text: str) -> str:
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
