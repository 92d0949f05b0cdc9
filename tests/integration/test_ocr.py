"""Scanned pages: what a recognizer adds, and that one that is missing or slow takes nothing away."""

import math
import shutil
from pathlib import Path

import pypdfium2
import pytest

from adapters.parsing.limits import Limits
from adapters.parsing.ocr import Raster, Tesseract, recognized
from adapters.parsing.pdf import read
from adapters.parsing.pdf_page import Line, PageLines
from adapters.parsing.pdf_pdfium import pictures
from adapters.parsing.sandbox import SandboxedParser
from adapters.parsing.source import Source
from application.errors import ParsingFailed
from domain.documents import FailureCode
from tests.samples import documents

needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
TEXT = "The harbour opens at seven in the morning"


class _Knowing:
    """A recognizer that knows what to say, and how long it was given."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def read(self, page: Raster, seconds: float) -> list[Line]:
        self.asked.append(page.number)
        return [Line(f"page {page.number}", (10, 10, 50, 20), 10.0)] if seconds > 0 else []


def scanned(path: Path) -> Path:
    """A PDF of three pages: text, a picture of text, nothing."""
    words = path.with_name("words.pdf")
    words.write_bytes(documents.pdf([[(24.0, TEXT)]]))
    source = pypdfium2.PdfDocument(words)
    made = pypdfium2.PdfDocument.new()
    made.import_pages(source)
    page = made.new_page(612, 792)
    image = pypdfium2.PdfImage.new(made)
    image.set_bitmap(source[0].render(scale=3))
    image.set_matrix(pypdfium2.PdfMatrix().scale(612, 792))
    page.insert_obj(image)
    page.gen_content()
    made.new_page(612, 792)
    made.save(path)
    made.close()
    source.close()
    return path


def test_pages_with_something_on_them_become_pictures(tmp_path: Path) -> None:
    """At a resolution that a recognizer can read; an empty page is passed over."""
    source = Source(path=scanned(tmp_path / "scan.pdf"))
    (picture,) = pictures(source, [2, 3])

    assert 2 == picture.number
    assert len(picture.pixels) == picture.width * picture.height
    assert math.isclose(picture.width / picture.scale, 612, abs_tol=1)
    assert min(picture.pixels) < 100
    assert max(picture.pixels) > 200


def test_only_what_was_recognized_is_added() -> None:
    """Pages with text of their own keep it."""
    own = (Line("own", (0, 0, 9, 9), 9.0),)
    pages = [PageLines(1, 100, 100, own), PageLines(2, 100, 100), PageLines(3, 100, 100)]
    found = recognized(pages, [Raster(2, 1, 1, 1.0, b"x")], _Knowing(), seconds=60)

    assert [("own",), ("page 2",), ()] == [tuple(line.text for line in page.lines) for page in found]


def test_pages_after_the_time_stay_without_text() -> None:
    """The file is not lost for the time that the rest of it would take."""
    reader = _Knowing()
    pages = [PageLines(number, 100, 100) for number in (1, 2)]
    found = recognized(pages, [Raster(number, 1, 1, 1.0, b"x") for number in (1, 2)], reader, seconds=0)

    assert [] == reader.asked
    assert pages == found


def test_a_recognizer_that_is_broken_finds_nothing() -> None:
    """It may be gone, fail, or take for ever."""
    picture = Raster(1, 2, 2, 1.0, b"\xff" * 4)

    assert [] == Tesseract("/nowhere/tesseract", ("eng",)).read(picture, 5)
    assert [] == Tesseract("false", ("eng",)).read(picture, 5)
    assert [] == Tesseract("yes", ("eng",)).read(picture, 0.2)


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    """Then the pages without text are named."""
    found = read(Source(path=scanned(tmp_path / "scan.pdf")), Limits(recognize=False))

    assert (2, 3) == found.pages_without_text


@needs_tesseract
async def test_a_scanned_page_is_read_in_the_sandbox(tmp_path: Path) -> None:
    """With the place of its lines; the empty page is named still."""
    parser = SandboxedParser(concurrency=1)
    found = await parser.parse(scanned(tmp_path / "scan.pdf"), "application/pdf")
    await parser.close()
    second = found.pages[1]

    assert found.text[second.char_from : second.char_to] == TEXT
    left, top, right, bottom = second.spans[0].bbox
    assert 65 < left < 80
    assert 300 < right < 612
    assert 40 < top < bottom < 110
    assert (3,) == found.pages_without_text


@needs_tesseract
async def test_a_picture_without_text_is_no_text(tmp_path: Path) -> None:
    """Noise is not made into words."""
    path = tmp_path / "noise.pdf"
    made = pypdfium2.PdfDocument.new()
    page = made.new_page(100, 100)
    image = pypdfium2.PdfImage.new(made)
    image.set_bitmap(pypdfium2.PdfBitmap.new_native(50, 50, pypdfium2.raw.FPDFBitmap_BGR))
    image.set_matrix(pypdfium2.PdfMatrix().scale(100, 100))
    page.insert_obj(image)
    page.gen_content()
    made.save(path)
    made.close()
    parser = SandboxedParser(concurrency=1)
    with pytest.raises(ParsingFailed) as caught:
        await parser.parse(path, "application/pdf")
    await parser.close()

    assert FailureCode.NO_TEXT_FOUND is caught.value.failure.code
