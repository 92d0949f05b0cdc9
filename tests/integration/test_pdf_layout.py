"""How the text of a PDF is put in order: columns, rows, divided words, running lines, headings."""

from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest
from attrs import evolve

from adapters.parsing.building import DocumentBuilder
from adapters.parsing.limits import Limits
from adapters.parsing.pdf import read
from adapters.parsing.pdf_layout import assemble
from adapters.parsing.pdf_page import Line, PageLines
from adapters.parsing.source import Source
from domain.passages import BlockKind, ParsedDocument
from tests.samples import documents

Read = Callable[..., ParsedDocument]


@pytest.fixture
def parsed(tmp_path: Path) -> Read:
    def parse(*pages: list[documents.Placed], bold: str = "") -> ParsedDocument:
        path = tmp_path / "file.pdf"
        path.write_bytes(documents.placed_pdf(pages, bold=bold))
        return read(Source(path=path), Limits())

    return parse


def texts(document: ParsedDocument) -> list[str]:
    return [document.text[block.char_from : block.char_to] for block in document.blocks]


LEFT = [f"The left column goes on in its line {number}" for number in range(12)]
RIGHT = [f"The right column has other words, line {number}" for number in range(12)]


def row(number: int) -> float:
    return 700.0 - 14 * number


@pytest.mark.parametrize("drawn", ["by row", "by column", "mixed"])
@pytest.mark.parametrize("offset", [0.0, 5.0], ids=["one base line", "two base lines"])
def test_columns_are_read_one_after_the_other(parsed: Read, drawn: str, offset: float) -> None:
    """However the program that wrote the file went about it, and a title across both stays above them."""
    left = [(60.0, row(number), 10.0, text) for number, text in enumerate(LEFT)]
    right = [(320.0, row(number) - offset, 10.0, text) for number, text in enumerate(RIGHT)]
    pairs = [line for pair in zip(left, right, strict=True) for line in pair]
    lines = {"by row": pairs, "by column": left + right, "mixed": pairs[:12] + left[6:] + right[6:]}[drawn]
    title = (60.0, 740.0, 10.0, "A title that runs across both of the columns and so belongs to neither of them at all")
    found = parsed([title, *lines]).text

    assert [title[3], *LEFT, *RIGHT] == [line for line in found.split("\n") if line]


THREE = [[f"Column {'abc'[column]} has some words in line {line}" for line in range(12)] for column in range(3)]


@pytest.mark.parametrize("drawn", ["by row", "by column"])
def test_three_columns_are_read_one_after_the_other(parsed: Read, drawn: str) -> None:
    """Also where a footer has a gap over the gutter."""
    placed = [
        [(40.0 + 185 * column, row(line), 8.0, text) for line, text in enumerate(lines)]
        for column, lines in enumerate(THREE)
    ]
    lines = list(chain(*zip(*placed, strict=True)) if drawn == "by row" else chain(*placed))
    footer = [(60.0, 60.0, 8.0, "Proposed rules of the day"), (460.0, 60.0, 8.0, "Page 3")]
    found = parsed([*lines, *footer]).text

    assert [*chain(*THREE)] == [line for line in found.split("\n") if line.startswith("Column")]


def test_the_rows_of_a_table_stay_rows(parsed: Read) -> None:
    """Short cells beside one another are not columns of text."""
    lines = [
        (left, row(number), 10.0, text)
        for number in range(12)
        for left, text in ((60.0, f"Port {number}"), (320.0, f"{number * 7} ships"))
    ]
    found = parsed(lines).text.replace("\n", " ")

    assert " ".join(f"Port {number} {number * 7} ships" for number in range(12)) == found


def test_a_table_of_long_labels_and_figures_keeps_its_rows(parsed: Read) -> None:
    """Long as the cells may be, figures are no running text."""
    lines = [
        (left, row(number), 9.0, text)
        for number in range(12)
        for left, text in (
            (60.0, f"Net revenues of the segment {'abcdefghijkl'[number]}"),
            (330.0, f"$ {number},234.5 $ {number},678.9 $ {number},012.3"),
        )
    ]
    found = parsed(lines).text.replace("\n", " ")

    assert " ".join(text for _, _, _, text in lines) == " ".join(found.split())


def test_raised_figures_stay_in_their_line(parsed: Read) -> None:
    """An exponent does not divide a sentence."""
    lines = [
        (72.0, 700.0, 10.0, "It grows as n"),
        (72.0 + 57.9, 704.0, 6.0, "2"),
        (72.0 + 61.3, 700.0, 10.0, ", which is much."),
    ]

    assert ["It grows as n2, which is much."] == texts(parsed(lines))


def test_words_divided_at_line_ends_are_whole(parsed: Read) -> None:
    """And a compound that is written with its hyphen elsewhere keeps it."""
    lines = [
        (72.0, 700.0, 10.0, "A well-known rule of the hyphen-"),
        (72.0, 687.0, 10.0, "ation of words, which is well-"),
        (72.0, 674.0, 10.0, "known to all."),
    ]
    found = parsed(lines)

    assert ["A well-known rule of the hyphenation of words, which is well-known to all."] == texts(found)
    page = found.pages[0]
    assert ["A well-known rule of the hyphen", "ation of words, which is well-", "known to all."] == [
        found.text[page.char_from + span.char_from : page.char_from + span.char_to] for span in page.spans
    ]


