"""Knowledge out: from a question to passages with their place in the source."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from attrs import evolve, frozen

from application.errors import EmbedderUnavailable, RerankerUnavailable
from application.generations import Generations
from application.ports.document_repositories import LivePassage
from application.ports.embedding import Vector
from application.ports.generations import Index
from application.ports.languages import LanguageDetector
from application.ports.reranking import Reranker
from application.ports.system import Log
from application.ports.unit_of_work import UnitOfWorkFactory
from application.ports.vectors import PassageFilter, VectorHit, VectorQuery
from application.usual_languages import UsualLanguages
from domain.access import Action, Actor
from domain.documents import MetadataValue
from domain.duplicates import Fingerprint, fingerprint
from domain.errors import InvalidInput
from domain.highlights import highlights
from domain.ids import CollectionId, DocumentId
from domain.passages import Passage, SearchMode
from domain.phrases import holds_all, is_nothing_else, phrases

MAX_QUERY_LENGTH: Final = 10_000
MAX_LIMIT: Final = 100
ROUNDS: Final = 4  # how often more is asked for when hits fall away
POOL: Final = 200  # hits that are looked through at first, for phrases or for enough documents
RERANKED: Final = 50  # passages that a reranker reads, or as many as are asked for

_Found = list[tuple[VectorHit, LivePassage]]


@frozen(kw_only=True)
class SearchFilters:
    """What a caller may narrow a search by; None asks nothing, an empty set matches nothing."""

    collection_ids: frozenset[CollectionId] | None = None
    document_ids: frozenset[DocumentId] | None = None
    tags: frozenset[str] | None = None
    media_types: frozenset[str] | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    metadata: Mapping[str, MetadataValue] | None = None


@frozen(kw_only=True)
class SearchOutcome:
    """What was found, best first, and which halves of the index really answered."""

    passages: tuple[Passage, ...]
    mode: SearchMode
    reranked: bool = False


@frozen(kw_only=True)
class SearchPassages:
    """Find passages that answer a query.

    - Only live revisions of ready documents in collections that the actor may read are found.
    - Passages that hold what stands in quotation marks, to the letter but for case and white space, come first; a query
      that is nothing else finds them alone.
    - Of passages that say the same the best is shown once.
    - A question that does not tell its language, as a few words often do, is taken to be in the one that nearly all
      documents of the searched collections are in, if its letters are those of that language.
    - Question and passages are compared by one generation of the index, whatever takes its place meanwhile.
    - When the embedder is down, a hybrid search goes on by words alone and says so in `mode`.
    - With `rerank` the best passages are read once more, each beside the query, and put into a new order; `reranked`
      says whether that was done. Without a reranker, or when it is down or late, the order stays.
    """

    begin: UnitOfWorkFactory
    generations: Generations
    languages: LanguageDetector
    usual_languages: UsualLanguages
    log: Log
    reranker: Reranker | None = None

    async def __call__(
        self,
        actor: Actor,
        *,
        query: str,
        mode: SearchMode = SearchMode.HYBRID,
        limit: int = 10,
        filters: SearchFilters | None = None,
        max_per_document: int | None = None,
        rerank: bool = False,
    ) -> SearchOutcome:
        """At most `limit` passages; `InvalidInput` for an empty query or one of more than 10,000 characters."""
        actor.require(Action.SEARCH)
        words = query.strip()
        if not words or len(query) > MAX_QUERY_LENGTH:
            raise InvalidInput(f"A query needs 1 to {MAX_QUERY_LENGTH} characters.", pointer="/query")
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidInput(f"The limit is a number from 1 to {MAX_LIMIT}.", pointer="/limit")
        index = await self.generations.live()
        dense: Vector | None = None
        if mode is not SearchMode.KEYWORD:
            try:
                dense = await index.embedder.embed_query(words)
            except EmbedderUnavailable:
                if mode is SearchMode.SEMANTIC:
                    raise
                self.log.warning("search_without_embedder")
                mode = SearchMode.KEYWORD
        within = _narrowed(actor, filters or SearchFilters())
        language = self.languages.detect(words) or await self._usual_language(actor, within, words)
        question = VectorQuery(mode=mode, text=words, dense=dense, language=language, filter=within, limit=limit)
        reranker = self.reranker if rerank else None
        read = limit if reranker is None else max(limit, RERANKED)
        found = await self._gather(actor, index, question, limit=read, per_document=max_per_document)
        anew = None if reranker is None else await self._reranked(reranker, words, found)
        return SearchOutcome(
            passages=tuple(
                Passage(
                    chunk=live.chunk,
                    document=live.document,
                    score=hit.score,
                    highlights=highlights(live.chunk.text, words),
                )
                for hit, live in (found if anew is None else anew)[:limit]
            ),
            mode=mode,
            reranked=anew is not None,
        )

    async def _usual_language(self, actor: Actor, within: PassageFilter, words: str) -> str | None:
        asked = within.readable if within.collection_ids is None else within.readable & within.collection_ids
        usual = await self.usual_languages(actor.workspace_id, asked) if asked else None
        return usual if usual is not None and self.languages.may_be(words, usual) else None

    async def _reranked(self, reranker: Reranker, words: str, found: _Found) -> _Found | None:
        """The same in the reranker's order and with its scores; None when it does not answer."""
        try:
            scores = await reranker.scores(words, [live.chunk.text_to_embed for _, live in found])
        except RerankerUnavailable as error:
            self.log.warning("search_without_reranker", reason=error.message)
            return None
        scored = [(evolve(hit, score=score), live) for (hit, live), score in zip(found, scores, strict=True)]
        return _in_front(*_parted(sorted(scored, key=lambda each: each[0].score, reverse=True), phrases(words)))

    async def _gather(
        self, actor: Actor, index: Index, question: VectorQuery, *, limit: int, per_document: int | None
    ) -> _Found:
        """Ask for some more than needed, drop what is stale or too much of one document, ask wider if short."""
        wanted, alone = phrases(question.text), is_nothing_else(question.text)
        asked = limit + 10 if per_document is None else max(limit + 10, min(limit * 5 + 10, POOL))
        asked = max(asked, POOL) if wanted else asked
        for attempt in range(ROUNDS):
            found, is_all = await self._ask(actor, index, evolve(question, limit=asked))
            if wanted and not alone:
                found = await self._holding_first(actor, index, question, found, wanted)
            kept = _kept(found, wanted if alone else (), per_document, limit)
            if len(kept) == limit or is_all or attempt == ROUNDS - 1:
                return kept
            asked *= 4
        return []

    async def _ask(self, actor: Actor, index: Index, question: VectorQuery) -> tuple[_Found, bool]:
        """What is live of the index's hits, in its order, and whether it has no more."""
        hits = await index.vectors.search(actor.workspace_id, question)
        async with self.begin(actor.workspace_id) as work:
            live = await work.passages.live([hit.chunk_id for hit in hits], readable=question.filter.readable)
        return [(hit, live[hit.chunk_id]) for hit in hits if hit.chunk_id in live], len(hits) < question.limit

    async def _holding_first(
        self, actor: Actor, index: Index, question: VectorQuery, found: _Found, wanted: tuple[str, ...]
    ) -> _Found:
        """Those that hold the phrases, then the rest; where none does, those that the phrases' words alone find."""
        holding, others = _parted(found, wanted)
        if not holding:
            text = " ".join(wanted)
            language = self.languages.detect(text) or question.language
            words = evolve(question, mode=SearchMode.KEYWORD, text=text, dense=None, language=language, limit=POOL)
            holding, _ = _parted((await self._ask(actor, index, words))[0], wanted)
        return _in_front(holding, others)


