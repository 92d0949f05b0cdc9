"""What the readers of office files, mail, tables, books and code find, and what they refuse."""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from email.message import EmailMessage
from pathlib import Path

import pytest

from adapters.parsing.formats import (
    CSV,
    DOCX,
    EPUB,
    HTML,
    JSON,
    MAIL,
    MARKDOWN,
    ODP,
    ODS,
    ODT,
    PLAIN,
    PPTX,
    RTF,
    TSV,
    XLS,
    XLSX,
)
from adapters.parsing.limits import MIB, Limits
from adapters.parsing.sandbox import SandboxedParser
from application.errors import ParsingFailed
from domain.documents import FailureCode
from domain.passages import BlockKind, ParsedDocument
from tests.samples import documents

PYTHON = "text/x-python"
LIMITS = Limits(memory_bytes=512 * MIB, cpu_seconds=20, wall_seconds=30, max_pages=50, max_chars=300_000)
HEADING, PARAGRAPH, ITEM, ROW = BlockKind.HEADING, BlockKind.PARAGRAPH, BlockKind.LIST_ITEM, BlockKind.TABLE_ROW
COLUMNS, CODE = BlockKind.TABLE_HEADER, BlockKind.CODE
SCRIPTS = "Ελληνικά Русский עברית العربية हिन्दी ไทย 中文 日本語 한국어 Tiếng Việt ქართული አማርኛ 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 👩‍🔬"  # noqa: RUF001


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[SandboxedParser]:
    made = SandboxedParser(limits=LIMITS, concurrency=1)
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


def blocks(document: ParsedDocument) -> list[tuple[BlockKind, str]]:
    return [(block.kind, document.text[block.char_from : block.char_to]) for block in document.blocks]


def pages(document: ParsedDocument) -> list[tuple[int, str]]:
    return [(page.number, document.text[page.char_from : page.char_to]) for page in document.pages]


def mail(body: str = "Hello.", subject: str = "Greetings") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Ada Lovelace <ada@example.org>"
    message["To"] = "charles@example.org"
    message["Date"] = "Mon, 01 Jun 2026 10:00:00 +0000"
    message["Subject"] = subject
    message.set_content(body)
    return message


def _odt(text: str) -> bytes:
    return documents.opendocument(f"<text:p>{text}</text:p>")


MAKERS: dict[str, Callable[[str], bytes]] = {
    DOCX: lambda text: documents.docx(documents.paragraph(text)),
    PPTX: lambda text: documents.pptx(documents.shape(text)),
    XLSX: lambda text: documents.xlsx({"Data": [documents.text_cell("A1", text)]}),
    ODT: _odt,
    ODP: lambda text: documents.opendocument(
        f"<draw:page><draw:frame><draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame></draw:page>",
        kind="presentation",
    ),
    EPUB: lambda text: documents.epub({"one": f"<p>{text}</p>"}),
    RTF: lambda text: ("{\\rtf1\\ansi\\uc1 " + _rtf_text(text) + "}").encode("ascii"),
    MAIL: lambda text: mail(text).as_bytes(),
    CSV: lambda text: f"a,b\n{text},2\n".encode(),
    JSON: lambda text: ('{"key": "' + text + '"}').encode(),
    PYTHON: lambda text: f"# {text}\n".encode(),
    HTML: lambda text: f"<!doctype html><meta charset=utf-8><p>{text}</p>".encode(),
    MARKDOWN: lambda text: f"# {text}\n".encode(),
    PLAIN: str.encode,
}


def _rtf_text(text: str) -> str:
    units = text.encode("utf-16-le")
    codes = [int.from_bytes(units[place : place + 2], "little", signed=True) for place in range(0, len(units), 2)]
    return "".join(f"\\u{code}?" for code in codes)


@pytest.mark.parametrize("media_type", MAKERS)
async def test_every_script_of_the_world_is_kept(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], media_type: str
) -> None:
    """Character by character, in each format."""
    found = await sandbox.parse(file(MAKERS[media_type](SCRIPTS)), media_type)

    assert SCRIPTS in found.text


