"""The first PDF reader: PDFium, fast and forgiving."""

import ctypes
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from statistics import median
from typing import Any, Final

import pypdfium2
from pypdfium2 import raw

from adapters.parsing.failures import corrupt, encrypted, too_many_pages, too_much_text
from adapters.parsing.limits import Limits
from adapters.parsing.ocr import DPI, Raster
from adapters.parsing.pdf_page import Line, PageLines
from adapters.parsing.source import Source
from domain.passages import Box

# PDFium ends a line with CR LF; a hyphen at which it found a word divided, with U+0002 or U+FFFE
_LINE: Final = re.compile("[^\r\n\x02\ufffe]+[\x02\ufffe]?")
_MENDED: Final = "\x02\ufffe"
_TRAILING: Final = _MENDED + " \t\xa0"
_LITTLE: Final = 400  # characters of a page, below which the objects that draw text are counted
_MOST_OBJECTS: Final = 5000
_WIDE: Final = 0.5  # of the page's width: shorter lines do not cross two columns
_GUTTER: Final = 8.0  # points
_BOLD: Final = 600
_FONT_NAME: Final = 128  # bytes that are read of it
_BOLD_NAME: Final = re.compile(rb"bold|black|heavy|demi|CMBX|medi\b|-B\b", re.IGNORECASE)
_MOST_PIXELS: Final = 25_000_000  # of a page's picture
_TINY: Final = 2.0  # a font size in points below which the real one lies in the text's matrix


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except pypdfium2.PdfiumError as error:
        if error.err_code in {raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY}:
            raise encrypted("PDF") from error
        raise corrupt("PDF") from error


def read_pages(source: Source, limits: Limits) -> tuple[list[PageLines], str | None, str | None]:
    """All pages, the title and the language. A page that cannot be loaded counts as one without text."""
    with _translated():
        document = pypdfium2.PdfDocument(source.path or source.data)
        count = len(document)
    if count == 0:
        raise corrupt("PDF")
    if count > limits.max_pages:
        raise too_many_pages(count, limits.max_pages)
    pages: list[PageLines] = []
    characters = 0
    for index in range(count):
        page = _page(document, index)
        characters += sum(len(line.text) for line in page.lines)
        if characters > limits.max_chars:
            raise too_much_text(f"more than {limits.max_chars:,} characters of text")
        pages.append(page)
    title = document.get_metadata_dict().get("Title")
    return pages, title, _language(document)


def pictures(source: Source, numbers: Sequence[int]) -> Iterator[Raster]:
    """These pages as they are shown, where anything is drawn on them, one at a time."""
    with _translated():
        document = pypdfium2.PdfDocument(source.path or source.data)
    for number in numbers:
        try:
            page = document[number - 1]
            if next(page.get_objects(max_depth=1), None) is None:
                continue
            width, height = page.get_size()
            scale = min(DPI / 72, math.sqrt(_MOST_PIXELS / max(width * height, 1)))
            bitmap = page.render(scale=scale, grayscale=True)
        except pypdfium2.PdfiumError:
            continue
        data = bytes(bitmap.buffer)
        rows = range(0, bitmap.height * bitmap.stride, bitmap.stride)
        pixels = b"".join(data[start : start + bitmap.width] for start in rows)
        yield Raster(number, bitmap.width, bitmap.height, scale, pixels)
        bitmap.close()
        page.close()


