"""Text recognition for scanned pages, where a recognizer is installed on the machine."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from functools import cache
from itertools import groupby
from statistics import median
from typing import Final, Protocol

from attrs import evolve, frozen

from adapters.parsing.pdf_page import Line, PageLines

DPI: Final = 300  # what Tesseract is trained for
_SHARE: Final = 0.6  # of a file's time that recognition may take; the pages after that stay without text
_PAGE_SECONDS: Final = 40.0
_MOST_LANGUAGES: Final = 4  # each makes it slower
_LEAST_CONFIDENCE: Final = 60.0  # per cent, of a word
_NEAR: Final = 0.35  # of the usual height
_WORD_LEVEL: Final = "5"
_COLUMNS: Final = 12
_PR_SET_PDEATHSIG: Final = 1


@frozen
class Raster:
    """A page as grey pixels, a byte each, row by row; `scale` is pixels a point."""

    number: int
    width: int
    height: int
    scale: float
    pixels: bytes


class OcrReader(Protocol):
    """Recognizes text in pictures of pages."""

    def read(self, page: Raster, seconds: float) -> list[Line]:
        """The page's lines in reading order, placed in points; none where there is no text, or not in this time."""
        ...


@frozen
class Tesseract:
    """The `tesseract` program. It takes a picture and gives words over pipes, writes no file, and ends with us."""

    program: str
    languages: tuple[str, ...]

    def read(self, page: Raster, seconds: float) -> list[Line]:
        """See the port."""
        image = b"P5\n%d %d\n255\n" % (page.width, page.height) + page.pixels
        segmentation = "1" if "osd" in self.languages else "3"  # the first turns pages upright
        spoken = [language for language in self.languages if language != "osd"]
        command = [
            *(self.program, "stdin", "stdout", "--psm", segmentation, "--dpi", str(DPI)),
            *("-l", "+".join(spoken[:_MOST_LANGUAGES]), "tsv"),
        ]
        try:
            done = subprocess.run(
                command,
                input=image,
                capture_output=True,
                timeout=seconds,
                check=False,
                env={"OMP_THREAD_LIMIT": "1", "PATH": os.environ.get("PATH", os.defpath)},
                preexec_fn=_end_with_parent,
            )
        except (subprocess.TimeoutExpired, OSError):
            return []
        return _lines(done.stdout.decode("utf-8", "replace"), page.scale)


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _lines(table: str, scale: float) -> list[Line]:
    """Words by block, paragraph and line; the columns of Tesseract's table are in its manual under "tsv".

    Nothing when less than half of it is sure: that is a picture, or a page upside down.
    """
    rows = [row.split("\t") for row in table.splitlines()]
    words = [row for row in rows if len(row) == _COLUMNS and row[0] == _WORD_LEVEL and row[11].strip()]
    sure = [row for row in words if float(row[10]) >= _LEAST_CONFIDENCE]
    if sum(len(row[11]) for row in sure) * 2 < sum(len(row[11]) for row in words):
        return []
    lines: list[Line] = []
    for _, group in groupby(sure, key=lambda row: row[1:5]):
        line = list(group)
        boxes = [tuple(int(value) / scale for value in row[6:10]) for row in line]
        top, bottom = min(box[1] for box in boxes), max(box[1] + box[3] for box in boxes)
        edges = (min(box[0] for box in boxes), top, max(box[0] + box[2] for box in boxes), bottom)
        lines.append(Line(" ".join(row[11] for row in line), edges, median(box[3] for box in boxes)))
    return _of_even_size(lines)


def _of_even_size(lines: list[Line]) -> list[Line]:
    """Heights of words vary with their letters: what is near the usual one is body text of one size."""
    usual = median([line.size for line in lines] or [0.0])
    return [evolve(line, size=usual) if abs(line.size - usual) <= _NEAR * usual else line for line in lines]


@cache
def installed() -> OcrReader | None:
    """What is on the path, with all languages that it has; None without one."""
    program = shutil.which("tesseract")
    if program is None:
        return None
    try:
        done = subprocess.run([program, "--list-langs"], capture_output=True, timeout=10, check=False, text=True)
    except (subprocess.TimeoutExpired, OSError):
        return None
    languages = tuple(line.strip() for line in done.stdout.splitlines()[1:] if line.strip())
    return Tesseract(program, languages) if set(languages) - {"osd"} else None


def recognized(
    pages: list[PageLines], pictures: Iterable[Raster], reader: OcrReader, *, seconds: float
) -> list[PageLines]:
    """The pages, with lines where `pictures` of them could be read within a share of these seconds."""
    end = time.monotonic() + seconds * _SHARE
    found: dict[int, tuple[Line, ...]] = {}
    for picture in pictures:
        left = end - time.monotonic()
        if left <= 0:
            break
        found[picture.number] = tuple(reader.read(picture, min(left, _PAGE_SECONDS)))
    return [evolve(page, lines=found[page.number]) if found.get(page.number) else page for page in pages]
