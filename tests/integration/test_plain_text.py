"""Plain text and source code: what is found stands at its place in the file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.parsing import code, plain
from adapters.parsing.building import clean
from adapters.parsing.limits import Limits
from adapters.parsing.source import Source
from domain.passages import ParsedDocument

LIMITS = Limits(max_chars=10_000)


def parsed(content: bytes, *, as_code: bool = False) -> ParsedDocument:
    return (code if as_code else plain).read(Source(data=content), LIMITS)


def texts(document: ParsedDocument) -> list[str]:
    return [document.text[block.char_from : block.char_to] for block in document.blocks]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_only_empty_lines_divide(newline: str) -> None:
    """However lines end where the file was written."""
    content = newline.join(["One line", "and another. ", "", " \t", "\tTwo  spaces.", ""]).encode()

    found = parsed(content)

    assert texts(found) == ["One line\nand another.", "Two  spaces."]
    assert found.text == "One line\nand another. \n\n \t\n\tTwo  spaces.\n"


@given(
    text=st.text(
        st.sampled_from("aé好 \t\n\r\f\0.}{🦊\u2028") | st.characters(exclude_categories=("Cs",)), max_size=80
    ),
    as_code=st.booleans(),
)
def test_the_text_is_the_file_to_the_letter(text: str, *, as_code: bool) -> None:
    """But for what no store can keep; nothing is outside the blocks but white space."""
    found = parsed(text.encode("utf-8-sig"), as_code=as_code)
    place = 0

    assert found.text in {clean(text), ""}
    assert bool(found.text) == bool(clean(text).strip())
    for block in found.blocks:
        assert not found.text[place : block.char_from].strip()
        place = block.char_to
    assert not found.text[place:].strip()