def _language(document: Any) -> str | None:
    needed = raw.FPDFCatalog_GetLanguage(document, None, 0) if hasattr(raw, "FPDFCatalog_GetLanguage") else 0
    if needed <= 2:  # noqa: PLR2004 an empty UTF-16 string
        return None
    buffer = (ctypes.c_ushort * (needed // 2))()
    raw.FPDFCatalog_GetLanguage(document, buffer, needed)
    return bytes(buffer).decode("utf-16-le", "ignore").rstrip("\0") or None


def _page(document: Any, index: int) -> PageLines:
    try:
        page = document[index]
    except pypdfium2.PdfiumError:
        return PageLines(index + 1, 0.0, 0.0)
    try:
        width, height = page.get_size()
        try:
            text_page = page.get_textpage()
        except pypdfium2.PdfiumError:
            return PageLines(index + 1, width, height)
        try:
            count = max(text_page.count_chars(), 0)
            place = _Placement(page, width, height)
            lines = tuple(dict.fromkeys(_lines(text_page, count, place)))  # some draw a line twice, to embolden it
        finally:
            text_page.close()
        return PageLines(index + 1, width, height, lines, drawn=_drawn(page) if count < _LITTLE else 0)
    finally:
        page.close()


def _drawn(page: Any) -> int:
    return sum(1 for _ in islice(page.get_objects(filter=[raw.FPDF_PAGEOBJ_TEXT], max_depth=3), _MOST_OBJECTS))


def _lines(text_page: Any, count: int, place: "_Placement") -> Iterator[Line]:
    text = text_page.get_text_range() if count else ""
    if len(text) != count:  # an index into the text would not be PDFium's
        text = "".join(_character(raw.FPDFText_GetUnicode(text_page, index)) for index in range(count))
    for match in _LINE.finditer(text):
        line = match.group()
        if line.isspace():
            continue
        first = match.start() + len(line) - len(line.lstrip())
        last = match.start() + len(line.rstrip(_TRAILING)) - 1
        box = place.shown(_around(text_page, first, max(first, last)))
        size = median(_size(text_page, index) for index in (first, (first + last) // 2, last))
        if size < _TINY:
            size = min(box[3] - box[1], box[2] - box[0])
        bold = _is_bold(text_page, first) and _is_bold(text_page, last)
        is_wide = bold or box[2] - box[0] > _WIDE * place.width
        gaps = tuple(_gaps(text_page, text, first, last, place)) if is_wide else ()
        yield Line(line.rstrip(_MENDED).strip(), box, size, line[-1] in _MENDED, bold, gaps)


def _gaps(text_page: Any, text: str, first: int, last: int, place: "_Placement") -> Iterator[tuple[int, float, float]]:
    """Gaps as wide as those between columns: where the next word is in the line, from x, to x."""
    for index in range(first + 1, last):
        if text[index] == " " and raw.FPDFText_IsGenerated(text_page, index) == 1:
            try:
                left, right = (text_page.get_charbox(near, loose=True) for near in (index - 1, index + 1))
            except pypdfium2.PdfiumError:
                continue
            a, b = place.shown(left)[2], place.shown(right)[0]
            if b - a > _GUTTER:
                yield index + 1 - first, a, b


def _size(text_page: Any, index: int) -> float:
    """Of a character's font, in points on the page: what is declared, by the scale of the text's matrix."""
    matrix = raw.FS_MATRIX()
    scale = math.hypot(matrix.c, matrix.d) if raw.FPDFText_GetMatrix(text_page, index, matrix) else 1.0
    return float(raw.FPDFText_GetFontSize(text_page, index)) * scale


def _is_bold(text_page: Any, index: int) -> bool:
    """By the font's declared weight, or by its name."""
    if raw.FPDFText_GetFontWeight(text_page, index) >= _BOLD:
        return True
    buffer = ctypes.create_string_buffer(_FONT_NAME)
    raw.FPDFText_GetFontInfo(text_page, index, buffer, _FONT_NAME, None)
    return _BOLD_NAME.search(buffer.value) is not None


def _character(code: int) -> str:
    return chr(code) if 0 < code < 0xD800 or 0xDFFF < code < 0x110000 else "\ufffd"  # noqa: PLR2004 Unicode's own


def _around(text_page: Any, first: int, last: int) -> Box:
    """Of a line of characters: the font's own height, from the first character to the last, whatever the direction."""
    try:
        boxes = [text_page.get_charbox(index, loose=True) for index in {first, (first + last) // 2, last}]
    except pypdfium2.PdfiumError:
        return 0.0, 0.0, 0.0, 0.0
    return min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)


class _Placement:
    """From PDF user space (origin bottom left, unrotated, the crop box anywhere in it) to the page as shown."""

    def __init__(self, page: Any, width: float, height: float) -> None:
        self._left, self._bottom, right, top = page.get_bbox()
        self._across, self._up = right - self._left, top - self._bottom
        self._rotation = page.get_rotation()
        self.width, self.height = width, height

    def shown(self, box: Box) -> Box:
        left, bottom, right, top = (
            box[0] - self._left,
            box[1] - self._bottom,
            box[2] - self._left,
            box[3] - self._bottom,
        )
        match self._rotation:
            case 90:
                return bottom, left, top, right
            case 180:
                return self._across - right, bottom, self._across - left, top
            case 270:
                return self._up - top, self._across - right, self._up - bottom, self._across - left
            case _:
                return left, self._up - top, right, self._up - bottom
