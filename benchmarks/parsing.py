"""How fast and how well files are read, against texts by others.

    python -m benchmarks.parsing FOLDER [--recognize] [--keep RESULTS.json] [--table TABLE.md]

`FOLDER` holds `pdf/{files,poppler-text,human-checked}`, `html/{files,truth.jsonl}` and `office/{files,pandoc-text}`, as
far as they are there: texts of the same stem, of pdftotext or typed by people, lines of JSON with `file` and
`article_body`, and texts of the same name, of pandoc.
Everything goes through the sandbox, one file after the other. Similarity is the F1 of the words (how much is
there) and of runs of four words (whether it is in the same order); both 0 to 1, for texts without any 1.
Headers and footers that run through a document are left out of ours on purpose, which costs a few hundredths.
"""

import argparse
import asyncio
import json
import re
import resource
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from attrs import asdict, frozen
from rich.console import Console
from rich.table import Table

from adapters.parsing.detection import HEAD, ContentTypes
from adapters.parsing.limits import Limits
from adapters.parsing.sandbox import SandboxedParser
from application.errors import ParsingFailed

_WORD: Final = re.compile(r"\w+")
_RUN: Final = 4
KINDS: Final = ("pdf", "html", "office")
_HYPHEN: Final = re.compile(r"(?<=\w)[-\u00ad]\n(?=\w)")


@frozen
class Reading:
    """One file."""

    file: str
    seconds: float
    pages: int
    characters: int
    failure: str | None
    against: str | None  # which other text
    theirs: int  # its characters that are not white space
    words: float | None
    order: float | None


def similarity(ours: str, theirs: str, run: int) -> float:
    """F1 over runs of words, without regard to case, accents' encoding or hyphens at line ends."""
    mine, other = _runs(ours, run), _runs(theirs, run)
    if not mine and not other:
        return 1.0
    common = sum((mine & other).values())
    return 2 * common / (sum(mine.values()) + sum(other.values()))


def _runs(text: str, size: int) -> Counter[tuple[str, ...]]:
    words = _WORD.findall(unicodedata.normalize("NFKC", _HYPHEN.sub("", text)).lower())
    size = min(size, len(words)) or 1
    return Counter(tuple(words[place : place + size]) for place in range(len(words) - size + 1))


async def measured(folder: Path, *, recognize: bool) -> list[Reading]:
    """Every file below the folder's `pdf`, `html` and `office`, in order of their names."""
    truths = {str(line["file"]): str(line["article_body"]) for line in _lines(folder / "html" / "truth.jsonl")}
    parser, types = SandboxedParser(limits=Limits(recognize=recognize), concurrency=1), ContentTypes()
    readings: list[Reading] = []
    for path in sorted(path for kind in KINDS for path in (folder / kind / "files").glob("*")):
        with path.open("rb") as file:
            media_type = types.detect(file.read(HEAD), path.name).media_type
        against, theirs = _other(path, truths)
        started = time.perf_counter()
        text, pages, failure = "", 0, None
        try:
            document = await parser.parse(path, media_type)
            text, pages = document.text, len(document.pages)
        except ParsingFailed as error:
            failure = error.failure.code.value
        seconds = time.perf_counter() - started
        readings.append(
            Reading(
                file=path.name,
                seconds=round(seconds, 3),
                pages=pages,
                characters=len(text),
                failure=failure,
                against=against,
                theirs=len("".join((theirs or "").split())),
                words=None if theirs is None else round(similarity(text, theirs, 1), 4),
                order=None if theirs is None else round(similarity(text, theirs, _RUN), 4),
            )
        )
    await parser.close()
    return readings


def _other(path: Path, truths: dict[str, str]) -> tuple[str | None, str | None]:
    if (truth := truths.get(f"files/{path.name}")) is not None:
        return "people", truth
    for name, text in (
        ("people", Path("human-checked", f"{path.stem}.txt")),
        ("poppler", Path("poppler-text", f"{path.stem}.txt")),
        ("pandoc", Path("pandoc-text", f"{path.name}.txt")),
    ):
        place = path.parent.parent / text
        if place.exists():
            return name, place.read_text(encoding="utf-8", errors="replace")
    return None, None


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from map(json.loads, file)


def report(readings: list[Reading], console: Console) -> None:
    """A table of all files, then what they come to."""
    table = Table("file", "pages", "characters", "seconds", "against", "words", "order", "failure")
    for one in readings:
        table.add_row(
            one.file,
            str(one.pages),
            f"{one.characters:,}",
            f"{one.seconds:.2f}",
            one.against or "",
            "" if one.words is None else f"{one.words:.3f}",
            "" if one.order is None else f"{one.order:.3f}",
            one.failure or "",
        )
    console.print(table)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    pages, wall = sum(one.pages for one in readings), sum(one.seconds for one in readings)
    processor = used.ru_utime + used.ru_stime
    console.print(
        f"{sum(one.failure is None for one in readings)} of {len(readings)} files read, {pages:,} pages: "
        f"{wall:.1f} s, of the processor {processor:.1f} s in all; {used.ru_maxrss // 1024} MiB at most"
    )
    groups: dict[tuple[str, str], list[Reading]] = {}
    for one in readings:
        if one.against is not None and one.failure is None:
            groups.setdefault((Path(one.file).suffix, one.against), []).append(one)
    for (suffix, against), group in sorted(groups.items()):
        words = sum(one.words or 0 for one in group) / len(group)
        order = sum(one.order or 0 for one in group) / len(group)
        console.print(f"{suffix} against {against}: {len(group)} files, words {words:.3f}, order {order:.3f}")
    missed = [f"{one.file} ({one.failure})" for one in readings if one.failure is not None and one.theirs]
    console.print(f"read by others, not by us: {', '.join(missed) or 'none'}")


def by_file(readings: list[Reading]) -> str:
    """Every file that another text of is known, or that failed, as a line of Markdown."""
    lines = ["| file | pages | characters | against | words | order |", "| --- | --- | --- | --- | --- | --- |"]
    for one in readings:
        if one.failure is not None:
            lines.append(f"| {one.file} | | | {one.against or ''} | `{one.failure}` | |")
        elif one.words is not None and one.order is not None:
            figures = f"{one.words:.3f} | {one.order:.3f}"
            lines.append(f"| {one.file} | {one.pages or ''} | {one.characters} | {one.against} | {figures} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and keep the figures where asked."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--keep", type=Path, help="write the figures there as JSON")
    arguments.add_argument("--table", type=Path, help="write a line a file there, as Markdown")
    arguments.add_argument("--recognize", action="store_true", help="read scanned pages too, by tesseract")
    given = arguments.parse_args()
    readings = asyncio.run(measured(given.folder, recognize=given.recognize))
    report(readings, Console(width=140))
    if given.keep is not None:
        given.keep.write_text(json.dumps([asdict(one) for one in readings], indent=1) + "\n", encoding="utf-8")
    if given.table is not None:
        given.table.write_text(by_file(readings), encoding="utf-8")


if __name__ == "__main__":
    main()
