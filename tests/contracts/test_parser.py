"""What every `Parser` promises; then what the real one promises beyond, since its files are hostile."""

import asyncio
import contextlib
import io
import time
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from adapters.parsing.formats import DOCX, FORMATS, HTML, MARKDOWN, PDF, PLAIN
from adapters.parsing.limits import MIB, Limits
from adapters.parsing.sandbox import SandboxedParser
from application.errors import ParsingFailed
from application.ports.parsing import Parser
from domain.documents import FailureCode
from domain.passages import BlockKind, ParsedDocument
from tests.fakes.parsing import FakeParser
from tests.samples import documents
from tests.samples.readers import MISBEHAVING

LIMITS = Limits(memory_bytes=512 * MIB, cpu_seconds=20, wall_seconds=30, max_pages=50, max_chars=200_000)


class _HangingFake(FakeParser):
    """The fake with a media type on which it hangs, as the real one's test format does."""

    async def parse(self, path: Path, media_type: str) -> ParsedDocument:
        if media_type == "test/hang":
            self.hold()
        return await super().parse(path, media_type)


@pytest.fixture(params=["fake", "sandbox"])
async def parser(request: pytest.FixtureRequest) -> AsyncIterator[Parser]:
    made: Parser = (
        _HangingFake()
        if request.param == "fake"
        else SandboxedParser(limits=LIMITS, concurrency=2, formats={**FORMATS, **MISBEHAVING})
    )
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[SandboxedParser]:
    made = SandboxedParser(limits=LIMITS, concurrency=1, formats={**FORMATS, **MISBEHAVING})
    yield made
    await made.close()


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "file"
        path.write_bytes(content)
        return path

    return write


async def failure_of(parsing: Awaitable[object]) -> FailureCode:
    with pytest.raises(ParsingFailed) as caught:
        await parsing
    assert caught.value.failure.message
    return caught.value.failure.code


async def test_text_comes_back_with_its_paragraphs(parser: Parser, file: Callable[[bytes], Path]) -> None:
    """Blocks are ranges of the text, in order."""
    found = await parser.parse(file(b"First: one.\r\n\r\nSecond."), PLAIN)

    assert [found.text[b.char_from : b.char_to] for b in found.blocks] == ["First: one.", "Second."]


@pytest.mark.parametrize("content", [b"", b" \n\t\n "])
async def test_nothing_to_read_is_a_failure(parser: Parser, file: Callable[[bytes], Path], content: bytes) -> None:
    """A file without text fails as such."""
    assert FailureCode.NO_TEXT_FOUND is await failure_of(parser.parse(file(content), PLAIN))


async def test_an_unknown_format_is_a_failure(parser: Parser, file: Callable[[bytes], Path]) -> None:
    """A media type without reader is refused."""
    assert FailureCode.UNSUPPORTED_MEDIA_TYPE is await failure_of(parser.parse(file(b"x"), "image/png"))


async def test_a_missing_file_is_a_failure(parser: Parser, tmp_path: Path) -> None:
    """A path without a file raises nothing but the port's error."""
    assert FailureCode.CORRUPT_FILE is await failure_of(parser.parse(tmp_path / "none", PLAIN))


async def test_closing_ends_what_is_under_way_and_refuses_more(parser: Parser, file: Callable[[bytes], Path]) -> None:
    """Nobody waits for a parser that is closed; closing twice is harmless."""
    path = file(b"x")
    under_way = [asyncio.create_task(parser.parse(path, "test/hang")) for _ in range(4)]
    await asyncio.sleep(0)
    await parser.close()
    await parser.close()

    async with asyncio.timeout(10):
        ends = await asyncio.gather(*under_way, return_exceptions=True)
    assert [ParsingFailed] * 4 == [type(end) for end in ends]
    assert FailureCode.PARSER_CRASHED is await failure_of(parser.parse(path, PLAIN))