@pytest.mark.parametrize("media_type", [DOCX, PPTX, XLSX, ODT, ODP, ODS, EPUB])
@pytest.mark.parametrize("damage", ["cut", "zeros", "other zip", "text"])
async def test_a_broken_container_says_so(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], media_type: str, damage: str
) -> None:
    """Cut off, overwritten, or a container of something else: the file is damaged."""
    whole = MAKERS.get(media_type, _odt)("words " * 50)
    content = {
        "cut": whole[: len(whole) // 2],
        "zeros": b"\0" * 200,
        "other zip": documents.container({"readme.txt": "hello"}),
        "text": b"just words",
    }[damage]

    assert FailureCode.CORRUPT_FILE is await failure_of(sandbox.parse(file(content), media_type))


@pytest.mark.parametrize("media_type", MAKERS)
async def test_an_empty_file_has_no_text(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], media_type: str
) -> None:
    """Whatever it is called."""
    assert FailureCode.NO_TEXT_FOUND is await failure_of(sandbox.parse(file(b""), media_type))


@pytest.mark.parametrize("media_type", [DOCX, PPTX, XLSX, ODT, EPUB])
async def test_a_bomb_in_any_container_is_refused_at_once(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], media_type: str
) -> None:
    """By what its directory declares, before anything is unpacked."""
    bomb = {"bomb.bin": b"\0" * (64 * MIB)}
    content = {
        DOCX: lambda: documents.docx("", extra=bomb),
        PPTX: lambda: documents.pptx("", extra=bomb),
        XLSX: lambda: documents.xlsx({}, extra=bomb),
        ODT: lambda: documents.opendocument("", extra=bomb),
        EPUB: lambda: documents.epub({}, extra=bomb),
    }[media_type]()
    started = time.monotonic()

    assert FailureCode.TOO_MUCH_TEXT is await failure_of(sandbox.parse(file(content), media_type))
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("media_type", MAKERS)
async def test_too_much_text_is_refused_in_any_format(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], media_type: str
) -> None:
    """The limit of characters holds for all."""
    content = MAKERS[media_type]("word " * (LIMITS.max_chars // 4))

    assert FailureCode.TOO_MUCH_TEXT is await failure_of(sandbox.parse(file(content), media_type))


@pytest.mark.parametrize("media_type", [PPTX, ODT])
@pytest.mark.parametrize("doctype", [documents.BILLION_LAUGHS, documents.EXTERNAL_ENTITY], ids=["laughs", "external"])
async def test_entities_are_never_expanded(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], media_type: str, doctype: str
) -> None:
    """What an entity stands for is not in the text."""
    name = "a9" if "lolz" in doctype else "secret"
    text = f"before &{name}; after"
    content = (
        documents.pptx(documents.shape(text), doctype=doctype)
        if media_type == PPTX
        else documents.opendocument(f"<text:p>{text}</text:p>", doctype=doctype)
    )
    found = await sandbox.parse(file(content), media_type)

    assert "lol" not in found.text
    with contextlib.suppress(OSError):
        assert Path("/etc/hostname").read_text(encoding="utf-8").strip() not in found.text  # noqa: ASYNC240
    assert found.text.startswith("before")


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        (JSON, b"[" * 100_000),
        (JSON, b'{"a":' * 500 + b"1" + b"}" * 500),
        (RTF, b"{\\rtf1 " + b"{" * 100_000),
        (MAIL, b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(2_000))),
        (HTML, b"<div>" * 50_000 + b"deep"),
        (MARKDOWN, b"> " * 20_000 + b"deep"),
        (DOCX, documents.docx("<w:ins>" * 30_000 + "</w:ins>" * 30_000)),
        (PPTX, documents.pptx("<p:grpSp>" * 200 + documents.shape("deep") + "</p:grpSp>" * 200)),
        (ODT, documents.opendocument("<text:section>" * 200 + "<text:p>x</text:p>" + "</text:section>" * 200)),
    ],
)
async def test_nesting_without_end_harms_nobody(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], media_type: str, content: bytes
) -> None:
    """It is read or refused in moments, the child lives or is replaced, and the next file is read."""
    started = time.monotonic()
    with contextlib.suppress(ParsingFailed):
        await sandbox.parse(file(content), media_type)

    assert (await sandbox.parse(file(b"fine"), PLAIN)).text == "fine"
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        (ODT, documents.locked_opendocument()),
        (XLSX, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le") + b"\0" * 500),
        (PPTX, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500),
        (
            EPUB,
            documents.epub(
                {"one": "<p>x</p>"},
                extra={
                    "META-INF/encryption.xml": b'<encryption><EncryptedData><CipherData><CipherReference URI="OEBPS/'
                    b'one.xhtml"/></CipherData></EncryptedData></encryption>'
                },
            ),
        ),
    ],
    ids=["odt", "xlsx", "pptx", "epub"],
)
async def test_what_is_encrypted_says_so(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], media_type: str, content: bytes
) -> None:
    """Rather than being called damaged."""
    assert FailureCode.ENCRYPTED_FILE is await failure_of(sandbox.parse(file(content), media_type))


