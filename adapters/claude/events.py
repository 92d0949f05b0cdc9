"""Raw stream events, gathered into one assistant turn.

Events are read as plain mappings, so that events, blocks, deltas and stop reasons that are newer than the
SDK pass by without harm.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Final, Protocol, cast

from attrs import define, field

from adapters.claude.citations import SentSources
from adapters.claude.inline import MarkerReader
from application.ports.models import (
    BlockEnded,
    BlockStarted,
    CitationPart,
    ModelPart,
    Stop,
    StopReason,
    TextPart,
    ThinkingStarted,
    ToolCall,
    UsagePart,
)
from domain.conversations import Usage

Event = Mapping[str, object]

_GIVEN_BACK: Final = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
_THINKING: Final = frozenset({"thinking", "redacted_thinking"})


class TextReader(Protocol):
    """How the text of one content block becomes parts."""

    def read(self, text: str) -> Iterator[ModelPart]:
        """More text, never empty."""
        ...

    def cite(self, citation: Mapping[str, object]) -> Iterator[ModelPart]:
        """A citation that the provider attached."""
        ...

    def end(self) -> Iterator[ModelPart]:
        """The content block is whole."""
        ...


@define
class NativeText:
    """A content block is a claim; its citations come ready made, before or after the text."""

    sent: SentSources
    _open: bool = False

    def read(self, text: str) -> Iterator[ModelPart]:
        """The text, as it came."""
        yield from self._opened()
        yield TextPart(text=text)

    def cite(self, citation: Mapping[str, object]) -> Iterator[ModelPart]:
        """The claim, where it is one of a search result."""
        claim = self.sent.claim(citation)
        if claim is not None:
            yield from self._opened()
            yield CitationPart(claim=claim)

    def end(self) -> Iterator[ModelPart]:
        """Blocks that stayed empty are not told of."""
        if self._open:
            self._open = False
            yield BlockEnded()

    def _opened(self) -> Iterator[ModelPart]:
        if not self._open:
            self._open = True
            yield BlockStarted()


@define
class MarkedText:
    """Citations are markers in the text; others are not to be expected."""

    markers: MarkerReader

    def read(self, text: str) -> Iterator[ModelPart]:
        """The text without its markers."""
        return self.markers.read(text)

    def cite(self, citation: Mapping[str, object]) -> Iterator[ModelPart]:  # noqa: ARG002
        """Nothing: plain text has no citable blocks."""
        return iter(())

    def end(self) -> Iterator[ModelPart]:
        """What was held back, and the end of the last claim."""
        return self.markers.end()


@define
class _Block:
    """A content block as it will be given back."""

    content: dict[str, object]
    text: list[str] = field(factory=list)  # of a text or thinking block
    json: list[str] = field(factory=list)  # of a tool's input

    @property
    def type(self) -> object:
        return self.content.get("type")

    def whole(self) -> dict[str, object] | None:
        """Ready to be sent back; None for what the API would not take."""
        if self.type not in _GIVEN_BACK or (self.type == "text" and not "".join(self.text).strip()):
            return None
        block = {key: value for key, value in self.content.items() if value is not None}
        if self.type in {"text", "thinking"}:
            block[str(self.type)] = "".join(self.text)
        if self.type == "text" and not block.get("citations"):
            block.pop("citations", None)
        if self.type == "tool_use":
            block["input"] = self.arguments() or {}
        return block

    def arguments(self) -> dict[str, object] | None:
        """What the tool is called with; None if it is not a JSON object."""
        written = "".join(self.json)
        try:
            value = json.loads(written) if written.strip() else self.content.get("input")
        except ValueError:
            return None
        return value if isinstance(value, dict) else None


@define
class Turn:
    """One assistant turn, growing event by event; `stop` is there once the message is complete."""

    text: TextReader
    stop: Stop | None = None
    _model: str = ""
    _usage: dict[str, int] = field(factory=dict)
    _blocks: dict[int, _Block] = field(factory=dict)
    _open: int | None = None
    _thought: bool = False
    _reason: str | None = None
    _refusal: str | None = None

    def read(self, event: Event) -> Iterator[ModelPart]:
        """The parts that the event brings."""
        match event.get("type"):
            case "message_start":
                message = _mapping(event.get("message"))
                self._model = str(message.get("model") or "")
                self._count(message.get("usage"))
                yield UsagePart(usage=Usage(**self._usage))
            case "content_block_start":
                yield from self._start(event.get("index"), _mapping(event.get("content_block")))
            case "content_block_delta":
                yield from self._grow(event.get("index"), _mapping(event.get("delta")))
            case "content_block_stop":
                if event.get("index") == self._open:
                    yield from self._end_block()
            case "message_delta":
                self._learn(_mapping(event.get("delta")))
                self._count(event.get("usage"))
            case "message_stop":
                yield from self._end_block()
                if self._reason is not None:
                    self.stop = self._stopped()
            case _:
                pass

    def _start(self, index: object, content: Mapping[str, object]) -> Iterator[ModelPart]:
        yield from self._end_block()
        if not isinstance(index, int):
            return
        block = self._blocks[index] = _Block(dict(content))
        self._open = index
        if block.type in _THINKING and not self._thought:
            self._thought = True
            yield ThinkingStarted()
        if block.type == "text":
            given = content.get("citations")
            citations = [_mapping(citation) for citation in given] if isinstance(given, list) else []
            block.content["citations"] = []
            for citation in citations:
                yield from self._cite(block, citation)
        if block.type in {"text", "thinking"}:
            yield from self._write(block, content.get(str(block.type)))

    def _grow(self, index: object, delta: Mapping[str, object]) -> Iterator[ModelPart]:
        if not isinstance(index, int) or index != self._open:
            return
        block = self._blocks[index]
        match delta.get("type"), block.type:
            case "text_delta", "text":
                yield from self._write(block, delta.get("text"))
            case "citations_delta", "text":
                yield from self._cite(block, _mapping(delta.get("citation")))
            case "thinking_delta", "thinking":
                yield from self._write(block, delta.get("thinking"))
            case "signature_delta", "thinking":
                block.content["signature"] = delta.get("signature")
            case "input_json_delta", "tool_use":
                block.json.append(str(delta.get("partial_json") or ""))
            case _:
                pass

    def _write(self, block: _Block, text: object) -> Iterator[ModelPart]:
        if isinstance(text, str) and text:
            block.text.append(text)
            if block.type == "text":
                yield from self.text.read(text)

    def _cite(self, block: _Block, citation: Mapping[str, object]) -> Iterator[ModelPart]:
        # the API sends `file_id` but does not take it back
        kept = {key: value for key, value in citation.items() if key != "file_id"}
        cast("list[object]", block.content["citations"]).append(kept)
        yield from self.text.cite(citation)

    def _end_block(self) -> Iterator[ModelPart]:
        if self._open is not None:
            ended, self._open = self._blocks[self._open], None
            if ended.type == "text":
                yield from self.text.end()

    def _learn(self, delta: Mapping[str, object]) -> None:
        reason = delta.get("stop_reason")
        self._reason = reason if isinstance(reason, str) else self._reason
        explanation = _mapping(delta.get("stop_details")).get("explanation")
        self._refusal = explanation if isinstance(explanation, str) else self._refusal

    def _count(self, usage: object) -> None:
        # counts are running totals: later ones replace earlier ones, those left out stay
        self._usage |= {
            key: value for key, value in _mapping(usage).items() if isinstance(value, int) and key in _USAGE_FIELDS
        }

    def _stopped(self) -> Stop:
        reason = StopReason(self._reason) if self._reason in _REASONS else StopReason.END_TURN
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        calls = tuple(
            ToolCall(id=str(block.content.get("id")), name=str(block.content.get("name")), arguments=block.arguments())
            for block in blocks
            if block.type == "tool_use" and reason is StopReason.TOOL_USE
        )
        return Stop(
            reason=reason,
            model=self._model,
            usage=Usage(**self._usage),
            calls=calls,
            turn=[whole for block in blocks if (whole := block.whole()) is not None],
            refusal=self._refusal if reason is StopReason.REFUSAL else None,
        )


_REASONS: Final = frozenset(reason.value for reason in StopReason)
_USAGE_FIELDS: Final = frozenset(
    {"input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"}
)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
