"""An AnswerModel without a language model: it quotes the sentences that fit the question best.

It needs no key and no network, and says what it is.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Final

import structlog

from adapters.extractive.quotable import shortened
from adapters.extractive.ranking import Found, best_blocks, nearest
from application.errors import Unavailable
from application.ports.embedding import Embedder, Vector
from application.ports.models import (
    BlockEnded,
    BlockStarted,
    CitationPart,
    ModelCapabilities,
    ModelPart,
    ModelRequest,
    Stop,
    StopReason,
    TextPart,
)
from domain.answers import ClaimedCitation, Source
from domain.conversations import Speaker, Usage
from domain.follow_ups import read_along

_log = structlog.get_logger(__name__)

MODEL: Final = "extractive"
NOTHING: Final = "The documents do not say. No passage was found that answers this question."
_MOST_EMBEDDED: Final = 32  # blocks whose similarity is asked for
_PIECE: Final = re.compile(r"\S{1,24}\s*|\s+")


class ExtractiveModel:
    """Says one to three sentences of the sources, each with its citation, or plainly that they do not answer.

    With an `embedder`, asked for once an answer, sentences that say it in other words are found too; if it does not
    answer, words alone decide. A question that points back is read together with those before. Instructions and tools
    are ignored, as `capabilities` says.
    """

    def __init__(self, *, embedder: Callable[[], Awaitable[Embedder]] | None = None) -> None:
        self._embedder = embedder

    @property
    def capabilities(self) -> ModelCapabilities:
        """Neither tools nor instructions."""
        return ModelCapabilities(provider=MODEL, default_model=MODEL, tools=False, follows_instructions=False)

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[ModelPart]]:
        """Find first, then quote, piece by piece."""
        sources = list({source.uri: source for source in _given(request)}.values())
        asked_before = [turn.text for turn in request.history if turn.speaker is Speaker.USER]
        before = "\n".join(read_along(request.question, asked_before))
        asked = f"{before}\n{request.question}" if before else request.question
        similarities = await self._similarities(asked, sources)
        found = await asyncio.to_thread(best_blocks, request.question, sources, similarities, before=before)
        async with aclosing(_parts(found)) as parts:
            yield parts

    async def ping(self) -> None:
        """There is nothing that could be down."""

    async def _similarities(self, question: str, sources: Sequence[Source]) -> dict[tuple[str, int], float]:
        places = [
            (source.uri, index, text) for source in sources for index, text in enumerate(source.blocks) if text.strip()
        ]
        places = nearest(question, places, _MOST_EMBEDDED)
        if self._embedder is None or not places:
            return {}
        try:
            embedder = await self._embedder()
            asked = await embedder.embed_query(question)
            said = await embedder.embed_passages([text for _, _, text in places])
        except Unavailable:
            _log.warning("extractive.without_embeddings")
            return {}
        return {(uri, index): _cosine(asked, vector) for (uri, index, _), vector in zip(places, said, strict=True)}


def _given(request: ModelRequest) -> list[Source]:
    found = [source for exchange in request.rounds for result in exchange.results for source in result.sources]
    return [*request.sources, *found]


async def _parts(found: Sequence[Found]) -> AsyncGenerator[ModelPart, None]:
    if not found:
        yield BlockStarted()
        async for part in _pieces(NOTHING):
            yield part
        yield BlockEnded()
    for number, each in enumerate(found):
        yield BlockStarted()
        async for part in _pieces(("\n\n" if number else "") + shortened(each.shown)):
            yield part
        yield CitationPart(
            claim=ClaimedCitation(
                source_uri=each.source.uri, block_from=each.index, block_to=each.index + 1, quote=each.text
            )
        )
        yield BlockEnded()
    yield Stop(reason=StopReason.END_TURN, model=MODEL, usage=Usage())


async def _pieces(text: str) -> AsyncGenerator[TextPart, None]:
    for piece in _PIECE.findall(text):
        yield TextPart(text=piece)
        await asyncio.sleep(0)  # others may have something to do


def _cosine(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))  # of unit length, both
