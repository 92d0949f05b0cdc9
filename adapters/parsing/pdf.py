"""PDF: text with the place of every line, by PDFium; by pdfminer where PDFium gives nothing usable."""

import re
from typing import Final

from attrs import evolve

from adapters.parsing import ocr, pdf_pdfium, pdf_pdfminer
from adapters.parsing.building import DocumentBuilder
from adapters.parsing.failures import no_text
from adapters.parsing.limits import Limits
from adapters.parsing.pdf_layout import assemble
from adapters.parsing.pdf_page import Line, PageLines
from adapters.parsing.source import Source
from application.errors import ParsingFailed
from domain.documents import FailureCode
from domain.passages import ParsedDocument

MAX_GARBLED: Final = 0.25  # share of characters that no reader could name, above which text is not usable
_USELESS: Final = 0.9
_NAMELESS: Final = re.compile("[\x00-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff\U000f0000-\U0010ffff]")
_WORD_CHARACTER: Final = re.compile(r"\S")
_MIN_SWAPPED: Final = 8  # characters; fewer may be so by chance
_VERTICAL_SCRIPT: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
_MUCH_MORE: Final = 1.1
_SLOW_PAGES: Final = 300  # the second reader is a hundred times slower; longer documents keep the first one's text
_LISTED: Final = 10


def read(source: Source, limits: Limits) -> ParsedDocument:
    """Pages, lines with boxes (as the page is shown), paragraphs and headings by layout."""
    if limits.pdf_reader == "pdfminer":
        pages, title, language = pdf_pdfminer.read_pages(source, limits)
    else:
        pages, title, language = _first_reading(source, limits)
        if (
            limits.pdf_reader == "auto"
            and len(pages) <= _SLOW_PAGES
            and (garbled(pages) > MAX_GARBLED or incomplete(pages))
        ):
            pages = _better(pages, source, limits)
    pages = righted(pages)
    pages = _with_scanned(pages, source, limits)
    if any(page.lines for page in pages) and garbled(pages) > _USELESS:
        raise no_text(
            "The text in the PDF cannot be read: its fonts do not say which characters they show. "
            "Run text recognition (OCR) over it and upload it again."
        )
    builder = DocumentBuilder(limits)
    assemble(pages, builder)
    document = builder.finish(title=title, language=language)
    if not document.text.strip():
        raise no_text(_scanned(document.pages_without_text, len(pages)))
    return document


def _first_reading(source: Source, limits: Limits) -> tuple[list[PageLines], str | None, str | None]:
    """By PDFium, or by pdfminer what PDFium wants a password for: some encryptions open to one of them only."""
    try:
        return pdf_pdfium.read_pages(source, limits)
    except ParsingFailed as error:
        if limits.pdf_reader != "auto" or error.failure.code is not FailureCode.ENCRYPTED_FILE:
            raise
        return pdf_pdfminer.read_pages(source, limits)


def _with_scanned(pages: list[PageLines], source: Source, limits: Limits) -> list[PageLines]:
    """Also the pages that are pictures, where a recognizer is installed and as far as the time goes."""
    empty = [page.number for page in pages if not page.lines]
    reader = ocr.installed() if empty and limits.recognize else None
    if reader is None:
        return pages
    try:
        return ocr.recognized(pages, pdf_pdfium.pictures(source, empty), reader, seconds=limits.wall_seconds)
    except ParsingFailed:
        return pages  # PDFium does not open what pdfminer did


def righted(pages: list[PageLines]) -> list[PageLines]:
    """Text in Latin letters that a font's table gives as UTF-16 with its bytes swapped: U+4D00 for M.

    Of real characters of those ranges one in 256 ends in a zero byte; here nearly all do.
    """
    characters = _WORD_CHARACTER.findall("".join(line.text for page in pages for line in page.lines))
    swapped = sum(_is_swapped(character) for character in characters)
    if swapped < _MIN_SWAPPED or swapped * 10 < len(characters) * 9:
        return pages
    return [evolve(page, lines=tuple(evolve(line, text=_swapped(line.text)) for line in page.lines)) for page in pages]


def _is_swapped(character: str) -> bool:
    return "\u0100" <= character <= "\uff00" and ord(character) % 256 == 0


def _swapped(text: str) -> str:
    return "".join(chr(ord(character) >> 8) if _is_swapped(character) else character for character in text)


def garbled(pages: list[PageLines]) -> float:
    """Share of characters that stand for none: replacement, private use, controls. 1.0 when there is no text."""
    text = "".join(line.text for page in pages for line in page.lines)
    return 1 - len(_NAMELESS.sub("", text)) / len(text) if text else 1.0


def incomplete(pages: list[PageLines]) -> bool:
    """Whether much of what is drawn as text was not found, as happens with vertical writing."""
    lines = [line for page in pages for line in page.lines]
    found = sum(len(line.text) for line in lines)
    vertical = sum(len(line.text) for line in lines if _is_vertical(line))
    return sum(page.drawn for page in pages) > 2 * found or vertical * 2 > found > 0


def _is_vertical(line: Line) -> bool:
    left, top, right, bottom = line.box
    return len(line.text) > 1 and right - left < bottom - top and _VERTICAL_SCRIPT.search(line.text) is not None


def _better(pages: list[PageLines], source: Source, limits: Limits) -> list[PageLines]:
    if not any(page.lines or page.drawn for page in pages):
        return pages  # pictures only: another reader finds nothing either
    try:
        others, _, _ = pdf_pdfminer.read_pages(source, limits)
    except (ParsingFailed, RecursionError):
        return pages
    return others if _readable(others) > _MUCH_MORE * _readable(pages) else pages


def _readable(pages: list[PageLines]) -> float:
    """Characters that stand for something."""
    return (1 - garbled(pages)) * sum(len(line.text) for page in pages for line in page.lines)


def _scanned(numbers: tuple[int, ...], count: int) -> str:
    if count == 1:
        return "No text was found: the page looks scanned. Run text recognition (OCR) over it and upload it again."
    listed = ", ".join(str(number) for number in numbers[:_LISTED]) + (", …" if len(numbers) > _LISTED else "")
    return (
        f"No text was found: all {count:,} pages look scanned ({listed}). "
        "Run text recognition (OCR) over them and upload the file again."
    )