@pytest.mark.parametrize(
    ("drawn", "meant"),
    [
        ("Gr\u00b4egory", "Grégory"),
        ("Müller", "Müller"),
        ("Age\u02c6ncia", "Agência"),
        ("Franc\u00b8ois", "François"),
        ("n\u02c6j", "n\u02c6j"),
    ],
)
def test_accents_drawn_beside_their_letters_are_joined(parsed: Read, drawn: str, meant: str) -> None:
    """So that a name is found under its spelling."""
    assert [meant] == texts(parsed([(72.0, 700.0, 10.0, drawn)]))


def test_running_lines_are_left_out(parsed: Read) -> None:
    """The header of a chapter, the page number, the footer; each stands once where it has words."""
    pages = []
    for number in range(1, 13):
        chapter = "On tides" if number < 6 else "On winds"
        pages.append(
            [
                (72.0, 760.0, 9.0, chapter),
                (
                    72.0,
                    600.0,
                    11.0,
                    f"Text of the page in {['one', 'other', 'third'][number % 3]} words, {number * 17}.",
                ),
                (72.0, 40.0, 9.0, f"Page {number} of 12"),
                (500.0, 40.0, 9.0, "The Almanac"),
            ]
        )
    found = parsed(*pages).text

    assert [1, 1, 1] == [found.count(text) for text in ("On tides", "On winds", "The Almanac")]
    assert 1 == found.count(" of 12")
    assert all(f"{number * 17}." in found for number in range(1, 13))


def test_what_stands_in_the_margin_once_or_twice_is_kept(parsed: Read) -> None:
    """Only what runs through pages is a running line."""
    pages = [[(72.0, 760.0, 9.0, f"Remark {number}a"), (72.0, 600.0, 11.0, "Text.")] for number in (3, 1, 4, 1, 5)]
    found = parsed(*pages).text

    assert all(f"Remark {number}a" in found for number in (3, 1, 4, 5))


def test_numbered_headings_of_the_body_size_are_headings(parsed: Read) -> None:
    """By their weight or their capitals; a number at the start of a line inside a sentence is none."""
    lines = [
        (72.0, 700.0, 10.0, "2.1 Tides of the spring"),
        (72.0, 687.0, 10.0, "They are the highest of all, as is explained in the section"),
        (72.0, 674.0, 10.0, "4. Much of it is due to the moon. This is a long line here."),
        (72.0, 640.0, 10.0, "III. NEAP TIDES"),
        (72.0, 620.0, 10.0, "They are the lowest of all of them in the month of the moon."),
    ]
    found = parsed(lines, bold="2.1")

    assert [
        (BlockKind.HEADING, "2.1 Tides of the spring"),
        (BlockKind.PARAGRAPH, "They are the highest of all, as is explained in the section\n" + lines[2][3]),
        (BlockKind.HEADING, "III. NEAP TIDES"),
        (BlockKind.PARAGRAPH, lines[4][3]),
    ] == [(block.kind, found.text[block.char_from : block.char_to]) for block in found.blocks]


def test_a_title_in_several_centred_lines_is_a_heading() -> None:
    """As above a balance sheet: company, statement, units. Bold lines that begin at one margin are text."""
    body = [Line(f"Other assets {n} 1,250 1,{n}30", (40, 200 + 12 * n, 560, 210 + 12 * n), 10.0) for n in range(9)]
    title = [
        Line("Harbour Works plc", (250, 100, 350, 110), 10.0, bold=True),
        Line("Consolidated Balance Sheets", (225, 112, 375, 122), 10.0, bold=True),
        Line("(in thousands)", (265, 124, 335, 134), 10.0),
        Line("As of June 30, 2023 2022", (40, 136, 560, 146), 10.0, bold=True, gaps=((19, 160.0, 480.0),)),
    ]
    margin = [evolve(line, box=(40.0, *line.box[1:])) for line in title]

    assert [*headings([*title, *body])] == ["Harbour Works plc\nConsolidated Balance Sheets\n(in thousands)"]
    assert not any("\n" in heading for heading in headings([*margin, *body]))


def headings(lines: list[Line]) -> list[str]:
    """Those of a page."""
    builder = DocumentBuilder(Limits())
    assemble([PageLines(1, 600.0, 800.0, tuple(lines))], builder)
    document = builder.finish()
    return [
        document.text[block.char_from : block.char_to] for block in document.blocks if block.kind is BlockKind.HEADING
    ]


def test_a_stamp_written_upwards_heads_nothing(tmp_path: Path) -> None:
    """Large as it may be."""
    path = tmp_path / "file.pdf"
    upwards = "BT /F1 20 Tf 0 1 -1 0 30 200 Tm (A stamp in the margin) Tj ET"
    made = documents.placed_pdf(
        [[(72.0, 700.0, 10.0, f"Text in the body, line {n}.") for n in range(3)] + [(1, 1, 1, "@" * 70)]]
    )
    place = made.index(b"BT /F1 1 Tf")
    end = made.index(b"ET", place) + 2
    path.write_bytes(made[:place] + upwards.encode().ljust(end - place) + made[end:])
    found = read(Source(path=path), Limits())

    assert "A stamp in the margin" in found.text
    assert BlockKind.HEADING not in {block.kind for block in found.blocks}


def test_boxes_end_at_the_page() -> None:
    """What hangs over an edge is cut there; a line outside the page is read, and has no place on it."""
    lines = (
        Line("Half of it is on the page.", (-20.0, 100.0, 60.0, 112.0), 10.0),
        Line("None of it is.", (-90.0, 300.0, -10.0, 312.0), 10.0),
    )
    builder = DocumentBuilder(Limits())
    assemble([PageLines(1, 200.0, 400.0, lines)], builder)
    found = builder.finish()

    assert "None of it is." in found.text
    assert [(0.0, 100.0, 60.0, 112.0)] == [span.bbox for span in found.pages[0].spans]
