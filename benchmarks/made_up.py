"""Made-up passages: words of a small language, common ones oftener, and vectors without meaning."""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from uuid import uuid4

import numpy as np
from attrs import evolve, frozen

from application.ports.vectors import IndexedChunk
from domain.access import Actor
from domain.documents import Document
from domain.ids import CollectionId, DocumentId, chunk_id
from domain.passages import Chunk

DIMENSIONS = 384
CHUNKS_PER_DOCUMENT = 100
WORDS_PER_CHUNK = 150
WORDS = [
    f"{first}{middle}{last}"
    for first in "bdfgklmnprst"
    for middle in ("a", "e", "i", "o", "u", "ai", "ou", "ea")
    for last in ("le", "ne", "rt", "mber", "sk", "lt", "ve", "nder")
]
_PROBABILITIES = 1 / np.arange(1, len(WORDS) + 1)
_PROBABILITIES /= _PROBABILITIES.sum()


@frozen(kw_only=True)
class MadeUp:
    """A document that is ready, its chunks, and what the index holds of them."""

    document: Document
    chunks: list[Chunk]
    indexed: list[IndexedChunk]


def text(numbers: np.random.Generator, words: int) -> str:
    """So many words and a number."""
    return " ".join([*numbers.choice(WORDS, words, p=_PROBABILITIES), str(numbers.integers(20_000))])


def unit_vectors(numbers: np.random.Generator, count: int) -> list[list[float]]:
    """`count` vectors of unit length."""
    made = numbers.standard_normal((count, DIMENSIONS)).astype(np.float32)
    rows: list[list[float]] = (made / np.linalg.norm(made, axis=1, keepdims=True)).tolist()
    return rows


def documents(
    actor: Actor, collection_id: CollectionId, chunks: int, each: int = CHUNKS_PER_DOCUMENT
) -> Iterator[MadeUp]:
    """As many as it takes for so many chunks; the same texts each time."""
    numbers = np.random.default_rng(1)
    for number, start in enumerate(range(0, chunks, each)):
        count = min(each, chunks - start)
        yield _document(numbers, actor, collection_id, name=f"made-up-{number}.txt", count=count)


def row(actor: Actor, collection_id: CollectionId, *, name: str, count: int) -> Document:
    """A ready document of so many chunks; without events: nobody is to read it."""
    now = datetime.now(UTC)
    document_id = DocumentId(uuid4())
    uploaded = Document.uploaded(
        id=document_id,
        workspace_id=actor.workspace_id,
        collection_id=collection_id,
        title=name,
        filename=name,
        media_type="text/plain",
        size=1,
        sha256=sha256(document_id.bytes).hexdigest(),
        file_key=f"{actor.workspace_id}/{document_id}/1",
        tags=("made-up",),
        metadata={"team": "one"},
        by=actor.user_id,
        now=now,
    )
    return evolve(uploaded.completed(page_count=None, chunk_count=count, language="en", now=now), events=())


def _document(
    numbers: np.random.Generator, actor: Actor, collection_id: CollectionId, *, name: str, count: int
) -> MadeUp:
    ready = row(actor, collection_id, name=name, count=count)
    document_id = ready.id
    texts = [text(numbers, WORDS_PER_CHUNK) for _ in range(count)]
    places = np.cumsum([0, *map(len, texts)])
    chunks = [
        Chunk(
            id=chunk_id(document_id, 1, ordinal),
            document_id=document_id,
            revision=1,
            ordinal=ordinal,
            text=each,
            char_from=int(places[ordinal]),
            char_to=int(places[ordinal + 1]),
            page_from=None,
            page_to=None,
            token_count=WORDS_PER_CHUNK,
        )
        for ordinal, each in enumerate(texts)
    ]
    indexed = [
        IndexedChunk(
            chunk_id=chunk.id,
            document_id=document_id,
            revision=1,
            ordinal=chunk.ordinal,
            collection_id=collection_id,
            text=chunk.text,
            dense=dense,
            language="en",
            media_type="text/plain",
            tags=ready.tags,
            metadata=ready.metadata,
            created_at=ready.created_at,
        )
        for chunk, dense in zip(chunks, unit_vectors(numbers, count), strict=True)
    ]
    return MadeUp(document=ready, chunks=chunks, indexed=indexed)
