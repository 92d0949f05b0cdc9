"""Turns that only odd servers send, event by event."""

from adapters.claude.citations import SentSources
from adapters.claude.events import NativeText, Turn

CITATION = {
    "type": "search_result_location",
    "cited_text": "Water boils.",
    "source": "kb://a/b",
    "title": None,
    "search_result_index": 0,
    "start_block_index": 0,
    "end_block_index": 1,
}


def play(*events: dict[str, object]) -> Turn:
    turn = Turn(NativeText(SentSources()))
    for event in events:
        list(turn.read(event))
    return turn


def test_no_reason() -> None:
    """A message that stops without saying why is not complete."""
    assert play({"type": "message_start"}, {"type": "message_stop"}).stop is None


def test_file_id() -> None:
    """The server's `file_id` is not given back: requests may not hold it."""
    turn = play(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "So."}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "citations_delta", "citation": {**CITATION, "file_id": None}},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    )

    assert turn.stop is not None
    assert turn.stop.turn == [{"type": "text", "text": "So.", "citations": [CITATION]}]
