"""The promises of AnswerModel, kept by the fake, the extractive answerer and Claude in both ways of citing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid5

import pytest
import pytest_asyncio
from attrs import frozen

from adapters.claude.model import CitationsMode, ClaudeModel
from adapters.extractive.model import ExtractiveModel
from application.errors import ModelFailed, ModelUnavailable
from application.ports.models import (
    AnswerModel,
    BlockEnded,
    BlockStarted,
    CitationPart,
    ModelPart,
    ModelRequest,
    PastTurn,
    Stop,
    StopReason,
    TextPart,
)
from domain.answers import AnswerDraft, Source, source_uri
from domain.conversations import Speaker
from domain.ids import CollectionId, DocumentId, chunk_id
from domain.passages import Chunk, DocumentRef, Passage
from tests.claude_emulator.scenarios import breaks, refuses, says
from tests.claude_emulator.server import ClaudeEmulator
from tests.fakes import models as fake

NAMESPACE = UUID("5f2c8a30-0000-4000-8000-000000000001")
ODD_TEXT = "Zażółć \U0001d518\U0001d52b \U0001f469\U0001f3fd\u200d\U0001f680 line\u2028separator 文字 a\u0301 end."


def source(title: str, *blocks: str) -> Source:
    """A source as answering makes it: its blocks, joined, are the chunk's text."""
    document = DocumentId(uuid5(NAMESPACE, title))
    chunk = chunk_id(document, 1, 0)
    text = "".join(blocks)
    return Source(
        uri=source_uri(document, chunk),
        title=title,
        blocks=blocks,
        passage=Passage(
            chunk=Chunk(
                id=chunk,
                document_id=document,
                revision=1,
                ordinal=0,
                text=text,
                char_from=0,
                char_to=len(text),
                page_from=1,
                page_to=1,
            ),
            document=DocumentRef(
                id=document,
                title=title,
                filename=f"{title}.txt",
                media_type="text/plain",
                collection_id=CollectionId(uuid5(NAMESPACE, "collection")),
            ),
            score=1.0,
        ),
    )


SOURCES = (
    source("Physics", "Water boils at 100 degrees at sea level. ", "Ice melts at 0 degrees. ", "\n\n"),
    source("Cooking", "Pasta needs boiling water with salt. ", "Eggs need ten minutes."),
)
QUESTION = "At how many degrees does water boil?"


@frozen(kw_only=True)
class Subject:
    """A model, and how to make it misbehave."""

    model: AnswerModel
    says: Callable[[str], None] | None = None  # the next answer is this text
    refuses: Callable[[], None] | None = None  # the next answers do not begin: overloaded
    breaks: Callable[[], None] | None = None  # the next answer breaks off inside
    stalls: Callable[[], None] | None = None  # the next answer stops moving for ever, after some text


def _fake() -> Subject:
    model = fake.FakeModel()
    return Subject(
        model=model,
        says=lambda text: model.script(fake.text(text), fake.stop()),
        refuses=lambda: model.refusals.append(ModelUnavailable("As scripted.")),
        breaks=lambda: model.script(fake.text("As far as"), ModelFailed("As scripted.", retryable=True)),
        stalls=lambda: model.script(BlockStarted(), TextPart(text="As far as"), fake.Pause()),
    )


def _claude(model: ClaudeModel, emulator: ClaudeEmulator, key: str) -> Subject:
    return Subject(
        model=model,
        says=lambda text: emulator.script(key, says(text)),
        refuses=lambda: emulator.script(key, refuses(529, "overloaded_error")),
        breaks=lambda: emulator.script(key, breaks("fin", after=5)),
        stalls=lambda: emulator.script(key, breaks("stall", after=5)),
    )


@pytest_asyncio.fixture(params=["fake", "extractive", "claude-native", "claude-inline"])
async def subject(
    request: pytest.FixtureRequest, claude_emulator: ClaudeEmulator, claude_key: str
) -> AsyncIterator[Subject]:
    match request.param:
        case "fake":
            yield _fake()
        case "extractive":
            yield Subject(model=ExtractiveModel())
        case _:
            mode = CitationsMode(request.param.removeprefix("claude-"))
            model = ClaudeModel(
                api_key=claude_key, model="claude-sonnet-5-5", base_url=claude_emulator.url, citations=mode, retries=0
            )
            yield _claude(model, claude_emulator, claude_key)
            await model.close()


