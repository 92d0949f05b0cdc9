"""From passages that were found to what the model is given."""

from domain.answers import Source, source_uri
from domain.passages import Passage
from domain.sentences import sentences


def make_source(passage: Passage) -> Source:
    """A passage as the model is given it: its sentences are the citable blocks."""
    chunk = passage.chunk
    starts = sorted({0, *(start for start, _ in sentences(chunk.text))})
    ends = [*starts[1:], len(chunk.text)]
    place = "" if chunk.page_from is None else f" - p. {chunk.page_from}"
    return Source(
        uri=source_uri(chunk.document_id, chunk.id),
        title=f"{passage.document.title}{place}",
        blocks=tuple(chunk.text[start:end] for start, end in zip(starts, ends, strict=True)),
        passage=passage,
    )
