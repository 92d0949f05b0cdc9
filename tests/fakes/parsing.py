"""Parsing without processes: every file is text, unless a test says otherwise."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from application.errors import ParsingFailed
from application.ports.parsing import DetectedType
from domain.documents import Failure, FailureCode
from domain.passages import Block, BlockKind, Page, ParsedDocument

FORM_FEED = "\f"


def parsed(text: str) -> ParsedDocument:
    """A document of this text: paragraphs between empty lines, `#` headings, a page ends at each form feed."""
    pages: list[Page] = []
    start = 0
    if FORM_FEED in text:
        for number, page in enumerate(text.split(FORM_FEED), start=1):
            pages.append(Page(number=number, char_from=start, char_to=start + len(page)))
            start += len(page) + 1
        text = text.replace(FORM_FEED, "\n")
    blocks: list[Block] = []
    for match in re.finditer(r"\S(?:[^\n]|\n(?!\s*\n))*", text):
        heading = re.match(r"(#{1,6}) ", match.group())
        blocks.append(
            Block(
                kind=BlockKind.HEADING if heading else BlockKind.PARAGRAPH,
                char_from=match.start(),
                char_to=match.end(),
                level=len(heading.group(1)) if heading else 0,
            )
        )
    return ParsedDocument(text=text, blocks=tuple(blocks), pages=tuple(pages))


class FakeParser:
    """The `Parser` port. Files are UTF-8 text; `failures` names media types that always fail, and how.

    `hold()` keeps further parses waiting until `release()`.
    """

    def __init__(self, failures: Mapping[str, FailureCode] | None = None) -> None:
        self.failures = dict(failures or {})
        self.started = 0  # parses begun
        self._open = asyncio.Event()
        self._open.set()
        self._stopped = asyncio.Event()

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    async def parse(self, path: Path, media_type: str) -> ParsedDocument:
        self._refuse_when_stopped()
        self.started += 1
        waits = [asyncio.create_task(self._open.wait()), asyncio.create_task(self._stopped.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._refuse_when_stopped()
        if media_type in self.failures:
            raise ParsingFailed(Failure(code=self.failures[media_type], message="The file cannot be read."))
        if media_type not in FakeMediaTypes.SUPPORTED:
            raise ParsingFailed(
                Failure(
                    code=FailureCode.UNSUPPORTED_MEDIA_TYPE, message=f"Files of the type {media_type} are not read."
                )
            )
        try:
            text = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n").replace("\0", "\ufffd")  # noqa: ASYNC240 a test's few bytes
        except OSError as error:
            raise ParsingFailed(Failure(code=FailureCode.CORRUPT_FILE, message="The file is missing.")) from error
        if not text.strip():
            raise ParsingFailed(Failure(code=FailureCode.NO_TEXT_FOUND, message="No text was found in the file."))
        return parsed(text)

    async def close(self) -> None:
        self._stopped.set()

    def _refuse_when_stopped(self) -> None:
        if self._stopped.is_set():
            raise ParsingFailed(Failure(code=FailureCode.PARSER_CRASHED, message="The parser was closed."))


class FakeMediaTypes:
    """The `MediaTypes` port: PDF by its mark, binary by its zero bytes, Markdown by name, all else plain text."""

    SUPPORTED = frozenset(("application/pdf", "text/markdown", "text/plain"))

    def detect(self, head: bytes, filename: str) -> DetectedType:
        if head.startswith(b"%PDF-"):
            media_type = "application/pdf"
        elif b"\0" in head:
            media_type = "application/octet-stream"
        else:
            media_type = "text/markdown" if filename.endswith(".md") else "text/plain"
        return DetectedType(media_type=media_type, supported=media_type in self.SUPPORTED)


class FakeTokenCounter:
    """The `TokenCounter` port: a token is a run of letters or digits, or a single other character."""

    def __init__(self, max_tokens: int = 254) -> None:
        self._max_tokens = max_tokens

    @property
    def max_tokens(self) -> int:
        return self._max_tokens

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(re.findall(r"\w+|[^\w\s]", text)) for text in texts]


class FakeLanguages:
    """The `LanguageDetector` port: Chinese, German and English by a few signs of each."""

    def detect(self, text: str) -> str | None:
        words = set(re.findall(r"\w+", text.lower()))
        if re.search(r"[\u4e00-\u9fff]", text):
            return "zh"
        if words & {"der", "die", "das", "und", "ist"}:
            return "de"
        return "en" if words & {"the", "and", "of", "is", "to"} else None

    def may_be(self, text: str, language: str) -> bool:
        letters = re.findall(r"[^\W\d_]", text)
        return bool(letters) and all((language == "zh") == ("\u4e00" <= letter <= "\u9fff") for letter in letters)
