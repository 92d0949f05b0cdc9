"""What all mapping shares: folded words, and boxes on pages as JSON."""

# ruff: noqa: D103 each pair is told by its names and types
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import RowMapping

from domain.passages import Box, PageBoxes

Values = dict[str, Any]
Row = RowMapping | Mapping[str, Any]


def fold(text: str) -> str:
    """What text is sorted and searched by: compatibility forms and case make no difference."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def title_key(title: str) -> str:
    """What titles are sorted by: folded, and without the accents of Latin, Greek and Cyrillic letters."""
    letters = unicodedata.normalize("NFKD", fold(title))
    return "".join(letter for letter in letters if not "\u0300" <= letter <= "\u036f")


def boxes_to_json(boxes: Iterable[PageBoxes]) -> list[Any]:
    return [[on_page.page, [list(rect) for rect in on_page.rects]] for on_page in boxes]


def boxes_from_json(data: Iterable[Any]) -> tuple[PageBoxes, ...]:
    return tuple(PageBoxes(page=page, rects=tuple(box_from_json(rect) for rect in rects)) for page, rects in data)


def box_from_json(numbers: Iterable[float]) -> Box:
    left, top, right, bottom = numbers
    return (float(left), float(top), float(right), float(bottom))
