"""How documents are cut into passages."""

import re
from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.chunking import cut
from domain.ids import DocumentId
from domain.pages import MAX_RECTS
from domain.passages import Block, BlockKind, Chunk, Page, ParsedDocument, TextSpan, below_headings

DOCUMENT = DocumentId(UUID(int=7))


def words(texts: Sequence[str]) -> list[int]:
    return [len(re.findall(r"\w+|[^\w\s]", text)) for text in texts]


def characters(texts: Sequence[str]) -> list[int]:
    return [len(text) for text in texts]


def clipped_words(texts: Sequence[str]) -> list[int]:
    """As WordPiece counts: an endless word is one unknown token, its halves are many."""
    return [sum(1 if len(word) > 20 else -(-len(word) // 4) for word in re.findall(r"\S+", text)) for text in texts]


def document(*blocks: tuple[BlockKind, str, int]) -> ParsedDocument:
    text, made = "", []
    for kind, content, level in blocks:
        text += "\n\n" if text else ""
        made.append(Block(kind=kind, char_from=len(text), char_to=len(text) + len(content), level=level))
        text += content
    return ParsedDocument(text=text, blocks=tuple(made))


def heading(text: str, level: int = 1) -> tuple[BlockKind, str, int]:
    return BlockKind.HEADING, text, level


def prose(text: str) -> tuple[BlockKind, str, int]:
    return BlockKind.PARAGRAPH, text, 0


def cut_small(parsed: ParsedDocument, *, target: int = 20, window: int = 30, overlap: int = 5) -> list[Chunk]:
    return cut(
        parsed,
        document_id=DOCUMENT,
        revision=3,
        count_tokens=words,
        max_tokens=window,
        target_tokens=target,
        overlap_tokens=overlap,
    )


SENTENCE = "Nine words stand here in this sentence of text."  # ten tokens


def test_a_short_document_is_one_passage() -> None:
    """Its id comes from its place; its text is the document's."""
    (chunk,) = cut_small(document(prose("Only this.")))

    assert (chunk.text, chunk.ordinal, chunk.revision, chunk.token_count) == ("Only this.", 0, 3, 3)
    assert chunk.page_from is None
    assert chunk.boxes == ()


def test_nothing_gives_no_passages() -> None:
    """White space is not worth a passage."""
    assert cut_small(ParsedDocument(text=" \n\n ", blocks=())) == []


def test_a_heading_begins_a_passage_and_stays_with_its_text() -> None:
    """And all passages of its section name it, without saying it twice to the embedder."""
    chunks = cut_small(
        document(
            heading("Guide"),
            prose(" ".join([SENTENCE] * 4)),
            heading("Setup", 2),
            prose(" ".join([SENTENCE] * 4)),
        )
    )

    assert [chunk.text.splitlines()[0] for chunk in chunks if chunk.text.startswith(("Guide", "Setup"))] == [
        "Guide",
        "Setup",
    ]
    assert {chunk.heading_path for chunk in chunks} == {("Guide",), ("Guide", "Setup")}
    assert chunks[0].heading_path == ("Guide",)
    assert [chunk.text_to_embed.count("Guide") for chunk in chunks] == [1] * len(chunks)
    assert chunks[-1].text_to_embed.startswith("Guide\nSetup\n")


def test_small_sections_share_a_passage_and_name_what_they_share() -> None:
    """A heading that holds for only a part of the passage is not above all of it."""
    small = [heading("Trees"), prose("Tall."), heading("Oak", 2), prose("Lobed."), heading("Ash", 2), prose("Light.")]
    (together,) = cut_small(document(*small), target=80, window=100)
    (alone,) = cut_small(document(heading("Trees"), heading("Oak", 2), prose("Lobed.")))

    assert together.heading_path == ("Trees",)
    assert alone.heading_path == ("Trees", "Oak")
    assert alone.text_to_embed == alone.text


def test_text_that_begins_with_a_word_of_its_heading_is_still_below_it() -> None:
    """Only a whole line says a heading."""
    assert below_headings(("Oak",), "Oak leaves are lobed.") == "Oak\nOak leaves are lobed."
    assert below_headings(("Trees", "Oak (English)"), "Oak\n(English)\n\nTall.") == "Trees\nOak\n(English)\n\nTall."
    assert below_headings(("Oak (English)",), "Oak\n(English) leaves") == "Oak (English)\nOak\n(English) leaves"
    assert below_headings(("Oak",), "Oak  \nTall.") == "Oak  \nTall."
    assert below_headings(("Oak tree",), "Oak") == "Oak tree\nOak"
    assert below_headings(("Oak",), "Oak") == "Oak"


def test_neighbours_share_a_short_sentence() -> None:
    """So that what refers back is understood; long sentences are not repeated."""
    short = "A short one."
    chunks = cut_small(document(prose(f"{SENTENCE} {short} {SENTENCE} {SENTENCE}")))

    assert chunks[0].text.endswith(short)
    assert chunks[1].text.startswith(short)
    assert chunks[1].char_from < chunks[0].char_to


def test_table_rows_are_never_cut_in_two() -> None:
    """Unless one alone is too long."""
    rows = [f"row {n} | cell | other" for n in range(20)]
    chunks = cut_small(document(*[(BlockKind.TABLE_ROW, row, 0) for row in rows]))

    assert [line for chunk in chunks for line in chunk.text.splitlines() if line] == rows


def test_a_tiny_rest_joins_its_neighbour() -> None:
    """No passage of two words at the end of a section."""
    chunks = cut_small(document(prose(f"{SENTENCE} {SENTENCE} The end.")))

    assert [chunk.text for chunk in chunks] == [f"{SENTENCE} {SENTENCE} The end."]


def test_pages_and_boxes_come_from_the_lines() -> None:
    """Lines below one another are one rectangle, at most a handful a page."""
    lines = [f"Line {n} goes on." for n in range(40)]
    text = "\n".join(lines)
    spans, place = [], 0
    for n, line in enumerate(lines[:20]):
        column = n // 10
        spans.append(
            TextSpan(
                char_from=place,
                char_to=place + len(line),
                bbox=(50 + 250 * column, 50 + 12 * (n % 10), 250 + 250 * column, 60 + 12 * (n % 10)),
            )
        )
        place += len(line) + 1
    pages = (
        Page(number=1, char_from=0, char_to=place, width=600, height=800, spans=tuple(spans)),
        Page(number=2, char_from=place, char_to=len(text)),
    )
    block = Block(kind=BlockKind.PARAGRAPH, char_from=0, char_to=len(text))
    chunks = cut(
        ParsedDocument(text=text, blocks=(block,), pages=pages),
        document_id=DOCUMENT,
        revision=1,
        count_tokens=words,
        max_tokens=300,
        target_tokens=250,
    )

    assert [(chunk.page_from, chunk.page_to) for chunk in chunks] == [(1, 2)]
    assert [boxes.page for boxes in chunks[0].boxes] == [1]
    assert chunks[0].boxes[0].rects == ((50, 50, 250, 168), (300, 50, 500, 168))


def test_settings_that_cannot_work_are_refused() -> None:
    """The target must fit the window, the overlap the target."""
    with pytest.raises(ValueError, match="target"):
        cut_small(document(prose("x")), target=40, window=30)


def bytes_between_words(texts: Sequence[str]) -> list[int]:
    """As tokenizers of bytes may count: white space too, and one more for a capital that does not begin the text."""
    return [
        one + sum(len(space.encode()) for space in re.findall(r"\s", text)) + len(re.findall(r"\s[A-Z]", text))
        for one, text in zip(words(texts), texts, strict=True)
    ]


@pytest.mark.parametrize("length", range(2, 24))
@pytest.mark.parametrize("end", [". ", ".\n", ".\u3000", "?!\u3000"])
def test_what_is_joined_may_count_for_more_than_its_parts(length: int, end: str) -> None:
    """No passage leaves the window, however many sentences it takes to fill one."""
    chunks = cut(
        document(prose(f"Ab{' ab' * (length - 1)}{end}" * 300)),
        document_id=DOCUMENT,
        revision=1,
        count_tokens=bytes_between_words,
        max_tokens=254,
    )

    assert max(bytes_between_words([chunk.text_to_embed for chunk in chunks])) <= 254


def test_a_small_window_makes_small_passages() -> None:
    """Without settings the target follows the embedder."""
    chunks = cut(
        document(prose(" ".join([SENTENCE] * 30))), document_id=DOCUMENT, revision=1, count_tokens=words, max_tokens=50
    )

    assert max(chunk.token_count for chunk in chunks) <= 50


BLOCKS = st.lists(
    st.tuples(
        st.sampled_from(BlockKind),
        st.text(alphabet=st.sampled_from("abcde XYZ. 。\n!1ก東"), min_size=1, max_size=120)
        | st.text(alphabet="x", min_size=30, max_size=200),
        st.integers(1, 4),
    ),
    max_size=12,
)


@given(
    blocks=BLOCKS,
    holes=st.booleans(),
    sizes=st.sampled_from([(8, 10, 3), (12, 12, 0), (5, 30, 4), (20, 60, 4), (60, 90, 10)]),
    count=st.sampled_from([words, characters, clipped_words]),
)
def test_whatever_the_document_the_promises_hold(
    *, blocks: list[tuple[BlockKind, str, int]], holes: bool, sizes: tuple[int, int, int], count: object
) -> None:
    """Verbatim, ordered, covering, within the window, boxes few, ids by place."""
    parsed = document(*blocks)
    if holes:
        parsed = ParsedDocument(text=parsed.text, blocks=parsed.blocks[::2])
    target, window, overlap = sizes
    chunks = cut(
        parsed,
        document_id=DOCUMENT,
        revision=1,
        count_tokens=count,  # type: ignore[arg-type]
        max_tokens=window,
        target_tokens=target,
        overlap_tokens=overlap,
    )
    covered = set()
    for ordinal, chunk in enumerate(chunks):
        assert chunk.ordinal == ordinal
        assert chunk.text == parsed.text[chunk.char_from : chunk.char_to]
        assert chunk.text.strip() == chunk.text != ""
        assert count([chunk.text_to_embed])[0] <= window  # type: ignore[operator]
        assert count([chunk.text])[0] == chunk.token_count  # type: ignore[operator]
        assert all(len(boxes.rects) <= MAX_RECTS for boxes in chunk.boxes)
        covered.update(range(chunk.char_from, chunk.char_to))
    assert all(place in covered or character.isspace() for place, character in enumerate(parsed.text))
    assert all(a.char_from <= b.char_from and a.char_to < b.char_to for a, b in pairwise(chunks))
    assert len({chunk.id for chunk in chunks}) == len(chunks)


def test_the_names_of_columns_go_with_every_part_of_a_table() -> None:
    """They are context for the rows after a cut, and for nothing after the table."""
    rows = [(BlockKind.TABLE_ROW, f"row {number} | {number} | {number * 2}", 0) for number in range(12)]
    table = [(BlockKind.TABLE_HEADER, "name | one | two", 0), *rows]
    rest = (heading("Next", 1), prose("Something else entirely. " * 12))
    chunks = cut_small(document(heading("Figures"), *table, prose("After it. " * 12), *table, *rest), window=40)
    paths = {chunk.heading_path for chunk in chunks if chunk.text.startswith("row")}

    assert {("Figures", "name | one | two")} == paths
    assert {("Figures",)} == {chunk.heading_path for chunk in chunks if chunk.text.startswith("After")}
    assert {("Next",)} == {chunk.heading_path for chunk in chunks if chunk.text.startswith(("Next", "Something"))}
