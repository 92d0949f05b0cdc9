"""Identifiers that follow from what they name."""

from datetime import UTC, datetime
from uuid import RFC_4122, UUID

from domain.ids import DocumentId, chunk_id, numbered_id

DOCUMENT = DocumentId(UUID("01890a5d-ac96-774b-bcce-b302099a8057"))


def test_a_chunk_keeps_its_id() -> None:
    """Writing the same chunk again writes the same id: it follows from document, revision and place alone."""
    found = chunk_id(DOCUMENT, 2, 7)

    assert found == chunk_id(DOCUMENT, 2, 7)
    assert (found.version, found.variant) == (7, RFC_4122)
    assert found.int >> 80 == DOCUMENT.int >> 80


def test_chunks_are_told_apart() -> None:
    """No two places share an id, not even those whose numbers, written side by side, look alike."""
    other = DocumentId(UUID("01890a5d-ac96-774b-bcce-b302099a8058"))
    places = [(DOCUMENT, 1, 11), (DOCUMENT, 11, 1), (DOCUMENT, 1, 1), (other, 1, 1)]

    assert len(places) == len({chunk_id(*place) for place in places})


def test_a_number_and_its_time_make_an_id() -> None:
    """A UUIDv7 of that time; of one moment the higher number is the higher id."""
    at = datetime(2026, 11, 28, 17, 42, 23, 125_000, tzinfo=UTC)
    found = numbered_id(41, at)

    assert (found.version, found.variant) == (7, RFC_4122)
    assert found.int >> 80 == int(at.timestamp() * 1000)
    assert found < numbered_id(42, at)