# --- what is found ----------------------------------------------------------------------------------------------


async def test_slides_are_pages_with_titles_and_notes(sandbox: SandboxedParser, file: Callable[[bytes], Path]) -> None:
    """The title comes first wherever it stands, page numbers are left out, notes close the slide."""
    first = (
        documents.shape("One", "Two", placeholder="body")
        + documents.shape("Plan", placeholder="title")
        + documents.shape("7", placeholder="sldNum")
    )
    found = await sandbox.parse(file(documents.pptx(first, documents.shape("Free"), notes="Say this.")), PPTX)

    assert [(HEADING, "Plan"), (ITEM, "One"), (ITEM, "Two"), (PARAGRAPH, "Say this."), (PARAGRAPH, "Free")] == blocks(
        found
    )
    assert [(1, "Plan\n\nOne\nTwo\n\nSay this."), (2, "Free")] == [(n, text.strip()) for n, text in pages(found)]
    assert "Plan" == found.title
    assert (720.0, 540.0) == (found.pages[0].width, found.pages[0].height)


async def test_sheets_are_pages_of_tables(sandbox: SandboxedParser, file: Callable[[bytes], Path]) -> None:
    """Each with its name; an empty row divides tables; dates are dates and whole numbers whole."""
    cell, number = documents.text_cell, documents.number_cell
    rows = [
        cell("B1", "Port") + cell("C1", "Opened"),
        cell("B2", "Brest") + number("C2", 45_658, date=True),
        "",
        cell("B4", "Total") + number("C4", 12.0),
    ]
    found = await sandbox.parse(file(documents.xlsx({"Harbours": rows, "Empty": []})), XLSX)

    assert [(HEADING, "Harbours"), (COLUMNS, "Port | Opened"), (ROW, "Brest | 2025-01-01"), (ROW, "Total | 12")] == (
        blocks(found)
    )
    assert [1, 2] == [page.number for page in found.pages]
    assert (2,) == found.pages_without_text


async def test_a_sheet_that_claims_to_be_endless_is_bounded(
    sandbox: SandboxedParser, file: Callable[[bytes], Path]
) -> None:
    """Two cells at opposite ends may not cost the machine's memory."""
    content = documents.xlsx({"Wide": [documents.text_cell("A1", "x") + documents.text_cell("XFD1048576", "y")]})

    assert await failure_of(sandbox.parse(file(content), XLSX)) in {
        FailureCode.PARSE_MEMORY,
        FailureCode.CORRUPT_FILE,
        FailureCode.PARSER_CRASHED,
    }
    assert (await sandbox.parse(file(b"fine"), PLAIN)).text == "fine"


async def test_a_bomb_that_lies_about_its_size_is_refused(
    sandbox: SandboxedParser, file: Callable[[bytes], Path]
) -> None:
    """What a container declares is its own claim; what comes out of it is counted."""
    whole = documents.xlsx({"A": [documents.text_cell("A1", "x")]}, extra={"xl/lie.xml": b"\0" * (300 * MIB)})
    true, claimed = (300 * MIB).to_bytes(4, "little"), (1000).to_bytes(4, "little")

    assert whole.count(true) == 2  # in the member's own header and in the directory
    assert await failure_of(sandbox.parse(file(whole.replace(true, claimed)), XLSX)) in {
        FailureCode.TOO_MUCH_TEXT,
        FailureCode.CORRUPT_FILE,
    }


async def test_an_old_spreadsheet_that_is_none_is_corrupt(
    sandbox: SandboxedParser, file: Callable[[bytes], Path]
) -> None:
    """The older container alone makes no workbook."""
    assert FailureCode.CORRUPT_FILE is await failure_of(
        sandbox.parse(file(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512), XLS)
    )