async def test_a_cancelled_parse_frees_its_place(parser: Parser, file: Callable[[bytes], Path]) -> None:
    """Cancelling is immediate, and the next file is read."""
    path = file(b"next")
    tasks = [asyncio.create_task(parser.parse(path, "test/hang")) for _ in range(2)]
    await asyncio.sleep(0.2)
    for task in tasks:
        task.cancel()
    for task in tasks:
        with pytest.raises(asyncio.CancelledError):
            await task
    if isinstance(parser, FakeParser):
        parser.release()

    async with asyncio.timeout(10):
        assert (await parser.parse(path, PLAIN)).text == "next"


# --- the real readers -------------------------------------------------------------------------------------------


async def test_a_pdf_has_pages_lines_with_places_and_headings(
    sandbox: SandboxedParser, file: Callable[[bytes], Path]
) -> None:
    """Spans count from their page's start and lie where the text is shown."""
    body = [(11.0, f"Body line {n} of the page, of ordinary length.") for n in range(6)]
    found = await sandbox.parse(file(documents.pdf([[(20.0, "Introduction"), *body], body])), PDF)

    assert [page.number for page in found.pages] == [1, 2]
    first = found.pages[0]
    page_text = found.text[first.char_from : first.char_to]
    heading = first.spans[0]
    assert page_text[heading.char_from : heading.char_to] == "Introduction"
    assert [first.spans.index(span) for span in first.spans[:2]] == [0, 1]
    left, top, right, bottom = heading.bbox
    assert 70 < left < 76
    assert 50 < top < bottom < 80
    assert 72 < right < 300
    assert (found.blocks[0].kind, found.blocks[0].level) == (BlockKind.HEADING, 1)
    assert BlockKind.PARAGRAPH is found.blocks[1].kind


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
async def test_places_are_those_of_the_page_as_shown(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], rotate: int
) -> None:
    """A rotated page's boxes lie within its shown width and height, where the reader sees them."""
    found = await sandbox.parse(file(documents.pdf([[(12.0, "Top left words")]], rotate=rotate)), PDF)
    page = found.pages[0]
    left, top, right, bottom = page.spans[0].bbox

    assert ((612.0, 792.0) if rotate in {0, 180} else (792.0, 612.0)) == (page.width, page.height)
    assert 0 <= left < right <= page.width
    assert 0 <= top < bottom <= page.height
    near = {
        0: left < 80 and top < 80,
        90: right > 712 and top < 80,
        180: right > 532 and bottom > 712,
        270: left < 80 and bottom > 532,
    }
    assert near[rotate]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (documents.encrypted_pdf(), FailureCode.ENCRYPTED_FILE),
        (documents.pdf([[(12.0, "cut off")]])[:60], FailureCode.CORRUPT_FILE),
        (b"%PDF-1.7\nnothing of the kind", FailureCode.CORRUPT_FILE),
        (documents.pdf([]), FailureCode.CORRUPT_FILE),
        (documents.pdf([[], []]), FailureCode.NO_TEXT_FOUND),
    ],
    ids=["encrypted", "truncated", "not a PDF", "no pages", "no text"],
)
async def test_a_pdf_that_cannot_be_read_says_why(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], content: bytes, code: FailureCode
) -> None:
    """Each kind of damage has its own code."""
    assert code is await failure_of(sandbox.parse(file(content), PDF))


async def test_the_pages_without_text_are_named(sandbox: SandboxedParser, file: Callable[[bytes], Path]) -> None:
    """Of a partly scanned file in the result, of a wholly scanned one in the message."""
    found = await sandbox.parse(file(documents.pdf([[(12.0, "words")], [], []])), PDF)
    with pytest.raises(ParsingFailed, match=r"all 3 pages look scanned \(1, 2, 3\)"):
        await sandbox.parse(file(documents.pdf([[], [], []])), PDF)

    assert found.pages_without_text == (2, 3)


async def test_a_pdf_that_unpacks_without_end_runs_out_of_memory(
    sandbox: SandboxedParser, file: Callable[[bytes], Path]
) -> None:
    """PDFium takes its process with it; the failure is told as what it is."""
    assert FailureCode.PARSE_MEMORY is await failure_of(
        sandbox.parse(file(documents.pdf_bomb(LIMITS.memory_bytes)), PDF)
    )
    assert (await sandbox.parse(file(b"fine"), PLAIN)).text == "fine"


