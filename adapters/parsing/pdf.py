"""PDF: text with the place of every line, by PDFium; by pdfminer where PDFium gives nothing usable."""

from pathlib import Path
from typing import Final

from adapters.parsing import pdf_pdfium, pdf_pdfminer
from adapters.parsing.building import DocumentBuilder
from adapters.parsing.failures import no_text
from adapters.parsing.limits import Limits
from adapters.parsing.pdf_layout import PageLines, assemble, without_running_lines
from application.errors import ParsingFailed
from domain.passages import ParsedDocument

MAX_GARBLED: Final = 0.25  # share of characters that no reader could name, above which text is not usable
_SLOW_PAGES: Final = 300  # the second reader is a hundred times slower; longer documents keep the first one's text
_LISTED: Final = 10


def read(path: Path, limits: Limits) -> ParsedDocument:
    """Pages, lines with boxes (as the page is shown), paragraphs and headings by layout."""
    if limits.pdf_reader == "pdfminer":
        pages, title, language = pdf_pdfminer.read_pages(path, limits)
    else:
        pages, title, language = pdf_pdfium.read_pages(path, limits)
        if limits.pdf_reader == "auto" and len(pages) <= _SLOW_PAGES and garbled(pages) > MAX_GARBLED:
            pages = _better(pages, path, limits)
    builder = DocumentBuilder(limits)
    assemble(without_running_lines(pages), builder)
    document = builder.finish(title=title, language=language)
    if not document.text.strip():
        raise no_text(_scanned(document.pages_without_text, len(pages)))
    return document


def garbled(pages: list[PageLines]) -> float:
    """Share of characters that stand for none: replacement, private use, controls. 1.0 when there is no text."""
    total = bad = 0
    for page in pages:
        for line in page.lines:
            total += len(line.text)
            bad += sum(
                c == "\ufffd" or "\ue000" <= c <= "\uf8ff" or c < " " or "\x7f" <= c < "\xa0" or c >= "\U000f0000"
                for c in line.text
            )
    return bad / total if total else 1.0


def _better(pages: list[PageLines], path: Path, limits: Limits) -> list[PageLines]:
    if not any(page.has_fonts for page in pages):
        return pages  # pictures only: another reader finds nothing either
    try:
        others, _, _ = pdf_pdfminer.read_pages(path, limits)
    except (ParsingFailed, RecursionError):
        return pages
    return others if garbled(others) < garbled(pages) else pages


def _scanned(numbers: tuple[int, ...], count: int) -> str:
    if count == 1:
        return "No text was found: the page looks scanned. Run text recognition (OCR) over it and upload it again."
    listed = ", ".join(str(number) for number in numbers[:_LISTED]) + (", …" if len(numbers) > _LISTED else "")
    return (
        f"No text was found: all {count:,} pages look scanned ({listed}). "
        "Run text recognition (OCR) over them and upload the file again."
    )
