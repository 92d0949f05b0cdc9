"""How well answers are backed: questions whose evidence is known, asked as a person asks them.

``python -m benchmarks.evaluate FOLDER --answers [--sets NAME …] [--sample N]``

The files of each set (`documents/` beside `questions.jsonl`) are ingested by an installation of their own; its model is
the extractive answerer, or Claude where a key is set. Every question is asked twice: among all files, and with the file
that holds its evidence named. Questions of other sets are asked as well: their answers are not in the files, and the
right thing to do is to say so.

- found: one of the first five passages of a search stands on a gold page, or overlaps the gold characters
- hit: a citation of the answer does
- document: a citation is of the right file
- answered: the answer has citations
- verified: share of all citations whose quote stands in its chunk to the letter and, where there are pages, on these
- declined: share of the strangers' questions that got no citations
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from attrs import define, field, frozen

from application.knowledge import SearchFilters
from benchmarks.evaluate import sampled
from benchmarks.installation import Corpus, Installation, Item, installation
from benchmarks.judged import Gold, GoldQuestion, GoldSet, gold_sets, read_gold
from benchmarks.kept import Row
from domain.answers import Citation
from domain.conversations import Message
from domain.ids import ChunkId, DocumentId
from domain.passages import Chunk

AT_ONCE = 4  # questions
PASSAGES = 5  # of a search, in which the evidence is looked for
PAGE = 200  # chunks fetched at a time
STRANGERS = 60  # questions of other sets, at most


@frozen
class Outcome:
    """One answer, judged, and what a search for its question finds."""

    is_found: bool
    is_hit: bool
    has_document: bool
    citations: int
    verified: int
    words: int


@define
class Answers:
    """Asks, and looks up what is cited."""

    where: Installation
    corpus: Corpus
    _chunks: dict[DocumentId, dict[ChunkId, Chunk]] = field(factory=dict)
    _free: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def outcome(self, question: str, golds: Sequence[Gold], document: DocumentId | None = None) -> Outcome:
        """Of one question, asked among all files or in one."""
        async with self._free:
            is_found = await self._is_found(question, golds, document)
            message = await self._asked(question, document)
            places = [(citation, await self._chunk(citation)) for citation in message.citations]
            right = [
                (citation, chunk, gold)
                for citation, chunk in places
                for gold in golds
                if self.corpus.documents[citation.document_id] == gold.file
            ]
            return Outcome(
                is_found=is_found,
                is_hit=any(_is_hit(*each) for each in right),
                has_document=bool(right),
                citations=len(places),
                verified=sum([await self._verifies(citation, chunk) for citation, chunk in places]),
                words=len(message.content.split()),
            )

    async def _is_found(self, question: str, golds: Sequence[Gold], document: DocumentId | None) -> bool:
        within = SearchFilters(
            collection_ids=frozenset({self.corpus.id}),
            document_ids=None if document is None else frozenset({document}),
        )
        outcome = await self.where.use_cases.search(self.where.actor, query=question, limit=PASSAGES, filters=within)
        chunks = [(self.corpus.documents[found.document.id], found.chunk) for found in outcome.passages]
        return any(name == gold.file and _holds(chunk, gold) for name, chunk in chunks for gold in golds)

    async def _asked(self, question: str, document: DocumentId | None) -> Message:
        use_cases, actor = self.where.use_cases, self.where.actor
        conversation = await use_cases.start_conversation(actor, collection_ids=(self.corpus.id,))
        asked = await use_cases.post_message(
            actor,
            conversation_id=conversation.id,
            content=question,
            filters=SearchFilters(document_ids=None if document is None else frozenset({document})),
        )
        async for _ in await use_cases.read_answer.own(actor, message_id=asked.answer.id):
            pass
        return await use_cases.show_message(actor, message_id=asked.answer.id)

    async def _chunk(self, citation: Citation) -> Chunk:
        chunks = self._chunks.setdefault(citation.document_id, {})
        if not chunks:
            after: int | None = None
            while page := await self.where.use_cases.list_chunks(
                self.where.actor, document_id=citation.document_id, limit=PAGE, after=after
            ):
                chunks.update({chunk.id: chunk for chunk in page})
                after = page[-1].ordinal
        return chunks[citation.chunk_id]

    async def _verifies(self, citation: Citation, chunk: Chunk) -> bool:
        if citation.quote not in chunk.text:
            return False
        if citation.page_from is None:
            return True
        text = ""
        for number in range(citation.page_from, (citation.page_to or citation.page_from) + 1):
            shown = await self.where.use_cases.show_page(
                self.where.actor, document_id=citation.document_id, number=number
            )
            text += f" {shown.text}"
        return "".join(citation.quote.split()) in "".join(text.split())


def _holds(chunk: Chunk, gold: Gold) -> bool:
    if gold.page is not None:
        return chunk.page_from is not None and chunk.page_from <= gold.page <= (chunk.page_to or chunk.page_from)
    if gold.char_from is None or gold.char_to is None:
        return False
    return chunk.char_from < gold.char_to and gold.char_from < chunk.char_to


def _is_hit(citation: Citation, chunk: Chunk, gold: Gold) -> bool:
    if gold.page is not None:
        return citation.page_from is not None and citation.page_from <= gold.page <= (
            citation.page_to or citation.page_from
        )
    if gold.char_from is None or gold.char_to is None:
        return False
    start = chunk.char_from + chunk.text.find(citation.quote)
    return start < gold.char_to and gold.char_from < start + len(citation.quote)


def _share(values: Iterable[bool]) -> float:
    return round(statistics.mean([float(value) for value in values] or [0.0]), 3)


def _row(name: str, outcomes: Sequence[Outcome]) -> Row:
    citations = sum(one.citations for one in outcomes)
    return {
        "set": name,
        "questions": len(outcomes),
        "found": _share(one.is_found for one in outcomes),
        "hit": _share(one.is_hit for one in outcomes),
        "document": _share(one.has_document for one in outcomes),
        "answered": _share(one.citations > 0 for one in outcomes),
        "verified": round(sum(one.verified for one in outcomes) / citations, 3) if citations else None,
        "citations": citations,
        "words": round(statistics.mean(one.words for one in outcomes), 1) if outcomes else 0,
    }


async def judge_set(where: Installation, golds: GoldSet, strangers: Sequence[str], sample: int | None) -> list[Row]:
    """The rows of one set: among all files, in the right one, and for questions from elsewhere."""
    files = (Item(key=p.name, filename=p.name, title=None, content=p.read_bytes()) for p in golds.files)
    corpus = await where.fill(golds.name, files)
    ids = {name: document for document, name in corpus.documents.items()}
    answers = Answers(where, corpus)
    asked = [each for each in sampled(golds.questions, sample) if any(gold.file in ids for gold in each.gold)]

    def right_file(question: GoldQuestion) -> DocumentId:
        return ids[next(gold.file for gold in question.gold if gold.file in ids)]

    began = time.perf_counter()
    among = await asyncio.gather(*(answers.outcome(each.text, each.gold) for each in asked))
    took = time.perf_counter() - began
    inside = await asyncio.gather(*(answers.outcome(each.text, each.gold, right_file(each)) for each in asked))
    foreign = await asyncio.gather(*(answers.outcome(text, ()) for text in strangers))
    rows = [_row(golds.name, among), _row(f"{golds.name} in its file", inside)]
    rows[0]["seconds_an_answer"] = round(took / max(len(asked), 1), 3)
    if foreign:
        rows.append({"set": f"{golds.name}, strangers", "questions": len(foreign)})
        rows[-1]["declined"] = _share(one.citations == 0 for one in foreign)
    return rows


async def evaluate_answers(options: argparse.Namespace, data_dir: Path) -> list[Row]:
    """Every set with gold evidence that was asked for."""
    found = {name: read_gold(path) for name, path in gold_sets(options.folder).items()}
    wanted = options.sets or list(found)
    if strange := sorted(set(wanted) - set(found)):
        raise SystemExit(f"{options.folder} holds no questions with evidence called {', '.join(strange)}")
    rows: list[Row] = []
    async with installation(data_dir) as where:
        print(f"answers by {where.use_cases.post_message.begin_answer.write.model.capabilities.default_model}")
        for name in wanted:
            others = [each.text for other, golds in found.items() if other != name for each in golds.questions]
            for row in await judge_set(where, found[name], sampled(others, STRANGERS), options.sample):
                rows.append(row)
                print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return rows