async def test_an_opendocument_text_keeps_its_structure(
    sandbox: SandboxedParser, file: Callable[[bytes], Path]
) -> None:
    """Headings, lists, tables, notes; what was deleted stays deleted."""
    body = (
        "<text:tracked-changes><text:p>gone</text:p></text:tracked-changes>"
        '<text:h text:outline-level="2">Scope</text:h>'
        "<text:p>Two<text:s text:c='2'/>spaces<text:note><text:note-body><text:p>a note</text:p></text:note-body>"
        "</text:note></text:p><text:list><text:list-item><text:p>First</text:p></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>Name</text:p></table:table-cell><table:table-cell>"
        "<text:p>Age</text:p></table:table-cell></table:table-row><table:table-row><table:table-cell><text:p>Ada</text:p>"
        "</table:table-cell><table:table-cell><text:p>36</text:p></table:table-cell></table:table-row></table:table>"
    )
    found = await sandbox.parse(file(documents.opendocument(body)), ODT)

    assert [
        (HEADING, "Scope"),
        (PARAGRAPH, "Two  spaces"),
        (PARAGRAPH, "a note"),
        (ITEM, "First"),
        (COLUMNS, "Name | Age"),
        (ROW, "Ada | 36"),
    ] == blocks(found)


async def test_a_book_is_read_in_its_order(sandbox: SandboxedParser, file: Callable[[bytes], Path]) -> None:
    """The spine decides, not the container."""
    book = documents.epub({"one": "<h1>First</h1><p>a</p>", "two": "<h1>Second</h1>"}, spine=["two", "one"])
    found = await sandbox.parse(file(book), EPUB)

    assert [(HEADING, "Second"), (HEADING, "First"), (PARAGRAPH, "a")] == blocks(found)
    assert ("The Book", "de") == (found.title, found.language)


async def test_rich_text_keeps_headings_tables_and_characters(
    sandbox: SandboxedParser, file: Callable[[bytes], Path]
) -> None:
    """Code pages by font, Unicode escapes, rows of cells; pictures and styles are no text."""
    source = (
        rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0 Arial;}{\f1\fcharset204 Arial;}}{\stylesheet{\s1 heading;}}"
        rb"{\info{\title The memo}}{\pict\bin4 \x00}{}}{\pard\outlinelevel0 Scope\par}"
        rb"\pard Caf\'e9 {\f1 \'cf\'f0\'e8} \u8364? \{x\}\par"
        rb"\trowd\intbl Name\cell Age\cell\row\intbl Ada\cell 36\cell\row\pard End\par {\*\unknown not this}}"
    )
    found = await sandbox.parse(file(source), RTF)

    assert [
        (HEADING, "Scope"),
        (PARAGRAPH, "Café При € {x}"),
        (COLUMNS, "Name | Age"),
        (ROW, "Ada | 36"),
        (PARAGRAPH, "End"),
    ] == blocks(found)
    assert "The memo" == found.title


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b'Name,Note\nAda,"first, and\nalone"\n', CSV),
        (b"Name;Note\r\nAda;first, and alone\r\n", CSV),
        (b"Name\tNote\nAda\tfirst, and alone\n", TSV),
        ('Name,Note\nAda,"first, and alone"\n'.encode("utf-16"), CSV),
    ],
    ids=["quoted", "semicolons", "tabs", "utf-16"],
)
async def test_separated_values_are_rows_below_a_header(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], content: bytes, media_type: str
) -> None:
    """Whatever separates them."""
    found = await sandbox.parse(file(content), media_type)

    assert [(COLUMNS, "Name | Note"), (ROW, "Ada | first, and alone")] == blocks(found)


async def test_figures_head_no_table(sandbox: SandboxedParser, file: Callable[[bytes], Path]) -> None:
    """A first row of values is a row."""
    found = await sandbox.parse(file(b"1,2\n3,4\n"), CSV)

    assert [(ROW, "1 | 2"), (ROW, "3 | 4")] == blocks(found)


async def test_json_is_an_outline_of_its_keys(sandbox: SandboxedParser, file: Callable[[bytes], Path]) -> None:
    """A block a record, figures as they are written."""
    found = await sandbox.parse(file(b'[{"a": 1.10, "b": {"c": [true, null]}}, {"a": "two"}]'), JSON)

    assert [(CODE, "a: 1.10\nb:\n  c:\n    - true\n    - null"), (CODE, "a: two")] == blocks(found)


