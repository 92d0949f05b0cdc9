"""Which questions cannot be read alone.

A question that points back ("and the second one?", "how is it removed?") or is hardly more than a word is read with the
ones before, up to one that stands for itself; any other begins anew, however short it is. Words decide, so that it
costs nothing; in a language whose words are not listed only what is very short counts.
"""

import re
from collections.abc import Sequence
from typing import Final

MOST: Final = 3  # questions before that are read along
_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_UNSPACED: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_FEW_SIGNS: Final = 8  # of a script without spaces
_FEW_WORDS: Final = 2  # of its own: fewer say nothing without what was said before
_ENOUGH_WORDS: Final = 5  # of its own: with so many it stands for itself, whatever else it has

# English, German, French, Spanish
_GOING_ON: Final = """
    and but or so then also otherwise und aber oder dann auch sonst et mais alors aussi y e pero entonces
"""
_POINTING: Final = """
    it its it's they them their theirs this that these those he him his she her hers one ones other others another same
    former latter second third else
    es ihn ihm ihr ihre ihrem ihren dies diese dieser dieses diesem diesen jene jener jenes dessen deren davon dazu
    damit daraus zweite zweiten dritte dritten andere anderen
    elle ils elles lui leur leurs cela ceci celui celle ceux celles autre autres deuxi\u00e8me
    eso esa ese esto ellos ellas otro otra segundo segunda
"""
_EMPTY: Final = """
    what which who whom whose when where why how about is are was were be been do does did can could will would should
    may might must has have had a an the of in on at to for from by with not no yes i you we us me my our your please
    tell more exactly again there much many long far often any some
    wer wie wo wann warum welche welcher welches ist sind war der die das den dem ein eine einen zu im von mit lange
    viel viele que quoi qui quel quelle comment quand pourquoi combien est sont le la les un une des de du en dans il
    qu\u00e9 qui\u00e9n c\u00f3mo cu\u00e1ndo d\u00f3nde es son el los las una del
"""
_BEGINNINGS: Final = frozenset(_GOING_ON.split())
_POINTERS: Final = frozenset(_POINTING.split())
_NOT_OWN: Final = frozenset(_EMPTY.split()) | _BEGINNINGS | _POINTERS


def points_back(question: str) -> bool:
    """Whether the question needs those before it."""
    text = question.strip().casefold()
    if _UNSPACED.search(text):
        return len(text) <= _FEW_SIGNS
    words = _WORD.findall(text)
    own = len(own_words(text))
    points = not words or words[0] in _BEGINNINGS or not _POINTERS.isdisjoint(words)
    return own < _FEW_WORDS or (points and own < _ENOUGH_WORDS)


def own_words(question: str) -> list[str]:
    """Those that say what it is about, beside words that ask, point or join; in lower case."""
    return [word for word in _WORD.findall(question.casefold()) if word not in _NOT_OWN]


def read_along(question: str, before: Sequence[str]) -> list[str]:
    """Of the questions `before`, oldest first, the last ones that are to be read with it, in their order."""
    along: list[str] = []
    present = question
    while points_back(present) and len(along) < min(MOST, len(before)):
        present = before[len(before) - len(along) - 1]
        along.insert(0, present)
    return along
