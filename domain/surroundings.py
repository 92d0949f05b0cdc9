"""What stands before and after a passage in its document."""

from collections.abc import Iterator, Sequence
from typing import Final

from domain.passages import Chunk

REACH: Final = 600  # code points on either side: some hundred words, or a paragraph


def surroundings(chunks: Sequence[Chunk]) -> list[str]:
    """For each chunk of a document, in order, its text with `REACH` code points of its neighbours on either side.

    A word that the reach would cut is left out.
    """
    return [
        "\n".join((*reversed([*_before(chunks, place)]), chunk.text, *_after(chunks, place)))
        for place, chunk in enumerate(chunks)
    ]


def _before(chunks: Sequence[Chunk], place: int) -> Iterator[str]:
    left = REACH
    while left > 0 and place > 0:
        place -= 1
        text = chunks[place].text
        yield text if len(text) <= left else text[-left:].partition(" ")[2]
        left -= len(text)


def _after(chunks: Sequence[Chunk], place: int) -> Iterator[str]:
    left = REACH
    while left > 0 and place + 1 < len(chunks):
        place += 1
        text = chunks[place].text
        yield text if len(text) <= left else text[:left].rpartition(" ")[0]
        left -= len(text)