async def test_too_many_pages_are_refused(sandbox: SandboxedParser, tmp_path: Path) -> None:
    """The count decides before any page is read."""
    path = tmp_path / "many.pdf"
    documents.blank_pdf(path, LIMITS.max_pages + 1)

    assert FailureCode.TOO_MANY_PAGES is await failure_of(sandbox.parse(path, PDF))


async def test_a_word_document_keeps_its_structure(sandbox: SandboxedParser, file: Callable[[bytes], Path]) -> None:
    """Headings, lists and table rows; what was deleted stays deleted."""
    body = (
        documents.paragraph("Scope", '<w:outlineLvl w:val="1"/>')
        + documents.paragraph("First", '<w:numPr><w:numId w:val="1"/></w:numPr>')
        + documents.table([["Name", "Age"], ["Ada", "36"]])
        + "<w:p><w:r><w:t>kept</w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>"
    )
    found = await sandbox.parse(file(documents.docx(body)), DOCX)

    assert [(b.kind, b.level, found.text[b.char_from : b.char_to]) for b in found.blocks] == [
        (BlockKind.HEADING, 2, "Scope"),
        (BlockKind.LIST_ITEM, 0, "First"),
        (BlockKind.TABLE_HEADER, 0, "Name | Age"),
        (BlockKind.TABLE_ROW, 0, "Ada | 36"),
        (BlockKind.PARAGRAPH, 0, "kept"),
    ]


async def test_a_bomb_is_refused_before_it_unpacks(sandbox: SandboxedParser, file: Callable[[bytes], Path]) -> None:
    """Declared sizes beyond reason are enough to refuse."""
    bomb = documents.docx(documents.paragraph("x"), extra={"word/media/big.bin": b"\0" * (64 * MIB)})
    started = time.monotonic()

    assert FailureCode.TOO_MUCH_TEXT is await failure_of(sandbox.parse(file(bomb), DOCX))
    assert time.monotonic() - started < 2


async def test_a_word_document_full_of_text_is_refused(sandbox: SandboxedParser, file: Callable[[bytes], Path]) -> None:
    """More text than the limit fails as such, in any format."""
    too_much = "word " * (LIMITS.max_chars // 4)

    assert FailureCode.TOO_MUCH_TEXT is await failure_of(
        sandbox.parse(file(documents.docx(documents.paragraph(too_much))), DOCX)
    )
    assert FailureCode.TOO_MUCH_TEXT is await failure_of(sandbox.parse(file(too_much.encode()), PLAIN))


@pytest.mark.parametrize("doctype", [documents.BILLION_LAUGHS, documents.EXTERNAL_ENTITY], ids=["laughs", "external"])
async def test_entities_are_never_expanded(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], doctype: str
) -> None:
    """What an entity stands for is not in the text."""
    name = "a9" if "lolz" in doctype else "secret"
    content = documents.docx(documents.paragraph(f"before &{name}; after"), doctype=doctype)
    found = await sandbox.parse(file(content), DOCX)

    assert "lol" not in found.text
    with contextlib.suppress(OSError):
        assert Path("/etc/hostname").read_text(encoding="utf-8").strip() not in found.text  # noqa: ASYNC240
    assert found.text.startswith("before")


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04 and no more", documents.docx("")[:200], b"\0" * 100], ids=["head", "cut", "zeros"]
)
async def test_a_broken_container_is_corrupt(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], content: bytes
) -> None:
    """Damage to the zip is told as damage to the document."""
    assert FailureCode.CORRUPT_FILE is await failure_of(sandbox.parse(file(content), DOCX))


