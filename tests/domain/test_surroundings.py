"""What stands around a passage."""

from uuid import UUID

from domain.ids import DocumentId, chunk_id
from domain.passages import Chunk
from domain.surroundings import REACH, surroundings

DOCUMENT = DocumentId(UUID(int=7))


def chunks(*texts: str) -> list[Chunk]:
    return [
        Chunk(
            id=chunk_id(DOCUMENT, 1, ordinal),
            document_id=DOCUMENT,
            revision=1,
            ordinal=ordinal,
            text=text,
            char_from=0,
            char_to=len(text),
            page_from=None,
            page_to=None,
        )
        for ordinal, text in enumerate(texts)
    ]


def test_short_neighbours_in_their_order() -> None:
    """As many as are in reach, on both sides."""
    assert surroundings(chunks("one", "two", "three")) == ["one\ntwo\nthree"] * 3
    assert surroundings(chunks("alone")) == ["alone"]
    assert surroundings([]) == []


def test_no_further_than_the_reach_and_no_word_cut() -> None:
    """A long neighbour gives its nearest words only."""
    long = " ".join(f"w{number:03}" for number in range(400))
    before, own, after = surroundings(chunks(long, "here", long))[1].split("\n")

    assert own == "here"
    assert long.endswith(before)
    assert before.startswith("w")
    assert long.startswith(after)
    assert all(REACH - 6 <= len(side) <= REACH for side in (before, after))