def able(action: Callable[..., None] | None) -> Callable[..., None]:
    """The action; a model that quotes only has nothing that could be told to go wrong."""
    if action is None:
        pytest.skip("the extractive answerer takes no script and depends on nothing that could fail")
    return action


async def answer(model: AnswerModel, request: ModelRequest) -> list[ModelPart]:
    async with model.stream(request) as parts:
        return [part async for part in parts]


def text_of(parts: list[ModelPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def asked(question: str = QUESTION, sources: tuple[Source, ...] = SOURCES) -> ModelRequest:
    return ModelRequest(question=question, sources=sources)


class TestParts:
    async def test_ends_with_one_stop(self, subject: Subject) -> None:
        """The last part, and no other, is a Stop that names a model."""
        parts = await answer(subject.model, asked())

        assert [isinstance(part, Stop) for part in parts].count(True) == 1
        stop = parts[-1]
        assert isinstance(stop, Stop)
        assert (stop.reason, bool(stop.model)) == (StopReason.END_TURN, True)

    async def test_text_is_never_empty(self, subject: Subject) -> None:
        """There is text, and no part of it is empty."""
        parts = await answer(subject.model, asked())

        texts = [part.text for part in parts if isinstance(part, TextPart)]
        assert texts
        assert all(texts)

    async def test_blocks_are_closed_and_not_nested(self, subject: Subject) -> None:
        """Text and citations stand inside blocks; each block ends before the next begins, and none is empty."""
        parts = await answer(subject.model, asked())

        is_open, has_text = False, False
        for part in parts:
            match part:
                case BlockStarted():
                    assert not is_open
                    is_open, has_text = True, False
                case BlockEnded():
                    assert is_open
                    assert has_text
                    is_open = False
                case TextPart():
                    assert is_open
                    has_text = True
                case CitationPart():
                    assert is_open
                case Stop():
                    assert not is_open

    async def test_streams_in_parts(self, subject: Subject) -> None:
        """An answer does not come all at once."""
        parts = await answer(subject.model, asked())

        assert len([part for part in parts if isinstance(part, TextPart)]) > 1


class TestCitations:
    async def test_claims_hold(self, subject: Subject) -> None:
        """Every claim passes the check of citations against the sources that were given."""
        draft = AnswerDraft()
        draft.give(SOURCES)
        for part in await answer(subject.model, asked()):
            match part:
                case BlockStarted():
                    draft.open_block()
                case TextPart(text=text):
                    draft.add_text(text)
                case CitationPart(claim=claim):
                    draft.add_claim(claim)
                case BlockEnded():
                    draft.close_block()
                case _:
                    pass

        assert draft.citations
        assert draft.dropped == 0
        assert "Water boils at 100 degrees at sea level." in [citation.quote for citation in draft.citations]

    async def test_no_sources_no_claims(self, subject: Subject) -> None:
        """Without sources there is an answer, and it cites nothing."""
        parts = await answer(subject.model, asked(sources=()))

        assert text_of(parts)
        assert not [part for part in parts if isinstance(part, CitationPart)]

    async def test_sources_without_text_are_no_harm(self, subject: Subject) -> None:
        """Blocks of white space alone, empty blocks and sources without blocks do not disturb."""
        blank = (source("Blank", " \n", "\t"), source("Empty"), source("Gaps", "", "  ", "Water boils at 100. ", " "))
        parts = await answer(subject.model, asked(sources=blank))

        claims = [part.claim for part in parts if isinstance(part, CitationPart)]
        assert {blank[2].uri} == {claim.source_uri for claim in claims}
        claimed = claims[0]
        joined = "".join(blank[2].blocks[claimed.block_from : claimed.block_to])
        assert joined.strip() == claimed.quote.strip()

    async def test_the_same_source_twice(self, subject: Subject) -> None:
        """A source given twice is no error."""
        parts = await answer(subject.model, asked(sources=(*SOURCES, SOURCES[0])))

        assert isinstance(parts[-1], Stop)


class TestText:
    async def test_unicode_is_intact(self, subject: Subject) -> None:
        """Astral characters, joined emoji, combining marks and U+2028 come through to the letter."""
        able(subject.says)(ODD_TEXT)

        parts = await answer(subject.model, asked())

        assert text_of(parts) == ODD_TEXT

    async def test_unicode_is_quoted_intact(self, subject: Subject) -> None:
        """The same in a quoted source."""
        odd = source("Odd \U0001f680", f"Unicode 文字 {ODD_TEXT}")
        parts = await answer(subject.model, asked("Which 文字 line separator?", (odd,)))

        quotes = [part.claim.quote.strip() for part in parts if isinstance(part, CitationPart)]
        assert odd.blocks[0] in quotes

    async def test_huge_texts(self, subject: Subject) -> None:
        """A question of 10,000 characters and a source of a million are answered."""
        huge = source("Huge", *(f"Line {number} says that water boils at some degrees.\n" for number in range(20_000)))
        parts = await answer(subject.model, asked("water boil degrees " * 530, (huge,)))

        assert isinstance(parts[-1], Stop)

    async def test_history_is_no_harm(self, subject: Subject) -> None:
        """Earlier turns may be empty, repeated, or begin with an answer."""
        turns = [(Speaker.ASSISTANT, "Hi."), (Speaker.USER, "A?"), (Speaker.USER, "B?"), (Speaker.ASSISTANT, "")]
        history = tuple(PastTurn(speaker=speaker, text=text) for speaker, text in [*turns, *turns, *turns[1:]])
        request = ModelRequest(question=QUESTION, sources=SOURCES, history=history, instructions="Be brief. ")

        parts = await answer(subject.model, request)

        assert isinstance(parts[-1], Stop)


class TestEnds:
    async def test_leaving_early(self, subject: Subject) -> None:
        """The stream may be left after its first part; the model answers the next question as ever."""
        async with subject.model.stream(asked()) as parts:
            first = await anext(parts)

        assert not isinstance(first, Stop)
        assert isinstance((await answer(subject.model, asked()))[-1], Stop)

    async def test_cancelling(self, subject: Subject) -> None:
        """A cancelled task ends at once, with CancelledError."""
        able(subject.stalls)()
        reached = asyncio.Event()

        async def read() -> None:
            async with subject.model.stream(asked()) as parts:
                async for _ in parts:
                    reached.set()

        task = asyncio.create_task(read())
        await asyncio.wait_for(reached.wait(), 5)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=1)

        assert {task} == done
        assert task.cancelled()

    async def test_not_begun(self, subject: Subject) -> None:
        """An overloaded provider is ModelUnavailable."""
        able(subject.refuses)()

        with pytest.raises(ModelUnavailable):
            await answer(subject.model, asked())

    async def test_broken_off(self, subject: Subject) -> None:
        """What breaks off inside is ModelFailed, after the parts that came."""
        able(subject.breaks)()
        seen: list[ModelPart] = []

        async def read() -> None:
            async with subject.model.stream(asked()) as parts:
                async for part in parts:
                    seen.append(part)  # noqa: PERF401 what came before the error counts

        with pytest.raises(ModelFailed) as failed:
            await read()

        assert text_of(seen)
        assert failed.value.retryable

    async def test_ping(self, subject: Subject) -> None:
        """A model that is there says nothing."""
        await subject.model.ping()

    async def test_many_at_once(self, subject: Subject) -> None:
        """Answers do not mix."""
        questions = ("How many degrees does water boil at?", "What do eggs need?", "When does ice melt?")
        alone = [text_of(await answer(subject.model, asked(question))) for question in questions]
        together = await asyncio.gather(*(answer(subject.model, asked(question)) for question in questions))

        assert alone == [text_of(parts) for parts in together]
