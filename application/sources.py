"""From passages that were found to what the model is given."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from attrs import evolve, frozen

from application.history import estimated_tokens
from application.knowledge import SearchFilters, SearchPassages
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.access import Actor
from domain.answers import Source, source_uri
from domain.ids import ChunkId, DocumentId
from domain.passages import Chunk, Passage
from domain.sentences import sentences

WANTED: Final = 8  # passages for a question
ASKED: Final = 16  # some more than wanted: near-duplicates fall away
PER_DOCUMENT: Final = 4
JOINED: Final = 3  # best passages whose neighbours come along
NEIGHBOUR: Final = 0.5  # of the score of the passage it stands beside
BUDGET: Final = 6000  # tokens of all sources of one search
ALIKE: Final = 0.8  # share of common word triples beyond which two passages say the same
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_WORD: Final = re.compile(r"\w+")


def make_source(passage: Passage) -> Source:
    """A passage as the model is given it: its sentences are the citable blocks."""
    chunk = passage.chunk
    starts = sorted({0, *(start for start, _ in sentences(chunk.text))})
    ends = [*starts[1:], len(chunk.text)]
    place = "" if chunk.page_from is None else f" - p. {chunk.page_from}"
    return Source(
        uri=source_uri(chunk.document_id, chunk.id),
        title=f"{_CONTROL.sub(' ', passage.document.title)}{place}",
        blocks=tuple(chunk.text[start:end] for start, end in zip(starts, ends, strict=True)),
        passage=passage,
    )


@frozen(kw_only=True)
class FindSources:
    """Search for an answer.

    - At most `PER_DOCUMENT` hits of a document, unless only one document is asked; of near-duplicates the best.
    - The neighbours of the best hits come along, next to them and in reading order, as far as the budget goes.
    - Only what the actor may read: neighbours are of the same live revision as their hit.
    """

    begin: UnitOfWorkFactory
    search: SearchPassages
    budget: int = BUDGET

    async def __call__(
        self, actor: Actor, *, query: str, filters: SearchFilters, given: Iterable[ChunkId] = ()
    ) -> tuple[Source, ...]:
        """Best document first; what was `given` before is left out, unless nothing else was found."""
        single = filters.document_ids is not None and len(filters.document_ids) == 1
        outcome = await self.search(
            actor, query=query, limit=ASKED, filters=filters, max_per_document=None if single else PER_DOCUMENT
        )
        known = frozenset(given)
        fresh = [passage for passage in outcome.passages if passage.chunk.id not in known]
        hits = distinct(fresh or outcome.passages)[:WANTED]
        beside = await self._neighbours(actor, hits[:JOINED])
        chosen = within(self.budget, hits, [one for one in beside if one.chunk.id not in known])
        return tuple(make_source(passage) for passage in in_reading_order(chosen))

    async def _neighbours(self, actor: Actor, hits: Sequence[Passage]) -> list[Passage]:
        """The chunks before and after each hit."""
        if not hits:
            return []
        async with self.begin(actor.workspace_id) as work:
            around = await work.passages.beside([hit.chunk for hit in hits])
        found: dict[ChunkId, Passage] = {}
        for hit in hits:
            for one in around:
                if one.document_id == hit.chunk.document_id and abs(one.ordinal - hit.chunk.ordinal) == 1:
                    found.setdefault(one.id, evolve(hit, chunk=one, score=hit.score * NEIGHBOUR, highlights=()))
        taken = {hit.chunk.id for hit in hits}
        return [passage for passage in found.values() if passage.chunk.id not in taken]


def distinct(passages: Iterable[Passage]) -> list[Passage]:
    """Without those that say nearly the same as a better one; the order stays."""
    kept: list[tuple[Passage, frozenset[tuple[str, ...]]]] = []
    for passage in passages:
        shingles = _shingles(passage.chunk.text)
        if all(_likeness(shingles, other) < ALIKE for _, other in kept):
            kept.append((passage, shingles))
    return [passage for passage, _ in kept]


def within(budget: int, hits: Sequence[Passage], beside: Sequence[Passage]) -> list[Passage]:
    """Hits as far as the budget goes, the first in any case; then neighbours that overlap none of them."""
    chosen: list[Passage] = []
    for passage in hits:
        budget -= _tokens(passage.chunk)
        if budget < 0 and chosen:
            break
        chosen.append(passage)
    taken = {passage.chunk.id for passage in chosen}
    for passage in distinct([*chosen, *(one for one in beside if one.chunk.id not in taken)])[len(chosen) :]:
        budget -= _tokens(passage.chunk)
        if budget < 0:
            break
        chosen.append(passage)
    return chosen


def in_reading_order(passages: Sequence[Passage]) -> list[Passage]:
    """Documents by their best passage, the passages of each as they stand in it."""
    best: dict[DocumentId, float] = {}
    for passage in passages:
        key = passage.chunk.document_id
        best[key] = max(best.get(key, passage.score), passage.score)
    return sorted(passages, key=lambda one: (-best[one.chunk.document_id], str(one.document.id), one.chunk.ordinal))


def _tokens(chunk: Chunk) -> int:
    return chunk.token_count or estimated_tokens(chunk.text)


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return frozenset(zip(words, words[1:], words[2:], strict=False)) or frozenset([tuple(words)])


def _likeness(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    """Part of the smaller one's triples that stand in the other too."""
    return len(one & other) / min(len(one), len(other))
