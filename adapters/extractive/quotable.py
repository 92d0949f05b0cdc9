"""What of a block of text a reader can be shown as a sentence.

Blocks come from documents of every kind: beside sentences there are headings, rows of tables, page headers and lists of
contents. A heading that stands before a sentence in the same block is left away, or a short one told as its subject;
what is no sentence at all is told apart by its look, in any language: it ends without punctuation, or is made of
numbers.
"""

import re
from typing import Final

from adapters.words import terms

_STOPS: Final = r".!?\u2026\u3002\uff01\uff1f\uff61\u0964\u0965\u061f\u06d4\u17d4\u104b"
_END: Final = re.compile(rf"[{_STOPS}][\"'\u201d\u2019\u00bb)\]\u300d\u300f]*$")
_LINE_END: Final = re.compile(r"[.!?:;,\u2026\u3002\uff01\uff1f\uff0c\uff1b\uff1a\u3001\u0964\u061f\u060c-]\s*$")
_UNSTOPPED: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")  # scripts that know no stops
_MARK: Final = re.compile(r"^(?:[#>*\u2022\u25aa\u25cf\u00b7\u2013-]+\s+|\(?\d{1,3}[.)]\s+(?=\D)|\|\s*)+")
_NUMERIC: Final = re.compile(r"^[\W\d_]*\d[\W\d_]*%?$|^[$\u20ac\u00a3%()\u2014\u2013|-]+$")
_LEADERS: Final = re.compile(r"\.{4,}|(?:\. ){4,}|\|.*\|")
_LEAST_TERMS: Final = 4
_MOST_NUMBERS: Final = 0.4  # of the words
_HEADING_WORDS: Final = 12  # a line with more is no heading
_SUBJECT_WORDS: Final = 4  # a heading with no more tells what the sentence below it is about
LONGEST: Final = 500  # characters


def sentence(block: str) -> str | None:
    """The block as one sentence on one line; None for what is none."""
    lines = [line.strip() for line in block.strip().splitlines() if line.strip()]
    heading = ""
    while len(lines) > 1 and _is_heading(lines[0], lines[1]):
        heading = lines.pop(0)
    text = _MARK.sub("", " ".join(" ".join(lines).split()))
    words = text.split()
    if not words or not (_END.search(text) or _UNSTOPPED.search(text)):
        return None
    if len(set(terms(text))) < _LEAST_TERMS or _LEADERS.search(text):
        return None
    if sum(bool(_NUMERIC.match(word)) for word in words) > _MOST_NUMBERS * len(words):
        return None
    subject = _MARK.sub("", heading).rstrip(":")
    return f"{subject}: {text}" if subject and len(subject.split()) <= _SUBJECT_WORDS else text


def row(line: str) -> str | None:
    """A line of what has no sentences, where it tells more than a heading does: it has a number, or many words."""
    text = _MARK.sub("", " ".join(line.split()))
    count = len(set(terms(text)))
    tells = count >= _LEAST_TERMS and any(character.isdigit() for character in text)
    return text if tells or count > _HEADING_WORDS or len(text) > LONGEST else None


def shortened(text: str) -> str:
    """At most `LONGEST` characters, whole words."""
    if len(text) <= LONGEST:
        return text
    cut = text[:LONGEST]
    whole_words, space, _ = cut.rpartition(" ")
    return f"{whole_words if space else cut}\u2026"


def _is_heading(line: str, following: str) -> bool:
    """A short line that does not flow into the next one."""
    if line.startswith("#"):
        return True
    words = line.split()
    flows = _LINE_END.search(line) or following[:1].islower()
    return len(words) <= _HEADING_WORDS and not flows and (len(words) < _HEADING_WORDS / 2 or line.istitle())