@pytest.mark.parametrize(
    "content", [b'{"a": 1}\n{"a": 2}\n', b'{"a": 1,\n // not JSON\n"a": 2}'], ids=["lines", "comments"]
)
async def test_json_of_other_kinds_is_read_too(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], content: bytes
) -> None:
    """A value a line, or what only looks like JSON."""
    found = await sandbox.parse(file(content), JSON)

    assert "1" in found.text
    assert "2" in found.text


async def test_code_is_kept_to_the_letter(sandbox: SandboxedParser, file: Callable[[bytes], Path]) -> None:
    """Divided between the outermost definitions only."""
    source = "import os\n\n\ndef f():\n    a = 1\n\n    return a\n\n\nclass C:\n    pass\n"
    found = await sandbox.parse(file(source.encode()), PYTHON)

    assert [
        (CODE, "import os"),
        (CODE, "def f():\n    a = 1\n\n    return a"),
        (CODE, "class C:\n    pass"),
    ] == blocks(found)


async def test_mail_keeps_its_headers_and_reads_what_is_attached(
    sandbox: SandboxedParser, file: Callable[[bytes], Path]
) -> None:
    """Attachments are read by the readers of their formats, below their names."""
    message = mail("The body.", subject="Größe")
    message.add_attachment(
        documents.docx(documents.paragraph("In Word")), maintype="application", subtype="x", filename="a.docx"
    )
    message.add_attachment(b"%PDF-1.4 broken", maintype="application", subtype="pdf", filename="b.pdf")
    message.add_attachment(b"\x89PNG\r\n\x1a\n\0\0", maintype="image", subtype="png", filename="c.png")
    found = await sandbox.parse(file(message.as_bytes()), MAIL)

    headers = "From: Ada Lovelace <ada@example.org>\nTo: charles@example.org\n"
    headers += "Date: Mon, 01 Jun 2026 10:00:00 +0000\nSubject: Größe"
    assert [
        (HEADING, "Größe"),
        (
            PARAGRAPH,
            headers,
        ),
        (PARAGRAPH, "The body."),
        (HEADING, "a.docx"),
        (PARAGRAPH, "In Word"),
        (HEADING, "b.pdf"),
        (PARAGRAPH, "[The file is damaged: it cannot be read as PDF.]"),
        (HEADING, "c.png"),
    ] == blocks(found)
    assert "Größe" == found.title


async def test_a_mail_without_plain_text_is_read_as_html(
    sandbox: SandboxedParser, file: Callable[[bytes], Path]
) -> None:
    """The richer part is taken where the plain one is a stub, and once only."""
    message = mail("See the web page.")
    message.add_alternative("<h2>News</h2><p>" + "All that happened this month. " * 9 + "</p>", subtype="html")
    found = await sandbox.parse(file(message.as_bytes()), MAIL)

    assert (HEADING, "News") in blocks(found)
    assert "See the web page" not in found.text


async def test_mails_in_mails_are_opened_so_far_and_no_further(
    sandbox: SandboxedParser, file: Callable[[bytes], Path]
) -> None:
    """The limit of nesting holds, what is above it is kept, and that something was left is said."""
    message = mail("level 0", subject="subject 0")
    for level in range(1, 11):
        outer = mail(f"level {level}", subject=f"subject {level}")
        outer.add_attachment(message)
        message = outer
    found = await sandbox.parse(file(message.as_bytes()), MAIL)

    said = [text for kind, text in blocks(found) if kind is PARAGRAPH and text.startswith(("level", "["))]
    assert said[:9] == [f"level {10 - depth}" for depth in range(9)]
    assert len(said) == 10
    assert said[9].startswith("[Not opened")


@pytest.mark.parametrize(
    "header",
    [
        b"Subject: =?utf-8?b?R3LDvMOf?=\n =?utf-8?q?e_an?=  alle",
        "Subject: Grüße an alle".encode(),
        "Subject: Grüße an alle".encode("latin-1"),
        b"Subject: =?iso-8859-1?Q?Gr=FC=DFe_an?= alle",
    ],
    ids=["two words", "raw utf-8", "raw latin-1", "quoted"],
)
async def test_headers_of_any_encoding_are_read(
    sandbox: SandboxedParser, file: Callable[[bytes], Path], header: bytes
) -> None:
    """By the rules, and where senders broke them."""
    found = await sandbox.parse(file(b"From: a@example.org\n" + header + b"\n\nbody\n"), MAIL)

    assert "Grüße an alle" == found.title