async def test_a_container_without_a_document_is_corrupt(
    sandbox: SandboxedParser, file: Callable[[bytes], Path]
) -> None:
    """Any other zip is not a Word document."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as container:
        container.writestr("readme.txt", "hello")

    assert FailureCode.CORRUPT_FILE is await failure_of(sandbox.parse(file(buffer.getvalue()), DOCX))


async def test_an_encrypted_office_file_says_so(sandbox: SandboxedParser, file: Callable[[bytes], Path]) -> None:
    """Office wraps what it encrypts in its older container."""
    content = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500

    assert FailureCode.ENCRYPTED_FILE is await failure_of(sandbox.parse(file(content), DOCX))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
async def test_text_of_any_encoding_is_read(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], encoding: str
) -> None:
    """With a byte order mark or without one."""
    text = "Größe und Länge: café, naïve, señor."

    assert text == (await sandbox.parse(file(text.encode(encoding)), PLAIN)).text


async def test_zero_bytes_are_replaced(sandbox: SandboxedParser, file: Callable[[bytes], Path]) -> None:
    """No store can keep them; the rest of the text stays."""
    assert (await sandbox.parse(file(b"one\0two"), PLAIN)).text == "one\ufffdtwo"


async def test_a_page_of_html_gives_its_visible_text(sandbox: SandboxedParser, file: Callable[[bytes], Path]) -> None:
    """Scripts and styles are no text; headings, items and rows are blocks."""
    page = (
        b"<html lang='en-GB'><head><title>Tides</title><meta charset='iso-8859-1'><style>p{}</style></head><body>"
        b"<h2>High water</h2><p>It rises at the caf\xe9 twice a day, and falls as often.</p><ul><li>spring</li></ul>"
        b"<table><tr><th>Port</th><th>m</th></tr><tr><td>Brest</td><td>6</td></tr></table>"
        b"<script>alert('no')</script></body></html>"
    )
    found = await sandbox.parse(file(page), HTML)
    blocks = [(b.kind, found.text[b.char_from : b.char_to]) for b in found.blocks]

    assert (found.title, found.language) == ("Tides", "en")
    assert (BlockKind.HEADING, "High water") in blocks
    assert (BlockKind.TABLE_ROW, "Brest | 6") in blocks
    assert "café" in found.text
    assert "alert" not in found.text
    assert "p{}" not in found.text


async def test_teasers_around_an_article_are_left_out(sandbox: SandboxedParser, file: Callable[[bytes], Path]) -> None:
    """Words of one or two that the article has too do not bring them back; its own short lines stay."""
    story = "".join(f"<p>{'The news of the day about cars is told here at some length. ' * 3}{n}</p>" for n in range(8))
    teasers = "".join(f"<div><p>Cars news</p><h3>Another story, number {n}</h3></div>" for n in range(20))
    page = f"<html><body><h1>Cars</h1><article>{story}<p>The end.</p></article>{teasers}</body></html>"
    found = await sandbox.parse(file(page.encode()), HTML)

    assert "at some length" in found.text
    assert "Another story" not in found.text
    assert found.text.count("Cars news") <= 1  # the one right below the article may be of it


async def test_deeply_nested_html_harms_nobody(sandbox: SandboxedParser, file: Callable[[bytes], Path]) -> None:
    """It is read or fails by itself, and the next file is read."""
    with contextlib.suppress(ParsingFailed):
        await sandbox.parse(file(b"<div>" * 50_000 + b"deep"), HTML)

    assert (await sandbox.parse(file(b"fine"), PLAIN)).text == "fine"


async def test_markdown_is_read_without_its_marks(sandbox: SandboxedParser, file: Callable[[bytes], Path]) -> None:
    """Front matter gives the title; links show their words."""
    source = b"---\ntitle: 'The manual'\n---\n# Start\n\nSee [the *guide*](http://x).\n\n- one\n\n```py\nx = 1\n```\n\n"
    source += b"|a|b|\n|-|-|\n|1|2|\n"
    found = await sandbox.parse(file(source), MARKDOWN)

    assert found.title == "The manual"
    assert [(b.kind, found.text[b.char_from : b.char_to]) for b in found.blocks] == [
        (BlockKind.HEADING, "Start"),
        (BlockKind.PARAGRAPH, "See the guide."),
        (BlockKind.LIST_ITEM, "one"),
        (BlockKind.CODE, "x = 1"),
        (BlockKind.TABLE_HEADER, "a | b"),
        (BlockKind.TABLE_ROW, "1 | 2"),
    ]


# --- the children -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        ("crash", FailureCode.PARSER_CRASHED),
        ("leave", FailureCode.PARSER_CRASHED),
        ("lie", FailureCode.PARSER_CRASHED),
        ("eat", FailureCode.PARSE_MEMORY),
        ("give_up", FailureCode.PARSE_MEMORY),
        ("is_killed", FailureCode.PARSE_MEMORY),
        ("recurse", FailureCode.PARSE_FAILED),
        ("write", FailureCode.PARSE_FAILED),
    ],
)
async def test_a_reader_that_breaks_down_harms_its_file_only(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], behaviour: str, code: FailureCode
) -> None:
    """The failure is named, and the next file is read as if nothing had been."""
    assert code is await failure_of(sandbox.parse(file(b"x"), f"test/{behaviour}"))
    assert (await sandbox.parse(file(b"fine"), PLAIN)).text == "fine"


async def test_a_child_that_somebody_kills_fails_no_file(
    sandbox: SandboxedParser, file: Callable[[bytes], Path]
) -> None:
    """Another one reads it."""
    assert (await sandbox.parse(file(b"x"), "test/is_killed_once")).text == "read"


@pytest.mark.parametrize(
    ("behaviour", "limits", "code"),
    [
        ("hang", Limits(wall_seconds=3), FailureCode.PARSE_TIMEOUT),
        ("spin", Limits(cpu_seconds=1), FailureCode.PARSE_TIMEOUT),
        ("flood", Limits(max_output_bytes=100_000), FailureCode.TOO_MUCH_TEXT),
    ],
)
async def test_a_reader_without_measure_is_stopped(
    file: Callable[[bytes], Path], behaviour: str, limits: Limits, code: FailureCode
) -> None:
    """Wall time, processor time and output have limits."""
    parser = SandboxedParser(limits=limits, concurrency=1, formats={**FORMATS, **MISBEHAVING})
    async with asyncio.timeout(30):
        assert code is await failure_of(parser.parse(file(b"x"), f"test/{behaviour}"))
        assert (await parser.parse(file(b"fine"), PLAIN)).text == "fine"
    await parser.close()


async def test_what_a_reader_prints_does_not_mix_with_its_answer(
    sandbox: SandboxedParser, file: Callable[[bytes], Path]
) -> None:
    """The pipe of answers is out of a library's reach."""
    assert (await sandbox.parse(file(b"x"), "test/chatter")).text == "said"


