"""The language model, as answering needs it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol

from attrs import field, frozen

from domain.answers import ClaimedCitation, Source
from domain.conversations import Speaker, Usage


@frozen(kw_only=True)
class ModelCapabilities:
    """What the provider behind the port can do."""

    provider: str  # "claude", "claude-inline", "extractive"
    default_model: str
    tools: bool  # whether it may call tools
    follows_instructions: bool  # False: instructions and history are ignored (extractive)


@frozen(kw_only=True)
class PastTurn:
    """A finished turn of the conversation, plain: no sources, no thinking."""

    speaker: Speaker
    text: str


@frozen(kw_only=True)
class ToolSpec:
    """A tool that the model may call. `input_schema` is JSON Schema 2020-12."""

    name: str
    description: str
    input_schema: Mapping[str, object]


@frozen(kw_only=True)
class ToolCall:
    """The model wants a tool run. `arguments` is None when what it sent was not a JSON object."""

    id: str
    name: str
    arguments: Mapping[str, object] | None


@frozen(kw_only=True)
class ToolResult:
    """What came of a call: sources found (none found is not an error), or why it failed."""

    call_id: str
    sources: tuple[Source, ...] = ()
    error: str | None = None


@frozen(kw_only=True)
class ToolRound:
    """One exchange inside an answer: the model's turn, given back verbatim, and one result a call."""

    turn: object  # opaque: what `Stop.turn` brought
    results: tuple[ToolResult, ...]


@frozen(kw_only=True)
class ModelRequest:
    """All that an answer is made of. Document text is only ever in `sources`."""

    question: str
    sources: tuple[Source, ...] = ()
    instructions: str = ""
    history: tuple[PastTurn, ...] = ()
    model: str | None = None  # None: the adapter's default
    max_tokens: int = 4096
    tools: tuple[ToolSpec, ...] = ()
    tools_allowed: bool = True  # False on the last round: the tools stay named, none may be called
    rounds: tuple[ToolRound, ...] = ()
    user_ref: str | None = None  # opaque, no personal data


@frozen(kw_only=True)
class BlockStarted:
    """A text block begins; what follows until `BlockEnded` is one claim."""


@frozen(kw_only=True)
class TextPart:
    """More text, never empty."""

    text: str


@frozen(kw_only=True)
class CitationPart:
    """A citation of the present block; it may come before, between or after its text."""

    claim: ClaimedCitation


@frozen(kw_only=True)
class BlockEnded:
    """The text block is whole."""


@frozen(kw_only=True)
class ThinkingStarted:
    """The model thinks; nothing of it is shown."""


@frozen(kw_only=True)
class UsagePart:
    """What the present turn took so far, as the provider counts it; a later one, and `Stop`, replace it."""

    usage: Usage


class StopReason(StrEnum):
    """Why a turn ended. Reasons that are not known count as END_TURN."""

    END_TURN = "end_turn"
    MAX_TOKENS = "max_tokens"
    STOP_SEQUENCE = "stop_sequence"
    TOOL_USE = "tool_use"
    PAUSE_TURN = "pause_turn"
    REFUSAL = "refusal"
    CONTEXT_WINDOW_EXCEEDED = "model_context_window_exceeded"


@frozen(kw_only=True)
class Stop:
    """The last part of every stream that did not raise."""

    reason: StopReason
    model: str
    usage: Usage
    calls: tuple[ToolCall, ...] = ()
    turn: object = field(default=None, repr=False)  # for `ToolRound.turn`
    refusal: str | None = None  # the provider's explanation, where it gave one


ModelPart = BlockStarted | TextPart | CitationPart | BlockEnded | ThinkingStarted | UsagePart | Stop


class AnswerModel(Protocol):
    """A model that writes answers from sources.

    Errors, from opening the stream or while reading it: `application.errors.ModelUnavailable` when asking
    again later may help and nothing was begun (cannot be reached, overloaded, rate limited, bad key,
    spend limit), `application.errors.ModelFailed` for a request that the provider refuses and for every way in
    which a stream can break off after it began, silent truncation included. No vendor exception gets out.
    """

    @property
    def capabilities(self) -> ModelCapabilities:
        """What it can do."""
        ...

    def stream(self, request: ModelRequest) -> AbstractAsyncContextManager[AsyncIterator[ModelPart]]:
        """Ask. Entering sends the request; the iterator gives the parts and ends after one `Stop`.

        Leaving the context early, or cancelling the task, stops the provider's work at once.
        """
        ...

    async def ping(self) -> None:
        """Raise unless the provider is believed to answer; makes no paid call."""
        ...
