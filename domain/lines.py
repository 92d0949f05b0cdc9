"""Names, titles and tags: one line of text that people read."""

import unicodedata
from typing import Final

JOINERS: Final = "\u200c\u200d"  # invisible, but part of words in Persian and Indic scripts, and of emoji


def is_legible(text: str) -> bool:
    """Whether it holds no controls, marks of direction or halves of surrogate pairs; spaces of any width may be."""
    return all(c.isprintable() or c in JOINERS or unicodedata.category(c) == "Zs" for c in text)


def one_line(text: str) -> str:
    """The same with whatever is not legible, and each run of white space, as one space; trimmed."""
    return " ".join("".join(c if is_legible(c) else " " for c in text).split())


def is_storable(text: str) -> bool:
    """Whether databases take it: no NUL, no half of a surrogate pair."""
    return not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)