async def test_a_child_does_not_see_the_environment(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service's secrets are there."""
    monkeypatch.setenv("READINGROOM_SECRET", "s")
    parser = SandboxedParser(concurrency=1, formats=MISBEHAVING)
    found = await parser.parse(file(b"x"), "test/environment")
    await parser.close()

    assert "READINGROOM_SECRET" not in found.text


async def test_children_are_used_again_and_replaced(file: Callable[[bytes], Path]) -> None:
    """One process reads a few files, then a fresh one takes its place."""
    parser = SandboxedParser(concurrency=1, files_per_child=2, formats=MISBEHAVING)
    pids = [(await parser.parse(file(b"x"), "test/pid")).text for _ in range(3)]
    await parser.close()

    assert pids[0] == pids[1] != pids[2]
    assert not _alive(int(pids[0]))
    assert not _alive(int(pids[2]))


async def test_cancelling_kills_the_child(file: Callable[[bytes], Path]) -> None:
    """No process goes on reading for nobody."""
    parser = SandboxedParser(concurrency=1, formats=MISBEHAVING)
    pid = int((await parser.parse(file(b"x"), "test/pid")).text)
    task = asyncio.create_task(parser.parse(file(b"x"), "test/hang"))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        while _alive(pid):  # noqa: ASYNC110 the system tells nobody
            await asyncio.sleep(0.01)
    await parser.close()


async def test_a_small_file_costs_milliseconds(sandbox: SandboxedParser, file: Callable[[bytes], Path]) -> None:
    """On a warm child the sandbox itself is cheap."""
    path = file(b"word " * 200)
    await sandbox.parse(path, PLAIN)
    times = []
    for _ in range(20):
        started = time.perf_counter()
        await sandbox.parse(path, PLAIN)
        times.append(time.perf_counter() - started)

    assert sorted(times)[5] < 0.02


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
