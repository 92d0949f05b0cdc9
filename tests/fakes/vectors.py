"""The vector index in memory: exact cosine, plain BM25, reciprocal rank fusion."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from attrs import define, evolve, field

from application.errors import VectorsUnavailable
from application.ports.vectors import IndexedChunk, IndexedRevision, PassageFilter, VectorHit, VectorQuery
from domain.documents import MetadataValue
from domain.ids import ChunkId, CollectionId, DocumentId, WorkspaceId
from domain.passages import SearchMode

_K1, _B = 1.2, 0.75
_RRF_K = 60
# words, and every Chinese or Japanese character by itself
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+(?:_\w+)*")


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.lower())


def _same(left: MetadataValue | None, right: MetadataValue) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def _matches(chunk: IndexedChunk, asked: PassageFilter) -> bool:
    return (
        chunk.collection_id in asked.readable
        and (asked.collection_ids is None or chunk.collection_id in asked.collection_ids)
        and (asked.document_ids is None or chunk.document_id in asked.document_ids)
        and (asked.tags is None or not asked.tags.isdisjoint(chunk.tags))
        and (asked.media_types is None or chunk.media_type in asked.media_types)
        and (asked.created_from is None or chunk.created_at >= asked.created_from)
        and (asked.created_to is None or chunk.created_at < asked.created_to)
        and all(_same(chunk.metadata.get(key), value) for key, value in (asked.metadata or {}).items())
    )


@define
class InMemoryVectorIndex:
    """Keeps copies, and what it was asked. `available = False` makes every call raise VectorsUnavailable."""

    available: bool = True
    asked: list[VectorQuery] = field(init=False, factory=list)
    _chunks: dict[tuple[WorkspaceId, ChunkId], IndexedChunk] = field(init=False, factory=dict)

    def _check(self) -> None:
        if not self.available:
            raise VectorsUnavailable("the vector index is switched off")

    async def prepare(self) -> None:
        self._check()

    async def upsert(self, workspace_id: WorkspaceId, chunks: Sequence[IndexedChunk]) -> None:
        self._check()
        for chunk in chunks:
            self._chunks[workspace_id, chunk.chunk_id] = evolve(
                chunk, dense=tuple(chunk.dense), metadata=dict(chunk.metadata)
            )

    async def search(self, workspace_id: WorkspaceId, query: VectorQuery) -> list[VectorHit]:
        self._check()
        self.asked.append(query)
        found = [chunk for chunk in self._of(workspace_id) if _matches(chunk, query.filter)]
        dense = [] if query.dense is None or query.mode is SearchMode.KEYWORD else _by_cosine(found, query.dense)
        sparse = [] if query.mode is SearchMode.SEMANTIC else _by_words(found, query.text)
        if query.mode is SearchMode.HYBRID and dense:
            ranked = _fused(dense, sparse)
        else:
            ranked = sparse if query.mode is not SearchMode.SEMANTIC else dense
        return [VectorHit(chunk_id=chunk.chunk_id, score=score) for score, chunk in ranked[: max(query.limit, 0)]]

    def _of(self, workspace_id: WorkspaceId) -> list[IndexedChunk]:
        return [chunk for (owner, _), chunk in self._chunks.items() if owner == workspace_id]

    async def describe(
        self,
        workspace_id: WorkspaceId,
        document_id: DocumentId,
        *,
        collection_id: CollectionId,
        tags: tuple[str, ...],
        metadata: Mapping[str, MetadataValue],
    ) -> None:
        self._check()
        for chunk in self._of(workspace_id):
            if chunk.document_id == document_id:
                self._chunks[workspace_id, chunk.chunk_id] = evolve(
                    chunk, collection_id=collection_id, tags=tags, metadata=dict(metadata)
                )

    async def keep_revision(self, workspace_id: WorkspaceId, document_id: DocumentId, revision: int) -> None:
        self._check()
        self._drop(
            workspace_id,
            [each for each in self._of(workspace_id) if each.document_id == document_id and each.revision < revision],
        )

    async def delete_revision(self, workspace_id: WorkspaceId, document_id: DocumentId, revision: int) -> None:
        self._check()
        self._drop(
            workspace_id,
            [each for each in self._of(workspace_id) if (each.document_id, each.revision) == (document_id, revision)],
        )

    async def delete_documents(self, workspace_id: WorkspaceId, document_ids: Sequence[DocumentId]) -> None:
        self._check()
        self._drop(workspace_id, [each for each in self._of(workspace_id) if each.document_id in document_ids])

    def _drop(self, workspace_id: WorkspaceId, chunks: list[IndexedChunk]) -> None:
        for chunk in chunks:
            del self._chunks[workspace_id, chunk.chunk_id]

    async def revisions(self, workspace_id: WorkspaceId) -> list[IndexedRevision]:
        self._check()
        counts = Counter((chunk.document_id, chunk.revision) for chunk in self._of(workspace_id))
        return [
            IndexedRevision(document_id=document_id, revision=revision, chunks=count)
            for (document_id, revision), count in counts.items()
        ]

    async def ping(self) -> None:
        self._check()


Ranked = list[tuple[float, IndexedChunk]]


def _sorted(scores: Ranked) -> Ranked:
    return sorted(scores, key=lambda scored: (-scored[0], scored[1].chunk_id))


def _by_cosine(chunks: list[IndexedChunk], vector: Sequence[float]) -> Ranked:
    def cosine(other: Sequence[float]) -> float:
        lengths = math.sqrt(sum(a * a for a in vector)) * math.sqrt(sum(b * b for b in other))
        return sum(a * b for a, b in zip(vector, other, strict=True)) / lengths if lengths else 0.0

    return _sorted([(cosine(chunk.dense), chunk) for chunk in chunks])


def _by_words(chunks: list[IndexedChunk], text: str) -> Ranked:
    words = set(_tokens(text))
    counted = [(_counts(chunk), chunk) for chunk in chunks]
    average = sum(counts.total() for counts, _ in counted) / max(len(counted), 1) or 1.0
    having = Counter(word for counts, _ in counted for word in words & counts.keys())
    scores: Ranked = []
    for counts, chunk in counted:
        score = 0.0
        for word in words & counts.keys():
            idf = math.log(1 + (len(counted) - having[word] + 0.5) / (having[word] + 0.5))
            length = 1 - _B + _B * counts.total() / average
            score += idf * counts[word] * (_K1 + 1) / (counts[word] + _K1 * length)
        if score:
            scores.append((score, chunk))
    return _sorted(scores)


def _counts(chunk: IndexedChunk) -> Counter[str]:
    """Of the passage, half of each word's from its surroundings where they are known."""
    counts = Counter(_tokens(chunk.text))
    around = Counter(_tokens(chunk.around))
    if around:
        counts = Counter({word: (counts[word] + around[word]) / 2 for word in counts | around})
    return counts


def _fused(*rankings: Ranked) -> Ranked:
    scores: dict[ChunkId, float] = {}
    chunks: dict[ChunkId, IndexedChunk] = {}
    for ranking in rankings:
        for rank, (_, chunk) in enumerate(ranking):
            chunks[chunk.chunk_id] = chunk
            scores[chunk.chunk_id] = scores.get(chunk.chunk_id, 0.0) + 1 / (_RRF_K + rank + 1)
    return _sorted([(score, chunks[key]) for key, score in scores.items()])