def _narrowed(actor: Actor, filters: SearchFilters) -> PassageFilter:
    return PassageFilter(
        readable=actor.readable_collections,
        collection_ids=filters.collection_ids,
        document_ids=filters.document_ids,
        tags=filters.tags,
        media_types=filters.media_types,
        created_from=filters.created_from,
        created_to=filters.created_to,
        metadata=filters.metadata,
    )


def _kept(
    found: Iterable[tuple[VectorHit, LivePassage]], wanted: tuple[str, ...], per_document: int | None, limit: int
) -> _Found:
    """The first `limit` that hold the phrases, are not too many of one document, and do not say the same again."""
    taken: Counter[DocumentId] = Counter()
    shown: list[Fingerprint] = []
    kept: _Found = []
    for hit, passage in found:
        if len(kept) == limit:
            break
        if per_document is not None and taken[passage.document.id] >= per_document:
            continue
        if not holds_all(passage.chunk.text_to_embed, wanted):
            continue
        looks = fingerprint(passage.chunk.text)
        if any(looks.is_copy_of(other) for other in shown):
            continue
        taken[passage.document.id] += 1
        shown.append(looks)
        kept.append((hit, passage))
    return kept


def _parted(found: _Found, wanted: tuple[str, ...]) -> tuple[_Found, _Found]:
    """Those that hold every phrase, and the others."""
    holding = [each for each in found if holds_all(each[1].chunk.text_to_embed, wanted)]
    first = {hit.chunk_id for hit, _ in holding}
    return holding, [each for each in found if each[0].chunk_id not in first]


def _in_front(first: _Found, others: _Found) -> _Found:
    """One list, the scores of the first lifted so far that scores fall down it."""
    if not first or not others:
        return first or others
    top = others[0][0].score
    lift = max(top - first[-1][0].score, 0.0)
    return [*((evolve(hit, score=max(hit.score + lift, top)), live) for hit, live in first), *others]
