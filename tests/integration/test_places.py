"""Where passages, pages and lines stand: offsets count code points of the text as the product shows it.

For every format, texts of every script, and characters that break in many programs.
"""

import html
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.parsing.child import Answer
from adapters.parsing.formats import CSV, FORMATS, JSON, MAIL, PDF, RTF
from adapters.parsing.limits import Limits
from adapters.parsing.source import Source
from domain.chunking import cut
from domain.ids import DocumentId
from domain.passages import BlockKind, Chunk, ParsedDocument
from tests.fakes.parsing import FakeTokenCounter
from tests.integration.test_file_formats import MAKERS
from tests.samples.documents import pdf

VERBATIM: Final = {RTF, MAIL, CSV, JSON}  # formats whose makers want the text as it is; the others are marked up
SENTENCES: Final = (
    "Die Wärmepumpe läuft größtenteils ohne Störung.",
    "Ο ερωδιός στέκεται στα καλάμια.",  # noqa: RUF001 Greek
    "Цапля стоит в камышах ёж спит.",
    "البلشون يقف بين القصب في البركة.",
    "האנפה עומדת בין הקנים.",
    "बगुला सरकंडों में खड़ा है।",
    "นกกระสายืนอยู่ในพงอ้อริมบึง",
    "鷺は葦の中に立っている。池は静かだ。",
    "苍鹭站在芦苇丛中。池塘很安静。",
    "왜가리는 갈대밭에 서 있다.",
    "Con diệc đứng giữa đám lau sậy.",
    "שלום 123 heron العالم mixed",
    "emoji 👩‍🔬🏳️‍🌈 and 𝔪𝔞𝔱𝔥 and 𐍈 beyond the plane",
    "e\u0301 combined ﬁ ligature soft\u00adhyphen zero\u200bwidth",
)
SAFE: Final = st.characters(categories=["L", "M", "N", "P", "S", "Zs"], exclude_characters='"\\{}<>&')
PARAGRAPHS: Final = st.lists(
    st.one_of(st.sampled_from(SENTENCES), st.text(SAFE, min_size=1, max_size=60)), min_size=1, max_size=5
)
EXAMPLES: Final = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def read(content: bytes, media_type: str) -> ParsedDocument:
    """As a child of the sandbox reads and sends it."""
    parsed = FORMATS[media_type].load()(Source(data=content), Limits())
    sent = msgspec.json.decode(msgspec.json.encode(Answer(document=parsed)), type=Answer)
    assert sent.document == parsed
    return parsed


def passages(parsed: ParsedDocument) -> list[Chunk]:
    return cut(
        parsed,
        document_id=DocumentId(UUID(int=1)),
        revision=1,
        count_tokens=FakeTokenCounter().count,
        max_tokens=40,
    )


def check_places(parsed: ParsedDocument) -> None:
    """Everything that has a place is found at it."""
    text = parsed.text
    assert "\0" not in text  # PostgreSQL keeps none
    text.encode()  # nor halves of a pair
    for block in parsed.blocks:
        assert 0 <= block.char_from <= block.char_to <= len(text)
    assert all(one.char_to <= other.char_from for one, other in pairwise(parsed.blocks))
    assert all(one.char_to <= other.char_from for one, other in pairwise(parsed.pages))
    for page in parsed.pages:
        shown = text[page.char_from : page.char_to]
        assert 0 <= page.char_from <= page.char_to <= len(text)
        for span in page.spans:
            line = shown[span.char_from : span.char_to]
            assert len(line) == span.char_to - span.char_from
            assert line.strip()
            assert "\n" not in line
    chunks = passages(parsed)
    by_number = {page.number: page for page in parsed.pages}
    for chunk in chunks:
        assert chunk.text == text[chunk.char_from : chunk.char_to]
        assert chunk.text.strip()
        if parsed.pages:
            first, last = by_number[chunk.page_from or 0], by_number[chunk.page_to or 0]
            assert first.char_from <= chunk.char_from
            assert chunk.char_to <= last.char_to
            for number, start in chunk.page_starts:
                assert chunk.char_from + start == by_number[number].char_from
        assert {boxes.page for boxes in chunk.boxes} <= set(by_number)
    covered = {place for chunk in chunks for place in range(chunk.char_from, chunk.char_to)}
    headers = {
        place
        for block in parsed.blocks
        if block.kind is BlockKind.TABLE_HEADER
        for place in range(block.char_from, block.char_to)
    }
    assert not [place for place, each in enumerate(text) if not each.isspace() and place not in covered | headers]


def made(media_type: str, paragraphs: Sequence[str]) -> bytes:
    text = " ".join(paragraphs)
    return MAKERS[media_type](text if media_type in VERBATIM else html.escape(text, quote=False))


@pytest.mark.parametrize("media_type", MAKERS)
@EXAMPLES
@given(paragraphs=PARAGRAPHS)
def test_offsets_are_places_in_the_text(media_type: str, paragraphs: list[str]) -> None:
    """In every format; a sentence of any script is there to the letter."""
    parsed = read(made(media_type, paragraphs), media_type)

    check_places(parsed)
    found = _folded(parsed.text)
    assert [each for each in paragraphs if each in SENTENCES and _folded(each) not in found] == []


@EXAMPLES
@given(pages=st.lists(st.lists(st.text(SAFE, min_size=1, max_size=50), min_size=1, max_size=6), min_size=1, max_size=3))
def test_offsets_in_pdf_files_are_places_in_the_text(pages: list[list[str]]) -> None:
    """With lines that have boxes; of the characters that the sample's font has."""
    written = [[(12.0, line.encode("cp1252", "ignore").decode("cp1252")) for line in page] for page in pages]
    parsed = read(pdf([[(12.0, "Heron."), *page] for page in written]), PDF)

    check_places(parsed)
    assert len(parsed.pages) == len(pages)
    assert all(page.spans for page in parsed.pages)


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        (JSON, rb'{"a": "half \ud83d of a pair", "b": "nul \u0000 here"}'),
        (RTF, rb"{\rtf1\ansi\uc1 half \u-10179? of a pair, nul \u0? here}"),
        (MAIL, b"Subject: =?utf-8?q?nul_=00_here?=\r\n\r\nbody \x00 here\r\n"),
        (CSV, b"a,b\r\nnul \x00 here,2\r\n"),
    ],
)
def test_what_no_database_keeps_is_left_out(media_type: str, content: bytes) -> None:
    """NUL characters and halves of surrogate pairs."""
    parsed = read(content, media_type)

    check_places(parsed)
    assert "here" in parsed.text


def _folded(text: str) -> str:
    return re.sub(r"[\s\u00ad\u200b]+", "", text)
