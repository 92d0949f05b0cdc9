"""The message that a reply is: content blocks and the reason for stopping."""

import json
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from attrs import field, frozen

from tests.claude_emulator import reader
from tests.claude_emulator.rules import search_results
from tests.claude_emulator.scenarios import Scenario
from tests.claude_emulator.signing import signature

Json = Mapping[str, Any]
Block = dict[str, Any]
_tool_ids = count(1)


@frozen(kw_only=True)
class Message:
    """A whole answer, before it is cut into events."""

    content: list[Block]
    stop_reason: str = "end_turn"
    stop_sequence: str | None = None
    stop_details: Block | None = None
    thinking_tokens: int = 0
    unknown: bool = False  # strew events, blocks and deltas of the future
    citations_first: bool = True
    raw_inputs: Mapping[str, str] = field(factory=dict)  # by tool id: what is sent as the input's JSON


def message_for(body: Json, scenario: Scenario) -> Message:
    """What the scenario answers to this request."""
    return _REPLIES[scenario.reply](body, scenario.options)


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _reader(body: Json, options: Json) -> Message:
    if reader.wants_tool(body):
        asked = {"query": reader.question_of(body)}
        return _tool_use(body, {"name": body["tools"][0]["name"], "inputs": [asked]})
    return Message(content=reader.read(body), citations_first=not options.get("text_first"))


def _said(body: Json, options: Json) -> Message:
    return Message(content=[_text(text) for text in options.get("texts", [options.get("text", "Hello.")])])


def _no_content(body: Json, options: Json) -> Message:
    return Message(content=[])


def _uncited(body: Json, options: Json) -> Message:
    return Message(content=[_text("".join(block["text"] for block in reader.read(body)))])


def _bad_citation(body: Json, options: Json) -> Message:
    """`how`: unknown_source, out_of_range or wrong_text; the rest of the answer is the reader's."""
    content = reader.read(body)
    forged = reader.cited(search_results(body)[0], 0, 0)
    forgeries: dict[str, Block] = {
        "unknown_source": {"source": "kb://nowhere/nothing"},
        "out_of_range": {"start_block_index": 98, "end_block_index": 99},
        "wrong_text": {"cited_text": "Nobody ever wrote this."},
    }
    wrong = forgeries[options.get("how", "unknown_source")]
    forged["citations"] = [forged["citations"][0] | wrong]
    return Message(content=[*content, forged])


def _tool_use(body: Json, options: Json) -> Message:
    content: list[Block] = [_text(options["text"])] if "text" in options else []
    raw: dict[str, str] = {}
    for asked in options.get("inputs", [{"query": reader.question_of(body)}]):
        known = asked if isinstance(asked, Mapping) else {}
        call = f"toolu_{next(_tool_ids):06}"
        content.append(
            {
                "type": "tool_use",
                "id": call,
                "name": options.get("name", "search_knowledge"),
                "input": dict(known),
                "caller": {"type": "direct"},
            }
        )
        raw[call] = asked if isinstance(asked, str) else json.dumps(asked, ensure_ascii=False)
    if options.get("thinking"):
        content = [*_thoughts(body, "omitted"), *content]
    return Message(content=content, stop_reason=options.get("stop_reason", "tool_use"), raw_inputs=raw)


def _thinking(body: Json, options: Json) -> Message:
    display = options.get("display", "summarized")
    return Message(content=[*_thoughts(body, display), *reader.read(body)], thinking_tokens=20)


def _thoughts(body: Json, display: str) -> list[Block]:
    if display == "redacted":
        return [{"type": "redacted_thinking", "data": "c2VjcmV0"}]
    thought = "Which source says it?" if display == "summarized" else ""
    signed = signature(body, len(body["messages"]), [], thought)
    return [{"type": "thinking", "thinking": thought, "signature": signed}]


def _ends(reason: str) -> Callable[[Json, Json], Message]:
    def reply(body: Json, options: Json) -> Message:
        text = options.get("text", "This is as far as")
        return Message(content=[_text(text)] if text else [], stop_reason=reason)

    return reply


def _stop_sequence(body: Json, options: Json) -> Message:
    return Message(content=[_text("Up to here")], stop_reason="stop_sequence", stop_sequence=options.get("stop", "END"))


def _refusal(body: Json, options: Json) -> Message:
    details = {"type": "refusal", "category": "cyber", "explanation": "This could do harm."}
    text = options.get("text")
    return Message(content=[_text(text)] if text else [], stop_reason="refusal", stop_details=details)


def _unknown(body: Json, options: Json) -> Message:
    return Message(content=[_text("Known words.")], stop_reason="reached_enlightenment", unknown=True)


_REPLIES: dict[str, Callable[[Json, Json], Message]] = {
    "reader": _reader,
    "text": _said,
    "no_content": _no_content,
    "uncited": _uncited,
    "bad_citation": _bad_citation,
    "tool_use": _tool_use,
    "thinking": _thinking,
    "max_tokens": _ends("max_tokens"),
    "pause_turn": _ends("pause_turn"),
    "context_window": _ends("model_context_window_exceeded"),
    "stop_sequence": _stop_sequence,
    "refusal": _refusal,
    "unknown": _unknown,
}
