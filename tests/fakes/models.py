"""A scripted AnswerModel."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from attrs import define, field, frozen

from application.errors import ApplicationError
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
    ToolCall,
)
from domain.answers import ClaimedCitation, Source
from domain.conversations import Usage

_CAPABILITIES = ModelCapabilities(provider="claude", default_model="fake", tools=True, follows_instructions=True)


@frozen
class Pause:
    """Stands still until the event is set, or for ever."""

    until: asyncio.Event = field(factory=asyncio.Event)


ScriptStep = ModelPart | Exception | Pause


def text(*pieces: str) -> list[ScriptStep]:
    """A block of text without citations."""
    return [BlockStarted(), *(TextPart(text=piece) for piece in pieces), BlockEnded()]


def claim(said: str, source: Source, block: int = 0) -> list[ScriptStep]:
    """A block of text that cites one block of a source, truthfully."""
    cited = ClaimedCitation(
        source_uri=source.uri, block_from=block, block_to=block + 1, quote=source.blocks[block].strip()
    )
    return [BlockStarted(), CitationPart(claim=cited), TextPart(text=said), BlockEnded()]


def stop(reason: StopReason = StopReason.END_TURN, *calls: ToolCall, usage: Usage | None = None) -> Stop:
    """The last step of a script."""
    return Stop(
        reason=reason,
        model="fake",
        usage=usage or Usage(input_tokens=10, output_tokens=5),
        calls=calls,
        turn=[{"type": "tool_use", "id": call.id} for call in calls],
    )


@define
class FakeModel:
    """Plays one script an answer, in order; without a script it repeats the first words of each source, cited.

    `requests` holds what was asked. `cancelled` counts streams that were left before their end. `refusals` are
    raised on entering, one a request, before any script is used; `ping_error` by ping.
    """

    requests: list[ModelRequest] = field(factory=list)
    refusals: deque[ApplicationError] = field(factory=deque)
    ping_error: ApplicationError | None = None
    cancelled: int = 0
    capabilities: ModelCapabilities = _CAPABILITIES
    _scripts: deque[list[ScriptStep]] = field(factory=deque)

    def script(self, *steps: ScriptStep | list[ScriptStep]) -> None:
        """What the next answer not scripted yet will be; `text` and `claim` make whole blocks."""
        flat: list[ScriptStep] = []
        for step in steps:
            flat.extend(step if isinstance(step, list) else [step])
        self._scripts.append(flat)

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[ModelPart]]:
        """Play the next script."""
        self.requests.append(request)
        await asyncio.sleep(0)
        if self.refusals:
            raise self.refusals.popleft()
        steps = self._scripts.popleft() if self._scripts else _repeating(request)
        ended = asyncio.Event()
        try:
            async with aclosing(_play(steps, ended)) as parts:
                yield parts
        finally:
            self.cancelled += not ended.is_set()

    async def ping(self) -> None:
        """Raise `ping_error`, if there is one."""
        if self.ping_error is not None:
            raise self.ping_error


async def _play(steps: list[ScriptStep], ended: asyncio.Event) -> AsyncGenerator[ModelPart, None]:
    for step in steps:
        await asyncio.sleep(0)
        if isinstance(step, Pause):
            await step.until.wait()
        elif isinstance(step, Exception):
            ended.set()
            raise step
        else:
            if isinstance(step, Stop):
                ended.set()
            yield step


def _repeating(request: ModelRequest) -> list[ScriptStep]:
    steps = text("The sources say: ")
    for source in request.sources:
        index = next((i for i, block in enumerate(source.blocks) if block.strip()), None)
        if index is not None:
            steps += claim(" ".join(source.blocks[index].split()[:6]), source, index)
    return [*steps, stop()]
