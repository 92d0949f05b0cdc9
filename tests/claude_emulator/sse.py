"""A message as stream events, and events as frames."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tests.claude_emulator.cache import count_tokens
from tests.claude_emulator.replies import Block, Message
from tests.claude_emulator.scenarios import Framing

Event = dict[str, Any]
PING: Event = {"type": "ping"}
_COMMENT = ": keep-alive"


def whole(message: Message, *, message_id: str, model: str, usage: Mapping[str, Any]) -> Block:
    """The body of an answer that is not streamed."""
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": message.content,
        "stop_reason": message.stop_reason,
        "stop_sequence": message.stop_sequence,
        "stop_details": message.stop_details,
        "usage": {**usage, "output_tokens": _output_tokens(message), "service_tier": "standard"},
    }


def events(
    message: Message, *, message_id: str, model: str, usage: Mapping[str, Any], piece: int = 12
) -> Iterator[Event]:
    """The events of a streamed answer, in the order of the API."""
    begun = whole(message, message_id=message_id, model=model, usage=usage)
    begun |= {"content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    begun["usage"] = {**usage, "output_tokens": 1, "service_tier": "standard"}
    yield {"type": "message_start", "message": begun}
    yield PING
    index = 0
    if message.unknown:
        yield {"type": "horoscope", "index": 0, "stars": ["Sirius"]}
        yield {"type": "content_block_start", "index": 0, "content_block": {"type": "hologram", "rays": 7}}
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "ray_delta", "ray": 1}}
        yield {"type": "content_block_stop", "index": 0}
        index = 1
    for block in message.content:
        yield {"type": "content_block_start", "index": index, "content_block": _empty(block)}
        for delta in _deltas(block, message, piece):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        if message.unknown:
            yield {"type": "content_block_delta", "index": index, "delta": {"type": "scent_delta", "scent": "rain"}}
        yield {"type": "content_block_stop", "index": index}
        index += 1
    end = {
        "stop_reason": message.stop_reason,
        "stop_sequence": message.stop_sequence,
        "stop_details": message.stop_details,
    }
    details = {"output_tokens_details": {"thinking_tokens": message.thinking_tokens}} if message.thinking_tokens else {}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": _output_tokens(message), **details}}
    yield {"type": "message_stop"}


def stamp(moment: float) -> str:
    """Seconds of this machine's monotonic clock, always as long."""
    return f"{moment:016.6f} "


def frame(event: Event, framing: Framing, *, with_name: bool = True) -> bytes:
    """One event on the wire."""
    if framing.stamped and event.get("delta", {}).get("type") == "text_delta":
        event = {**event, "delta": {"type": "text_delta", "text": stamp(time.monotonic())}}
    lines = [f"data: {json.dumps(event, ensure_ascii=False)}"]
    if with_name:
        lines.insert(0, f"event: {event['type']}")
    if framing.comments:
        lines.insert(0, _COMMENT)
    end = "\r\n" if framing.crlf else "\n"
    return (end.join(lines) + end + end).encode()


def _output_tokens(message: Message) -> int:
    return count_tokens(message.content) + message.thinking_tokens


def _empty(block: Block) -> Block:
    match block["type"]:
        case "text" if "citations" in block:
            return {"citations": [], "type": "text", "text": ""}
        case "text":
            return {"type": "text", "text": ""}
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "tool_use":
            return {**block, "input": {}}
        case _:
            return block


def _deltas(block: Block, message: Message, piece: int) -> Iterator[Event]:
    match block["type"]:
        case "text":
            citations = [{"type": "citations_delta", "citation": each} for each in block.get("citations", [])]
            texts = [{"type": "text_delta", "text": part} for part in _pieces(block["text"], piece)]
            yield from citations + texts if message.citations_first else texts + citations
        case "thinking":
            for part in _pieces(block["thinking"], piece):
                yield {"type": "thinking_delta", "thinking": part}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "tool_use":
            yield {"type": "input_json_delta", "partial_json": ""}
            for part in _pieces(message.raw_inputs[block["id"]], piece):
                yield {"type": "input_json_delta", "partial_json": part}


def _pieces(text: str, piece: int) -> list[str]:
    return [text[start : start + piece] for start in range(0, len(text), piece)]
