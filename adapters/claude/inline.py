"""Citing by markers: sources as numbered plain text, and `[n]` in the answer read back as citations.

For servers that speak the Messages API but drop `search_result` blocks.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import define, field

from adapters.claude.taming import without_controls
from adapters.words import overlap, terms
from application.ports.models import BlockEnded, BlockStarted, CitationPart, ModelPart, TextPart
from domain.answers import ClaimedCitation, Source

_FORGED_MARKER: Final = re.compile(r"[\[\u3010\uff3b](\s*\d+(?:\s*[,;\-]\s*\d+)*\s*)[\]\u3011\uff3d]")
_FORGED_FENCE: Final = re.compile(r"<{3,}|>{3,}")

_MARKER: Final = re.compile(r"\[\s*\d{1,4}(?:\s*,\s*\d{1,4})*\s*\]")
_MARKER_BEGUN: Final = re.compile(r"\[(?:\s{0,3}\d{1,4}\s{0,3},){0,8}\s{0,3}(?:\d{1,4}\s{0,3})?")
_SENTENCE_ENDS: Final = frozenset(".!?\u2026")  # when white space follows
_FULL_STOPS: Final = "\u3002\uff01\uff1f\u0964\u06d4"  # of scripts that need no white space after them
_CLOSING: Final = ".,;:!?\u2026\u3002\uff0c\uff01\uff1f\u3001\u0964\u06d4)]}\"'\u00bb\u201d\u2019\u300d"


@define
class NumberedSources:
    """The sources of one request under numbers from 1, in the order in which they are first given."""

    _sources: dict[str, Source] = field(factory=dict)

    def text(self, sources: Iterable[Source]) -> str:
        """The sources as text; those without text are left out, a known one keeps its number. Empty for none."""
        shown: dict[int, str] = {}
        for source in sources:
            if "".join(source.blocks).strip():
                self._sources.setdefault(source.uri, source)
                number = list(self._sources).index(source.uri) + 1
                shown[number] = f"[{number}] {_line(source.title)}\n<<<\n{_tame(''.join(source.blocks))}\n>>>"
        return "\n\n".join(shown.values())

    def __len__(self) -> int:
        return len(self._sources)

    def claim(self, number: int, claimed: str) -> ClaimedCitation:
        """Source `number` backs `claimed`: of its blocks, the one that says most of the same is quoted."""
        source = list(self._sources.values())[number - 1]
        wanted = {term: float(count) for term, count in Counter(terms(claimed)).items()}
        best = max(
            (index for index, text in enumerate(source.blocks) if text.strip()),
            key=lambda index: (overlap(wanted, source.blocks[index]), -index),
        )
        return ClaimedCitation(
            source_uri=source.uri, block_from=best, block_to=best + 1, quote=source.blocks[best].strip()
        )


def _tame(text: str) -> str:
    """Document text that can neither end its fence nor pass for one of our numbers."""
    text = without_controls(text.replace("\r\n", "\n"))
    text = _FORGED_MARKER.sub(r"(\1)", text)
    return _FORGED_FENCE.sub(lambda fence: "\u2039" * 3 if fence.group()[0] == "<" else "\u203a" * 3, text)


def _line(title: str) -> str:
    return " ".join(_tame(title).split()) or "Untitled"


@define
class MarkerReader:
    """Reads the answer as it streams: markers leave the text and become citations of the claim before them.

    A claim is a sentence, or the part of one up to its markers. Text is handed on at once, but for what may
    still turn out to be a marker, and the white space before it.
    """

    sources: NumberedSources
    _held: str = ""  # not read yet: it may be a marker's beginning
    _space: str = ""  # white space seen, not handed on yet
    _claim: str = ""  # what was handed on of the present block
    _last: str = ""  # its last character, handed on or not
    _numbers: list[int] = field(factory=list)
    _ended: bool = False  # the claim is over as soon as another begins

    def read(self, text: str) -> Iterator[ModelPart]:
        """The parts that are certain now."""
        self._held += text
        yield from self._parts(final=False)

    def end(self) -> Iterator[ModelPart]:
        """No more of this block comes: the rest, and its end; white space that stood alone goes before the next."""
        yield from self._parts(final=True)
        if self._claim and self._space:
            yield TextPart(text=self._space)
        if self._claim:
            self._space = ""
        yield from self._close()

    def _parts(self, *, final: bool) -> Iterator[ModelPart]:
        text, position = self._held, 0
        ready: list[str] = []
        while position < len(text):
            character = text[position]
            if character == "[":
                marker = _MARKER.match(text, position)
                numbers = self._in_range(marker.group()) if marker else []
                if marker and numbers:
                    position = marker.end()
                    self._cite(numbers)
                    continue
                if not marker and not final and _MARKER_BEGUN.fullmatch(text, position):
                    break
            position += 1
            if character.isspace():
                self._space += character
                self._ended = self._ended or character == "\n" or self._last in _SENTENCE_ENDS
                continue
            if self._ended and (character not in _CLOSING or "\n" in self._space):
                yield from self._hand_on(ready)
                yield from self._close()
            ready.append(self._space + character)
            self._space = ""
            self._last = character
            self._ended = self._ended or character in _FULL_STOPS
        self._held = text[position:]
        yield from self._hand_on(ready)

    def _cite(self, numbers: list[int]) -> None:
        if not self._last:
            return  # nothing was said yet that it could back
        self._numbers.extend(number for number in numbers if number not in self._numbers)
        self._ended = True
        if "\n" not in self._space:
            self._space = ""

    def _in_range(self, marker: str) -> list[int]:
        numbers = [int(digits) for digits in re.findall(r"\d+", marker)]
        return numbers if all(1 <= number <= len(self.sources) for number in numbers) else []

    def _hand_on(self, ready: list[str]) -> Iterator[ModelPart]:
        if not ready:
            return
        if not self._claim:
            yield BlockStarted()
        text = "".join(ready)
        ready.clear()
        self._claim += text
        yield TextPart(text=text)

    def _close(self) -> Iterator[ModelPart]:
        if self._claim:
            for number in self._numbers:
                yield CitationPart(claim=self.sources.claim(number, self._claim))
            yield BlockEnded()
        self._claim = ""
        self._last = ""
        self._numbers = []
        self._ended = False
