"""The second PDF reader: pdfminer.six, slow, with its own way through fonts without a Unicode map."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from pdfminer.high_level import extract_pages
from pdfminer.layout import LAParams, LTChar, LTTextContainer, LTTextLine
from pdfminer.pdfdocument import PDFDocument, PDFEncryptionError, PDFPasswordIncorrect
from pdfminer.pdfpage import PDFPage
from pdfminer.pdfparser import PDFParser
from pdfminer.psparser import PSException

from adapters.parsing.failures import corrupt, encrypted, too_many_pages, too_much_text
from adapters.parsing.limits import Limits
from adapters.parsing.pdf_page import Line, PageLines
from adapters.parsing.source import Source
from application.errors import ParsingFailed

_UNMAPPED: Final = re.compile(r"\(cid:\d+\)")  # how it writes a glyph that it knows no character for

logging.getLogger("pdfminer").setLevel(logging.CRITICAL)  # it quotes the document


@contextmanager
def _translated() -> Iterator[None]:
    """What it fails on damaged files with every kind of exception there is."""
    try:
        yield
    except (ParsingFailed, MemoryError, RecursionError):
        raise
    except (PDFPasswordIncorrect, PDFEncryptionError) as error:
        raise encrypted("PDF") from error
    except (PSException, Exception) as error:
        raise corrupt("PDF") from error


def read_pages(source: Source, limits: Limits) -> tuple[list[PageLines], str | None, str | None]:
    """All pages; title and language are left to the first reader."""
    pages: list[PageLines] = []
    characters = 0
    with _translated():
        with source.open() as file:
            count = sum(1 for _ in PDFPage.create_pages(PDFDocument(PDFParser(file))))
        if count == 0:
            raise corrupt("PDF")
        if count > limits.max_pages:
            raise too_many_pages(count, limits.max_pages)
        with source.open() as file:
            for number, layout in enumerate(extract_pages(file, laparams=LAParams(detect_vertical=True)), start=1):
                lines = tuple(_lines(layout, layout.height))
                characters += sum(len(line.text) for line in lines)
                if characters > limits.max_chars:
                    raise too_much_text(f"more than {limits.max_chars:,} characters of text")
                pages.append(PageLines(number, layout.width, layout.height, lines))
    return pages, None, None


def _lines(container: Any, height: float) -> Iterator[Line]:
    for element in container:
        if isinstance(element, LTTextLine):
            text = _UNMAPPED.sub("\ufffd", element.get_text().rstrip("\n"))
            if text and not text.isspace():
                size = next((c.size for c in element if isinstance(c, LTChar)), element.height)
                yield Line(text, (element.x0, height - element.y1, element.x1, height - element.y0), size)
        elif isinstance(element, LTTextContainer):
            yield from _lines(element, height)
