"""One revision of a document through one generation of the index: read, cut, embedded, written."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from attrs import evolve, frozen

from application.errors import ParsingFailed
from application.ports.files import FileStore
from application.ports.generations import Index
from application.ports.languages import LanguageDetector
from application.ports.parsing import Parser
from application.ports.vectors import IndexedChunk
from domain.chunking import cut
from domain.documents import Document, Failure, FailureCode
from domain.errors import NotFound
from domain.ids import chunk_id
from domain.packing import SLACK, Measure
from domain.passages import Chunk, Page, ParsedDocument
from domain.surroundings import surroundings
from domain.titles import below_title

BATCH: Final = 128  # chunks embedded and written at once: bounds memory, lets a query in between
IN_FLIGHT: Final = 2  # batches under way: one is embedded while the other is written


@frozen(kw_only=True)
class ReadDocument:
    """The original of a document's newest revision as text."""

    files: FileStore
    parser: Parser
    languages: LanguageDetector

    async def __call__(self, document: Document) -> ParsedDocument:
        """`ParsingFailed` with a reason when it cannot be read."""
        try:
            async with self.files.local(document.file_key) as path:
                parsed = await self.parser.parse(path, document.media_type)
        except NotFound as error:
            missing = Failure(
                code=FailureCode.PARSE_FAILED, message="The original file is missing from the store. Upload it again."
            )
            raise ParsingFailed(missing) from error
        # the text knows better than a template's `lang` attribute
        language = await asyncio.to_thread(self.languages.detect, parsed.text) or parsed.language
        return evolve(parsed, language=language)


def pages_of(parsed: ParsedDocument) -> list[tuple[Page, str]]:
    """Each page with its text."""
    return [(page, parsed.text[page.char_from : page.char_to]) for page in parsed.pages]


async def cut_for(index: Index, document: Document, parsed: ParsedDocument) -> list[Chunk]:
    """The passages of its newest revision, measured in the model's own tokens; `ParsingFailed` when there are none."""
    chunks = await asyncio.to_thread(
        cut,
        parsed,
        document_id=document.id,
        revision=document.revision,
        count_tokens=index.tokens.count,
        max_tokens=index.tokens.max_tokens,
    )
    if not chunks:
        raise ParsingFailed(
            Failure(code=FailureCode.NO_TEXT_FOUND, message="The file holds no text that could be searched.")
        )
    return named_for(index, chunks)


def named_for(index: Index, chunks: Sequence[Chunk]) -> list[Chunk]:
    """The passages under the ids that they have in this generation."""
    number = index.generation.number
    return [evolve(c, id=chunk_id(c.document_id, c.revision, c.ordinal, number)) for c in chunks]


async def write(index: Index, document: Document, chunks: Sequence[Chunk], tell: Callable[[float], None]) -> None:
    """Embed and write batch by batch, two at a time; `tell` is told the share that is done."""
    placed = list(zip(chunks, surroundings(chunks), strict=True))
    batches = [placed[start : start + BATCH] for start in range(0, len(placed), BATCH)]
    free = asyncio.Semaphore(IN_FLIGHT)
    done = 0

    async def write_one(batch: Sequence[tuple[Chunk, str]]) -> None:
        nonlocal done
        async with free:
            texts = await asyncio.to_thread(_to_embed, index, document, [chunk for chunk, _ in batch])
            vectors = await index.embedder.embed_passages(texts)
            points = [
                _indexed(document, chunk, around, dense) for (chunk, around), dense in zip(batch, vectors, strict=True)
            ]
            await index.vectors.upsert(document.workspace_id, points)
            done += 1
            tell(done / len(batches))

    try:
        async with asyncio.TaskGroup() as group:
            for batch in batches:
                group.create_task(write_one(batch))
    except ExceptionGroup as group_error:
        raise _first(group_error) from group_error


def _to_embed(index: Index, document: Document, chunks: Sequence[Chunk]) -> list[str]:
    """What vectors are made of: each passage below its document's title, where the model's window has room for both."""
    title, window = document.spoken_title, index.tokens.max_tokens
    measure = Measure(title, index.tokens.count, window)
    plain = [chunk.text_to_embed for chunk in chunks]
    titled = [below_title(title, text) for text in plain]
    near = [
        place
        for place, chunk in enumerate(chunks)
        if not measure.fits(chunk.token_count + SLACK, (title, *chunk.heading_path))
    ]
    counts = measure.count([titled[place] for place in near])
    too_long = {place for place, count in zip(near, counts, strict=True) if count > window}
    return [plain[place] if place in too_long else text for place, text in enumerate(titled)]


def _indexed(document: Document, chunk: Chunk, around: str, dense: Sequence[float]) -> IndexedChunk:
    return IndexedChunk(
        chunk_id=chunk.id,
        document_id=document.id,
        revision=chunk.revision,
        ordinal=chunk.ordinal,
        collection_id=document.collection_id,
        text=chunk.text_to_embed,
        around=f"{document.title}\n{around}",
        dense=dense,
        language=document.language,
        media_type=document.media_type,
        tags=document.tags,
        metadata=document.metadata,
        created_at=document.created_at,
    )


def described_alike(one: Document, other: Document) -> bool:
    """Whether the index would carry the same of both besides their text."""
    return (one.collection_id, one.tags, one.metadata) == (other.collection_id, other.tags, other.metadata)


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """What a task group failed with."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error
