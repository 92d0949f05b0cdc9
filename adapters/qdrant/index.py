"""The vector index in Qdrant: a server, a cluster, or the embedded engine behind the same client."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

import httpx
from attrs import field, frozen
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.api_client import AsyncMiddlewareT, SendAsync
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from adapters.plain_http import PlainTransport
from adapters.qdrant import filters
from adapters.qdrant.errors import vectors_errors
from adapters.qdrant.points import DENSE, SPARSE, description, hit, point, revision
from application.errors import VectorsUnavailable
from application.ports.embedding import Vector
from application.ports.vectors import IndexedChunk, IndexedRevision, VectorHit, VectorQuery
from domain.documents import MetadataValue
from domain.ids import CollectionId, DocumentId, WorkspaceId
from domain.passages import SearchMode

_UPSERT_BATCH = 128  # chunks a request: some 0.5 MB, and searches wait for one batch at most
# Of each half that a hybrid search fuses. Their scores are normalised among them, so that their number must not follow
# how many are asked for: the same question would have another order on a longer page.
_CANDIDATES = 200
_BY_DISTRIBUTION = models.FusionQuery(fusion=models.Fusion.DBSF)
_ENGLISH = frozenset({"en"})
_NOT_FOUND = 404
_KEEPALIVE = 4.0  # seconds; Qdrant closes after 5, and no request should be sent into a closing connection

# Of the semantic half's score against the keyword half's 1. Any from 0.7 to 1.5 serves the judged English sets alike,
# any from 0.05 to 0.2 those in languages that the model does not speak: hybrid search stays within 0.01 nDCG@10 of the
# better half everywhere.
_WEIGHT_SPOKEN = 1.0  # the embedding model was trained on the question's language
_WEIGHT_UNKNOWN = 0.4  # the question is too short to tell
_WEIGHT_FOREIGN = 0.1  # it was not: keywords decide, the model parts equals and fills up


@frozen(kw_only=True)
class QdrantSettings:
    """How a new collection is made. None leaves it to the server."""

    shard_number: int | None = None
    replication_factor: int | None = None
    on_disk: bool = False  # dense vectors are read from disk instead of held in memory
    quantization: bool = False  # int8 copies of the dense vectors in memory; a quarter of the space


@frozen(kw_only=True)
class _Deadlines:
    """Seconds."""

    search: float = 10.0
    write: float = 60.0
    prepare: float = 60.0
    ping: float = 3.0


@frozen(kw_only=True)
class QdrantIndex:
    """One collection holds all workspaces; every request is filtered by one.

    `dense_languages`: the languages (ISO 639-1) that the embedding model was trained on; None means all. Where it
    does not speak the question's language, keywords decide.
    """

    _client: AsyncQdrantClient = field(alias="client")
    _collection: str = field(alias="collection")
    _dimensions: int = field(alias="dimensions")
    _settings: QdrantSettings = field(alias="settings", factory=QdrantSettings)
    _dense_languages: Collection[str] | None = field(alias="dense_languages", default=_ENGLISH)
    _deadlines: _Deadlines = field(alias="deadlines", factory=_Deadlines)

    @classmethod
    def connect(
        cls,
        url: str,
        api_key: str | None,
        *,
        collection: str,
        dimensions: int,
        settings: QdrantSettings | None = None,
        dense_languages: Collection[str] | None = _ENGLISH,
    ) -> "QdrantIndex":
        """An index with its own client; `close` it. Nothing is asked of the server yet."""
        deadlines = _Deadlines()
        transport = PlainTransport(keepalive=_KEEPALIVE)
        client = AsyncQdrantClient(
            url=url,
            prefer_grpc=False,
            check_compatibility=False,  # it would ask the server here, and block
            timeout=int(deadlines.write),
            # as a header: the parameter of that name warns on each connection without TLS, loopback as well
            headers={"api-key": api_key} if api_key else None,
            transport=transport,
        )
        client.http.client.add_middleware(_straight(transport))
        return cls(
            client=client,
            collection=collection,
            dimensions=dimensions,
            settings=settings or QdrantSettings(),
            dense_languages=dense_languages,
            deadlines=deadlines,
        )

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.close()

    async def drop(self) -> None:
        """Remove the whole collection, of all workspaces; one that is gone is no error."""
        async with vectors_errors("removing the vector index", within=self._deadlines.prepare):
            await self._client.delete_collection(self._collection)

    async def prepare(self) -> None:
        """See the port. Raises VectorsUnavailable for a collection that was made for vectors of another length."""
        async with vectors_errors("preparing the vector index", within=self._deadlines.prepare):
            info = await self._collection_info()
            if info is None:
                await self._create()
                info = await self._client.get_collection(self._collection)
            self._check(info)
            for name, schema in filters.INDEXES.items():
                if name not in info.payload_schema:
                    await self._client.create_payload_index(self._collection, name, schema, wait=True)

    async def _collection_info(self) -> models.CollectionInfo | None:
        if not await self._client.collection_exists(self._collection):
            return None
        return await self._client.get_collection(self._collection)

    async def _create(self) -> None:
        settings = self._settings
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        try:
            await self._client.create_collection(
                self._collection,
                vectors_config={
                    DENSE: models.VectorParams(
                        size=self._dimensions, distance=models.Distance.COSINE, on_disk=settings.on_disk or None
                    )
                },
                sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                shard_number=settings.shard_number,
                replication_factor=settings.replication_factor,
                quantization_config=models.ScalarQuantization(scalar=scalar) if settings.quantization else None,
            )
        except UnexpectedResponse:
            if await self._collection_info() is None:  # otherwise another process was first
                raise

    def _check(self, info: models.CollectionInfo) -> None:
        vectors: Any = info.config.params.vectors
        dense = vectors.get(DENSE) if isinstance(vectors, Mapping) else None
        if dense is None or SPARSE not in (info.config.params.sparse_vectors or {}):
            raise VectorsUnavailable(
                f"the Qdrant collection {self._collection!r} was not made by Reading Room: "
                f"it lacks the vectors {DENSE!r} and {SPARSE!r}; choose another name"
            )
        if dense.size != self._dimensions:
            raise VectorsUnavailable(
                f"the Qdrant collection {self._collection!r} holds vectors of {dense.size} dimensions, "
                f"but the embedding model makes {self._dimensions}; embed the documents anew into another collection"
            )

    async def upsert(self, workspace_id: WorkspaceId, chunks: Sequence[IndexedChunk]) -> None:
        """See the port."""
        for start in range(0, len(chunks), _UPSERT_BATCH):
            points = [
                point(workspace_id, chunk, _sparse_passage(chunk)) for chunk in chunks[start : start + _UPSERT_BATCH]
            ]
            async with vectors_errors("writing vectors", within=self._deadlines.write):
                await self._client.upsert(self._collection, points, wait=True)

    async def search(self, workspace_id: WorkspaceId, query: VectorQuery) -> list[VectorHit]:
        """See the port. A hybrid query without a vector is a keyword query."""
        condition = filters.of_search(workspace_id, query.filter)
        request = None if condition is None or query.limit < 1 else self._request(query, condition)
        if request is None:
            return []
        async with vectors_errors("searching", within=self._deadlines.search):
            answer = await self._client.query_points(self._collection, limit=query.limit, with_payload=False, **request)
        return [hit(found) for found in answer.points]

    def _request(self, query: VectorQuery, condition: models.Filter) -> dict[str, Any] | None:
        """The query for the engine; None when the question holds nothing to look for."""
        dense = query.dense if query.mode is not SearchMode.KEYWORD else None
        sparse = _sparse_question(query) if query.mode is not SearchMode.SEMANTIC else None
        if dense is not None and sparse is not None:
            candidates = max(_CANDIDATES, query.limit)
            return _fused(dense, sparse, condition, candidates, self._dense_weight(query))
        if dense is not None:
            return {"query": list(dense), "using": DENSE, "query_filter": condition}
        if sparse is not None:
            return {
                "query": sparse,
                "using": SPARSE,
                "query_filter": condition,
                "search_params": _rarity_within(condition),
            }
        return None

    def _dense_weight(self, query: VectorQuery) -> float:
        if self._dense_languages is None:
            return _WEIGHT_SPOKEN
        if query.language is None:
            return _WEIGHT_UNKNOWN
        return _WEIGHT_SPOKEN if query.language.partition("-")[0] in self._dense_languages else _WEIGHT_FOREIGN

    async def describe(
        self,
        workspace_id: WorkspaceId,
        document_id: DocumentId,
        *,
        collection_id: CollectionId,
        tags: tuple[str, ...],
        metadata: Mapping[str, MetadataValue],
    ) -> None:
        """See the port."""
        async with vectors_errors("describing a document", within=self._deadlines.write):
            await self._client.set_payload(
                self._collection,
                description(workspace_id, collection_id, tags, metadata),
                filters.of_documents(workspace_id, [document_id]),
                wait=True,
            )

    async def keep_revision(self, workspace_id: WorkspaceId, document_id: DocumentId, revision: int) -> None:
        """See the port."""
        older = models.FieldCondition(key=filters.REVISION, range=models.Range(lt=revision))
        await self._delete(filters.of_documents(workspace_id, [document_id], older))

    async def delete_revision(self, workspace_id: WorkspaceId, document_id: DocumentId, revision: int) -> None:
        """See the port."""
        exactly = filters.equals(filters.REVISION, revision)
        await self._delete(filters.of_documents(workspace_id, [document_id], exactly))

    async def delete_documents(self, workspace_id: WorkspaceId, document_ids: Sequence[DocumentId]) -> None:
        """See the port."""
        if document_ids:
            await self._delete(filters.of_documents(workspace_id, document_ids))

    async def _delete(self, condition: models.Filter) -> None:
        async with vectors_errors("deleting vectors", within=self._deadlines.write):
            try:
                await self._client.delete(self._collection, models.FilterSelector(filter=condition), wait=True)
            except UnexpectedResponse as error:
                if error.status_code != _NOT_FOUND:  # else an index that was removed meanwhile holds nothing
                    raise

    async def revisions(self, workspace_id: WorkspaceId) -> list[IndexedRevision]:
        """See the port."""
        limit = 10_000
        while True:
            async with vectors_errors("listing revisions", within=self._deadlines.write):
                answer = await self._client.facet(
                    self._collection,
                    filters.EDITION,
                    facet_filter=filters.of_workspace(workspace_id),
                    limit=limit,
                    exact=True,
                )
            if len(answer.hits) < limit:
                return [revision(str(found.value), found.count) for found in answer.hits]
            limit *= 10

    async def ping(self) -> None:
        """See the port."""
        async with vectors_errors("asking for Qdrant's health", within=self._deadlines.ping):
            await self._client.get_collection(self._collection)


def _straight(transport: PlainTransport) -> AsyncMiddlewareT:
    """A middleware that sends as the client would: past httpx's own layers, which cost a search more than sending.

    The client's other middleware, for headers that are set for some calls only, is passed over; none are set here.
    """

    async def send(request: httpx.Request, _: SendAsync) -> httpx.Response:
        try:
            return await transport.fetch(request)
        except httpx.HTTPError as error:
            raise ResponseHandlingException(error) from error

    return send


def _fused(
    dense: Vector, sparse: models.SparseVector, condition: models.Filter, candidates: int, weight: float
) -> dict[str, Any]:
    """Both halves, each brought to one scale by the distribution of its own scores (DBSF), then summed by weight.

    DBSF takes no weights. Where they are not the same, each half is "fused" alone and a formula adds them, which takes
    the engine a fifth longer; a half that did not find a passage adds nothing either way.
    """
    halves = [
        models.Prefetch(query=query, using=using, filter=condition, limit=candidates, params=params)
        for query, using, params in ((list(dense), DENSE, None), (sparse, SPARSE, _rarity_within(condition)))
    ]
    if weight == 1:
        return {"prefetch": halves, "query": _BY_DISTRIBUTION}
    alone = [models.Prefetch(query=_BY_DISTRIBUTION, prefetch=[half], limit=candidates) for half in halves]
    return {"prefetch": alone, "query": _weighted(weight)}


@cache
def _weighted(weight: float) -> models.FormulaQuery:
    semantic = models.MultExpression(mult=[weight, "$score[0]"])
    return models.FormulaQuery(
        formula=models.SumExpression(sum=[semantic, "$score[1]"]), defaults={"$score[0]": 0.0, "$score[1]": 0.0}
    )


def _rarity_within(condition: models.Filter) -> models.SearchParams:
    """How rare a word is, counted among what the asker may find.

    Other workspaces' documents then neither change the order of results nor show in scores, and words that are common
    in one language stay so beside documents in others.
    """
    return models.SearchParams(idf=models.IdfCorpusParams(corpus=condition))


def _sparse_passage(chunk: IndexedChunk) -> models.SparseVector:
    from adapters.qdrant.sparse import sparse_of_passage

    sparse = sparse_of_passage(chunk.text, chunk.language, around=chunk.around)
    return models.SparseVector(indices=sparse.indices, values=sparse.values)


def _sparse_question(query: VectorQuery) -> models.SparseVector | None:
    from adapters.qdrant.sparse import sparse_of_question

    sparse = sparse_of_question(query.text, query.language)
    return models.SparseVector(indices=sparse.indices, values=sparse.values) if sparse.indices else None
