"""Identifiers that follow from what they name."""

from uuid import UUID

from domain.ids import DocumentId, chunk_id

DOCUMENT = DocumentId(UUID("01890a5d-ac96-774b-bcce-b302099a8057"))


def test_a_chunk_keeps_its_id() -> None:
    """Writing the same chunk again writes the same id: it follows from document, revision and place alone."""
    found = chunk_id(DOCUMENT, 2, 7)

    assert found == chunk_id(DOCUMENT, 2, 7)
    assert found.version == 5


def test_chunks_are_told_apart() -> None:
    """No two places share an id, not even those whose numbers, written side by side, look alike."""
    other = DocumentId(UUID("01890a5d-ac96-774b-bcce-b302099a8058"))
    places = [(DOCUMENT, 1, 11), (DOCUMENT, 11, 1), (DOCUMENT, 1, 1), (other, 1, 1)]

    assert len(places) == len({chunk_id(*place) for place in places})
