"""Where sentences end, in any script, in linear time.

Rules rather than a model: terminal punctuation followed by white space ends a sentence, unless the word before
it is a known abbreviation or an initial, or the next word goes on in lower case. Chinese and Japanese stops end
a sentence without a space after them, Hindi's danda and Arabic's marks like a full stop. Scripts that are written
without stops (Thai, Lao, Khmer, Burmese) fall back to their spaces, which divide phrases.
"""

import re
from collections.abc import Iterator
from typing import Final

# English titles and shorthand, months and days; German; French; Spanish; Italian; Russian
_SHORTHAND: Final = """
    mr mrs ms dr prof rev hon st jr sr sen rep gen col capt lt sgt gov pres messrs mt ft
    vs etc al cf ca approx e.g i.e viz no nos vol vols p pp fig figs eq eqs sec ch chap ed eds ref refs art para
    inc ltd co corp dept univ est assn bros a.m p.m u.s u.k u.n d.c ph.d b.a m.a
    jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun
    bzw usw ggf vgl evtl nr str abs z.b d.h u.a s.o bspw inkl zzgl hrsg jh hr fr abb kap tel
    mme mlle m mm av env éd n° p.ex
    sra srta dña ud uds núm pág págs
    sig dott ing avv
    т.е т.д т.п г гг стр рис им ул
"""  # noqa: RUF001
_ABBREVIATIONS: Final = frozenset(_SHORTHAND.split())
_NEEDS_FOLLOWER: Final = frozenset(
    ("etc", "al", "inc", "ltd", "co", "corp", "a.m", "p.m", "u.s", "u.k", "usw", "т.д", "т.п")
)
_CLOSERS: Final = "\"'”’»›)\\]}」』】）〉》］"  # noqa: RUF001
_END: Final = re.compile(
    rf"(?<![.!?…‼⁇⁈⁉])(?P<stop>[.!?…‼⁇⁈⁉]++)[{_CLOSERS}]*+(?=\s)"  # possessive, for linear time
    rf"|[。！？｡．]+[{_CLOSERS}]*"  # noqa: RUF001
    rf"|[।॥؟۔։።]+[{_CLOSERS}]*"  # noqa: RUF001
    r"|\n[^\S\n]*\n"
)
_WORD_BEFORE: Final = re.compile(r"[^\s(\[\"'“«„]+$")
_LONGEST_WORD: Final = 24  # code points looked at before a stop
_UNSPACED: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_PHRASE: Final = 160  # code points, about, of a piece of a script without stops
_LONG: Final = 240


def sentences(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """The ranges of the sentences in `text[start:end]`, ascending, without white space at their ends.

    Together they hold every character that is not white space. Nothing but white space gives nothing.
    """
    stop = len(text) if end is None else end
    begin = start
    for match in _END.finditer(text, start, stop):
        if match.end() <= begin or (match.group("stop") and not _ends(text, match, stop)):
            continue
        yield from _phrases(text, *trimmed(text, begin, match.end()))
        begin = match.end()
    yield from _phrases(text, *trimmed(text, begin, stop))


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The range without white space at its ends; empty at `start` when there is nothing else."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _ends(text: str, match: re.Match[str], stop: int) -> bool:
    if match.group("stop") != ".":
        # "..." and "…" may go on in the same sentence, "!" and "?" hardly ever do
        return not (set(match.group("stop")) <= {".", "…"} and _next(text, match.end(), stop).islower())
    following = _next(text, match.end(), stop)
    if following.islower():
        return False
    found = _WORD_BEFORE.search(text, max(match.start() - _LONGEST_WORD, 0), match.start())
    word = found.group().lower() if found else ""
    if len(word) == 1 and word.isalpha() and text[match.start() - 1].isupper():
        return False  # an initial: J. Smith
    if word.rstrip(".") in _NEEDS_FOLLOWER:
        return following.isupper()
    return word not in _ABBREVIATIONS


def _next(text: str, place: int, stop: int) -> str:
    for index in range(place, min(place + 8, stop)):
        if not text[index].isspace() and text[index] not in "\"'“«„([":
            return text[index]
    return ""


def _phrases(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    if end - start > _LONG and _UNSPACED.search(text, start, end):
        begin = start
        for match in re.compile(r"\s+").finditer(text, start, end):
            if match.start() - begin >= _PHRASE:
                yield begin, match.start()
                begin = match.end()
        start = begin
    if end > start:
        yield start, end
